"""Training in several processes, as ``torchrun`` and ``accelerate launch`` start them.

All of them run the same code on the same data, and the Trainer of transformers adds up their
gradients. What need be done once only is done by the main process, the one of rank 0.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from diplomacy_nlp.errors import ConfigError

__all__ = ["check_batch_size", "from_main", "is_main", "main_speaks", "n_processes", "rank"]

_Made = TypeVar("_Made")

# Longer than any work of the main process that the others wait for.
_PATIENCE = timedelta(days=7)

# Longer than a launcher takes to end the other processes once one has failed.
_LAST_WORDS_SECONDS = 10.0


def n_processes() -> int:
    """Return how many processes train together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Return whether this is the process that writes and prints."""
    return rank() == 0


def check_batch_size(batch_size: int) -> None:
    """Refuse a batch that cannot be divided evenly.

    Raises
    ------
    ConfigError
        ``batch_size`` is no multiple of the number of processes.
    """
    if batch_size % n_processes():
        raise ConfigError(
            f"batch_size is {batch_size}; in {n_processes()} processes it must be a multiple of "
            f"{n_processes()}, since they share each batch"
        )


def from_main(make: Callable[[], _Made]) -> _Made:
    """Return in every process what the main one makes; the others wait for it.

    Parameters
    ----------
    make : callable
        Called in the main process alone. What it returns is pickled on its way to the others.
    """
    if n_processes() == 1:
        return make()
    import torch
    from accelerate import PartialState

    PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    made: list[Any] = [make() if is_main() else None]
    torch.distributed.broadcast_object_list(made, src=0)
    return cast("_Made", made[0])


@contextlib.contextmanager
def main_speaks() -> Iterator[None]:
    """Let the main process alone print, and be the first to say what went wrong.

    When one process fails, those that wait for it fail too, and the launcher ends them all. The
    others keep their errors back until then: an error that is theirs alone is still told.
    """
    if is_main():
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                yield
        except Exception:
            time.sleep(_LAST_WORDS_SECONDS)
            raise
