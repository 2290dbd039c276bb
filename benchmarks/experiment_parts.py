"""What documents say of the ideas that were tried for the shipped model."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from parts import table

__all__ = ["experiments_part"]

_MEASURES = {
    "core_macro_f1": "macro-F1, core",
    "core_average_precision": "average precision, core",
    "all_macro_f1": "macro-F1, 13 domains",
    "relation_macro_f1": "macro-F1, relation",
}


def experiments_part(experiments: Mapping[str, Any]) -> str:
    """Return the dev scores of what was tried, and what came of it.

    Parameters
    ----------
    experiments : mapping
        ``results/experiments.json``.
    """
    ideas = experiments["ideas"]
    rows = [
        [
            f"{idea['name']}{' (kept)' if idea['kept'] else ''}",
            str(len(idea["runs"])),
            *(_spread([run[measure] for run in idea["runs"]]) for measure in _MEASURES),
        ]
        for idea in ideas
        if idea["runs"]
    ]
    verdicts = "".join(
        f"- **{idea['name']}**: {idea['what']} {idea['verdict']}\n" for idea in ideas
    )
    n_sentences = f"{experiments['dev']['n_sentences']:,}"
    return (
        table(["on dev", "runs", *_MEASURES.values()], rows)
        + f"\nMeans over runs with different seeds, with the smallest and the largest, on the "
        f"{n_sentences} sentences of dev, calibration and thresholds fitted on them.\n\n{verdicts}"
    )


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"
