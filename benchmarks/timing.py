"""Repeated measurements: rounds of calls in this process, and runs of whole processes."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "ProcessCost",
    "Spread",
    "TagSentences",
    "measure_process",
    "time_rounds",
]

TagSentences: TypeAlias = Callable[[list[str]], object]

# The threads of the one before go on spinning for a while when their work is done.
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Spread:
    """The median of repeated measurements, the smallest and the largest.

    Examples
    --------
    >>> Spread.of([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class ProcessCost:
    """What a whole process takes, over some runs: wall seconds and peak memory in 10^6 bytes."""

    seconds: Spread
    peak_mb: Spread
    n_runs: int


def time_rounds(
    taggers: Mapping[str, TagSentences],
    sentences: list[str],
    n_rounds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds that each took for the sentences in each round.

    Parameters
    ----------
    taggers : mapping of str to callable
        Run once a round each, after a round that is not timed; another begins in every round.
    sentences : list of str
        The same for all.
    n_rounds : int
        At least 1.
    clock : callable
        Returns seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in taggers}
    for tag in taggers.values():
        tag(sentences)
    names = list(taggers)
    for number in range(n_rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(_PAUSE_SECONDS)
            started = clock()
            taggers[name](sentences)
            seconds[name].append(clock() - started)
    return seconds


def measure_process(arguments: Sequence[str], n_runs: int) -> ProcessCost:
    """Run Python with these arguments, once uncounted and then ``n_runs`` times.

    Call it before anything large is imported: on Linux the peak memory of a new process is at
    least that of the process which started it.

    Raises
    ------
    CalledProcessError
        A run failed.
    """
    runs = [_run_process(arguments) for _ in range(n_runs + 1)][1:]
    seconds, peak_mb = zip(*runs, strict=True)
    return ProcessCost(Spread.of(seconds), Spread.of(peak_mb), n_runs)


def _run_process(arguments: Sequence[str]) -> tuple[float, float]:
    """Return the wall seconds and the peak memory of one run."""
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
