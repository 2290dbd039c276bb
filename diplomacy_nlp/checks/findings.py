"""What a check of labelled sentences finds: one record a finding, of a known kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["KINDS", "SEVERITIES", "Finding", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "note"]

#: From the gravest on.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

#: What is looked for, with the question that each answers, in the order of reports.
KINDS: Mapping[str, str] = {
    "label-conflict": "the same sentence, labelled in different ways",
    "leak": "the same or nearly the same sentence in several splits",
    "group-across-splits": "sentences of one document in several splits",
    "few-positives": "domains with too few sentences to learn or to measure",
    "duplicate": "the same sentence twice, labelled alike",
    "near-duplicate": "nearly the same sentence twice in a split",
    "label-error": "domains that the other sentences speak against",
    "relation-error": "relations that the other sentences speak against",
    "language": "sentences that are not English",
    "length": "sentences of hardly a word, or beyond the encoder's window",
    "several-sentences": "rows of more than one sentence",
    "heading": "rows that look like headings",
    "markup": "rows with markup, control characters or broken encoding",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should look at.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    severity : {"error", "warning", "note"}
        An error makes scores on the data wrong; a warning is likely to be a slip; a note may
        well be meant.
    message : str
        What was found.
    rows : tuple of int
        Indices of the examples concerned; none where it is the data as a whole.
    details : mapping of str to object
        The same for programs: numbers, names and lists of them, as JSON has them.
    """

    kind: str
    severity: Severity
    message: str
    rows: tuple[int, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
