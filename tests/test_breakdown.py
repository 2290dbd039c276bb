import dataclasses
import json
import math

import numpy as np
import pytest
from tagged import random_examples, tag_with_noise

from diplomacy_nlp.breakdown import break_down
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.evaluation import evaluate_tagged


def of_examples(rows):
    """Return a perfect tagging."""
    return tag_with_noise(Examples(CORE, tuple(rows)), 0)


@pytest.fixture
def tagged():
    return tag_with_noise(random_examples(n_documents=120), 0.4)


def test_every_sentence_stands_in_one_part_of_each_kind(tagged):
    breakdown = break_down(tagged, n_bootstrap=0)
    assert list(breakdown) == ["source", "length", "relation"]
    for subsets in breakdown.values():
        assert sum(subset.n_sentences for subset in subsets) == len(tagged)
        assert sum(subset.n_labels for subset in subsets) == tagged.labels.sum()


def test_scores_are_those_of_the_part_alone(tagged):
    [wires] = [s for s in break_down(tagged)["source"] if s.name == "wires"]
    rows = [row for row, example in enumerate(tagged.examples) if example.source == "wires"]
    alone = evaluate_tagged(tagged.select(np.array(rows)))
    assert (wires.macro_f1, wires.micro_f1) == (alone.macro_f1, alone.micro_f1)
    assert wires.exact_match == alone.exact_match
    assert (wires.n_sentences, wires.n_groups) == (alone.n_sentences, alone.n_groups) == (120, 40)
    assert wires.macro_f1.interval.low < wires.macro_f1.value < wires.macro_f1.interval.high


def test_sources_go_by_their_size():
    rows = [Example(f"{i}", source="a" if i < 2 else "b") for i in range(5)] + [Example("none")]
    subsets = break_down(of_examples(rows))["source"]
    assert [(s.name, s.n_sentences) for s in subsets] == [("b", 3), ("a", 2), ("not given", 1)]


def test_lengths_are_in_words():
    rows = [Example(" ".join(["word"] * n)) for n in (1, 10, 11, 20, 21, 40, 41, 500)]
    subsets = break_down(of_examples(rows))["length"]
    assert [(s.name, s.n_sentences) for s in subsets] == [
        ("1–10 words", 2),
        ("11–20 words", 2),
        ("21–30 words", 1),
        ("31–40 words", 1),
        ("over 40 words", 2),
    ]


def test_relations_stand_in_their_order():
    rows = [Example("x", relation=relation) for relation in ("neutral", None, "cooperation")]
    names = [subset.name for subset in break_down(of_examples(rows))["relation"]]
    assert names == ["cooperation", "neutral", "not given"]


def test_a_kind_in_which_all_are_alike_is_left_out():
    assert break_down(of_examples([Example("a"), Example("b")])) == {}


def test_a_macro_is_over_the_domains_that_occur():
    rows = [Example("one", {"trade"}, source="a"), Example("two", {"energy", "trade"}, source="b")]
    tagged = of_examples(rows)
    tags = tagged.tags.copy()
    tags[:, CORE.index("energy")] = False
    tags[0, CORE.index("security")] = True  # lowers the micro F1 alone
    a, b = break_down(dataclasses.replace(tagged, tags=tags), n_bootstrap=0)["source"]
    assert (a.n_domains, a.macro_f1.value, a.micro_f1.value) == (1, 1, pytest.approx(2 / 3))
    assert (b.n_domains, b.macro_f1.value, b.micro_f1.value) == (2, 0.5, pytest.approx(2 / 3))


def test_little_is_said_of_little():
    rows = [Example(f"{i}", {"trade"}, source="a" if i < 29 else "b") for i in range(59)]
    rows += [Example("nothing", source="c")]
    breakdown = break_down(of_examples(rows))["source"]
    b, a, c = breakdown
    assert (a.name, a.n_groups, b.name, b.n_groups) == ("a", 29, "b", 30)
    assert a.macro_f1.value == b.macro_f1.value == 1
    assert math.isnan(a.macro_f1.interval.low)
    assert b.macro_f1.interval.low == 1
    assert c.n_labels == c.n_domains == 0
    assert math.isnan(c.macro_f1.value)
    assert math.isnan(c.micro_f1.value)
    assert c.exact_match.value == 1


def test_json(tagged):
    [first, *_] = break_down(tagged, n_bootstrap=20)["relation"]
    plain = first.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["micro_f1"]["value"] == round(first.micro_f1.value, 6)


def test_same_seed_same_numbers(tagged):
    first, again, other = (break_down(tagged, n_bootstrap=30, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
