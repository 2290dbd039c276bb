import dataclasses
from typing import Any

import numpy as np
import pytest

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, RELATIONS, WIDE, DomainSet
from diplomacy_nlp.errors import DataError

GAS = Example(
    "Both sides agreed to build a gas pipeline.",
    frozenset({"energy"}),
    relation="cooperation",
    split="train",
    group="a",
    id="1",
)
TARIFF = Example(
    "It threatened tariffs on steel.", frozenset({"trade"}), relation="conflict", split="dev"
)
RAIN = Example("It rained in the capital.", relation="neutral", split="train", group="a")
UNKNOWN = Example("They met.")
EXAMPLES = Examples(CORE, (GAS, TARIFF, RAIN, UNKNOWN), source="labels.csv")


def test_an_example_takes_any_iterable_of_names() -> None:
    several: tuple[Any, ...] = (["energy", "trade"], ("trade", "energy"), iter(["energy", "trade"]))
    for names in several:
        assert Example("x", names).domains == {"energy", "trade"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("train", "train"),
        ("Train", "train"),
        ("validation", "dev"),
        ("valid", "dev"),
        ("VAL", "dev"),
        ("dev", "dev"),
        (" test ", "test"),
        ("test_source", "test_source"),
        ("Paris", "Paris"),
    ],
)
def test_names_of_splits_are_brought_together(given: str, kept: str) -> None:
    assert Example("x", split=given).split == kept


def test_blanks_are_dropped_around_optional_fields_and_kept_around_the_text() -> None:
    example = Example(" x\n", relation=" neutral ", group="a ", id="\t7")
    assert example == Example(" x\n", relation="neutral", group="a", id="7")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": ""}, "text: empty text"),
        ({"text": " \n\u2003"}, "text: empty text"),
        ({"text": None}, "text: missing"),
        ({"text": 12}, "text: 12 is not text"),
        ({"text": "a\0b"}, "text: a NUL character in the text"),
        (
            {"text": "a\ud800"},
            "text: a lone surrogate at character 1, which UTF-8 cannot write",
        ),
        ({"domains": "energy"}, "domains: 'energy' is one string; give a set of names"),
        ({"domains": [3]}, "domains: 3 is not text"),
        (
            {"relation": "war"},
            "relation: unknown relation 'war'. Valid: cooperation, conflict, neutral",
        ),
        ({"split": " "}, "split: empty text"),
        ({"source": 3}, "source: 3 is not text"),
        ({"group": 1.5}, "group: 1.5 is not text"),
        ({"id": "\udfff"}, "id: a lone surrogate at character 0, which UTF-8 cannot write"),
    ],
)
def test_an_example_that_no_file_could_carry_is_refused(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        Example(**({"text": "x"} | fields))
    assert caught.value.problems == (message,)


def test_all_problems_of_an_example_are_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Example("", relation="war", id="\0")
    assert len(caught.value.problems) == 3


def test_examples_are_a_sequence() -> None:
    assert len(EXAMPLES) == 4
    assert list(EXAMPLES) == [GAS, TARIFF, RAIN, UNKNOWN]
    assert EXAMPLES[1] is TARIFF
    assert EXAMPLES[-1] is UNKNOWN
    assert EXAMPLES[1:3] == Examples(CORE, (TARIFF, RAIN))
    assert EXAMPLES[1:3].source == "labels.csv"
    assert RAIN in EXAMPLES
    assert not Examples(CORE, ())


def test_arrays_have_one_row_a_sentence() -> None:
    assert EXAMPLES.texts == [GAS.text, TARIFF.text, RAIN.text, UNKNOWN.text]
    assert EXAMPLES.labels.dtype == np.bool_
    assert EXAMPLES.labels.astype(int).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert EXAMPLES.relations.dtype == np.int8
    assert EXAMPLES.relations.tolist() == [0, 1, 2, -1]
    assert [RELATIONS[number] for number in EXAMPLES.relations[:3]] == list(RELATIONS)
    assert EXAMPLES.splits == {"train", "dev"}


def test_no_examples_give_empty_arrays() -> None:
    nothing = Examples(WIDE, ())
    assert nothing.texts == []
    assert nothing.labels.shape == (0, 13)
    assert nothing.relations.shape == (0,)
    assert nothing.splits == frozenset()


def test_examples_without_a_group_are_groups_of_their_own() -> None:
    groups = EXAMPLES.groups
    assert groups[0] == groups[2] == "a"
    assert len(set(groups)) == 3


def test_select_keeps_the_order_given_and_may_repeat() -> None:
    chosen = EXAMPLES.select(np.array([2, 0, 0]))
    assert chosen == Examples(CORE, (RAIN, GAS, GAS))


def test_where_split_may_be_empty() -> None:
    assert EXAMPLES.where_split("train").rows == (GAS, RAIN)
    assert EXAMPLES.where_split("test").rows == ()


def test_with_domains_drops_labels_outside_and_reorders_columns() -> None:
    fewer = EXAMPLES.with_domains(DomainSet.of(["trade", "fisheries"]))
    assert fewer.domains.names == ("trade", "fisheries")
    assert fewer.labels.astype(int).tolist() == [[0, 0], [1, 0], [0, 0], [0, 0]]
    assert fewer.rows[0] == dataclasses.replace(GAS, domains=frozenset())


def test_a_domain_outside_the_set_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        Examples(CORE, (GAS, Example("x", frozenset({"health", "art"}))))
    valid = "Valid: energy, trade, security, counter-terrorism"
    assert caught.value.problems == (
        f"example 2: unknown domain 'art'. {valid}",
        f"example 2: unknown domain 'health'. {valid}",
    )


def test_the_source_takes_no_part_in_comparisons() -> None:
    other = dataclasses.replace(EXAMPLES, source="elsewhere")
    assert other == EXAMPLES
    assert hash(other) == hash(EXAMPLES)
    assert other.sha256 == EXAMPLES.sha256


def test_sources_of_sentences_take_no_part_in_the_hash() -> None:
    rows = tuple(dataclasses.replace(row, source=" wire ") for row in EXAMPLES)
    assert rows[0].source == "wire"
    assert Examples(CORE, rows) != EXAMPLES
    assert Examples(CORE, rows).sha256 == EXAMPLES.sha256


def test_the_hash_changes_with_everything_that_is_content() -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"text": "y"},
        {"domains": {"trade"}},
        {"relation": "neutral"},
        {"split": "test"},
        {"group": "b"},
        {"id": "2"},
    )
    others = [
        Examples(CORE, (dataclasses.replace(GAS, **change), TARIFF, RAIN, UNKNOWN))
        for change in changes
    ]
    others += [EXAMPLES.select([1, 0, 2, 3]), EXAMPLES[:3], EXAMPLES.with_domains(WIDE)]
    hashes = {examples.sha256 for examples in [EXAMPLES, *others]}
    assert len(hashes) == 1 + len(others)


def test_the_hash_is_the_same_in_every_run_and_version() -> None:
    # Published metrics name their data by this hash; it may change only with the format version.
    examples = Examples(CORE, (Example("x", frozenset({"trade", "energy"})),))
    assert examples.sha256 == "e477756f4adf86be78c82842eac3148f16855bfdb2a45a499457d5deeb994458"
