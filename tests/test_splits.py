import itertools
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError
from diplomacy_nlp.splits import Split, split_examples

WORDS = ("gas", "tariff", "border", "raid", "port", "treaty", "envoy", "summit", "loan", "chip")


def sentence(random: np.random.Generator, n_words: int = 14) -> str:
    return " ".join(
        f"{random.choice(WORDS)}{random.choice(list('abcdefghijkl'))}" for _ in range(n_words)
    )


def some_examples(n: int, n_groups: int | None = None, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        names = frozenset(name for name in CORE.names if random.random() < 0.2)
        group = None if n_groups is None else f"doc {random.integers(n_groups)}"
        rows.append(Example(sentence(random), names, group=group))
    return Examples(CORE, tuple(rows), "labels.csv")


def parts_of(split: Split) -> tuple[Examples, Examples, Examples]:
    return split.train, split.dev, split.test


def with_splits(*names: str | None) -> Examples:
    random = np.random.default_rng(1)
    return Examples(
        CORE, tuple(Example(sentence(random), split=name) for name in names), "labels.csv"
    )


def test_a_random_split_divides_everything_once() -> None:
    examples = some_examples(400)
    parts = parts_of(split_examples(examples))
    assert [len(part) for part in parts] == pytest.approx([320, 40, 40], abs=2)
    assert sorted(row.text for part in parts for row in part) == sorted(examples.texts)
    assert all(part.domains == CORE and part.source == "labels.csv" for part in parts)


def test_parts_keep_the_order_of_the_examples() -> None:
    examples = some_examples(60)
    place = {text: number for number, text in enumerate(examples.texts)}
    for part in parts_of(split_examples(examples)):
        places = [place[text] for text in part.texts]
        assert places == sorted(places)


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    examples = some_examples(100)
    assert split_examples(examples, seed=3) == split_examples(examples, seed=3)
    assert split_examples(examples, seed=3) != split_examples(examples, seed=4)


def test_shares_are_those_asked_for() -> None:
    split = split_examples(some_examples(300), dev_share=0.2, test_share=0.3)
    assert [len(part) for part in parts_of(split)] == pytest.approx([150, 60, 90], abs=3)


def test_label_frequencies_are_near_those_of_the_whole() -> None:
    examples = some_examples(600)
    split = split_examples(examples)
    for part in (split.dev, split.test):
        differences = part.labels.mean(axis=0) - examples.labels.mean(axis=0)
        assert np.abs(differences).max() < 0.1


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(12, 80),
    n_groups=st.integers(6, 40),
    seed=st.integers(0, 99),
    share=st.floats(0.05, 0.4),
)
def test_groups_never_cross(n: int, n_groups: int, seed: int, share: float) -> None:
    examples = some_examples(n, n_groups, seed)
    if len(set(examples.groups)) < 3:
        return
    parts = parts_of(split_examples(examples, seed=seed, dev_share=share, test_share=share))
    assert all(parts)
    assert sum(map(len, parts)) == n
    for one, other in itertools.combinations(parts, 2):
        assert not set(one.groups) & set(other.groups)


def test_near_identical_sentences_join_their_groups() -> None:
    random = np.random.default_rng(0)
    rows = []
    for number in range(40):
        words = sentence(random, 25).split()
        rows.append(Example(" ".join(words), group=f"a{number}"))
        rows.append(Example(" ".join(words).upper() + "!", group=f"b{number}"))
        rows.append(Example(" ".join([*words[:12], "instead", *words[13:]]), group=f"c{number}"))
    split = split_examples(Examples(CORE, tuple(rows)))
    for part in parts_of(split):
        numbers = [group[1:] for group in part.groups]
        assert all(numbers.count(number) == 3 for number in numbers)


