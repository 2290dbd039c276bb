"""Write the published numbers into the documents that show them.

::

    python benchmarks/render.py            # the scores' file, and the marked parts of documents
    python benchmarks/render.py --check    # only says what is stale, with exit status 1
    python benchmarks/render.py --picture  # the picture of a tagged report too

A part stands between ``<!-- begin generated: NAME -->`` and ``<!-- end generated: NAME -->``, where
NAME is ``scores``, ``speed``, ``sentences`` or ``models``. Scores come from the ``metrics.json`` of
the shipped models, the rest from ``results/``.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diplomacy_nlp.errors import DataError, DiplomacyError

__all__ = [
    "models_part",
    "replace_parts",
    "scores_part",
    "sentences_part",
    "speed_part",
    "stale_files",
]

_ROOT = Path(__file__).resolve().parent.parent

_EVALUATION_SETS = {
    "test": "other documents of the sources it was trained on",
    "test_source": "a source it was never trained on",
    "written": "those written for this project, held out",
}
_README_PARTS = {"scores", "speed", "sentences"}
_MARKED = re.compile(
    r"(?P<begin><!-- begin generated: (?P<name>\S+) -->\n).*?(?P<end><!-- end generated: \2 -->)",
    re.DOTALL,
)


def stale_files(root: Path = _ROOT) -> dict[Path, str]:
    """Return the files whose text is not what the results make it, with the right text.

    Parameters
    ----------
    root : Path
        The repository.

    Raises
    ------
    DataError
        A file of results is missing, or the README lacks a marked part.
    """
    results = root / "benchmarks" / "results"
    quality = {
        name: _quality(_read_json(root / "models" / name / "metrics.json"))
        for name in ("default", "baseline")
    }
    parts = {
        "models": models_part(quality),
        "scores": scores_part(quality),
        "speed": speed_part(_read_json(results / "speed.json")),
        "sentences": sentences_part(_read_json(results / "sentences.json")),
    }
    readme = root / "README.md"
    marked = {match["name"] for match in _MARKED.finditer(_read(readme))}
    if missing := _README_PARTS - marked:
        raise DataError(f"{readme}: has no generated part named {', '.join(sorted(missing))}")
    texts = {
        document: replace_parts(_read(document), parts)
        for document in (readme, *sorted(root.glob("*/README.md")), *sorted(root.glob("docs/*.md")))
    }
    texts[results / "quality.json"] = json.dumps(quality, indent=2) + "\n"
    return {
        path: text
        for path, text in texts.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_read(path))
    return content


def _quality(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model's metrics say of its scores."""
    kept = ("scores", "data", "training_seconds", "machine", "versions")
    return {key: metrics[key] for key in kept}


def replace_parts(text: str, parts: Mapping[str, str]) -> str:
    r"""Return a document with its marked parts written anew.

    Parameters
    ----------
    text : str
        The document.
    parts : mapping of str to str
        What each part says, by name.

    Raises
    ------
    DataError
        A mark names no part.

    Examples
    --------
    >>> text = "<!-- begin generated: speed -->\nslow\n<!-- end generated: speed -->"
    >>> print(replace_parts(text, {"speed": "fast\n"}))
    <!-- begin generated: speed -->
    fast
    <!-- end generated: speed -->
    """

    def part(match: re.Match[str]) -> str:
        if match["name"] not in parts:
            raise DataError(f"no generated part {match['name']!r}; there are {', '.join(parts)}")
        return match["begin"] + parts[match["name"]] + match["end"]

    return _MARKED.sub(part, text)


