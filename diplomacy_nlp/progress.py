"""How far a training run is, as its callers are told."""

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training run is.

    Parameters
    ----------
    step, n_steps : int
        Optimiser steps done and to do, of all runs together.
    epoch : float
        Epochs done of the run that is on; each but the last is one of about ``n_epochs`` equal
        shares of it.
    dev_macro_f1 : float or None
        Of the last epoch, in [0, 1]; None before the first.
    """

    step: int
    n_steps: int
    epoch: float
    dev_macro_f1: float | None