def test_a_long_document_goes_to_train() -> None:
    random = np.random.default_rng(0)
    groups = ["long"] * 60 + ["short 1", "short 2", "short 3"]
    rows = tuple(Example(sentence(random), group=group) for group in groups)
    for seed in range(5):
        split = split_examples(Examples(CORE, rows), seed=seed)
        assert "long" in split.train.groups
        assert split.dev
        assert split.test


def test_few_large_groups_can_still_be_divided() -> None:
    rows = some_examples(200).rows
    groups = [f"doc {number % 4}" for number in range(200)]
    rows = tuple(
        Example(row.text, row.domains, group=g) for row, g in zip(rows, groups, strict=True)
    )
    parts = parts_of(split_examples(Examples(CORE, rows)))
    assert [len(part) for part in parts] == [100, 50, 50]


def test_short_and_symbol_only_sentences_can_be_divided() -> None:
    rows = tuple(Example(text) for text in ("Yes", "No", "Why", "??", "!!", "yes."))
    parts = parts_of(split_examples(Examples(CORE, rows)))
    assert sum(map(len, parts)) == 6
    assert any({"Yes", "yes."} <= set(part.texts) for part in parts)
    assert any({"??", "!!"} <= set(part.texts) for part in parts)


# --- the file's own split ---


def test_the_own_split_is_used() -> None:
    examples = with_splits("train", "dev", "test", "train", "test_source")
    split = split_examples(examples)
    assert split.train == examples.select([0, 3])
    assert split.dev == examples.select([1])
    assert split.test == examples.select([2])


def test_test_may_be_missing_from_the_own_split() -> None:
    split = split_examples(with_splits("train", "validation"))
    assert [len(part) for part in parts_of(split)] == [1, 1, 0]


def test_a_missing_dev_is_cut_out_of_train() -> None:
    examples = with_splits(*["train"] * 40, *["test"] * 3, "test_source")
    split = split_examples(examples, dev_share=0.25)
    assert split.test == examples.where_split("test")
    assert [len(part) for part in parts_of(split)] == [30, 10, 3]
    assert set(split.train.texts + split.dev.texts) == set(examples.where_split("train").texts)


def test_train_alone_is_divided_into_three() -> None:
    split = split_examples(with_splits(*["train"] * 20))
    assert [len(part) for part in parts_of(split)] == [16, 2, 2]


def test_the_own_split_needs_no_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    split_examples(with_splits("train", "dev"))
    with pytest.raises(
        MissingExtraError, match=r'Comparing sentences needs .*"diplomacy-nlp\[train\]"'
    ):
        split_examples(some_examples(10))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("train", None, "dev", None),
            "labels.csv: 2 of 4 sentences have no split. Give one to all or to none",
        ),
        (
            ("test", "dev", "blind"),
            "labels.csv: no sentence has the split 'train'. Found: blind, dev, test",
        ),
        (
            ("train", "test"),
            (
                "labels.csv: cannot be divided into 2 parts. Sentences: 1; "
                "sets that groups and near-identity tie together: 1"
            ),
        ),
        ((), "labels.csv: there are no sentences to divide"),
    ],
)
def test_a_split_that_cannot_be_used(names: tuple[str | None, ...], message: str) -> None:
    with pytest.raises(DataError) as caught:
        split_examples(with_splits(*names))
    assert str(caught.value) == message


def test_too_few_groups() -> None:
    rows = tuple(Example(f"{text}.", group="ab"[n % 2]) for n, text in enumerate(WORDS))
    with pytest.raises(DataError, match=r"into 3 parts\. Sentences: 10; .* together: 2$"):
        split_examples(Examples(CORE, rows))


@pytest.mark.parametrize("share", [0.0, -0.1, 0.5, 1.0, float("nan")])
@pytest.mark.parametrize("name", ["dev_share", "test_share"])
def test_a_share_out_of_range(name: str, share: float) -> None:
    shares: dict[str, Any] = {name: share}
    with pytest.raises(ConfigError, match=f"{name}={share} is not between 0 and 0.5"):
        split_examples(some_examples(10), **shares)
