"""Taggings of made-up sentences, for tests of what is measured by them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, RELATIONS, DomainSet
from diplomacy_nlp.tagged_examples import TaggedExamples

SOURCES = ("speeches", "wires", "readouts")


def random_examples(
    n_documents: int = 60, n_sentences_each: int = 3, domains: DomainSet = CORE, seed: int = 0
) -> Examples:
    """Return sentences whose documents have their own topics."""
    rng = np.random.default_rng(seed)
    rows = []
    for document in range(n_documents):
        topics = rng.random(len(domains))
        for number in range(n_sentences_each):
            labels = np.array(domains.names)[rng.random(len(domains)) < topics**2]
            text = f"Sentence {number} of {document}" + " and so on" * int(rng.integers(16))
            rows.append(
                Example(
                    text,
                    frozenset(labels.tolist()),
                    relation=RELATIONS[rng.integers(3)],
                    split="test",
                    group=f"document {document}",
                    source=SOURCES[document % 3],
                )
            )
    return Examples(domains, tuple(rows), "folder/sentences.jsonl")


def tag_with_noise(examples: Examples, noise: float, seed: int = 1) -> TaggedExamples:
    """Return a tagging that is the worse the more noise there is: none up to about 0.2."""
    rng = np.random.default_rng(seed)
    labels = examples.labels
    probabilities = np.clip(
        np.where(labels, 0.9, 0.1) + noise * rng.normal(size=labels.shape), 0.001, 0.999
    ).astype(np.float32)
    relations = np.where(
        rng.random(len(examples)) < noise, rng.integers(3, size=len(examples)), examples.relations
    )
    thresholds = np.full(labels.shape[1], 0.5)
    return TaggedExamples(examples, probabilities, probabilities >= 0.5, thresholds, relations)


def tagging(labels: Sequence[Any], tags: Sequence[Any], **example: Any) -> TaggedExamples:
    """Return a tagging of sentences with these labels and tags, (n, d), sure of itself."""
    right, said = np.array(labels, dtype=bool), np.array(tags, dtype=bool)
    domains = CORE.select(CORE.names[: right.shape[1]])
    names = np.array(domains.names)
    rows = tuple(
        Example(f"Sentence {number}.", frozenset(names[row].tolist()), **example)
        for number, row in enumerate(right)
    )
    probabilities = np.where(said, 0.9, 0.1).astype(np.float32)
    return TaggedExamples(
        Examples(domains, rows), probabilities, said, np.full(right.shape[1], 0.5), None
    )
