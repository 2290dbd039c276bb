"""Fixtures that several test modules share."""

import shutil
from pathlib import Path

import fakes
import pytest

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.tagger import Tagger


@pytest.fixture
def fake_tagger(monkeypatch: pytest.MonkeyPatch) -> Tagger:
    """Make ``Tagger.load`` return a tagger that needs no model, which tags by keywords."""
    monkeypatch.setattr(Tagger, "load", staticmethod(fakes.load_fake_tagger))
    return fakes.load_fake_tagger()


@pytest.fixture(scope="session")
def words() -> Examples:
    """Return 400 sentences of few words in train, dev and test, which a tiny encoder learns."""
    import tiny

    return tiny.word_examples(400)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an untrained BERT of two layers."""
    import tiny

    return tiny.build_encoder("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def tiny_model(
    tiny_encoder: Path, words: Examples, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the model folder of a tiny encoder; tests that change it copy it first."""
    import tiny

    from diplomacy_nlp.trainer import train

    folder = tmp_path_factory.mktemp("trained") / "tiny"
    return train(words, tiny.recipe(tiny_encoder), folder).folder


@pytest.fixture(scope="session")
def tiny_fast_model(
    tiny_model: Path, words: Examples, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the model folder of a tiny encoder with a fast tier."""
    import tiny

    from diplomacy_nlp.distillation import distil

    folder = tmp_path_factory.mktemp("distilled") / "tiny"
    shutil.copytree(tiny_model, folder)
    return distil(folder, words, tiny.unlabelled_words(), tiny.distil_recipe()).folder


@pytest.fixture(scope="session")
def tiny_baseline(words: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model folder of a baseline; tests that change it copy it first."""
    from diplomacy_nlp.recipe import TrainConfig
    from diplomacy_nlp.trainer import train

    folder = tmp_path_factory.mktemp("trained") / "baseline"
    return train(words, TrainConfig(architecture="baseline"), folder).folder
