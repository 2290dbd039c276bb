"""How many sentences and labels there are in each split, and where there are too few."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.checks.findings import Finding
from diplomacy_nlp.curves import wilson_interval
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS

__all__ = ["FEWEST_POSITIVES", "SplitCounts", "count_splits", "find_few_positives"]

#: The fewest sentences on which a recall of 0.9 has a 95 % interval no wider than 0.2. Nothing so
#: definite can be said of training, for which it serves as well.
FEWEST_POSITIVES = 37
_RECALL = 0.9


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """What one split holds.

    Parameters
    ----------
    split : str or None
        Its name; None for sentences without a split.
    n_sentences, n_groups : int
        Sentences, and the groups that they come from; a sentence without one is a group.
    n_without_domain : int
        Sentences that have no domain.
    domains : mapping of str to int
        Sentences of each domain, in column order.
    relations : mapping of str to int
        Sentences of each relation.
    n_without_relation : int
        Sentences of unknown relation.
    """

    split: str | None
    n_sentences: int
    n_groups: int
    n_without_domain: int
    domains: Mapping[str, int]
    relations: Mapping[str, int]
    n_without_relation: int


def count_splits(examples: Examples) -> tuple[SplitCounts, ...]:
    """Count what each split holds: train, dev and test before others."""
    names = {example.split for example in examples}
    first = ("train", "dev", "test")
    order = [name for name in first if name in names]
    order += sorted(name for name in names if name is not None and name not in first)
    counts = [_count(name, examples.where_split(name)) for name in order]
    if None in names:
        rows = [row for row, example in enumerate(examples) if example.split is None]
        counts.append(_count(None, examples.select(rows)))
    return tuple(counts)


def _count(split: str | None, examples: Examples) -> SplitCounts:
    relations = Counter(example.relation for example in examples)
    return SplitCounts(
        split=split,
        n_sentences=len(examples),
        n_groups=len(set(examples.groups)),
        n_without_domain=sum(not example.domains for example in examples),
        domains=dict(
            zip(examples.domains.names, examples.labels.sum(axis=0).tolist(), strict=True)
        ),
        relations={name: relations[name] for name in RELATIONS},
        n_without_relation=relations[None],
    )


def find_few_positives(counts: Sequence[SplitCounts]) -> Iterator[Finding]:
    """Find domains with fewer than :data:`FEWEST_POSITIVES` sentences in a split.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22 (158), 209-212.
    """
    for of_split in counts:
        where = "without a split" if of_split.split is None else f"of {of_split.split}"
        for name, n_positives in of_split.domains.items():
            if n_positives >= FEWEST_POSITIVES:
                continue
            noun = "sentences" if n_positives > 1 else "sentence"
            message = f"{name}: {n_positives or 'no'} {noun} {where}"
            if of_split.split == "train":
                message += ", few to learn from"
            elif n_positives:
                interval = _wilson_interval(_RECALL, n_positives)
                message += (
                    f"; a recall of {_RECALL} on them may be {interval.low:.2f} to "
                    f"{interval.high:.2f} on others"
                )
            details = {"split": of_split.split, "domain": name, "n_positives": n_positives}
            yield Finding("few-positives", "warning", message, details=details)


def _wilson_interval(share: float, n: int) -> Interval:
    """Return the 95 % interval of a share of n."""
    low, high = wilson_interval(np.array([share]), np.array([n]))
    return Interval(float(low[0]), float(high[0]))
