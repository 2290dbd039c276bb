import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diplomacy_nlp.errors import MissingExtraError
from diplomacy_nlp.near_duplicates import (
    NearIdentical,
    normalise,
    number_units,
    pair_near_identical,
)

WORDS = ("gas", "tariff", "border", "raid", "port", "treaty", "envoy", "summit", "loan", "chip")


def sentence(random: np.random.Generator, n_words: int = 14) -> str:
    return " ".join(
        f"{random.choice(WORDS)}{random.choice(list('abcdefghijkl'))}" for _ in range(n_words)
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The EU met.", "the  eu met"),
        ("“It’s 1,200 tonnes.”", "It's 7,345 tonnes"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "café!"),
        ("a_b", "A b"),
    ],
)
def test_what_normalising_makes_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def jaccard(one: str, other: str) -> float:
    sets = [{text[i : i + 5] for i in range(len(text) - 4)} for text in (one, other)]
    union = sets[0] | sets[1]
    return len(sets[0] & sets[1]) / len(union) if union else 0.0


@settings(deadline=None, max_examples=60)
@given(
    base=st.lists(st.text("abc ", min_size=4, max_size=60), min_size=1, max_size=6),
    edits=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 60), st.text("ab", max_size=3)), max_size=20
    ),
)
def test_exactly_the_similar_pairs_are_found(
    base: list[str], edits: list[tuple[int, int, str]]
) -> None:
    texts = [*base]
    for index, place, insert in edits:
        text = base[index % len(base)]
        texts.append(text[:place] + insert + text[place:])
    texts = list(dict.fromkeys(" ".join(text.split()) for text in texts))
    expected = {
        (i, j): jaccard(texts[i], texts[j])
        for i, j in itertools.combinations(range(len(texts)), 2)
        if jaccard(texts[i], texts[j]) >= 0.8 - 1e-12
    }
    found = {(pair.row, pair.other): pair.similarity for pair in pair_near_identical(texts)}
    assert found == pytest.approx(expected)


def test_similar_pairs_are_found_across_blocks_of_rows() -> None:
    random = np.random.default_rng(0)
    texts = [sentence(random) for _ in range(600)]
    texts.append(texts[3] + " again")
    [pair] = pair_near_identical(texts)
    assert (pair.row, pair.other) == (3, 600)
    assert 0.8 <= pair.similarity < 1


def test_repeats_are_paired_with_the_first() -> None:
    texts = ["They met.", "It rained.", "they  met", "It rained 3 times.", "They met!"]
    pairs = list(pair_near_identical(texts))
    assert pairs == [NearIdentical(0, 2, 1.0), NearIdentical(0, 4, 1.0)]


@given(
    groups=st.lists(st.integers(0, 5), max_size=12),
    links=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=8),
)
def test_units_are_the_connected_parts(groups: list[int], links: list[tuple[int, int]]) -> None:
    n = len(groups)
    pairs = [NearIdentical(*sorted(link), 0.9) for link in links if max(link) < n]
    tied = np.eye(n, dtype=bool) | (np.array(groups)[:, None] == np.array(groups)[None])
    for pair in pairs:
        tied[pair.row, pair.other] = tied[pair.other, pair.row] = True
    for _ in range(n):
        tied = tied @ tied
    units = number_units(groups, pairs)
    assert ((units[:, None] == units[None]) == tied).all()
    assert list(dict.fromkeys(units.tolist())) == list(range(len(set(units.tolist()))))


def test_the_order_of_pairs_does_not_matter() -> None:
    pairs = [NearIdentical(0, 3, 0.9), NearIdentical(1, 4, 0.9), NearIdentical(3, 4, 0.8)]
    expected = [0, 0, 1, 0, 0]
    for order in itertools.permutations(pairs):
        assert number_units(range(5), order).tolist() == expected


def test_scikit_learn_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(MissingExtraError, match=r'"diplomacy-nlp\[train\]"'):
        list(pair_near_identical(["One.", "Two."]))
