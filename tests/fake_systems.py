"""Systems that take a second each without doing anything, for tests of what stands around them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from diplomacy_nlp.benchmark import contestants, session, speed
from diplomacy_nlp.benchmark.contestants import Contestant, Job
from diplomacy_nlp.benchmark.roofline import MatrixPeaks
from diplomacy_nlp.benchmark.timing import Measurement
from diplomacy_nlp.errors import ConfigError

# Seconds of a round; the others cannot be had.
SECONDS = {"accurate": 0.5, "fast": 0.125, "pipeline": 4.0, "baseline": 0.25, "spacy": 1.0}
# Rounds that a system lives; the others outlive them all.
N_ROUNDS: dict[str, int] = {}


class FakeProcess:
    """Stands in for ``SystemProcess``."""

    start_up_seconds = 0.5

    def __init__(self, name: str, source: str, sentences: Path) -> None:
        assert sentences.is_file()
        if source == "broken":
            raise RuntimeError("ValueError: it is broken")
        self._name = name

    def measure(self, kind: str, number: int) -> Measurement:
        assert kind in ("labelled", "running")
        if number >= N_ROUNDS.get(self._name, math.inf):
            raise RuntimeError("its process ended with -9: nothing said")
        return Measurement(SECONDS[self._name] * (number + 1), (0.001, 0.002))

    def finish(self) -> float:
        return 100.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def source(name: str) -> Callable[[Job], str]:
    def prepare(job: Job) -> str:
        assert job.folder.name == name
        if name == "torch":
            raise ConfigError("cannot be made ready")
        if name == "model2vec":
            raise ValueError("out of\nmemory")
        return "broken" if name == "setfit" else job.model

    return prepare


def install(monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...] = ()) -> None:
    """Put fakes in the place of all systems, some of which are not installed."""
    fakes = {
        name: Contestant(
            name, known.title, ("no_such_module",) if name in missing else (), (), source(name)
        )
        for name, known in contestants.CONTESTANTS.items()
    }
    monkeypatch.setattr(contestants, "CONTESTANTS", fakes)
    monkeypatch.setattr(session, "SystemProcess", FakeProcess)
    monkeypatch.setattr("diplomacy_nlp.benchmark.timing._PAUSE_SECONDS", 0)
    monkeypatch.setattr(speed, "measure_peaks", lambda n: MatrixPeaks(1e12, 1e11, n))
