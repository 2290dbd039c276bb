"""Results of a quality benchmark that nobody ran, for tests of what is shown of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from diplomacy_nlp.benchmark.results import Cell, ModelScores, NotRun, QualityResults, Run


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
