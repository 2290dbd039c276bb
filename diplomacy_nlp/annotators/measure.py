"""How far two or more annotators of the same sentences agree beyond chance.

Both coefficients compare the disagreement found with that expected by chance: Cohen's kappa from
how often each annotator gives a label, Krippendorff's alpha from how often all do. 1 is perfect
agreement and 0 what chance alone would give.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from diplomacy_nlp.annotators.coefficients import (
    cohen_kappa,
    krippendorff_alpha,
    masi_distances,
    nominal_distances,
    raw_agreement,
)
from diplomacy_nlp.annotators.matching import Matching, match_rows
from diplomacy_nlp.annotators.results import Agreement, Disagreement, LabelAgreement
from diplomacy_nlp.bootstrap import bootstrap_scores, number_groups
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.labelled_files import RowPlace, count_places, unite_domains

__all__ = ["agreement"]

_Codes: TypeAlias = NDArray[np.int64]
_Floats: TypeAlias = NDArray[np.float64]


def agreement(
    *annotations: Examples,
    names: Sequence[str] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    places: Sequence[Sequence[RowPlace]] | None = None,
) -> Agreement:
    """Measure how far annotators of the same sentences agree, with 95 % bootstrap intervals.

    Parameters
    ----------
    *annotations : Examples
        What each annotator gave; at least two. Sentences are matched by id where all have one,
        else by text; of a text that stands several times, the first is matched with the first.
        Compared are the domains of any of the sets: that an annotator gave a domain to no
        sentence counts as an answer, so give sets for which the same domains were looked for.
    names : sequence of str, optional
        Of the m annotators; by default where the examples come from.
    n_bootstrap : int, default 1000
        Resamples of whole documents, which are the groups of the examples; 0 for no intervals.
    seed : int, default 0
        The same seed and data give the same intervals.
    places : sequence of sequence of RowPlace, optional
        For each annotator, where the sentences stand; by default they are counted.

    Returns
    -------
    Agreement

    Raises
    ------
    DataError
        There are fewer than two annotators, or they have no sentence in common.
    ValueError
        ``n_bootstrap`` is negative.

    Examples
    --------
    >>> from diplomacy_nlp import CORE, Example, Examples
    >>> texts = ["Gas flows.", "Tariffs rise.", "It rained.", "Oil is sold."]
    >>> given = [["energy"], ["trade"], [], []], [["energy"], ["trade"], [], ["energy"]]
    >>> one, other = (
    ...     Examples(CORE, tuple(map(Example, texts, domains))) for domains in given
    ... )
    >>> energy = agreement(one, other).domains[0]
    >>> energy.n_positives, energy.raw.value, energy.kappa.value
    ((1, 2), 0.75, 0.5)
    """
    if len(annotations) < 2:
        raise DataError(f"agreement takes at least two annotators, not {len(annotations)}")
    matching = match_rows(annotations)
    domains = unite_domains(annotations)
    matched = [
        examples.with_domains(domains).select(rows)
        for examples, rows in zip(annotations, matching.rows, strict=True)
    ]
    group_of_row = number_groups(_groups(matched), len(matched[0]))
    measure = partial(_measure, group_of_row=group_of_row, n_bootstrap=n_bootstrap, seed=seed)
    *of_domains, of_sets = measure([*_domain_columns(matched), _set_column(matched)])
    return Agreement(
        annotators=tuple(names or _default_names(annotations)),
        matching=matching,
        domains=tuple(of_domains),
        sets=of_sets,
        relation=_measure_relation(matched, measure),
        disagreements=tuple(_disagreements(matched, matching)),
        n_groups=int(group_of_row.max()) + 1,
        n_bootstrap=n_bootstrap,
        seed=seed,
        places=tuple(map(tuple, places or map(count_places, annotations))),
    )


def _default_names(annotations: Sequence[Examples]) -> list[str]:
    sources = [examples.source for examples in annotations]
    if len(set(sources)) == len(sources) and all(sources):
        return sources
    return [f"annotator {number}" for number in range(1, len(sources) + 1)]


def _groups(matched: Sequence[Examples]) -> list[str | None]:
    """Return the document of each sentence, by the first annotator who names one."""
    return [
        next((row.group for row in of_sentence if row.group is not None), None)
        for of_sentence in zip(*matched, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """What m annotators answered for n sentences, and how far the v answers are apart."""

    label: str
    answers: _Codes
    distances: _Floats
    n_positives: tuple[int, ...] = ()


def _domain_columns(matched: Sequence[Examples]) -> Iterator[_Column]:
    labels = np.stack([examples.labels for examples in matched], axis=2).astype(np.int64)
    for column, name in enumerate(matched[0].domains.names):
        answers = labels[:, column]
        positives = tuple(answers.sum(axis=0).tolist())
        yield _Column(name, answers, nominal_distances(2), positives)


def _set_column(matched: Sequence[Examples]) -> _Column:
    number_of_set: dict[frozenset[str], int] = {}
    answers = [
        [number_of_set.setdefault(row.domains, len(number_of_set)) for row in examples]
        for examples in matched
    ]
    return _Column("set of domains", np.array(answers).T, masi_distances(list(number_of_set)))


def _measure(
    columns: Sequence[_Column], group_of_row: _Codes, n_bootstrap: int, seed: int
) -> list[LabelAgreement]:
    def statistics(weights: _Floats) -> dict[str, _Floats]:
        of_column = [
            (
                raw_agreement(column.answers, weights),
                cohen_kappa(column.answers, len(column.distances), weights),
                krippendorff_alpha(column.answers, column.distances, weights),
            )
            for column in columns
        ]
        kinds = ("raw", "kappa", "alpha")
        return {
            kind: np.column_stack(values)
            for kind, values in zip(kinds, zip(*of_column, strict=True), strict=True)
        }

    scores = bootstrap_scores(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)
    return [
        LabelAgreement(
            label=column.label,
            n_sentences=len(column.answers),
            n_positives=column.n_positives,
            raw=scores["raw"][j],
            kappa=scores["kappa"][j],
            alpha=scores["alpha"][j],
        )
        for j, column in enumerate(columns)
    ]


def _measure_relation(
    matched: Sequence[Examples], measure: Callable[..., list[LabelAgreement]]
) -> LabelAgreement | None:
    answers = np.column_stack([examples.relations for examples in matched]).astype(np.int64)
    known = (answers >= 0).all(axis=1)
    if not known.any():
        return None
    groups = np.array(_groups(matched), dtype=object)[known].tolist()
    column = _Column("relation", answers[known], nominal_distances(len(RELATIONS)))
    [of_relation] = measure([column], group_of_row=number_groups(groups, len(groups)))
    return of_relation


def _disagreements(matched: Sequence[Examples], matching: Matching) -> Iterator[Disagreement]:
    names = matched[0].domains.names
    for number, of_sentence in enumerate(zip(*matched, strict=True)):
        labels = [name for name in names if len({name in row.domains for row in of_sentence}) > 1]
        if len({row.relation for row in of_sentence} - {None}) > 1:
            labels.append("relation")
        if labels:
            yield Disagreement(
                text=of_sentence[0].text,
                id=of_sentence[0].id,
                rows=tuple(rows[number] for rows in matching.rows),
                labels=tuple(labels),
                domains=tuple(
                    tuple(name for name in names if name in row.domains) for row in of_sentence
                ),
                relations=tuple(row.relation for row in of_sentence),
            )
