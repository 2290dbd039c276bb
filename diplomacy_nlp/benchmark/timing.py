"""Repeated measurements: rounds in which systems take turns, and what is told of them."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = ["Latency", "Measurement", "Spread", "Tag", "Timed", "take_turns", "time_once"]

Tag: TypeAlias = Callable[[list[str]], object]

# The threads of the one before go on spinning for a while when their work is done.
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one sentence by itself takes, in milliseconds: the median and the 95th percentile.

    Examples
    --------
    >>> Latency.of([0.001 * n for n in range(1, 101)])
    Latency(p50_ms=50.5, p95_ms=95.0)
    """

    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Summarise at least one value in seconds."""
        rank = math.ceil(0.95 * len(seconds)) - 1
        return cls(1000 * statistics.median(seconds), 1000 * sorted(seconds)[rank])


@dataclass(frozen=True, slots=True)
class Measurement:
    """The seconds that all sentences took in one call, and some of them in a call each."""

    seconds: float
    latencies: tuple[float, ...]


class Timed(Protocol):
    """What can be told to tag and say how long it took."""

    def measure(self, kind: str, number: int) -> Measurement:
        """Tag the sentences of a kind, in the round with this number."""
        ...


def time_once(
    tag: Tag,
    sentences: list[str],
    singles: Sequence[str],
    clock: Callable[[], float] = time.perf_counter,
) -> Measurement:
    """Tag sentences in one call, then others one by one.

    Parameters
    ----------
    tag : callable
        Takes a list of sentences.
    sentences : list of str
        Given to it at once.
    singles : sequence of str
        Each given to it alone.
    clock : callable
        Returns seconds.
    """
    started = clock()
    tag(sentences)
    seconds = clock() - started
    latencies = []
    for sentence in singles:
        started = clock()
        tag([sentence])
        latencies.append(clock() - started)
    return Measurement(seconds, tuple(latencies))


def take_turns(
    systems: Mapping[str, Timed],
    kinds: Sequence[str],
    n_rounds: int,
    drop: Callable[[str, RuntimeError], None],
) -> dict[str, dict[str, list[Measurement]]]:
    """Return the measurements of every system and kind of sentences, one a round.

    Parameters
    ----------
    systems : mapping of str to Timed
        Warm. Run once a round each; another begins in every round.
    kinds : sequence of str
        Of sentences.
    n_rounds : int
        At least 1.
    drop : callable
        Called with the name of a system that failed, and its error. It is timed no more.

    Returns
    -------
    dict
        By system and kind, without those that failed.
    """
    measured: dict[str, dict[str, list[Measurement]]] = {
        name: {kind: [] for kind in kinds} for name in systems
    }
    names = list(systems)
    for number in range(n_rounds):
        first = number % max(len(names), 1)
        for kind in kinds:
            for name in names[first:] + names[:first]:
                if name not in measured:
                    continue
                time.sleep(_PAUSE_SECONDS)
                try:
                    measured[name][kind].append(systems[name].measure(kind, number))
                except RuntimeError as error:
                    del measured[name]
                    drop(name, error)
    return measured
