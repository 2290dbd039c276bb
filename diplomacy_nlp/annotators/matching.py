"""Which rows of several annotators' files are the same sentence."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import DataError

__all__ = ["Matching", "match_rows"]


@dataclass(frozen=True, slots=True)
class Matching:
    """Which rows of m annotators are the same sentence.

    Parameters
    ----------
    by : {"id", "text"}
        What they were matched by.
    rows : tuple of tuple of int
        For each annotator, the indices of the n sentences that all have, in the order of the
        first annotator.
    unmatched : tuple of tuple of int
        For each annotator, the indices of the sentences that another lacks.
    n_texts_differing : int
        Sentences matched by id whose texts differ by more than white space.
    """

    by: Literal["id", "text"]
    rows: tuple[tuple[int, ...], ...]
    unmatched: tuple[tuple[int, ...], ...]
    n_texts_differing: int


def match_rows(annotations: Sequence[Examples]) -> Matching:
    """Match sentences by id where all have one of their own, else by text up to white space.

    Of a text that stands several times, the first is matched with the first, and so on.

    Raises
    ------
    DataError
        The annotators have no sentence in common.
    """
    by: Literal["id", "text"] = "id" if all(map(_has_ids, annotations)) else "text"
    row_of_key = [_keys(examples, by) for examples in annotations]
    common = [key for key in row_of_key[0] if all(key in keys for keys in row_of_key)]
    if not common:
        raise DataError(
            f"{' and '.join(examples.source or 'examples' for examples in annotations)}: "
            f"no sentence in common, matched by {by}"
        )
    kept = frozenset(common)
    rows = tuple(tuple(keys[key] for key in common) for keys in row_of_key)
    texts = [
        [_plain(examples[row].text) for row in matched]
        for examples, matched in zip(annotations, rows, strict=True)
    ]
    return Matching(
        by=by,
        rows=rows,
        unmatched=tuple(
            tuple(row for key, row in keys.items() if key not in kept) for keys in row_of_key
        ),
        n_texts_differing=sum(
            len(set(of_sentence)) > 1 for of_sentence in zip(*texts, strict=True)
        ),
    )


def _has_ids(examples: Examples) -> bool:
    ids = {example.id for example in examples}
    return None not in ids and len(ids) == len(examples)


def _keys(examples: Examples, by: Literal["id", "text"]) -> dict[Hashable, int]:
    if by == "id":
        return {example.id: row for row, example in enumerate(examples)}
    n_seen = Counter[str]()
    keys: dict[Hashable, int] = {}
    for row, example in enumerate(examples):
        text = _plain(example.text)
        keys[text, n_seen[text]] = row
        n_seen[text] += 1
    return keys


def _plain(text: str) -> str:
    return " ".join(text.split())
