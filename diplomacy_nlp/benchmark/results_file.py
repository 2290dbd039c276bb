"""The files of benchmarks' results."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from diplomacy_nlp.benchmark.results import QualityResults
from diplomacy_nlp.benchmark.speed_results import SpeedResults
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.output import open_output

__all__ = ["read_results", "read_speed", "write_results"]

_Results = TypeVar("_Results")


def read_results(path: Path) -> QualityResults:
    """Read a file of a quality benchmark's results.

    Raises
    ------
    DataError
        It cannot be read, or holds something else.
    """
    return _read(path, "quality", QualityResults.from_dict)


def read_speed(path: Path) -> SpeedResults:
    """Read a file of a speed benchmark's results.

    Raises
    ------
    DataError
        It cannot be read, or holds something else.
    """
    return _read(path, "speed", SpeedResults.from_dict)


def _read(path: Path, what: str, from_dict: Callable[[Mapping[str, Any]], _Results]) -> _Results:
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not the results of a {what} benchmark: {error}") from error


def write_results(path: Path, results: QualityResults | SpeedResults) -> None:
    """Write a file of results, whole or not at all, with one entry a line."""
    with open_output(path) as file:
        file.write(_json(results.to_dict()))


def _json(document: Mapping[str, Any]) -> str:
    """Return JSON whose lists of the first level have one line an entry, which diffs can show."""
    parts = []
    for name, value in document.items():
        if isinstance(value, list):
            lines = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in value)
            text = f"[\n  {lines}\n ]" if value else "[]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        parts.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
