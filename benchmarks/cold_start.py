"""How soon the command line answers, and how much memory that takes.

::

    python benchmarks/cold_start.py                 # writes results/cold_start.json

Each command is a process of its own, from the start of Python to its end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from diplomacy_nlp.benchmark.machine import describe_machine, installed_versions
from diplomacy_nlp.benchmark.timing import Spread

__all__ = ["ProcessCost", "Target", "measure_process", "run_process", "targets"]

_ROOT = Path(__file__).resolve().parent.parent
_COMMANDS = {
    "tag": ["-m", "diplomacy_nlp", "tag", str(_ROOT / "examples" / "summit.txt")],
    "help": ["-m", "diplomacy_nlp", "--help"],
    "import": ["-c", "import diplomacy_nlp"],
}
_MAX_TAG_SECONDS, _MAX_TAG_MB = 1.5, 250.0
_MAX_IMPORT_SECONDS, _MAX_HELP_SECONDS = 0.25, 0.5
_PACKAGES = ("numpy", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class ProcessCost:
    """What a whole process takes, over some runs: wall seconds and peak memory in 10^6 bytes."""

    seconds: Spread
    peak_mb: Spread
    n_runs: int


@dataclass(frozen=True)
class Target:
    """A limit, and whether what was measured keeps it."""

    name: str
    limit: float
    measured: float

    @property
    def is_met(self) -> bool:
        """Whether it stays below the limit."""
        return self.measured < self.limit


def measure_process(arguments: Sequence[str], n_runs: int) -> ProcessCost:
    """Run Python with these arguments, once uncounted and then ``n_runs`` times.

    Call it before anything large is imported: on Linux the peak memory of a new process is at
    least that of the process which started it.

    Raises
    ------
    CalledProcessError
        A run failed.
    """
    runs = [run_process(arguments) for _ in range(n_runs + 1)][1:]
    seconds, peak_mb = zip(*runs, strict=True)
    return ProcessCost(Spread.of(seconds), Spread.of(peak_mb), n_runs)


def run_process(arguments: Sequence[str]) -> tuple[float, float]:
    """Return the wall seconds and the peak memory, in 10^6 bytes, of one run of Python."""
    command = [sys.executable, *arguments]
    # What is installed has its bytecode; the first run writes that of a checkout.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # macOS counts bytes, everything else 1,024 of them.
    n_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return seconds, n_bytes / 1e6


def targets(costs: Mapping[str, ProcessCost]) -> tuple[Target, ...]:
    """Compare medians with the limits that the project has set itself."""
    return (
        Target("seconds of tag", _MAX_TAG_SECONDS, costs["tag"].seconds.median),
        Target("MB of tag", _MAX_TAG_MB, costs["tag"].peak_mb.median),
        Target("seconds of --help", _MAX_HELP_SECONDS, costs["help"].seconds.median),
        Target("seconds of import", _MAX_IMPORT_SECONDS, costs["import"].seconds.median),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a missed target is reported and no failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="timed processes a command")
    parser.add_argument(
        "--output", type=Path, default=_ROOT / "benchmarks" / "results" / "cold_start.json"
    )
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    load_average = os.getloadavg()[0]
    costs = {name: measure_process(command, options.runs) for name, command in _COMMANDS.items()}
    results = {
        "commands": {name: asdict(cost) for name, cost in costs.items()},
        "load_average": load_average,
        "machine": describe_machine(),
        "versions": installed_versions(_PACKAGES),
    }
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    table = Table("cold start", "limit", "median", "", title="Whole processes")
    for target in targets(costs):
        verdict = "[green]pass[/]" if target.is_met else "[red]miss[/]"
        table.add_row(target.name, f"{target.limit:g}", f"{target.measured:.2f}", verdict)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
