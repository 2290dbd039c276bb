"""One system in a process of its own, which does as it is told, a line of JSON at a time.

``python -m diplomacy_nlp.benchmark.worker NAME SOURCE SENTENCES`` loads a system, tags a sentence
and says so; SENTENCES is a JSON file of lists by kind. It times what each line of its input asks
for, and says its peak memory when there are no more.
"""

import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from diplomacy_nlp.benchmark.loading import LOADERS
from diplomacy_nlp.benchmark.timing import time_once
from diplomacy_nlp.errors import DiplomacyError

__all__ = ["main", "peak_memory_mb"]

_FIRST_SENTENCE = "The two ministers agreed to build a gas pipeline."
# Tagged one by one in a round, others in the next.
_N_SINGLES = 40


def main(name: str, source: str, path: str) -> None:
    """Serve one system until the input ends."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            tag = LOADERS[name](source)
            tag([_FIRST_SENTENCE])
        except Exception as error:  # whatever a library raises is the answer
            _say(answers, {"error": _reason(error)})
            return
        _say(answers, {"ready": True})
        sentences: dict[str, list[str]] = json.loads(Path(path).read_text(encoding="utf-8"))
        for line in sys.stdin:
            order = json.loads(line)
            texts = sentences[order["kind"]]
            first = order["number"] * _N_SINGLES % len(texts)
            singles = (texts[first:] + texts[:first])[:_N_SINGLES]
            _say(answers, asdict(time_once(tag, texts, singles)))
        _say(answers, {"peak_mb": peak_memory_mb()})


def _reason(error: Exception) -> str:
    message = str(error).partition("\n")[0]
    return message if isinstance(error, DiplomacyError) else f"{type(error).__name__}: {message}"


def _say(file: TextIO, answer: Mapping[str, Any]) -> None:
    print(json.dumps(answer), file=file, flush=True)


def peak_memory_mb() -> float | None:
    """Return the largest resident set of this process so far, in 10^6 bytes; None on Windows."""
    # Elsewhere than here, Linux counts in what the process had before it became this program.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    n_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, everything else 1,024 of them.
    return n_bytes * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
