from diplomacy_nlp.checks.findings import KINDS, Finding
from diplomacy_nlp.checks.repeats import find_groups_across_splits, find_repeats
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.near_duplicates import pair_near_identical

LONG = "The two ministers agreed in Rome on Monday to sell each other more gas and wheat"


def repeats(*rows: Example) -> list[Finding]:
    examples = Examples(CORE, rows)
    found = list(find_repeats(examples, list(pair_near_identical(examples.texts))))
    assert {finding.kind for finding in found} <= set(KINDS)
    return found


def kinds(found: list[Finding]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(finding.kind, finding.severity, finding.rows) for finding in found]


def test_the_same_sentence_labelled_alike() -> None:
    found = repeats(
        Example("They met.", split="train"), Example("It rained."), Example("they  MET.")
    )
    assert kinds(found) == [("duplicate", "warning", (0, 2))]


def test_the_same_sentence_labelled_in_different_ways() -> None:
    found = repeats(
        Example("Gas flows.", {"energy", "trade"}, "cooperation"),
        Example("Gas flows.", {"energy"}, "neutral"),
        Example("Gas flows.", {"energy"}),
    )
    assert kinds(found) == [("label-conflict", "error", (0, 1, 2))]
    assert found[0].details == {"domains": ["trade"], "relations": ["cooperation", "neutral"]}
    assert found[0].message == (
        "the same sentence is labelled energy;trade cooperation and energy neutral and energy"
    )


def test_an_unknown_relation_is_no_conflict() -> None:
    found = repeats(Example("They met.", relation="neutral"), Example("They met."))
    assert kinds(found) == [("duplicate", "warning", (0, 1))]


def test_the_same_sentence_in_two_splits() -> None:
    found = repeats(
        Example("They met.", split="train"),
        Example("They met.", split="test"),
        Example("Oil.", {"energy"}, split="dev"),
        Example("Oil.", {"trade"}, split="dev"),
        Example("Oil.", {"energy"}, split="test"),
    )
    assert kinds(found) == [
        ("leak", "error", (0, 1)),
        ("label-conflict", "error", (2, 3, 4)),
        ("leak", "error", (2, 3, 4)),
    ]
    assert found[0].details == {"splits": ["test", "train"], "similarity": 1.0}


def test_nearly_the_same_sentence() -> None:
    found = repeats(
        Example(LONG + ".", split="train"),
        Example(LONG + " too.", split="train"),
        Example("Something else was said by nobody in particular."),
    )
    assert kinds(found) == [("near-duplicate", "note", (0, 1))]
    assert 0.8 <= found[0].details["similarity"] < 1


def test_nearly_the_same_sentence_labelled_in_different_ways() -> None:
    [found] = repeats(Example(LONG + ".", {"energy"}), Example(LONG + " too.", {"trade"}))
    assert (found.kind, found.severity) == ("near-duplicate", "warning")
    assert found.details["domains"] == ["energy", "trade"]


def test_a_chain_of_near_identical_sentences_across_splits_is_one_leak() -> None:
    rows = [Example(LONG + " today" * n, split=split) for n, split in enumerate(["train"] * 2)]
    [leak] = repeats(*rows, Example(LONG + " today!", split="dev"))
    assert (leak.kind, leak.rows, leak.details["splits"]) == ("leak", (0, 1, 2), ["dev", "train"])


def test_what_differs_in_digits_alone_is_near_and_not_the_same() -> None:
    [found] = repeats(Example("Exports rose by 3%."), Example("Exports rose by 4%."))
    assert (found.kind, found.details["similarity"]) == ("near-duplicate", 1.0)


def test_documents_across_splits() -> None:
    rows = (
        Example("One.", group="a", split="train"),
        Example("Two.", group="a", split="test"),
        Example("Three.", group="a", split="train"),
        Example("Four.", group="b", split="train"),
        Example("Five.", group="b"),
        Example("Six.", split="train"),
        Example("Seven.", split="test"),
    )
    [found] = find_groups_across_splits(Examples(CORE, rows))
    assert kinds([found]) == [("group-across-splits", "error", (0, 1, 2))]
    assert found.message == "sentences of group 'a': 2 in train, 1 in test"
    assert found.details == {"group": "a", "n_of_split": {"train": 2, "test": 1}}
