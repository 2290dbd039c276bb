import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk
from tagged import random_examples, tag_with_noise

from diplomacy_nlp.curves import confidences, log_losses, reliability_curve, risk_coverage
from diplomacy_nlp.metrics import calibration_error

few = settings(max_examples=25, deadline=None)
# Few distinct ones, so that many are tied.
levels = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=32))


@st.composite
def tagged(draw, n_domains=2):
    """Labels, probabilities and tags (n, d) with thresholds (d,)."""
    shape = (draw(st.integers(1, 40)), n_domains)
    labels = draw(hnp.arrays(bool, shape))
    probabilities = draw(hnp.arrays(np.float32, shape, elements=levels))
    thresholds = draw(hnp.arrays(np.float64, n_domains, elements=st.floats(0.05, 0.95)))
    return labels, probabilities, probabilities >= thresholds, thresholds


class TestReliabilityCurve:
    @few
    @given(tagged(n_domains=1), st.integers(1, 20))
    def test_its_distance_from_the_diagonal_is_the_calibration_error(self, drawn, n_bins):
        labels, probabilities = drawn[0][:, 0], drawn[1][:, 0]
        curve = reliability_curve(labels, probabilities, n_bins)
        distances = np.abs(curve.mean_probabilities - curve.shares_positive)
        error = (distances * curve.n_sentences).sum() / len(labels)
        assert error == pytest.approx(calibration_error(labels, probabilities, n_bins))
        assert curve.n_sentences.sum() == len(labels)
        assert 0 < len(curve.n_sentences) <= n_bins
        assert (np.diff(curve.mean_probabilities) > 0).all()
        assert (curve.low <= curve.shares_positive).all()
        assert (curve.shares_positive <= curve.high).all()
        assert (curve.low >= 0).all()
        assert (curve.high <= 1).all()

    def test_bins_have_equal_mass(self):
        probabilities = np.linspace(0.001, 0.999, 150) ** 4
        curve = reliability_curve(probabilities > 0.3, probabilities)
        assert curve.n_sentences.tolist() == [10] * 15

    def test_wilson_interval(self):
        # It reaches from 0 of n up to z²/(n + z²), and around one half by the root of that.
        curve = reliability_curve([0] * 10 + [1] * 5 + [0] * 5, [0.1] * 10 + [0.5] * 10, 2)
        z2 = 1.959964**2
        assert curve.low[0] == pytest.approx(0, abs=1e-12)
        assert curve.high[0] == pytest.approx(z2 / (10 + z2))
        assert curve.low[1] + curve.high[1] == pytest.approx(1)
        assert curve.high[1] - curve.low[1] == pytest.approx(math.sqrt(z2 / (10 + z2)))

    def test_no_sentence(self):
        assert len(reliability_curve([], []).n_sentences) == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([1], [0.5], 0), "n_bins must be at least 1, not 0"),
            (([2], [0.5]), "labels may hold only 0 and 1"),
            (([1], [1.5]), "probabilities must lie in"),
            (([1, 0], [0.5]), "shapes disagree"),
        ],
    )
    def test_wrong_use(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            reliability_curve(*arguments)


class TestRiskCoverage:
    @few
    @given(tagged(), st.randoms())
    def test_bounds_and_order_of_rows(self, drawn, random):
        labels, probabilities, tags, thresholds = drawn
        curve = risk_coverage(labels, tags, probabilities, thresholds)
        n = len(labels)
        assert curve.coverages == pytest.approx(np.arange(1, n + 1) / n)
        assert curve.risks[-1] == pytest.approx((labels != tags).any(axis=1).mean())
        assert curve.risk_at(1.0) == curve.risks[-1]
        assert -1e-12 <= curve.least_area <= curve.area + 1e-12 <= 1 + 2e-12
        order = random.sample(range(n), n)
        again = risk_coverage(labels[order], tags[order], probabilities[order], thresholds)
        assert again.risks == pytest.approx(curve.risks)

    def test_a_worked_example(self):
        # From the surest: right, right, wrong, and two equally sure of which one is wrong.
        probabilities = np.array([[0.99], [0.02], [0.9], [0.6], [0.6]])
        labels = np.array([[1], [0], [0], [1], [0]])
        curve = risk_coverage(labels, probabilities >= 0.5, probabilities, [0.5])
        assert curve.risks.tolist() == pytest.approx([0, 0, 1 / 3, 1.5 / 4, 2 / 5])
        assert curve.area == pytest.approx((1 / 3 + 1.5 / 4 + 2 / 5) / 5)
        assert curve.least_area == pytest.approx((1 / 4 + 2 / 5) / 5)
        assert curve.risk_at(0.5) == pytest.approx(1 / 3)
        assert curve.risk_at(0.01) == 0

    def test_is_least_where_the_wrong_are_the_least_sure(self):
        probabilities = np.linspace(0.5, 0.99, 50)[:, None]
        labels = np.arange(50)[:, None] >= 10
        curve = risk_coverage(labels, probabilities >= 0.5, probabilities, [0.5])
        assert curve.area == pytest.approx(curve.least_area)
        assert curve.risk_at(0.8) == 0

    def test_doubt_finds_mistakes(self):
        it = tag_with_noise(random_examples(), 0.3)
        curve = risk_coverage(it.labels, it.tags, it.probabilities, it.thresholds)
        assert curve.risk_at(0.5) < 0.8 * curve.risk_at(1.0)
        assert curve.least_area < curve.area < curve.risk_at(1.0)

    @pytest.mark.parametrize("coverage", [0, -0.1, 1.01, math.nan])
    def test_coverage_out_of_range(self, coverage):
        curve = risk_coverage([[1]], [[1]], [[0.9]], [0.5])
        with pytest.raises(ValueError, match="coverage must lie in"):
            curve.risk_at(coverage)

    def test_wrong_use(self):
        with pytest.raises(ValueError, match="there is no sentence"):
            risk_coverage(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2)), [0.5, 0.5])
        with pytest.raises(ValueError, match="shapes disagree"):
            risk_coverage([[1]], [[1], [0]], [[0.5]], [0.5])
        with pytest.raises(ValueError, match="shapes disagree"):
            risk_coverage([[1], [0]], [[1], [0]], [[0.5]], [0.5])


