"""Results of benchmarks that nobody ran, for tests of what is shown of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diplomacy_nlp.benchmark.results import Cell, ModelScores, NotRun, QualityResults, Run
from diplomacy_nlp.benchmark.roofline import MatrixPeaks, Roofline, Work
from diplomacy_nlp.benchmark.speed_results import SpeedResults, SpeedRun, SystemSpeed, Timing
from diplomacy_nlp.benchmark.timing import Measurement, Spread


def scores(value: float) -> dict[str, Any]:
    score = {"value": value, "interval": {"low": value - 0.05, "high": value + 0.05}}
    return {"macro_f1": score, "micro_f1": score, "n_sentences": 12}


def made_up(names: Sequence[str] = ("diplomacy_nlp", "setfit", "baseline")) -> QualityResults:
    """Return results that rise with the rows and fall from system to system."""

    def runs() -> Iterator[Run]:
        for place, system in enumerate(names):
            for step, size in enumerate((100, 1000, None)):
                for seed in range(3):
                    value = 0.6 + 0.1 * step - 0.03 * place + 0.01 * seed
                    yield Run(
                        Cell(system, size, seed),
                        size or 4000,
                        {"dev": scores(value), "test": scores(value), "far": scores(value - 0.1)},
                        fit_seconds=2.0,
                        fit_core_seconds=3.0,
                        predict_seconds=0.5,
                        n_predicted=40,
                        settings={"epochs": 1},
                        versions={"python": "3.11"},
                        machine={"processor": "a chip", "n_cores": 2},
                    )

    sets = {n: {"n_sentences": 12, "n_labels": 9} for n in ("train", "dev", "test", "far")}
    data = {"sha256": "0", "domains": ["energy", "trade"], "sets": sets}
    model = ModelScores("default", "1", {"test": scores(0.9), "far": scores(0.8)})
    gone = tuple(
        NotRun(Cell("spacy", size, 0), "not installed: spacy") for size in (100, 1000, None)
    )
    return QualityResults(data, tuple(runs()), gone, (model,))


# Seconds for 100 sentences, in two rounds.
SECONDS = {
    "accurate": (0.1, 0.125),
    "fast": (0.02, 0.025),
    "pipeline": (1.0, 1.0),
    "baseline": (0.005, 0.004),
}


def system_speed(name: str, kinds: Sequence[str], seconds: Mapping[str, Sequence[float]]) -> Any:
    def rounds(system: str) -> list[Measurement]:
        return [Measurement(taken, (taken / 50,) * 4) for taken in seconds[system]]

    pipeline = rounds("pipeline") if "pipeline" in seconds else None
    timings = {kind: Timing.of(rounds(name), pipeline, 100, 3000) for kind in kinds}
    return SystemSpeed(name, timings, Spread(0.5, 0.25, 0.75), 150.0)


def made_up_speed(kinds: Sequence[str] = ("labelled", "running")) -> SpeedResults:
    """Return results of two runs, the second with a pipeline of half the speed."""
    work = dict.fromkeys(kinds, Work(1e9, 1e8))
    peaks = MatrixPeaks(2e10, 1e10, n_threads=2)
    roofline = Roofline.of(peaks, work, dict.fromkeys(kinds, 0.12))
    machine = {"processor": "a chip", "n_cores": 2}
    other = {"pipeline": (2.0, 2.0), "spacy": (0.05, 0.05)}
    runs = (
        SpeedRun(
            tuple(system_speed(name, kinds, SECONDS) for name in SECONDS),
            n_rounds=2,
            machine=machine,
            versions={"python": "3.11"},
            load_average=0.25,
            roofline=roofline,
        ),
        SpeedRun(
            tuple(system_speed(name, kinds, other) for name in other),
            n_rounds=2,
            machine=machine,
            versions={"spacy": "3.8"},
        ),
    )
    texts = {kind: {"sha256": kind, "n_sentences": 100, "n_tokens": 3000} for kind in kinds}
    model = {"name": "default", "sha256": "1"}
    return SpeedResults(model, texts, runs, {"setfit": "not installed: setfit"})
