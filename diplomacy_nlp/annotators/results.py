"""What a comparison of annotators finds: agreement by label, and each disagreement."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from diplomacy_nlp.annotators.matching import Matching
from diplomacy_nlp.bootstrap import Score, plain_numbers
from diplomacy_nlp.labelled_files import RowPlace

__all__ = ["Agreement", "Disagreement", "LabelAgreement"]


@dataclass(frozen=True, slots=True)
class LabelAgreement:
    """How far annotators agree on one label.

    Parameters
    ----------
    label : str
        A domain, "relation", or "set of domains".
    n_sentences : int
        Sentences compared.
    n_positives : tuple of int
        For a domain, how many of them each annotator gave it; else empty.
    raw : Score
        The share of sentences, in [0, 1], on which annotators agree; of more than two annotators
        the mean over their pairs.
    kappa : Score
        Cohen's kappa, of more than two annotators the mean over their pairs (Light's kappa). It is
        nan where both always give the same one value, which leaves nothing to chance.
    alpha : Score
        Krippendorff's alpha: for sets of domains with the distance MASI, which counts a set that
        holds the other as a smaller disagreement, else nominal. It is nan where all annotators
        always give the same one value.
    """

    label: str
    n_sentences: int
    n_positives: tuple[int, ...]
    raw: Score
    kappa: Score
    alpha: Score


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A sentence that annotators label in different ways.

    Parameters
    ----------
    text : str
        The sentence, as the first annotator has it.
    id : str or None
        Its name, of the first annotator.
    rows : tuple of int
        Its index in each annotator's examples.
    labels : tuple of str
        On what they differ: domains, or "relation".
    domains : tuple of tuple of str
        What each gave, of the domains compared.
    relations : tuple of (str or None)
        What each gave.
    """

    text: str
    id: str | None
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    domains: tuple[tuple[str, ...], ...]
    relations: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far annotators of the same sentences agree.

    Parameters
    ----------
    annotators : tuple of str
        Their names, in the order of all that is given for each.
    matching : Matching
        Which sentences were compared, and which have no counterpart.
    domains : tuple of LabelAgreement
        For each domain.
    sets : LabelAgreement
        For the whole set of a sentence's domains.
    relation : LabelAgreement or None
        Over the sentences of which every annotator gives the relation; None if there is none.
    disagreements : tuple of Disagreement
        In the order of the first annotator's sentences.
    n_groups, n_bootstrap, seed : int
        Documents, and how the intervals were drawn from them.
    places : tuple of tuple of RowPlace
        For each annotator, where the sentences stand.
    """

    annotators: tuple[str, ...]
    matching: Matching
    domains: tuple[LabelAgreement, ...]
    sets: LabelAgreement
    relation: LabelAgreement | None
    disagreements: tuple[Disagreement, ...]
    n_groups: int
    n_bootstrap: int
    seed: int
    places: tuple[tuple[RowPlace, ...], ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the same for JSON.

        Returns
        -------
        dict
            Numbers have six digits, nan is None. Rows are those of the files, and of the
            sentences that were matched only the number is given.
        """
        plain = plain_numbers(replace(self, places=()))
        del plain["places"], plain["matching"]["rows"]
        plain["matching"]["n_matched"] = len(self.matching.rows[0])
        plain["matching"]["unmatched"] = [
            [places[row].row for row in rows]
            for places, rows in zip(self.places, self.matching.unmatched, strict=True)
        ]
        for found, of_found in zip(self.disagreements, plain["disagreements"], strict=True):
            numbered = zip(self.places, found.rows, strict=True)
            of_found["rows"] = [places[row].row for places, row in numbered]
        return plain

    def disagreement_rows(self) -> list[dict[str, Any]]:
        """Return a record for each disagreement, for a file to work through."""
        return [
            {
                "id": found.id,
                "text": found.text,
                "differing": list(found.labels),
                **dict(self._answers(found)),
            }
            for found in self.disagreements
        ]

    def _answers(self, found: Disagreement) -> Iterator[tuple[str, Any]]:
        for number, name in enumerate(self.annotators):
            yield f"row_{name}", self.places[number][found.rows[number]].row
            yield f"domains_{name}", list(found.domains[number])
            yield f"relation_{name}", found.relations[number]