def scores_part(quality: Mapping[str, Any]) -> str:
    """Return the models' scores on the four core domains.

    Parameters
    ----------
    quality : mapping
        The scores of ``default`` and ``baseline``, as in ``results/quality.json``.
    """
    names = {"default": "shipped model", "baseline": "TF-IDF baseline"}
    rows = [
        [name, *_scores(quality[model], list(_EVALUATION_SETS))] for model, name in names.items()
    ]
    scores = quality["default"]["scores"]
    sets = ", those of ".join(
        f"`{key}` are from {what} "
        f"({scores[key]['n_sentences']} with {_n_labels(scores[key])} labels)"
        for key, what in _EVALUATION_SETS.items()
    )
    return (
        _table(["macro-F1, four core domains", *(f"`{key}`" for key in _EVALUATION_SETS)], rows)
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
    return _table(["shipped model", *headings], rows)


def _n_labels(evaluation: Mapping[str, Any]) -> int:
    return sum(domain["support"] for domain in evaluation["domains"].values())


def _scores(model: Mapping[str, Any], sets: Sequence[str]) -> list[str]:
    scores = [model["scores"][key]["macro_f1"] for key in sets]
    return [
        f"{score['value']:.3f} ({score['interval']['low']:.3f}–{score['interval']['high']:.3f})"
        for score in scores
    ]


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
        _table(["model", "training", *(f"`{key}`" for key in sets)], rows)
        + "\nThe macro-F1 over the four core domains, with 95 % bootstrap intervals over "
        f"documents, after training on {model['data']['n_train']:,} sentences with "
        f"{model['machine']['n_cores']} cores and torch {model['versions']['torch']}.\n"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def speed_part(speed: Mapping[str, Any]) -> str:
    """Return how fast the model is beside other ways to run it, and how soon it answers.

    Parameters
    ----------
    speed : mapping
        ``results/speed.json``.
    """
    rows = [
        [
            row["name"],
            _spread(row["sentences_per_second"], 0),
            _spread(row["ratio_to_pipeline"], 1),
        ]
        for row in speed["throughput"]
    ]
    machine, tag = speed["machine"], speed["cold_start"]["tag"]
    return (
        _table(["", "sentences per second", "times the pipeline"], rows)
        + f"\nThe median of {speed['n_rounds']} rounds over {speed['n_sentences']:,} sentences in "
        f"batches of {speed['batch_size']}, with the smallest and the largest, on "
        f"{machine['n_cores']} cores ({machine['processor']}). All but the baseline have the same "
        "fine-tuned weights. From a cold start, `diplomacy-nlp tag examples/summit.txt` takes "
        f"{_spread(tag['seconds'], 2)} seconds and {tag['peak_mb']['median']:.0f} MB.\n"
    )


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
        _table(["cases solved", "held out", "all"], rows)
        + f"\nHard cases for sentence splitters, {sentences['n_cases']} in all, with 95 % "
        "intervals of the share. They were written for this project and follow its conventions: "
        "most of them along with its own rules, the held-out ones after these were frozen.\n"
    )


def _share(share: Mapping[str, Any]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{share['n_solved']} of {share['n_cases']} ({low:.0f}–{high:.0f} %)"


def _spread(spread: Mapping[str, float], n_digits: int) -> str:
    low, median, high = (f"{spread[key]:,.{n_digits}f}" for key in ("low", "median", "high"))
    return median if low == high else f"{median} ({low}–{high})"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of names in the first column and numbers in the others."""
    rule = ["---"] + ["--:"] * (len(headings) - 1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rule, *rows))


def _picture(report: Path) -> str:
    # Only here, since the tables need no model.
    from picture import picture_of_report

    from diplomacy_nlp import Tagger

    return picture_of_report(report, Tagger.load())


def main(arguments: Sequence[str] | None = None, root: Path = _ROOT) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    parser.add_argument("--picture", action="store_true", help="draw docs/tagged-report.svg too")
    options = parser.parse_args(arguments)
    try:
        stale = stale_files(root)
        if options.picture and not options.check:
            stale[root / "docs" / "tagged-report.svg"] = _picture(root / "examples" / "summit.txt")
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path, text in stale.items():
        print(f"{path}: {'is stale' if options.check else 'written'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
