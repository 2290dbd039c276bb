"""Write the published numbers into the documents that show them.

::

    python benchmarks/render.py            # the scores' file, and the marked parts of documents
    python benchmarks/render.py --check    # only says what is stale, with exit status 1
    python benchmarks/render.py --picture  # the picture of a tagged report too

A part stands between ``<!-- begin generated: NAME -->`` and ``<!-- end generated: NAME -->``, where
NAME is ``scores``, ``speed`` or ``sentences``. Scores come from the ``metrics.json`` of the shipped
models, the others from ``results/``.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diplomacy_nlp.errors import DataError, DiplomacyError

__all__ = ["replace_parts", "scores_part", "sentences_part", "speed_part", "stale_files"]

_ROOT = Path(__file__).resolve().parent.parent

_EVALUATION_SETS = {
    "test": "other documents of the sources that the model was trained on",
    "test_source": "a source that it was never trained on",
    "written": "sentences written for this project",
}
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
        "scores": scores_part(quality),
        "speed": speed_part(_read_json(results / "speed.json")),
        "sentences": sentences_part(_read_json(results / "sentences.json")),
    }
    readme = root / "README.md"
    if missing := parts.keys() - {match["name"] for match in _MARKED.finditer(_read(readme))}:
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
    kept = ("scores", "scores_of_all_domains", "data", "versions")
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
        [name, *(_score(quality[model]["scores"][key]["macro_f1"]) for key in _EVALUATION_SETS)]
        for model, name in names.items()
    ]
    scores = quality["default"]["scores"]
    sets = "; ".join(
        f"`{key}` has {scores[key]['n_sentences']} sentences with {_n_labels(scores[key])} labels, "
        f"{what}"
        for key, what in _EVALUATION_SETS.items()
    )
    return (
        _table(["macro-F1, four core domains", *_code(_EVALUATION_SETS)], rows)
        + f"\nIn brackets, the 95 % bootstrap interval over documents. {sets}.\n\n"
        + _domain_table(scores, ("test", "test_source"))
    )


def _domain_table(scores: Mapping[str, Any], sets: Sequence[str]) -> str:
    measures = {"precision": "precision", "recall": "recall", "f1": "F1"}
    headings = [f"{measure}, `{key}`" for key in sets for measure in measures.values()]
    rows = [
        [domain, *(f"{scores[key]['domains'][domain][m]:.3f}" for key in sets for m in measures)]
        for domain in scores[sets[0]]["domains"]
    ]
    return _table(["shipped model", *headings], rows)


def _n_labels(evaluation: Mapping[str, Any]) -> int:
    return sum(domain["support"] for domain in evaluation["domains"].values())


def _score(score: Mapping[str, Any]) -> str:
    interval = score["interval"]
    return f"{score['value']:.3f} ({interval['low']:.3f}–{interval['high']:.3f})"


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
        f"{machine['n_cores']} cores of an {machine['processor']}. All but the baseline have the "
        "same fine-tuned weights. From a cold start, `diplomacy-nlp tag examples/summit.txt` takes "
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
        + f"\nHard cases for sentence splitters, {sentences['n_cases']} in all, with the 95 % "
        "interval of the share. The splitter's rules were written against the others and frozen "
        "before the held-out ones were written.\n"
    )


def _share(share: Mapping[str, Any]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{share['n_solved']} of {share['n_cases']} ({low:.0f}–{high:.0f} %)"


def _spread(spread: Mapping[str, float], n_digits: int) -> str:
    low, median, high = (f"{spread[key]:,.{n_digits}f}" for key in ("low", "median", "high"))
    return median if low == high else f"{median} ({low}–{high})"


def _code(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


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
