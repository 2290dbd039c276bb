"""All that the command ``evaluate`` measures: of a tagger, or of two beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diplomacy_nlp.breakdown import SubsetScores, break_down
from diplomacy_nlp.comparison import Comparison, compare_tagged
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.evaluation import Evaluation, evaluate_tagged
from diplomacy_nlp.tagged_examples import TaggedExamples, on_shared_domains, tag_examples
from diplomacy_nlp.tagger import Tagger

__all__ = ["Assessment", "Measured", "assess"]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What one tagger says of some sentences, and how good that is.

    Parameters
    ----------
    name : str
        What the tagger is called.
    tagged : TaggedExamples
        What it says.
    evaluation : Evaluation
        How good that is.
    """

    name: str
    tagged: TaggedExamples
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """What was measured of a tagger, and of another beside it.

    Parameters
    ----------
    examples : Examples
        The sentences as they were given.
    tagger : Measured
        The tagger that it is about.
    other : Measured or None
        The one that it is compared with, on the same sentences and domains.
    breakdown : mapping of str to tuple of SubsetScores
        Of `tagger`, as of :func:`diplomacy_nlp.breakdown.break_down`.
    comparison : Comparison or None
        With `other`.
    """

    examples: Examples
    tagger: Measured
    other: Measured | None
    breakdown: Mapping[str, tuple[SubsetScores, ...]]
    comparison: Comparison | None

    @property
    def measured(self) -> tuple[Measured, ...]:
        """The one or two taggers."""
        return (self.tagger,) if self.other is None else (self.tagger, self.other)

    def to_dict(self) -> dict[str, Any]:
        """Return the same numbers for JSON: six digits, and None for nan."""
        plain = {
            "model": self.tagger.name,
            "data": {
                "source": self.examples.source,
                "splits": sorted(self.examples.splits),
                "sha256": self.examples.sha256,
            },
            **self.tagger.evaluation.to_dict(),
            "breakdown": {
                kind: [subset.to_dict() for subset in subsets]
                for kind, subsets in self.breakdown.items()
            },
        }
        if self.other is not None and self.comparison is not None:
            plain["against"] = {
                "model": self.other.name,
                "scores": self.other.evaluation.to_dict(),
                "comparison": self.comparison.to_dict(),
            }
        return plain


def assess(
    tagger: Tagger,
    examples: Examples,
    *,
    name: str = "model",
    other: Tagger | None = None,
    other_name: str = "other",
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Assessment:
    """Tag examples and measure all that there is to measure.

    Parameters
    ----------
    tagger : Tagger
        The tagger that it is about.
    examples : Examples
        Sentences that it was not trained on.
    other : Tagger, optional
        One to compare it with; both are then scored on the domains that both know.
    name, other_name : str
        What they are called.
    n_bootstrap, seed : int
        As of :func:`diplomacy_nlp.evaluate`.

    Raises
    ------
    DataError
        There is no example, or no domain that all have.
    ValueError
        ``n_bootstrap`` is negative.
    """
    tagged = tag_examples(tagger, examples)
    measured_other = comparison = None
    if other is not None:
        tagged, tagged_other = on_shared_domains(tagged, tag_examples(other, examples))
        evaluation = evaluate_tagged(tagged_other, n_bootstrap=n_bootstrap, seed=seed)
        measured_other = Measured(other_name, tagged_other, evaluation)
        comparison = compare_tagged(tagged, tagged_other, n_bootstrap=n_bootstrap, seed=seed)
    evaluation = evaluate_tagged(tagged, n_bootstrap=n_bootstrap, seed=seed)
    return Assessment(
        examples=examples,
        tagger=Measured(name, tagged, evaluation),
        other=measured_other,
        breakdown=break_down(tagged, n_bootstrap=n_bootstrap, seed=seed),
        comparison=comparison,
    )
