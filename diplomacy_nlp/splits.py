"""Division of examples into train, dev and test, with what belongs together on one side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.near_duplicates import number_units, pair_near_identical

__all__ = ["Split", "split_examples"]

_N_DIVISIONS = 20

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Examples in three parts.

    Parameters
    ----------
    train : Examples
        For fitting.
    dev : Examples
        For thresholds, calibration, early stopping and every choice.
    test : Examples
        For the scores to publish; empty where the examples came divided into two.
    """

    train: Examples
    dev: Examples
    test: Examples


def split_examples(
    examples: Examples, *, seed: int = 0, dev_share: float = 0.1, test_share: float = 0.1
) -> Split:
    """Divide examples into train, dev and test.

    Where every example names its split, that is the split: "train" and "dev", and "test" if there
    is one. If "dev" is missing it is cut out of "train", and "test" too if both are missing.
    Examples of any other split, such as a second test set, are left out of all three.

    Where none names a split, and where a part is cut out of "train", the examples are divided at
    random. A group stays on one side, and so do groups that hold near-identical sentences:
    sentences whose sets of character 5-grams have a Jaccard similarity [1]_ of at least 0.8, case,
    punctuation and digits aside. Of twenty random divisions the one is taken whose shares of
    sentences and of labels are nearest to those asked for, so the shares are approximate.

    Parameters
    ----------
    examples : Examples
        At least three groups, or sentences without a group.
    seed : int, default=0
        The same seed and examples give the same split.
    dev_share, test_share : float, default=0.1
        Shares of the sentences that are divided, each between 0 and 0.5.

    Returns
    -------
    Split
        Examples in their order within each part.

    Raises
    ------
    DataError
        Some examples name a split and some do not, none is for training, or there are too few
        groups to divide.
    ConfigError
        A share is not between 0 and 0.5.
    MissingExtraError
        The examples must be divided at random and scikit-learn is not installed.

    References
    ----------
    .. [1] A. Z. Broder, "On the resemblance and containment of documents", SEQUENCES 1997.
    """
    for name, share in (("dev_share", dev_share), ("test_share", test_share)):
        if not 0 < share < 0.5:
            raise ConfigError(f"{name}={share} is not between 0 and 0.5")
    source = examples.source or "examples"
    if not examples:
        raise DataError(f"{source}: there are no sentences to divide")
    n_without = sum(example.split is None for example in examples)
    if n_without == len(examples):
        return _divide(examples, seed, dev_share, test_share)
    if n_without:
        raise DataError(
            f"{source}: {n_without} of {len(examples)} sentences have no split. "
            "Give one to all or to none"
        )
    train, dev, test = (examples.where_split(name) for name in ("train", "dev", "test"))
    if not train:
        found = ", ".join(sorted(examples.splits))
        raise DataError(f"{source}: no sentence has the split 'train'. Found: {found}")
    if dev:
        return Split(train, dev, test)
    if not test:
        return _divide(train, seed, dev_share, test_share)
    cut = _divide(train, seed, dev_share, 0.0)
    return Split(cut.train, cut.dev, test)


def _divide(examples: Examples, seed: int, dev_share: float, test_share: float) -> Split:
    """Divide at random; a share of 0 leaves its part empty."""
    units = number_units(examples.groups, pair_near_identical(examples.texts))
    sizes = np.bincount(units)
    shares = (test_share, dev_share)
    n_parts = 1 + np.count_nonzero(shares)
    if len(sizes) < n_parts:
        raise DataError(
            f"{examples.source or 'examples'}: cannot be divided into {n_parts} parts. Sentences: "
            f"{len(examples)}; sets that groups and near-identity tie together: {len(sizes)}"
        )
    random = np.random.default_rng(seed)
    labels = examples.labels
    divisions = [_assign(sizes, shares, random)[units] for _ in range(_N_DIVISIONS)]
    best = min(divisions, key=lambda parts: _distance(parts, shares, labels))
    test, dev, train = (examples.select(np.flatnonzero(best == part)) for part in range(3))
    return Split(train, dev, test)


def _assign(sizes: _Integers, shares: Sequence[float], random: np.random.Generator) -> _Integers:
    """Give each unit the number of a share, or the number after the last: int64 (n_units,).

    A unit greater than the least share is not drawn while there are others, and the greatest
    never, so that one long document does not become the whole of a part.
    """
    order = random.permutation(len(sizes))
    large = sizes > min(share for share in shares if share) * sizes.sum()
    rank = np.where(np.arange(len(sizes)) == np.argmax(sizes), 2, large)
    order = order[np.argsort(rank[order], kind="stable")]
    parts = np.full(len(sizes), len(shares))
    n_parts_after = np.count_nonzero(shares)
    for part, share in enumerate(shares):
        if share:
            middles = np.cumsum(sizes[order]) - sizes[order] / 2
            n_fitting = int(np.searchsorted(middles, share * sizes.sum(), side="right"))
            n_taken = min(max(n_fitting, 1), len(order) - n_parts_after)
            parts[order[:n_taken]] = part
            order = order[n_taken:]
            n_parts_after -= 1
    return parts


def _distance(parts: _Integers, shares: Sequence[float], labels: npt.NDArray[np.bool_]) -> float:
    """Say how far the sizes and label frequencies of the parts are from those wanted."""
    frequencies = labels.mean(axis=0)
    variances = frequencies * (1 - frequencies) + 1e-9
    distance = 0.0
    for part, share in enumerate(shares):
        if share:
            members = parts == part
            differences = labels[members].mean(axis=0) - frequencies
            distance += (members.mean() / share - 1) ** 2 + (differences**2 / variances).sum()
    return float(distance)
