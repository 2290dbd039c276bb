import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diplomacy_nlp.platt import fit_platt, fit_temperature, log_softmax

few = settings(max_examples=50, deadline=None)


class TestFitPlatt:
    def test_follows_a_shift_and_a_scale_of_the_logits(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(size=500)
        labels = rng.random(500) < 1 / (1 + np.exp(1 - 2 * logits))
        slope, intercept = fit_platt(logits, labels)
        moved_slope, moved_intercept = fit_platt(10 * logits + 300, labels)
        assert moved_slope == pytest.approx(slope / 10, rel=1e-4)
        assert moved_intercept == pytest.approx(intercept - 30 * slope, rel=1e-4)

    def test_symmetric_labels_have_no_intercept(self):
        slope, intercept = fit_platt(np.array([-1.0, 1.0]), np.array([False, True]))
        # Platt's targets for one of each are 1/3 and 2/3.
        assert slope == pytest.approx(np.log(2), rel=1e-4)
        assert intercept == pytest.approx(0, abs=1e-6)


class TestFitTemperature:
    def test_unknown_relations_do_not_count(self):
        rng = np.random.default_rng(1)
        logits, relations = rng.normal(size=(60, 3)), rng.integers(-1, 3, size=60)
        known = relations >= 0
        assert fit_temperature(logits, relations) == fit_temperature(
            logits[known], relations[known]
        )

    def test_scales_with_the_logits(self):
        rng = np.random.default_rng(2)
        relations = rng.integers(3, size=300)
        logits = np.eye(3)[relations] + rng.normal(size=(300, 3))
        once, thrice = (fit_temperature(scale * logits, relations) for scale in (1, 3))
        assert thrice == pytest.approx(3 * once, rel=1e-3)


class TestLogSoftmax:
    @few
    @given(hnp.arrays(float, (4, 3), elements=st.floats(-1e5, 1e5)))
    @example(np.array([[1e5, -1e5, 0.0]] * 4))
    def test_logarithm_of_a_distribution(self, scores):
        logarithms = log_softmax(scores)
        assert (logarithms <= 0).all()
        np.testing.assert_allclose(np.exp(logarithms).sum(axis=1), 1)
        np.testing.assert_allclose(
            logarithms - logarithms.max(axis=1, keepdims=True),
            scores - scores.max(axis=1, keepdims=True),
            atol=1e-9,
        )
