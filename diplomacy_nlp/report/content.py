"""What stands on the page, in the order in which it stands there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diplomacy_nlp.assessment import Assessment
from diplomacy_nlp.bootstrap import Score
from diplomacy_nlp.charts import (
    difference_chart,
    reliability_chart,
    risk_coverage_chart,
    score_chart,
)
from diplomacy_nlp.comparison import Difference
from diplomacy_nlp.curves import log_losses
from diplomacy_nlp.domains import RELATIONS

__all__ = ["Decision", "ScoreRow", "WrongSentence", "charts", "data_name", "score_rows", "worst"]

# More parts of one kind cannot be told apart in a chart; the table has them all.
_MAX_SUBSETS_DRAWN = 20


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score of each tagger.

    Parameters
    ----------
    name : str
        What was scored.
    scores : tuple of Score
        Of each tagger.
    difference : Difference or None
        Between the two, where there are two.
    """

    name: str
    scores: tuple[Score, ...]
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was said of one domain in a sentence, and what is right."""

    domain: str
    probability: float
    is_labelled: bool
    is_tagged: bool

    @property
    def verdict(self) -> str:
        """One of ``right``, ``missed``, ``false alarm`` and ``absent``."""
        if self.is_labelled:
            return "right" if self.is_tagged else "missed"
        return "false alarm" if self.is_tagged else "absent"


@dataclass(frozen=True, slots=True)
class WrongSentence:
    """A sentence that is tagged wrong.

    Parameters
    ----------
    text : str
        The sentence.
    origin : str
        Its source, document and id, as far as they are known.
    log_loss : float
        How wrong its probabilities are, in nats.
    decisions : tuple of Decision
        One a domain.
    relation, told_relation : str or None
        The right one and the likeliest, where they are known.
    other_tags : tuple of str or None
        What the other tagger says, where there is one.
    """

    text: str
    origin: str
    log_loss: float
    decisions: tuple[Decision, ...]
    relation: str | None
    told_relation: str | None
    other_tags: tuple[str, ...] | None


def data_name(assessment: Assessment) -> str:
    """Return what the data are called, without the path to them."""
    return Path(assessment.examples.source).name or "labelled sentences"


def score_rows(assessment: Assessment) -> tuple[ScoreRow, ...]:
    """Return the scores over all domains, and then the F1 of each."""
    evaluations = [measured.evaluation for measured in assessment.measured]
    comparison = assessment.comparison
    rows = [
        ScoreRow(
            name,
            tuple(getattr(evaluation, key) for evaluation in evaluations),
            getattr(comparison, key, None),
        )
        for key, name in {
            "macro_f1": "macro-F1",
            "micro_f1": "micro-F1",
            "exact_match": "exact match",
            "relation_macro_f1": "relation macro-F1",
        }.items()
        if all(getattr(evaluation, key) is not None for evaluation in evaluations)
    ]
    for scores in zip(*(evaluation.domains for evaluation in evaluations), strict=True):
        domain = scores[0].domain
        rows.append(
            ScoreRow(
                f"F1 of {domain}",
                tuple(Score(of_tagger.f1, of_tagger.f1_interval) for of_tagger in scores),
                comparison.domains[domain] if comparison else None,
            )
        )
    return tuple(rows)


def charts(assessment: Assessment) -> Mapping[str, str]:
    """Return the charts as ``svg`` elements by name, those of the breakdown by its kinds."""
    rows = score_rows(assessment)
    names = [row.name for row in rows]
    tagged = {measured.name: measured.tagged for measured in assessment.measured}
    scores = {name: [row.scores[i] for row in rows] for i, name in enumerate(tagged)}
    drawn = {
        "scores": score_chart(names, scores),
        "reliability": reliability_chart(tagged),
        "risk_coverage": risk_coverage_chart(tagged),
    }
    differences = [row.difference for row in rows if row.difference]
    if differences:
        drawn["differences"] = difference_chart(
            names, [Score(difference.value, difference.interval) for difference in differences]
        )
    for kind, subsets in assessment.breakdown.items():
        shown = subsets[:_MAX_SUBSETS_DRAWN]
        drawn[kind] = score_chart(
            [f"{subset.name} ({subset.n_sentences:,})" for subset in shown],
            {
                "macro-F1": [subset.macro_f1 for subset in shown],
                "micro-F1": [subset.micro_f1 for subset in shown],
            },
        )
    return drawn


def worst(assessment: Assessment, n_worst: int) -> tuple[WrongSentence, ...]:
    """Return the sentences that are tagged wrong with the largest log loss, largest first."""
    tagged = assessment.tagger.tagged
    losses = log_losses(tagged.labels, tagged.probabilities)
    wrong = np.flatnonzero(tagged.is_wrong)
    rows = wrong[np.argsort(-losses[wrong], kind="stable")][:n_worst]
    names = np.array(tagged.examples.domains.names)
    labels = tagged.labels
    sentences = []
    for row in rows.tolist():
        example = tagged.examples[row]
        decisions = zip(
            names.tolist(),
            tagged.probabilities[row].tolist(),
            labels[row].tolist(),
            tagged.tags[row].tolist(),
            strict=True,
        )
        told, other = tagged.relations, assessment.other
        sentences.append(
            WrongSentence(
                text=example.text,
                origin=", ".join(filter(None, (example.source, example.group, example.id))),
                log_loss=float(losses[row]),
                decisions=tuple(Decision(*decision) for decision in decisions),
                relation=example.relation,
                told_relation=None if told is None else RELATIONS[told[row]],
                other_tags=None if other is None else tuple(names[other.tagged.tags[row]].tolist()),
            )
        )
    return tuple(sentences)
