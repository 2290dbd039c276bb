import json
import math

import numpy as np
import pytest
from tagged import random_examples, tag_with_noise, tagging

from diplomacy_nlp.comparison import compare, compare_tagged
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, WIDE, DomainSet
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.evaluation import evaluate_tagged
from diplomacy_nlp.metrics import macro_f1
from diplomacy_nlp.tagger import Tagger

EXAMPLES = random_examples(n_documents=80)
BETTER, WORSE = tag_with_noise(EXAMPLES, 0.3), tag_with_noise(EXAMPLES, 0.6, seed=2)
ALIKE = tag_with_noise(EXAMPLES, 0.3, seed=3)


def all_differences(comparison):
    overall = (comparison.macro_f1, comparison.micro_f1, comparison.exact_match)
    return (*overall, comparison.relation_macro_f1, *comparison.domains.values())


def test_values_are_differences_of_the_scores():
    comparison = compare_tagged(BETTER, WORSE)
    ours, theirs = evaluate_tagged(BETTER), evaluate_tagged(WORSE)
    for name in ("macro_f1", "micro_f1", "exact_match", "relation_macro_f1"):
        difference = getattr(comparison, name)
        assert difference.score == pytest.approx(getattr(ours, name).value)
        assert difference.other_score == pytest.approx(getattr(theirs, name).value)
    for scores, others in zip(ours.domains, theirs.domains, strict=True):
        difference = comparison.domains[scores.domain]
        assert (difference.score, difference.other_score) == (scores.f1, others.f1)
    for difference in all_differences(comparison):
        assert difference.value == difference.score - difference.other_score
    assert (comparison.n_sentences, comparison.n_groups) == (240, 80)


def test_a_better_tagger_is_told_from_a_worse_one():
    for difference in all_differences(compare_tagged(BETTER, WORSE)):
        assert 0 < difference.interval.low < difference.value < difference.interval.high
        assert difference.share_better > 0.99


def test_two_alike_are_not():
    comparison = compare_tagged(BETTER, ALIKE)
    assert comparison.macro_f1.interval.low < 0 < comparison.macro_f1.interval.high
    assert 0.05 < comparison.macro_f1.share_better < 0.95


def test_the_other_way_round():
    there, back = compare_tagged(BETTER, WORSE), compare_tagged(WORSE, BETTER)
    for one, other in zip(all_differences(there), all_differences(back), strict=True):
        assert one.value == -other.value
        assert one.interval.low == pytest.approx(-other.interval.high)
        assert one.share_better == pytest.approx(1 - other.share_better)


def test_a_tagger_against_itself():
    for difference in all_differences(compare_tagged(BETTER, BETTER)):
        assert difference.value == difference.interval.low == difference.interval.high == 0
        assert difference.share_better == 0.5


def test_intervals_match_a_plain_paired_bootstrap():
    rows_of = np.arange(240).reshape(80, 3)
    rng = np.random.default_rng(9)
    drawn = [rows_of[rng.integers(80, size=80)].ravel() for _ in range(1000)]
    plain = [
        macro_f1(BETTER.labels[rows], BETTER.tags[rows])
        - macro_f1(BETTER.labels[rows], ALIKE.tags[rows])
        for rows in drawn
    ]
    difference = compare_tagged(BETTER, ALIKE).macro_f1
    low, high = np.percentile(plain, [2.5, 97.5])
    assert difference.interval.low == pytest.approx(low, abs=0.01)
    assert difference.interval.high == pytest.approx(high, abs=0.01)
    assert difference.share_better == pytest.approx(np.mean(np.array(plain) > 0), abs=0.05)


def test_pairing_tells_more_than_two_intervals():
    # The same mistakes and one in twenty more.
    tags = BETTER.tags.copy()
    tags[::20] = ~tags[::20]
    slightly_worse = tagging(BETTER.labels, tags)
    ours, theirs = evaluate_tagged(BETTER), evaluate_tagged(slightly_worse)
    assert ours.micro_f1.interval.low < theirs.micro_f1.interval.high
    paired = compare_tagged(tagging(BETTER.labels, BETTER.tags), slightly_worse)
    assert paired.micro_f1.interval.low > 0


def test_domains_without_support_and_relations_nobody_tells():
    comparison = compare_tagged(
        tagging([[1, 0], [0, 0]], [[1, 0], [0, 0]]), tagging([[1, 0], [0, 0]], [[0, 0], [0, 1]])
    )
    trade = comparison.domains["trade"]
    assert comparison.macro_f1.value == comparison.domains["energy"].value == 1
    assert all(map(math.isnan, (trade.value, trade.score, trade.share_better, trade.interval.low)))
    assert comparison.relation_macro_f1 is None
    plain = comparison.to_dict()
    assert plain["domains"]["trade"]["share_better"] is None
    assert plain["relation_macro_f1"] is None
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("options", [{"n_bootstrap": 0}, {}], ids=["none drawn", "one document"])
def test_no_bootstrap(options):
    tagged = tagging([[1], [0]], [[1], [1]], group="the one document" if not options else None)
    difference = compare_tagged(tagged, tagged, **options).micro_f1
    assert difference.value == 0
    assert math.isnan(difference.interval.low)
    assert math.isnan(difference.share_better)


def test_same_seed_same_numbers():
    first, again, other = (compare_tagged(BETTER, ALIKE, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.macro_f1.value == other.macro_f1.value
    assert first.macro_f1.interval != other.macro_f1.interval
    assert (first.n_bootstrap, first.seed) == (1000, 1)


def test_other_sentences():
    with pytest.raises(DataError, match="on the same sentences only"):
        compare_tagged(BETTER, tag_with_noise(random_examples(seed=4), 0.1))
    with pytest.raises(ValueError, match="n_bootstrap must be at least 0, not -1"):
        compare_tagged(BETTER, WORSE, n_bootstrap=-1)


class TestCompare:
    rows = (
        Example("They agreed on gas.", {"energy"}, relation="cooperation"),
        Example("Wheat will be sold.", {"trade", "agriculture"}, relation="neutral"),
        Example("It rained.", relation="neutral"),
    )
    examples = Examples(WIDE, rows, "some.csv")

    def test_on_the_domains_that_all_three_know(self, fake_tagger):
        other = Tagger.load(domains=["health", "trade", "energy"], thresholds={"energy": 0.99})
        comparison = compare(fake_tagger, other, self.examples, n_bootstrap=0)
        assert list(comparison.domains) == ["energy", "trade"]
        assert comparison.domains["energy"].value == 1
        assert comparison.domains["trade"].value == 0
        assert comparison.exact_match.value == pytest.approx(1 / 3)
        assert comparison.relation_macro_f1.value == 0

    def test_nothing_in_common(self, fake_tagger):
        health = Tagger.load(domains=["health"])
        with pytest.raises(DataError, match=r"^the taggers have no domain in common"):
            compare(fake_tagger, health, self.examples)
        with pytest.raises(DataError, match=r"^some\.csv: the domains are art"):
            compare(fake_tagger, health, self.examples.with_domains(DomainSet.of(["art"])))
        with pytest.raises(DataError, match="there is no sentence"):
            compare(fake_tagger, health, Examples(CORE, ()))
