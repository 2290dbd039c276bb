"""Sentences that stand more than once, and documents that cross splits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from diplomacy_nlp.checks.findings import Finding
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.near_duplicates import NearIdentical, number_units

__all__ = ["find_groups_across_splits", "find_repeats"]

_DIGITS = 3


def find_repeats(examples: Examples, pairs: Sequence[NearIdentical]) -> Iterator[Finding]:
    """Find sentences that stand more than once: label conflicts, leaks and duplicates.

    Parameters
    ----------
    examples : Examples
        The n sentences.
    pairs : sequence of NearIdentical
        Of them all, as :func:`pair_near_identical` yields them.

    Yields
    ------
    Finding
        For each sentence that stands more than once, up to case and white space: a
        ``label-conflict`` where the labels differ, and a ``leak`` where the splits do, else a
        ``duplicate``. For each set of near-identical sentences that are not all the same: a
        ``leak`` where they cross splits, else a ``near-duplicate``.
    """
    same = _sets([" ".join(text.split()).casefold() for text in examples.texts])
    for rows in same:
        found = [examples[row] for row in rows]
        if differences := _differences(found):
            yield Finding("label-conflict", "error", _conflict(found), rows, differences)
        if len(_splits(found)) > 1:
            yield _leak("the same sentence", found, rows, 1.0)
        elif not differences:
            message = f"the same sentence stands {len(rows)} times"
            yield Finding("duplicate", "warning", message, rows)
    same_rows = frozenset(same)
    for rows, similarity in _near_identical_sets(len(examples), pairs):
        if rows in same_rows:
            continue
        found = [examples[row] for row in rows]
        if len(_splits(found)) > 1:
            yield _leak("nearly the same sentence", found, rows, similarity)
        else:
            yield _near_duplicate(found, rows, similarity)


def find_groups_across_splits(examples: Examples) -> Iterator[Finding]:
    """Find documents whose sentences stand in more than one split."""
    rows_of_group = defaultdict(list)
    for row, example in enumerate(examples):
        if example.group is not None and example.split is not None:
            rows_of_group[example.group].append(row)
    for group, rows in rows_of_group.items():
        n_of_split = Counter(str(examples[row].split) for row in rows)
        if len(n_of_split) > 1:
            counts = ", ".join(f"{n} in {name}" for name, n in n_of_split.most_common())
            yield Finding(
                "group-across-splits",
                "error",
                f"sentences of group {group!r}: {counts}",
                tuple(rows),
                {"group": group, "n_of_split": dict(n_of_split)},
            )


def _sets(keys: Iterable[object]) -> list[tuple[int, ...]]:
    """Return the rows of each key that stands more than once."""
    rows_of_key = defaultdict(list)
    for row, key in enumerate(keys):
        rows_of_key[key].append(row)
    return [tuple(rows) for rows in rows_of_key.values() if len(rows) > 1]


def _near_identical_sets(
    n_rows: int, pairs: Sequence[NearIdentical]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield rows that pairs tie together, with the least similarity of those pairs."""
    units = number_units(range(n_rows), pairs)
    least: dict[int, float] = {}
    for pair in pairs:
        unit = int(units[pair.row])
        least[unit] = min(pair.similarity, least.get(unit, 1.0))
    for rows in _sets(units.tolist()):
        yield rows, least[int(units[rows[0]])]


def _splits(found: Sequence[Example]) -> list[str]:
    """Return the splits of the examples; rows without one do not count."""
    return sorted({example.split for example in found if example.split is not None})


def _leak(what: str, found: Sequence[Example], rows: tuple[int, ...], similarity: float) -> Finding:
    splits = _splits(found)
    return Finding(
        "leak",
        "error",
        f"{what} in {' and '.join(splits)}",
        rows,
        {"splits": splits, "similarity": round(similarity, _DIGITS)},
    )


def _near_duplicate(found: Sequence[Example], rows: tuple[int, ...], similarity: float) -> Finding:
    differences = _differences(found)
    labelled = ", labelled in different ways" if differences else ""
    return Finding(
        "near-duplicate",
        "warning" if differences else "note",
        f"{len(rows)} sentences are nearly the same{labelled}",
        rows,
        {"similarity": round(similarity, _DIGITS), **differences},
    )


def _differences(found: Sequence[Example]) -> dict[str, list[str]]:
    """Return the domains on which examples differ, and the relations where they do."""
    everywhere = frozenset.intersection(*(example.domains for example in found))
    somewhere = frozenset[str]().union(*(example.domains for example in found))
    relations = sorted({example.relation for example in found if example.relation is not None})
    differences = {}
    if somewhere != everywhere:
        differences["domains"] = sorted(somewhere - everywhere)
    if len(relations) > 1:
        differences["relations"] = relations
    return differences


def _conflict(found: Sequence[Example]) -> str:
    labels = Counter(
        " ".join(filter(None, (";".join(sorted(row.domains)) or "no domain", row.relation)))
        for row in found
    )
    return "the same sentence is labelled " + " and ".join(labels)
