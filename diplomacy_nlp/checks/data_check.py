"""A check of labelled sentences before anything is trained on them or measured by them."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from diplomacy_nlp.checks.findings import KINDS, SEVERITIES, Finding
from diplomacy_nlp.checks.repeats import find_groups_across_splits, find_repeats
from diplomacy_nlp.checks.split_counts import SplitCounts, count_splits, find_few_positives
from diplomacy_nlp.checks.text_oddities import (
    find_headings,
    find_lengths,
    find_markup,
    find_other_languages,
    find_several_sentences,
)
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError
from diplomacy_nlp.labelled_files import RowPlace, count_places
from diplomacy_nlp.near_duplicates import NearIdentical, number_units, pair_near_identical
from diplomacy_nlp.tagger import Tagger

if TYPE_CHECKING:
    from diplomacy_nlp.checks.label_errors import Opinion

__all__ = ["DataCheck", "check"]

_REPEATS = frozenset({"label-conflict", "leak", "duplicate", "near-duplicate"})
_DOUBTS = frozenset({"label-error", "relation-error"})
_EXTRA = ("cleanlab", "py3langid", "sklearn", "skops")


@dataclass(frozen=True, slots=True)
class DataCheck:
    """What labelled sentences hold, and what in them a person should look at.

    Parameters
    ----------
    counts : tuple of SplitCounts
        What each split holds.
    findings : tuple of Finding
        In the order of :data:`KINDS`; label errors from the likeliest on, others by row.
    examples : Examples
        What was checked; the rows of a finding are indices into it.
    places : tuple of RowPlace
        Where each of them stands.
    skipped : mapping of str to str
        Kinds that could not be looked for, with the reason.
    """

    counts: tuple[SplitCounts, ...]
    findings: tuple[Finding, ...]
    examples: Examples = field(repr=False)
    places: tuple[RowPlace, ...] = field(repr=False)
    skipped: Mapping[str, str] = field(default_factory=dict)

    def of_kind(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    @property
    def n_of_severity(self) -> dict[str, int]:
        """How many findings there are of each severity, the gravest first."""
        counts = Counter(finding.severity for finding in self.findings)
        return {severity: counts[severity] for severity in SEVERITIES}

    def to_dict(self) -> dict[str, Any]:
        """Return the same for JSON, with the place and the id of each row."""
        return {
            "n_sentences": len(self.examples),
            "counts": [asdict(of_split) for of_split in self.counts],
            "n_of_severity": self.n_of_severity,
            "findings": [
                asdict(finding) | {"rows": [self._row(row) for row in finding.rows]}
                for finding in self.findings
            ],
            "skipped": dict(self.skipped),
        }

    def suspicious_rows(self) -> list[dict[str, Any]]:
        """Return a record for each row of each finding, for a file to work through.

        Returns
        -------
        list of dict
            ``finding`` counts the findings from 1; its rows, such as those of a leak, share it.
        """
        return [
            {
                "finding": number,
                "kind": finding.kind,
                "severity": finding.severity,
                "message": finding.message,
                **self._row(row),
                "text": self.examples[row].text,
                "domains": sorted(self.examples[row].domains, key=self.examples.domains.index),
                "relation": self.examples[row].relation,
                "details": dict(finding.details),
            }
            for number, finding in enumerate(self.findings, start=1)
            for row in finding.rows
        ]

    def _row(self, row: int) -> dict[str, Any]:
        example, place = self.examples[row], self.places[row]
        return {
            "file": place.file,
            "row": place.row,
            "id": example.id,
            "split": example.split,
            "group": example.group,
        }


def check(
    examples: Examples,
    *,
    kinds: Collection[str] | None = None,
    tagger: Tagger | None = None,
    n_folds: int = 5,
    seed: int = 0,
    places: Sequence[RowPlace] | None = None,
) -> DataCheck:
    """Look for what is wrong, or likely to be wrong, with labelled sentences.

    Parameters
    ----------
    examples : Examples
        The n sentences, of all splits.
    kinds : collection of str, optional
        What to look for, of the kinds in ``findings.KINDS``; by default all.
    tagger : Tagger, optional
        Whose probabilities speak for or against the labels. It must not have been trained on the
        sentences, or it will defend their errors. By default the baseline is fitted to the
        sentences themselves, and judges those that it did not see: cross-validation in which the
        sentences of a document, and near-identical ones, stay together.
    n_folds : int, default=5
        Of the cross-validation; at least 2.
    seed : int, default=0
        Of the folds.
    places : sequence of RowPlace, length n, optional
        Where the sentences stand; by default they are counted.

    Returns
    -------
    DataCheck

    Raises
    ------
    DataError
        There are no examples.
    ConfigError
        A kind is unknown, or ``n_folds`` is less than 2.
    MissingExtraError
        What is looked for needs packages that are not installed.

    Examples
    --------
    >>> from diplomacy_nlp import CORE, Example, Examples
    >>> gas = "They agreed on gas."
    >>> rows = Example(gas, {"energy"}, split="train"), Example(gas, {"energy"}, split="test")
    >>> [finding] = check(Examples(CORE, rows), kinds=["leak"]).findings
    >>> finding.message, finding.rows
    ('the same sentence in test and train', (0, 1))
    """
    wanted = frozenset(KINDS if kinds is None else kinds)
    _validate(examples, wanted, n_folds)
    counts = count_splits(examples)
    pairs = list(pair_near_identical(examples.texts)) if wanted & (_REPEATS | _DOUBTS) else []
    opinion = cache(partial(_opinion, examples, pairs, tagger, n_folds, seed))
    found: list[Finding] = []
    skipped: dict[str, str] = {}
    for finds, find in _finders(examples, counts, pairs, opinion).items():
        try:
            found += find() if wanted & finds else ()
        except DataError as error:
            skipped |= dict.fromkeys(wanted & finds, str(error))
    order = list(KINDS)
    found = [finding for finding in found if finding.kind in wanted]
    found.sort(key=lambda finding: order.index(finding.kind))
    places = count_places(examples) if places is None else tuple(places)
    return DataCheck(counts, tuple(found), examples, places, skipped)


def _validate(examples: Examples, wanted: frozenset[str], n_folds: int) -> None:
    if not len(examples):
        raise DataError(f"{examples.source or 'examples'}: there is no sentence to check")
    if unknown := sorted(wanted - KINDS.keys()):
        raise ConfigError(f"unknown kind {unknown[0]!r}. Valid: {', '.join(KINDS)}")
    if n_folds < 2:
        raise ConfigError(f"n_folds is {n_folds}, not at least 2")
    needed = [kind for kind in KINDS if kind in wanted & (_REPEATS | _DOUBTS | {"language"})]
    if needed and not all(map(importlib.util.find_spec, _EXTRA)):
        raise MissingExtraError(f"Looking for {', '.join(needed)}", "check")


def _finders(
    examples: Examples,
    counts: Sequence[SplitCounts],
    pairs: Sequence[NearIdentical],
    opinion: "Callable[[], Opinion]",
) -> dict[frozenset[str], Callable[[], Iterable[Finding]]]:
    """Return what finds each kind, or several."""
    texts = examples.texts
    of_kind: dict[str, Callable[[], Iterable[Finding]]] = {
        "group-across-splits": lambda: find_groups_across_splits(examples),
        "few-positives": lambda: find_few_positives(counts),
        "label-error": lambda: _find_label_errors(examples, opinion()),
        "relation-error": lambda: _find_relation_errors(examples, opinion()),
        "language": lambda: find_other_languages(texts),
        "length": lambda: find_lengths(texts),
        "several-sentences": lambda: find_several_sentences(texts),
        "heading": lambda: find_headings(texts),
        "markup": lambda: find_markup(texts),
    }
    finders = {frozenset({kind}): find for kind, find in of_kind.items()}
    return {_REPEATS: lambda: find_repeats(examples, pairs), **finders}


def _opinion(
    examples: Examples,
    pairs: Sequence[NearIdentical],
    tagger: Tagger | None,
    n_folds: int,
    seed: int,
) -> "Opinion":
    # Imported here and below, since the module needs an extra.
    from diplomacy_nlp.checks.label_errors import ask_tagger, cross_validate

    if tagger is not None:
        return ask_tagger(examples, tagger)
    units = number_units(examples.groups, pairs)
    return cross_validate(examples, units, n_folds=n_folds, seed=seed)


def _find_label_errors(examples: Examples, opinion: "Opinion") -> Iterable[Finding]:
    from diplomacy_nlp.checks.label_errors import find_label_errors

    return find_label_errors(examples, opinion)


def _find_relation_errors(examples: Examples, opinion: "Opinion") -> Iterable[Finding]:
    from diplomacy_nlp.checks.label_errors import find_relation_errors

    return find_relation_errors(examples, opinion)
