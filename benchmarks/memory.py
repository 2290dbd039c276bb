"""How much memory an archive takes, whatever its size.

::

    python benchmarks/memory.py                                   # writes results/memory.json
    python benchmarks/memory.py --runs fast:100000 --output FILE  # one run, elsewhere

Each run is ``tag FOLDER --output FOLDER/ --format parquet`` as a process of its own, over documents
of ``data/written.jsonl``. Its peak is that of the resident set.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cold_start import run_process
from scale import write_folder

from diplomacy_nlp.benchmark.machine import describe_machine, installed_versions

__all__ = ["measure"]

_ROOT = Path(__file__).resolve().parent.parent
_RUNS = "accurate:10000,accurate:100000,accurate:1000000,fast:100000,fast:1000000"
_PACKAGES = ("numpy", "onnxruntime", "tokenizers", "pyarrow")


def measure(tier: str, n_sentences: int) -> dict[str, Any]:
    """Tag so many sentences, and return how long that took and how much memory.

    The splitter finds somewhat more sentences than were written; what it found is returned.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = write_folder(Path(work, "in"), n_sentences)
        output = Path(work, "out")
        options = ["--tier", tier, "--format", "parquet", "--output", f"{output}/"]
        seconds, peak_mb = run_process(["-m", "diplomacy_nlp", "tag", str(folder.path), *options])
        progress = json.loads((output / "progress.json").read_text(encoding="utf-8"))
    n_tagged = sum(part["n_sentences"] for part in progress["parts"])
    return {"tier": tier, "n_sentences": n_tagged, "seconds": seconds, "peak_mb": peak_mb}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", default=_RUNS, metavar="TIER:N", help="joined by commas")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks/results/memory.json")
    options = parser.parse_args(arguments)
    load_average = os.getloadavg()[0]
    runs = []
    for run in options.runs.split(","):
        tier, _, n_sentences = run.partition(":")
        runs.append(measure(tier, int(n_sentences)))
        print(runs[-1], file=sys.stderr)
    results = {
        "runs": runs,
        "load_average": load_average,
        "machine": describe_machine(),
        "versions": installed_versions(_PACKAGES),
    }
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
