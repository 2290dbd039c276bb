import dataclasses
import math

import numpy as np
import pytest

from diplomacy_nlp import bootstrap
from diplomacy_nlp.bootstrap import (
    Interval,
    Replicates,
    Score,
    bootstrap_scores,
    number_groups,
    plain_numbers,
)


@pytest.fixture
def values():
    """One value a sentence (300, 2); five to a document, which resemble one another."""
    rng = np.random.default_rng(5)
    return (rng.random((60, 1, 2)) + 0.1 * rng.random((60, 5, 2))).reshape(300, 2)


documents = np.repeat(np.arange(60), 5)


def means(values, groups=None, n_bootstrap=1000, seed=0):
    def statistics(weights):
        return {"mean": weights @ values / weights.sum(axis=1, keepdims=True)}

    group_of_row = number_groups(groups, len(values))
    return bootstrap_scores(statistics, group_of_row, n_bootstrap=n_bootstrap, seed=seed)["mean"]


class TestIntervals:
    def test_deterministic_for_a_seed(self, values):
        first, again, other = (means(values, documents, seed=seed) for seed in (1, 1, 2))
        assert first == again
        assert first[0].value == other[0].value
        assert first[0].interval != other[0].interval

    def test_match_a_plain_bootstrap(self, values):
        rows_of = np.arange(300).reshape(60, 5)
        rng = np.random.default_rng(99)
        drawn = [rows_of[rng.integers(60, size=60)].ravel() for _ in range(4000)]
        low, high = np.percentile(
            [values[rows].mean(axis=0) for rows in drawn], [2.5, 97.5], axis=0
        )
        for column, score in enumerate(means(values, documents, n_bootstrap=4000)):
            assert score.value == pytest.approx(values[:, column].mean())
            assert score.interval.low == pytest.approx(low[column], abs=0.01)
            assert score.interval.high == pytest.approx(high[column], abs=0.01)

    def test_wider_by_document_than_by_sentence(self):
        # The same ten sentences over and over are worth ten sentences, not three hundred.
        values = np.random.default_rng(0).random((10, 1)).repeat(30, axis=0)
        [by_sentence] = means(values)
        [by_document] = means(values, np.arange(10).repeat(30).tolist())
        width = by_document.interval.high - by_document.interval.low
        assert width > 3 * (by_sentence.interval.high - by_sentence.interval.low)

    def test_cover_the_truth(self):
        rng = np.random.default_rng(7)
        truth, covered = 0.7, 0
        for seed in range(200):
            [score] = means(rng.random((80, 1)) < truth, n_bootstrap=200, seed=seed)
            covered += score.interval.low <= truth <= score.interval.high
        assert 0.89 <= covered / 200 <= 0.99

    def test_replicates_of_any_size_of_groups(self):
        [score] = means(np.array([[0.0], [0.0], [0.0], [1.0]]), ["a", "a", "a", "b"])
        assert score.value == 0.25
        assert score.interval == Interval(0.0, 1.0)

    @pytest.mark.parametrize("options", [{"groups": ["one"] * 300}, {"n_bootstrap": 0}])
    def test_none_without_replicates_or_groups(self, values, options):
        for score in means(values, **options):
            assert score.value > 0
            assert math.isnan(score.interval.low)
            assert math.isnan(score.interval.high)

    def test_undefined_replicates_do_not_count(self):
        def statistics(weights):
            only_once = np.where(weights == 1, 1.0, math.nan)
            return {"first": only_once[:, :1], "never": np.full((len(weights), 1), math.nan)}

        scores = bootstrap_scores(statistics, np.arange(5), n_bootstrap=50, seed=0)
        assert scores["first"][0].interval == Interval(1.0, 1.0)
        assert math.isnan(scores["never"][0].interval.low)

    def test_do_not_depend_on_the_size_of_blocks(self, values, monkeypatch):
        whole = means(values, documents)
        monkeypatch.setattr(bootstrap, "_WEIGHTS_PER_BLOCK", 300 * 7)
        for score, expected in zip(means(values, documents), whole, strict=True):
            assert score.value == expected.value
            assert score.interval.low == pytest.approx(expected.interval.low, rel=1e-12)
            assert score.interval.high == pytest.approx(expected.interval.high, rel=1e-12)

    def test_negative_number(self, values):
        with pytest.raises(ValueError, match="n_bootstrap must be at least 0, not -1"):
            means(values, n_bootstrap=-1)


class TestNumberGroups:
    def test_in_order_of_appearance(self):
        assert number_groups(["b", "a", "b"], 3).tolist() == [0, 1, 0]
        assert number_groups(None, 3).tolist() == [0, 1, 2]

    def test_sentences_without_a_group_stand_alone(self):
        assert number_groups([None, "a", None, "a"], 4).tolist() == [0, 1, 2, 1]

    def test_wrong_length(self):
        with pytest.raises(ValueError, match="there are 1 groups for 3 sentences"):
            number_groups(["a"], 3)
        with pytest.raises(ValueError, match="there is no sentence to evaluate"):
            number_groups(None, 0)


class TestReplicates:
    drawn = np.array([[0.5, 1.0, math.nan], [0.25, 1.0, math.nan], [-0.5, 1.0, 0.5]])

    def test_of_the_same_resamples(self, values):
        def statistics(weights):
            return {"mean": weights @ values / weights.sum(axis=1, keepdims=True)}

        group_of_row = number_groups(None, len(values))
        first, again = (
            bootstrap.bootstrap(statistics, group_of_row, n_bootstrap=20, seed=2)["mean"]
            for _ in range(2)
        )
        assert first.values.shape == (2,)
        assert first.resampled.shape == (20, 2)
        difference = first - again
        assert not difference.values.any()
        assert not difference.resampled.any()
        assert first.scores == means(values, n_bootstrap=20, seed=2)

    def test_shares_above_zero(self):
        replicates = Replicates(np.zeros(3), self.drawn)
        assert replicates.shares_above_zero == (pytest.approx(2 / 3), 1.0, 1.0)
        even = replicates - replicates
        assert even.shares_above_zero == (0.5, 0.5, 0.5)
        nothing = Replicates(np.zeros(1), np.full((2, 1), math.nan))
        assert math.isnan(nothing.shares_above_zero[0])
        assert math.isnan(Replicates(np.zeros(1), np.zeros((0, 1))).shares_above_zero[0])

    def test_what_is_undefined_does_not_count(self):
        undefined = Replicates(np.array([0.5, 1.0, math.nan]), self.drawn).scores[2]
        assert math.isnan(undefined.value)
        assert undefined.interval == Interval(0.5, 0.5)


def test_plain_numbers():
    @dataclasses.dataclass
    class Result:
        name: str
        score: Score
        several: tuple[Score, ...]
        by_name: dict[str, float]

    known, unknown = Score(1 / 3, Interval(0.0, 1.0)), Score(math.nan, Interval(math.nan, 1.0))
    assert plain_numbers(Result("x", known, (unknown,), {"a": math.nan})) == {
        "name": "x",
        "score": {"value": 0.333333, "interval": {"low": 0.0, "high": 1.0}},
        "several": [{"value": None, "interval": {"low": None, "high": 1.0}}],
        "by_name": {"a": None},
    }
