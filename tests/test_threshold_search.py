import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.calibration import Logits, fit_calibration
from diplomacy_nlp.operating_points import GOALS
from diplomacy_nlp.threshold_search import find_operating_points

few = settings(max_examples=50, deadline=None)


@st.composite
def columns(draw, smallest=1, largest=60):
    n = draw(st.integers(smallest, largest))
    # Not finer than scikit-learn tells them apart.
    some = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=16))
    return (
        draw(hnp.arrays(np.float32, n, elements=some)),
        draw(hnp.arrays(bool, n, elements=st.booleans())),
    )


def find(probabilities, labels, threshold=0.5, **options):
    """Find the points of one domain."""
    options = {"n_bootstrap": 0} | options
    columns = (np.asarray(values)[:, None] for values in (probabilities, labels))
    return find_operating_points(*columns, [threshold], ["trade"], **options).domains["trade"]


def like_a_model(n, *, share=0.2, seed=0):
    """Return probabilities that are calibrated, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    scores = 2.5 * rng.normal(size=n) + math.log(share / (1 - share))
    probabilities = (1 / (1 + np.exp(-scores))).astype(np.float32)
    return probabilities, rng.random(n) < probabilities


def counts(probabilities, labels, threshold):
    tags = probabilities.astype(float) >= threshold
    return int(tags.sum()), int((tags & labels).sum())


class TestGoals:
    @few
    @given(columns())
    def test_precision_is_that_of_the_lowest_threshold_with_one_mistake_to_spare(self, drawn):
        probabilities, labels = drawn
        points = find(probabilities, labels).precision
        reached = [counts(probabilities, labels, t) for t in np.unique(probabilities)]
        for goal, point in zip(GOALS, points, strict=True):
            good = [n for n, hits in reached if n >= 10 and hits / (n + 1) >= goal]
            if point is None:
                assert not good
            else:
                n_tagged, n_hits = counts(probabilities, labels, point.threshold)
                assert n_tagged == max(good)
                assert point.precision == pytest.approx(n_hits / n_tagged, abs=1e-4)
                assert point.precision >= goal
                assert point.recall == pytest.approx(n_hits / labels.sum(), abs=1e-4)

    @few
    @given(columns())
    def test_recall_is_that_of_the_highest_threshold_with_one_miss_to_spare(self, drawn):
        probabilities, labels = drawn
        points = find(probabilities, labels).recall
        n_positives = labels.sum()
        reached = [counts(probabilities, labels, t) for t in np.unique(probabilities)]
        for goal, point in zip(GOALS, points, strict=True):
            good = [n for n, hits in reached if hits / (n_positives + 1) >= goal]
            if point is None:
                assert n_positives < 10 or not good
            else:
                n_tagged, n_hits = counts(probabilities, labels, point.threshold)
                assert n_tagged == min(good)
                assert n_positives >= 10
                assert point.recall == pytest.approx(n_hits / n_positives, abs=1e-4)
                assert point.recall >= goal

    @few
    @given(columns(smallest=20))
    def test_more_is_asked_of_higher_goals(self, drawn):
        points = find(*drawn)
        for found, sign in ((points.precision, 1), (points.recall, -1)):
            thresholds = [sign * point.threshold for point in found if point is not None]
            assert thresholds == sorted(thresholds)
            # Once a goal cannot be had, no higher one can.
            assert [point is not None for point in found] == sorted(
                (point is not None for point in found), reverse=True
            )

    def test_thresholds_are_half_way_between_probabilities(self):
        probabilities = np.array([0.75] * 20 + [0.25] * 20, dtype=np.float32)
        points = find(probabilities, probabilities > 0.5)
        assert points.precision[-1] is None  # 20 of 21
        assert points.precision[GOALS.index(0.95)].threshold == 0.5
        assert points.recall[GOALS.index(0.95)].threshold == 0.5

    def test_a_mistake_at_the_top_does_not_spoil_what_is_below(self):
        probabilities = np.linspace(1, 0, 201)[:200]
        labels = np.arange(200) < 100
        labels[2] = False
        point = find(probabilities, labels).precision[GOALS.index(0.98)]
        assert (point.precision, point.recall) == (0.99, 1.0)

    @pytest.mark.parametrize("n_positives", [0, 9, 10])
    def test_ten_sentences_are_needed(self, n_positives):
        probabilities = np.linspace(1, 0, 101)[:100]
        points = find(probabilities, np.arange(100) < n_positives)
        assert (points.recall[0] is None) == (n_positives < 10)
        assert (points.precision[GOALS.index(0.9)] is None) == (n_positives < 10)

    def test_goals_hold_on_average_for_other_data(self):
        reached = {
            (measure, goal): [] for measure in ("precision", "recall") for goal in (0.7, 0.9)
        }
        for seed in range(150):
            probabilities, labels = like_a_model(400, seed=seed)
            others, right = like_a_model(400, seed=10_000 + seed)
            points = find(probabilities, labels)
            for (measure, goal), shares in reached.items():
                point = getattr(points, measure)[GOALS.index(goal)]
                if point is not None:
                    n_tagged, n_hits = counts(others, right, point.threshold)
                    shares.append(n_hits / (n_tagged if measure == "precision" else right.sum()))
        for (_, goal), shares in reached.items():
            assert len(shares) > 100
            assert goal - 0.005 < np.mean(shares) < goal + 0.04


class TestDefault:
    def test_what_it_reaches(self):
        point = find([0.9, 0.6, 0.5, 0.4], [1, 0, 1, 1], threshold=0.5).default
        assert (point.threshold, point.precision, point.recall) == (0.5, 0.6667, 0.6667)
        assert math.isnan(point.spread.low)

    def test_nothing_tagged_and_nothing_labelled(self):
        point = find([0.25, 0.125], [0, 0], threshold=0.5).default
        assert math.isnan(point.precision)
        assert math.isnan(point.recall)

    def test_spread_is_that_of_calibrating_replicates(self):
        rng = np.random.default_rng(1)
        scores = rng.normal(-1, 2, size=500)
        labels = rng.random(500) < 1 / (1 + np.exp(0.5 - 2 * scores))
        logits = Logits(scores.astype(np.float32)[:, None])
        calibration = fit_calibration(logits, labels[:, None])
        found = []
        for _ in range(300):
            rows = rng.integers(500, size=500)
            again = fit_calibration(Logits(logits.domains[rows]), labels[rows, None])
            # The logit at the threshold of the replicate, as the calibration of all rows sees it.
            [odds] = np.log(again.thresholds) - np.log1p(-np.array(again.thresholds))
            at = (odds - again.intercepts[0]) / again.slopes[0]
            found.append(calibration.probabilities([[at]])[0, 0])
        points = find(
            calibration.probabilities(logits.domains)[:, 0],
            labels,
            calibration.thresholds[0],
            n_bootstrap=300,
        )
        low, high = np.percentile(found, [2.5, 97.5])
        assert points.default.spread.low == pytest.approx(low, abs=0.03)
        assert points.default.spread.high == pytest.approx(high, abs=0.03)
        assert points.default.spread.low < calibration.thresholds[0] < points.default.spread.high


class TestSpread:
    def test_is_about_the_threshold_and_the_same_each_time(self):
        probabilities, labels = like_a_model(400)
        points = find(probabilities, labels, n_bootstrap=200)
        assert points == find(probabilities, labels, n_bootstrap=200)
        assert points != find(probabilities, labels, n_bootstrap=200, seed=1)
        for point in (points.precision[20], points.recall[40]):
            assert 0 <= point.spread.low < point.threshold < point.spread.high <= 1

    def test_less_data_and_larger_documents_move_it_more(self):
        probabilities, labels = like_a_model(1600)

        def width(n, **options):
            spread = (
                find(probabilities[:n], labels[:n], n_bootstrap=200, **options).recall[30].spread
            )
            return spread.high - spread.low

        assert width(1600) < width(200)
        order = np.argsort(probabilities)  # documents that are all sure, or all unsure
        documents = np.empty(1600, dtype=int)
        documents[order] = np.arange(1600) // 80
        assert width(1600) < width(1600, groups=[str(number) for number in documents])

    def test_a_goal_that_replicates_miss(self):
        probabilities = np.array([0.75] * 10 + [0.25] * 10)
        points = find(probabilities, probabilities > 0.5, n_bootstrap=200)
        assert points.precision[GOALS.index(0.9)].spread == Interval(0.5, 1.0)
        assert points.recall[GOALS.index(0.9)].spread == Interval(0.0, 0.5)

    def test_one_document(self):
        points = find(*like_a_model(100), n_bootstrap=50, groups=["a"] * 100)
        assert math.isnan(points.precision[0].spread.low)

    @pytest.mark.parametrize("label", [False, True])
    def test_labels_all_alike(self, label):
        points = find(np.linspace(0, 1, 30), np.full(30, label), n_bootstrap=20)
        assert math.isnan(points.default.spread.high)
        assert (points.recall[0] is None) != label


class TestBands:
    @few
    @given(columns())
    def test_higher_levels_are_wider_and_hold_the_unsure(self, drawn):
        bands = find(*drawn).bands
        for level, band in zip(GOALS, bands, strict=True):
            assert 0 <= band.low <= 1 - level + 1e-9
            assert level <= band.high <= 1
        for narrow, wide in itertools.pairwise(bands):
            assert wide.low <= narrow.low
            assert narrow.high <= wide.high

    @few
    @given(columns(), st.sampled_from(GOALS))
    def test_it_is_where_dev_or_the_probability_falls_under_the_level(self, drawn, level):
        isotonic = pytest.importorskip("sklearn.isotonic")
        probabilities, labels = drawn[0].astype(float), drawn[1]
        fitted = isotonic.IsotonicRegression().fit_transform(probabilities, labels)
        band = find(probabilities, labels).bands[GOALS.index(level)]
        tie, digits = 1e-9, 1e-4
        assert (fitted[probabilities > band.high] >= level - tie).all()
        assert (1 - fitted[probabilities < band.low] >= level - tie).all()
        tagged = probabilities[fitted > level + tie]
        assert (tagged[tagged > level] >= band.high - digits).all()
        left = probabilities[1 - fitted > level + tie]
        assert (left[left < 1 - level] <= band.low + digits).all()

    def test_probabilities_that_promise_too_much(self):
        probabilities = np.concatenate([np.full(100, 0.9375), np.full(100, 0.0625)])
        labels = np.concatenate([np.arange(100) < 70, np.arange(100) < 1])
        bands = find(probabilities, labels).bands
        assert bands[GOALS.index(0.65)].high == 0.65
        assert bands[GOALS.index(0.75)].high == 1.0
        assert bands[GOALS.index(0.9)].low == 0.1

    def test_a_domain_that_dev_lacks(self):
        bands = find(np.full(50, 0.25), np.zeros(50, dtype=bool)).bands
        assert {band.high for band in bands} == {1.0}


class TestArguments:
    def test_domains_stay_apart(self):
        columns = [like_a_model(200, seed=seed) for seed in (1, 2)]
        probabilities, labels = (np.stack(values, axis=1) for values in zip(*columns, strict=True))
        points = find_operating_points(probabilities, labels, [0.5, 0.25], "ab", n_bootstrap=30)
        assert list(points.domains) == ["a", "b"]
        assert points.domains["b"] == find(*columns[1], 0.25, n_bootstrap=30)
        assert dataclasses.astuple(points)[1:] == (200, 200, 30, 0)

    @pytest.mark.parametrize(
        ("probabilities", "labels", "names", "message"),
        [
            ([[0.5]], [[2]], "a", "labels may hold only 0 and 1"),
            ([[1.5]], [[1]], "a", r"probabilities must lie in \[0, 1\]"),
            ([[0.5, 0.5]], [[1]], "a", "shapes disagree"),
            ([[0.5]], [[1]], "ab", "2 domains, 1 thresholds, 1 columns"),
            (np.empty((0, 1)), np.empty((0, 1)), "a", "there is no sentence"),
        ],
    )
    def test_wrong(self, probabilities, labels, names, message):
        with pytest.raises(ValueError, match=message):
            find_operating_points(probabilities, labels, [0.5], names)
