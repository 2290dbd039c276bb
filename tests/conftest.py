"""Fixtures that several test modules share."""

import fakes
import pytest

from diplomacy_nlp.tagger import Tagger


@pytest.fixture
def fake_tagger(monkeypatch: pytest.MonkeyPatch) -> Tagger:
    """Make ``Tagger.load`` return a tagger that needs no model, which tags by keywords."""
    monkeypatch.setattr(Tagger, "load", staticmethod(fakes.load_fake_tagger))
    return fakes.load_fake_tagger()
