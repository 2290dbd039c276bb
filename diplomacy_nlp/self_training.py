"""Labels from models: what teachers say of sentences that nobody has labelled."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diplomacy_nlp.domains import RELATIONS, DomainSet
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.metrics import check_probabilities
from diplomacy_nlp.tagger import Tagger

__all__ = ["SoftLabels", "draw_by_entropy", "soft_labels"]

# What a sentence weighs in the draw that its teacher has no doubt about, in bits.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class SoftLabels:
    """Sentences and how probable their labels are.

    Parameters
    ----------
    texts : tuple of str
        ``m`` sentences.
    domains : ndarray of float32, (m, d)
        How probable each domain is, in [0, 1].
    relations : ndarray of float32, (m, 3)
        How probable each of ``RELATIONS`` is; zeros where the teachers do not tell them.
    """

    texts: tuple[str, ...]
    domains: NDArray[np.float32]
    relations: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def sha256(self) -> str:
        """SHA-256 of the sentences and their labels, in hexadecimal digits."""
        content = hashlib.sha256("\0".join(self.texts).encode())
        for labels in (self.domains, self.relations):
            content.update(np.ascontiguousarray(labels).tobytes())
        return content.hexdigest()


def soft_labels(
    teachers: Sequence[Tagger],
    texts: Sequence[str],
    domains: DomainSet,
    *,
    n_drawn: int,
    seed: int = 0,
) -> SoftLabels:
    """Draw sentences by the first teacher's doubt, and let all teachers label them.

    The labels are the mean of the teachers' calibrated probabilities, unrounded: a student learns
    from their doubts too [1]_.

    Parameters
    ----------
    teachers : sequence of Tagger
        Each tags at least these domains.
    texts : sequence of str
        Sentences that nobody has labelled. Blank ones and repetitions are left out.
    domains : DomainSet
        The ``d`` domains to label.
    n_drawn : int
        How many sentences to label at most, at least 1.
    seed : int
        Of the draw.

    Raises
    ------
    ConfigError
        There is no teacher, or one does not tag a domain.
    DataError
        There is no sentence.

    References
    ----------
    .. [1] Hinton, G., Vinyals, O. and Dean, J. (2015). Distilling the knowledge in a neural
       network. arXiv:1503.02531.
    """
    if not teachers:
        raise ConfigError("there is no teacher to label the sentences")
    for teacher in teachers:
        if missing := [name for name in domains.names if name not in teacher.domains]:
            raise ConfigError(f"a teacher does not tag {', '.join(missing)}")
    distinct = [text for text in dict.fromkeys(texts) if text.strip()]
    if not distinct:
        raise DataError("there is no sentence for the teachers to label")
    if len(distinct) > n_drawn:
        doubts = teachers[0].predict_proba(distinct)
        distinct = [distinct[row] for row in draw_by_entropy(doubts, n_drawn, seed=seed)]
    said = [teacher.predict_all(distinct) for teacher in teachers]
    columns = [[t.domains.index(name) for name in domains.names] for t in teachers]
    told = [p.relation_probabilities for p in said if p.relation_probabilities is not None]
    return SoftLabels(
        tuple(distinct),
        np.mean([p.probabilities[:, c] for p, c in zip(said, columns, strict=True)], axis=0),
        np.mean(told, axis=0) if told else np.zeros((len(distinct), len(RELATIONS)), np.float32),
    )


def draw_by_entropy(probabilities: ArrayLike, n_drawn: int, *, seed: int = 0) -> NDArray[np.intp]:
    """Draw rows without replacement, the doubtful ones more often.

    A row weighs the summed binary entropy of its probabilities plus a little, so that plain
    sentences come too. It is drawn by the exponential keys of [1]_.

    Parameters
    ----------
    probabilities : array_like of float, (n, d)
        In [0, 1].
    n_drawn : int
        Rows wanted; all where there are fewer.
    seed : int
        The same seed and probabilities draw the same rows.

    Returns
    -------
    ndarray of int, (min(n, n_drawn),)
        Rows in ascending order.

    Raises
    ------
    ValueError
        A probability lies outside [0, 1].

    References
    ----------
    .. [1] Efraimidis, P. S. and Spirakis, P. G. (2006). Weighted random sampling with a reservoir.
       Information Processing Letters, 97(5), 181-185.
    """
    p = check_probabilities(probabilities)
    # 0 log 0 is 0.
    surprise = p * np.log2(p, where=p > 0, out=np.zeros_like(p))
    surprise += (1 - p) * np.log2(1 - p, where=p < 1, out=np.zeros_like(p))
    weights = _LEAST_WEIGHT - surprise.sum(axis=1)
    keys = np.random.default_rng(seed).exponential(size=len(p)) / weights
    return np.sort(np.argsort(keys, kind="stable")[:n_drawn])
