"""What documents say of the quality benchmark: this library beside others, over training rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from parts import table

from diplomacy_nlp.benchmark.results import QualityResults, Run, Spread, size_name
from diplomacy_nlp.benchmark.systems import SYSTEMS

__all__ = ["learning_part", "systems_part"]

_NO_RESULTS = ""


def systems_part(results: QualityResults | None) -> str:
    """Return how the systems score that have learned from all rows.

    Parameters
    ----------
    results : QualityResults or None
        None where the benchmark was not run.
    """
    if results is None or not results.runs:
        return _NO_RESULTS
    sets = results.sets
    rows = [
        [SYSTEMS[name].title, *(_cell(results.spread(name, None, of_set)) for of_set in sets)]
        for name in _systems(results)
        if results.spread(name, None, sets[0]) is not None
    ]
    # The shipped baseline is the one above, trained once.
    rows += [
        ["the shipped model", *(_value(model.scores[of_set]) for of_set in sets)]
        for model in results.models
        if model.name == "default"
    ]
    n_rows = results.data["sets"]["train"]["n_sentences"]
    left_out = [SYSTEMS[name].title for name in SYSTEMS if name not in results.systems]
    missing = f" Not run: {', '.join(left_out)}." if left_out else ""
    return (
        table([f"macro-F1, {n_rows:,} training sentences", *(f"`{key}`" for key in sets)], rows)
        + f"\nMeans over {_n_seeds(results)} seeds, with the smallest and the largest. All learn "
        "from the same labels of the same sentences, and get their thresholds on the same dev; the "
        f"shipped model has more to learn from.{missing} [How, and what it costs]"
        "(docs/benchmarks.md).\n\n![Learning curves](docs/learning-curves.svg)\n"
    )


def learning_part(results: QualityResults | None) -> str:
    """Return the scores of all systems and sizes, what they cost, and what was not run.

    Parameters
    ----------
    results : QualityResults or None
        None where the benchmark was not run.
    """
    if results is None or not results.runs:
        return _NO_RESULTS
    headings = [size_name(size) for size in results.sizes]
    systems = _systems(results)
    texts = ["![Learning curves](learning-curves.svg)\n"]
    for of_set in results.sets:
        rows = [
            [
                SYSTEMS[name].title,
                *(_cell(results.spread(name, size, of_set)) for size in results.sizes),
            ]
            for name in systems
        ]
        texts.append(table([f"macro-F1 on `{of_set}`", *headings], rows))
    texts.append(
        f"Means over {_n_seeds(results)} seeds, with the smallest and the largest, after training "
        "on so many sentences.\n"
    )
    costs = [
        [SYSTEMS[name].title, *_costs(results, name), _speed(results, name)] for name in systems
    ]
    texts.append(table(["core-seconds of training", *headings, "sentences per second"], costs))
    texts.append(f"{_machines(results.runs)}\n")
    texts.append("".join(f"- {line}\n" for line in _remarks(results)))
    return "\n".join(texts)


def _systems(results: QualityResults) -> list[str]:
    return [name for name in SYSTEMS if name in results.systems]


def _n_seeds(results: QualityResults) -> int:
    return len({run.cell.seed for run in results.runs})


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    if spread.low == spread.high:
        return f"{spread.mean:.3f}"
    return f"{spread.mean:.3f} ({spread.low:.3f}–{spread.high:.3f})"


def _value(scores: Mapping[str, Any]) -> str:
    return f"{scores['macro_f1']['value']:.3f}"


def _costs(results: QualityResults, system: str) -> Iterable[str]:
    for size in results.sizes:
        runs = [run for run in results.runs if (run.cell.system, run.cell.size) == (system, size)]
        seconds = [run.fit_core_seconds for run in runs]
        yield f"{Spread.of(seconds).mean:,.0f}" if seconds else "–"


def _speed(results: QualityResults, system: str) -> str:
    runs = [run for run in results.runs if run.cell.system == system]
    n_predicted = sum(run.n_predicted for run in runs)
    return f"{n_predicted / sum(run.predict_seconds for run in runs):,.0f}"


def _machines(runs: Iterable[Run]) -> str:
    machines = {f"{run.machine['n_cores']} cores ({run.machine['processor']})" for run in runs}
    return f"Measured on {' and '.join(sorted(machines))}."


def _remarks(results: QualityResults) -> Iterable[str]:
    """Yield a line on the settings of each system, and on what was not run."""
    for name in _systems(results):
        run = next(run for run in reversed(results.runs) if run.cell.system == name)
        versions = ", ".join(f"{package} {version}" for package, version in run.versions.items())
        settings = ", ".join(f"`{key}` {_plain(value)}" for key, value in run.settings.items())
        yield f"{SYSTEMS[name].title}: {settings}; {versions}."
    for reason, names in results.reasons.items():
        yield f"Not run: {', '.join(names)}: {reason}."


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
