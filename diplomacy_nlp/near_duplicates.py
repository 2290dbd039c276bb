"""Near-identical sentences, and the rows that they and common documents tie together."""

import re
import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.errors import MissingExtraError

__all__ = ["NearIdentical", "normalise", "number_units", "pair_near_identical"]

_SIMILARITY = 0.8
_SHINGLE_CHARACTERS = 5
_N_HASHES = 2**22
_N_RARE_SHARED = 16
_N_ROWS_AT_ONCE = 256

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearIdentical:
    """Two rows that say nearly the same.

    Parameters
    ----------
    row, other : int
        Their indices; ``row`` is the first.
    similarity : float
        In [0.8, 1]; 1 where they are the same but for case, punctuation and digits.
    """

    row: int
    other: int
    similarity: float


def normalise(text: str) -> str:
    """Drop case, punctuation and the values of numbers."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]+", " ", re.sub(r"\d+", "0", text)).strip()


def pair_near_identical(texts: Sequence[str]) -> Iterator[NearIdentical]:
    """Yield pairs of near-identical texts: enough of them to reach each such text from each.

    Two texts are near-identical if their sets of character 5-grams have a Jaccard similarity of
    at least 0.8 [1]_, case, punctuation and digits aside.

    Parameters
    ----------
    texts : sequence of str, length n
        Sentences.

    Yields
    ------
    NearIdentical
        A text that stands for the third time is paired with the first alone, and only the first
        with texts that differ.

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.

    References
    ----------
    .. [1] A. Z. Broder, "On the resemblance and containment of documents", SEQUENCES 1997.

    Examples
    --------
    >>> list(pair_near_identical(["They met in Rome.", "It rained.", "they met in Rome"]))
    [NearIdentical(row=0, other=2, similarity=1.0)]
    """
    first_of_text: dict[str, int] = {}
    for row, text in enumerate(texts):
        first = first_of_text.setdefault(normalise(text), row)
        if first != row:
            yield NearIdentical(first, row, 1.0)
    rows = list(first_of_text.values())
    for pair in _similar_pairs(list(first_of_text)):
        yield NearIdentical(rows[pair.row], rows[pair.other], pair.similarity)


def number_units(groups: Sequence[Hashable], pairs: Iterable[NearIdentical]) -> _Integers:
    """Give rows that belong together the same number, from 0 in order of appearance.

    Parameters
    ----------
    groups : sequence, length n
        Rows of one group belong together.
    pairs : iterable of NearIdentical
        So do the rows of a pair.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> number_units(["a", "b", "c", "b"], [NearIdentical(0, 3, 0.9)]).tolist()
    [0, 0, 1, 0]
    """
    parents = list(range(len(groups)))
    first_of_group: dict[Hashable, int] = {}
    for row, group in enumerate(groups):
        _join(parents, first_of_group.setdefault(group, row), row)
    for pair in pairs:
        _join(parents, pair.row, pair.other)
    roots = [_root(parents, row) for row in range(len(groups))]
    return np.unique(np.array(roots, dtype=np.int64), return_inverse=True)[1]


def _join(parents: list[int], row: int, other: int) -> None:
    # The first row becomes the root, whatever the order in which the links come.
    first, last = sorted((_root(parents, row), _root(parents, other)))
    parents[last] = first


def _root(parents: list[int], row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


def _similar_pairs(texts: Sequence[str]) -> Iterator[NearIdentical]:
    """Yield every pair of texts whose shingles have a Jaccard similarity of at least 0.8.

    Two sets that overlap by at least k must share l of their rarest shingles, if of each set of
    n the n - k + l rarest are looked at [1]_. Comparing only those leaves few pairs to count in
    full, where comparing all shingles would take time and memory by the square.

    References
    ----------
    .. [1] J. Wang, G. Li and J. Feng, "Can we beat the prefix filtering?", SIGMOD 2012.
    """
    shingles = _shingles(texts)
    sizes = np.diff(shingles.indptr)
    least_overlaps = np.ceil(_SIMILARITY * sizes - 1e-9).astype(np.int64)
    rare = _rarest(shingles, sizes - least_overlaps + _N_RARE_SHARED)
    rare_columns = rare.T.tocsr()
    for start in range(0, len(texts), _N_ROWS_AT_ONCE):
        shared = (rare[start : start + _N_ROWS_AT_ONCE] @ rare_columns).tocoo()
        rows, others = shared.row + start, shared.col
        least = np.maximum(least_overlaps[rows], least_overlaps[others])
        likely = (rows < others) & (shared.data >= np.minimum(least, _N_RARE_SHARED))
        rows, others = rows[likely], others[likely]
        if not len(rows):
            continue
        columns, column_of = np.unique(others, return_inverse=True)
        block = shingles[start : start + _N_ROWS_AT_ONCE]
        overlaps = (block @ shingles[columns].T).toarray()[rows - start, column_of]
        similarities = overlaps / (sizes[rows] + sizes[others] - overlaps)
        similar = similarities >= _SIMILARITY - 1e-9
        found = zip(rows[similar], others[similar], similarities[similar], strict=True)
        for row, other, similarity in found:
            yield NearIdentical(int(row), int(other), float(similarity))


def _shingles(texts: Sequence[str]) -> Any:
    """Return the hashed character 5-grams of each text as a sparse 0/1 matrix."""
    try:
        from sklearn.feature_extraction.text import HashingVectorizer
    except ImportError:
        raise MissingExtraError("Comparing sentences", "train") from None
    vectorizer = HashingVectorizer(
        analyzer="char",
        ngram_range=(_SHINGLE_CHARACTERS, _SHINGLE_CHARACTERS),
        n_features=_N_HASHES,
        lowercase=False,
        binary=True,
        norm=None,
        alternate_sign=False,
        dtype=np.int32,
    )
    shingles = vectorizer.transform(texts)
    shingles.sort_indices()
    return shingles


def _rarest(shingles: Any, n_kept: _Integers) -> Any:
    """Keep the rarest shingles of each text, in one order of rarity for all texts."""
    n_texts_with = np.bincount(shingles.indices, minlength=shingles.shape[1])
    rare = shingles.copy()
    for row, (start, end) in enumerate(zip(rare.indptr, rare.indptr[1:], strict=False)):
        order = np.argsort(n_texts_with[rare.indices[start:end]], kind="stable")
        rare.data[start + order[n_kept[row] :]] = 0
    rare.eliminate_zeros()
    return rare
