"""Write the published numbers into the documents that show them.

::

    python benchmarks/render.py            # the marked parts of documents, and the charts
    python benchmarks/render.py --check    # only says what is stale, with exit status 1
    python benchmarks/render.py --picture  # the picture of a tagged report too

A part stands between ``<!-- begin generated: NAME -->`` and ``<!-- end generated: NAME -->``, where
NAME is ``scores``, ``wide``, ``systems``, ``learning``, ``behaviour``, ``speed``,
``speed-details``, ``memory``, ``scale``, ``sentences``, ``models``, ``thresholds`` or
``experiments``. Scores and
thresholds come from the folders of the shipped models, the rest from ``results/``; what was not
measured leaves its part empty. A chart names the hash of its numbers, and is stale when they
change, not when another matplotlib would draw it otherwise.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiment_parts import experiments_part
from parts import (
    behaviour_part,
    models_part,
    scores_part,
    sentences_part,
    thresholds_part,
    wide_part,
)
from quality_parts import learning_part, systems_part
from scale_parts import memory_part, scale_part
from speed_parts import speed_details_part, speed_part

from diplomacy_nlp import DataError, DiplomacyError
from diplomacy_nlp.benchmark.results import QualityResults
from diplomacy_nlp.benchmark.results_file import read_results, read_speed
from diplomacy_nlp.benchmark.speed_quality import SpeedQuality, speed_quality
from diplomacy_nlp.benchmark.speed_results import SpeedResults

__all__ = ["replace_parts", "stale_files", "thresholds_part"]

_ROOT = Path(__file__).resolve().parent.parent

_README_PARTS = {"scores", "wide", "systems", "behaviour", "speed", "sentences"}
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
    metrics = {
        name: _read_json(root / "models" / name / "metrics.json")
        for name in ("default", "baseline")
    }
    points = root / "models" / "default" / "operating_points.json"
    quality = _quality_results(results / "quality.json")
    speed = read_speed(results / "speed.json")
    parts = {
        "models": models_part(metrics),
        "scores": scores_part(metrics),
        "wide": wide_part(metrics["default"]),
        "systems": systems_part(quality),
        "learning": learning_part(quality),
        "behaviour": behaviour_part(_read_json_if_there(results / "behaviour.json")),
        "speed": speed_part(speed, _read_json(results / "cold_start.json")),
        "speed-details": speed_details_part(speed),
        "memory": memory_part(_read_json_if_there(results / "memory.json")),
        "scale": scale_part(_read_json_if_there(results / "scale.json")),
        "sentences": sentences_part(_read_json(results / "sentences.json")),
        "thresholds": thresholds_part(_read_json(points)),
        "experiments": experiments_part(_read_json(results / "experiments.json")),
    }
    readme = root / "README.md"
    marked = {match["name"] for match in _MARKED.finditer(_read(readme))}
    if missing := _README_PARTS - marked:
        raise DataError(f"{readme}: has no generated part named {', '.join(sorted(missing))}")
    texts = {
        document: replace_parts(_read(document), parts)
        for document in (readme, *sorted(root.glob("*/README.md")), *sorted(root.glob("docs/*.md")))
    }
    if quality is not None:
        texts |= _stale_charts(root / "docs", quality, speed)
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


def _read_json_if_there(path: Path) -> dict[str, Any] | None:
    return _read_json(path) if path.exists() else None


def _quality_results(path: Path) -> QualityResults | None:
    return read_results(path) if path.exists() else None


def _stale_charts(folder: Path, quality: QualityResults, speed: SpeedResults) -> dict[Path, str]:
    """Return the charts that show other numbers than these, drawn anew."""
    kind, of_set = speed.kinds[-1], quality.sets[0]
    points = speed_quality(speed, quality, kind, of_set)
    curves, scatter = folder / "learning-curves.svg", folder / "speed-quality.svg"
    charts = {}
    if not _is_fresh(curves, numbers := _curve_numbers(quality)):
        charts[curves] = _curves(quality) + _hash_line(numbers)
    if points and not _is_fresh(scatter, numbers := [kind, of_set, *map(asdict, points)]):
        charts[scatter] = _scatter(points, kind, of_set) + _hash_line(numbers)
    return charts


def _hash_line(numbers: Sequence[Any]) -> str:
    """Return the comment by which a chart says which numbers it shows."""
    return f"<!-- numbers {hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:16]} -->\n"


def _is_fresh(chart: Path, numbers: Sequence[Any]) -> bool:
    return chart.exists() and _read(chart).endswith(_hash_line(numbers))


def _curve_numbers(quality: QualityResults) -> list[Any]:
    return sorted(
        (run.cell.system, run.n_rows, run.cell.seed, name, run.scores[name]["macro_f1"]["value"])
        for run in quality.runs
        for name in quality.sets
    )


def _curves(quality: QualityResults) -> str:
    # Only here, since matplotlib takes long to import.
    from diplomacy_nlp.benchmark.chart import learning_curves

    return learning_curves(quality, quality.sets)


def _scatter(points: Sequence[SpeedQuality], kind: str, of_set: str) -> str:
    from diplomacy_nlp.benchmark.speed_chart import speed_quality_chart

    return speed_quality_chart(points, kind, of_set)


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
