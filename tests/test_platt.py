import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diplomacy_nlp.platt import fit_platt, fit_relations, log_softmax

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


class TestFitRelations:
    def test_unknown_relations_do_not_count(self):
        rng = np.random.default_rng(1)
        logits, relations = rng.normal(size=(60, 3)), rng.integers(-1, 3, size=60)
        known = relations >= 0
        for found, wanted in zip(
            fit_relations(logits, relations),
            fit_relations(logits[known], relations[known]),
            strict=True,
        ):
            np.testing.assert_array_equal(found, wanted)

    def test_scales_with_the_logits(self):
        rng = np.random.default_rng(2)
        relations = rng.integers(3, size=300)
        logits = np.eye(3)[relations] + rng.normal(size=(300, 3))
        (once, biases), (thrice, same) = (
            fit_relations(scale * logits, relations) for scale in (1, 3)
        )
        assert thrice == pytest.approx(3 * once, rel=1e-3)
        np.testing.assert_allclose(same, biases, atol=1e-3)

    def test_finds_what_made_the_relations(self):
        rng = np.random.default_rng(4)
        logits = rng.normal(scale=3, size=(20_000, 3))
        shares = np.exp(log_softmax(logits / 2 + [0.5, -1.0, 0.5]))
        relations = (rng.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
        temperature, biases = fit_relations(logits, relations)
        assert temperature == pytest.approx(2, rel=0.05)
        np.testing.assert_allclose(biases, [0.5, -1.0, 0.5], atol=0.1)
        # Where the log loss is least, every relation is as frequent as it is probable.
        probable = np.exp(log_softmax(logits / temperature + biases)).mean(axis=0)
        np.testing.assert_allclose(probable, np.bincount(relations) / 20_000, atol=1e-3)

    def test_a_relation_that_never_occurs_stays_finite(self):
        logits = np.eye(3)[[0, 1, 0, 1]]
        temperature, biases = fit_relations(logits, np.array([0, 1, 0, 1]))
        assert np.isfinite([temperature, *biases]).all()
        assert biases[2] < min(biases[:2])


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