class TestConfidences:
    def test_is_symmetric_about_the_threshold_in_logits(self):
        below, above = confidences([[0.1], [0.9]], [0.5])
        assert below == pytest.approx(above)
        assert confidences([[0.3]], [0.3]).tolist() == [0]

    def test_the_least_sure_decision_counts(self):
        values = confidences([[0.999, 0.55], [0.999, 0.001]], [0.5, 0.5])
        assert values[0] == pytest.approx(math.log(0.55 / 0.45))
        assert values[1] > 6

    def test_certain_ones_are_finite(self):
        assert np.isfinite(confidences([[0.0, 1.0], [1.0, 1.0]], [0.0, 1.0])).all()

    @pytest.mark.parametrize("thresholds", [[0.5, 0.5], 0.5, [[0.5]]])
    def test_shapes(self, thresholds):
        with pytest.raises(ValueError, match="shapes disagree"):
            confidences([[0.5]], thresholds)


class TestLogLosses:
    @few
    @given(tagged(n_domains=1))
    def test_as_scikit_learn(self, drawn):
        labels, probabilities = drawn[0], np.clip(drawn[1].astype(float), 1e-6, 1 - 1e-6)
        expected = sk.log_loss(labels[:, 0], probabilities[:, 0], labels=[False, True])
        assert log_losses(labels, probabilities).mean() == pytest.approx(expected)

    def test_sums_over_domains_and_stays_finite(self):
        assert log_losses([[1, 0]], [[0.5, 0.75]])[0] == pytest.approx(math.log(2) + math.log(4))
        assert log_losses([[1]], [[0.0]])[0] == pytest.approx(-math.log(1e-7))
