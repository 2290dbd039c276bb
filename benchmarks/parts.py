"""What the generated parts of documents say: tables in Markdown with a sentence or two."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from diplomacy_nlp import CORE

__all__ = [
    "behaviour_part",
    "models_part",
    "scores_part",
    "sentences_part",
    "spread_cell",
    "table",
    "thresholds_part",
    "wide_part",
]

_EVALUATION_SETS = {
    "test": "other documents of the sources it was trained on",
    "test_source": "a source it was never trained on",
    "written": "those written for this project, held out",
    "reports": "whole news reports, by a writer that it never learned from",
}
_SHOWN_GOALS = {"precision": (0.9, 0.95), "recall": (0.9, 0.95)}


def scores_part(quality: Mapping[str, Any]) -> str:
    """Return the models' scores on the four core domains.

    Parameters
    ----------
    quality : mapping
        ``metrics.json`` of the models ``default`` and ``baseline``.
    """
    models = {
        "shipped model": quality["default"],
        "its fast tier": quality["default"]["fast_tier"],
        "TF-IDF baseline": quality["baseline"],
    }
    rows = [[name, *_scores(of_model, list(_EVALUATION_SETS))] for name, of_model in models.items()]
    scores = quality["default"]["scores"]
    sets = ", those of ".join(
        f"`{key}` are from {what} "
        f"({scores[key]['n_sentences']} with {_n_labels(scores[key])} labels)"
        for key, what in _EVALUATION_SETS.items()
    )
    return (
        table(["macro-F1, four core domains", *(f"`{key}`" for key in _EVALUATION_SETS)], rows)
        + f"\nThe sentences of {sets}. With the scores stand 95 % bootstrap intervals over "
        "documents.\n\n" + _domain_table(scores, ("test", "test_source"))
    )


def _domain_table(scores: Mapping[str, Any], sets: Sequence[str]) -> str:
    measures = ("precision", "recall", "f1")
    headings = [name for key in sets for name in (f"`{key}` precision", "recall", "F1")]
    rows = [
        [domain, *(f"{scores[key]['domains'][domain][m]:.3f}" for key in sets for m in measures)]
        for domain in scores[sets[0]]["domains"]
    ]
    return table(["shipped model", *headings], rows)


def _n_labels(evaluation: Mapping[str, Any], domains: Sequence[str] | None = None) -> int:
    of_domain = evaluation["domains"]
    return sum(of_domain[name]["support"] for name in domains or of_domain)


def _scores(model: Mapping[str, Any], sets: Sequence[str]) -> list[str]:
    scores = [model["scores"][key]["macro_f1"] for key in sets]
    return [
        f"{score['value']:.3f} ({score['interval']['low']:.3f}–{score['interval']['high']:.3f})"
        for score in scores
    ]


def wide_part(metrics: Mapping[str, Any]) -> str:
    """Return the shipped model's scores on the nine wider domains, with their counts.

    Parameters
    ----------
    metrics : mapping
        ``metrics.json`` of the model.
    """
    scores = metrics["scores_of_all_domains"]
    wider = [name for name in scores["test"]["domains"] if name not in CORE]
    headings = [name for key in _EVALUATION_SETS for name in (f"`{key}` F1", "labels")]
    rows = [
        [
            domain,
            *(cell for key in _EVALUATION_SETS for cell in _f1_and_support(scores[key], domain)),
        ]
        for domain in wider
    ]
    means = [
        cell
        for key in _EVALUATION_SETS
        for cell in (f"{_mean_f1(scores[key], wider):.3f}", f"{_n_labels(scores[key], wider):,}")
    ]
    relations = ", ".join(
        f"{score['value']:.3f} ({score['interval']['low']:.3f}–{score['interval']['high']:.3f}) "
        f"on `{key}`"
        for key in _EVALUATION_SETS
        if (score := scores[key]["relation_macro_f1"]) is not None
    )
    return (
        table(["wider domains", *headings], [*rows, ["mean, sum", *means]])
        + "\nWith the scores stand 95 % bootstrap intervals over documents. Where a domain has few "
        f"labels its score says little. The relation's macro-F1 is {relations}.\n"
    )


def _f1_and_support(evaluation: Mapping[str, Any], domain: str) -> tuple[str, str]:
    scores = evaluation["domains"][domain]
    if scores["f1"] is None:
        return "–", str(scores["support"])
    low, high = (scores["f1_interval"][end] for end in ("low", "high"))
    return f"{scores['f1']:.3f} ({low:.2f}–{high:.2f})", str(scores["support"])


def _mean_f1(evaluation: Mapping[str, Any], domains: Sequence[str]) -> float:
    values = (evaluation["domains"][domain]["f1"] for domain in domains)
    return statistics.fmean(value for value in values if value is not None)


def behaviour_part(behaviour: Mapping[str, Any] | None) -> str:
    """Return how many behaviour tests of each kind the shipped models pass.

    Parameters
    ----------
    behaviour : mapping or None
        ``results/behaviour.json``; None where the tests were not run.
    """
    if behaviour is None:
        return ""
    kinds = behaviour["kinds"]
    totals = {
        "cases": sum(kind["cases"] for kind in kinds.values()),
        "pass": {
            model: sum(kind["pass"][model] for kind in kinds.values())
            for model in ("default", "baseline")
        },
    }
    rows = [
        [name, f"{kind['cases']:,}", *(_passed(kind, model) for model in ("default", "baseline"))]
        for name, kind in (*kinds.items(), ("all", totals))
    ]
    return (
        table(["behaviour tests", "cases", "shipped model passes", "baseline passes"], rows)
        + "\nSmall tests written one by one. A case passes when all its sentences have exactly the "
        "right core domains or, where only the wording differs, all the same.\n"
    )


def _passed(kind: Mapping[str, Any], model: str) -> str:
    passed = kind["pass"][model]
    return f"{passed:,} ({100 * passed / kind['cases']:.0f} %)"


def models_part(quality: Mapping[str, Any]) -> str:
    """Return how long the shipped models took to train, and what they scored.

    Parameters
    ----------
    quality : mapping
        As of :func:`scores_part`.
    """
    sets = ("dev", *_EVALUATION_SETS)
    rows = [
        [f"`{name}`", _duration(model["training_seconds"]), *_scores(model, sets)]
        for name, model in quality.items()
    ]
    model = quality["default"]
    return (
        table(["model", "training", *(f"`{key}`" for key in sets)], rows)
        + "\nThe macro-F1 over the four core domains, with 95 % bootstrap intervals over "
        f"documents, after training on {model['data']['n_train']:,} sentences with "
        f"{model['machine']['n_cores']} cores and torch {model['versions']['torch']}.\n"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def sentences_part(sentences: Mapping[str, Any]) -> str:
    """Return how many hard cases the sentence splitters solve.

    Parameters
    ----------
    sentences : mapping
        ``results/sentences.json``.
    """
    splitters = sentences["splitters"]
    rows = [
        [name, _share(splitter["held_out"]), _share(splitter["all"])]
        for name, splitter in splitters.items()
    ]
    return (
        table(["cases solved", "held out", "all"], rows)
        + f"\nHard cases for sentence splitters, {sentences['n_cases']} in all, with 95 % "
        "intervals of the share. They were written for this project and follow its conventions: "
        "most of them along with its own rules, the held-out ones after these were frozen.\n"
    )


def thresholds_part(points: Mapping[str, Any]) -> str:
    """Return what thresholds of the shipped model reach on the four core domains.

    Parameters
    ----------
    points : mapping
        ``operating_points.json`` of the model.
    """
    rows = []
    for domain in CORE.names:
        known = points["domains"][domain]
        rows.append([domain, "best F1", *_point(known["default"], 0)])
        rows += [
            [domain, f"{measure} {goal:g}", *_point(known[measure], points["goals"].index(goal))]
            for measure, goals in _SHOWN_GOALS.items()
            for goal in goals
        ]
    return (
        table(["domain", "goal", "threshold", "precision", "recall"], rows)
        + f"\nOn the {points['n_sentences']:,} sentences of {points['n_documents']:,} documents of "
        f"dev, with 95 % intervals over {points['n_bootstrap']:,} bootstrap replicates of the "
        "documents.\n"
    )


def _point(columns: Mapping[str, Any], position: int) -> list[str]:
    row = {name: values[position] for name, values in columns.items()}
    if row["threshold"] is None:
        return ["cannot be had", "", ""]
    spread = f"{row['threshold']:.2f} ({row['low']:.2f}–{row['high']:.2f})"
    return [spread, f"{row['precision']:.3f}", f"{row['recall']:.3f}"]


def _share(share: Mapping[str, Any]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{share['n_solved']} of {share['n_cases']} ({low:.0f}–{high:.0f} %)"


def spread_cell(spread: Mapping[str, float], n_digits: int) -> str:
    """Return a median with the smallest and the largest, where they differ."""
    low, median, high = (f"{spread[key]:,.{n_digits}f}" for key in ("low", "median", "high"))
    return median if low == high else f"{median} ({low}–{high})"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of names in the first column and numbers in the others."""
    rule = ["---"] + ["--:"] * (len(headings) - 1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rule, *rows))
