"""What the generated parts on archives and clusters say."""

from collections.abc import Mapping
from typing import Any

from parts import spread_cell, table

__all__ = ["hours_for", "memory_part", "scale_part"]

_N_SENTENCES = 1_000_000_000
_NODES = (1, 4, 16, 64)
_NODE_CORES = (16, 64)


def hours_for(n_sentences: float, rate_per_worker: float, n_workers: int) -> float:
    """Return the hours that workers take, each at a rate in sentences per second.

    Examples
    --------
    >>> hours_for(1e9, rate_per_worker=500.0, n_workers=16)
    34.72222222222222
    """
    return n_sentences / (rate_per_worker * n_workers) / 3600


def memory_part(memory: Mapping[str, Any] | None) -> str:
    """Return how much memory archives of some sizes took.

    Parameters
    ----------
    memory : mapping or None
        ``results/memory.json``; None where it was not measured.
    """
    if memory is None:
        return ""
    rows = [
        [
            run["tier"],
            f"{run['n_sentences']:,}",
            f"{run['peak_mb']:,.0f}",
            f"{run['seconds']:,.0f}",
            f"{run['n_sentences'] / run['seconds']:,.0f}",
        ]
        for run in memory["runs"]
    ]
    machine = memory["machine"]
    return (
        table(["tier", "sentences", "peak MB", "seconds", "sentences per second"], rows)
        + "\nOne run each of the whole command, from JSON Lines to Parquet in parts, on "
        f"{machine['n_cores']} cores ({machine['processor']}).\n"
    )


def scale_part(scale: Mapping[str, Any] | None) -> str:
    """Return how fast Ray tags here, and what a billion sentences would take on clusters.

    Parameters
    ----------
    scale : mapping or None
        ``results/scale.json``; None where it was not measured.
    """
    if scale is None:
        return ""
    most = max(scale["ray"], key=lambda run: run["n_workers"])
    rate = most["sentences_per_second"]["median"] / most["n_workers"]
    rows = [["one process", *_cells(scale["one_process"])]]
    rows += [[f"Ray, {_workers(run['n_workers'])}", *_cells(run)] for run in scale["ray"]]
    hours = [
        [str(n), *(_hours(hours_for(_N_SENTENCES, rate, n * cores)) for cores in _NODE_CORES)]
        for n in _NODES
    ]
    machine, sizes = scale["machine"], scale["bytes_per_sentence"]
    gigabytes = {name: size * _N_SENTENCES / 1e9 for name, size in sizes.items()}
    return (
        table(["", "sentences per second", "seconds to start"], rows)
        + f"\nThe median of {scale['n_rounds']} rounds over a folder of "
        f"{scale['n_sentences']['large']:,} sentences, with the smallest and the largest, on "
        f"{machine['n_cores']} cores ({machine['processor']}), from JSON Lines to Parquet.\n\n"
        + table(["nodes", *(f"of {cores} cores" for cores in _NODE_CORES)], hours)
        + f"\nFor {_N_SENTENCES:,} sentences, at the {rate:,.0f} a second that each of "
        f"{_workers(most['n_workers'])} reached here, if workers on other cores and nodes reach as "
        f"much. That is {gigabytes['text']:,.0f} GB of text in and {gigabytes['parquet']:,.0f} GB "
        "of Parquet out.\n"
    )


def _cells(run: Mapping[str, Any]) -> list[str]:
    return [spread_cell(run["sentences_per_second"], 0), spread_cell(run["start_up_seconds"], 1)]


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


def _hours(hours: float) -> str:
    return f"{hours / 24:,.1f} days" if hours >= 48 else f"{hours:,.1f} hours"
