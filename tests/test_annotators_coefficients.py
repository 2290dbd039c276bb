import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from diplomacy_nlp.annotators.coefficients import (
    cohen_kappa,
    krippendorff_alpha,
    masi_distances,
    nominal_distances,
    raw_agreement,
)

N_VALUES = 3
few = settings(max_examples=40, deadline=None)


def answers(least=2, most=4):
    shapes = st.tuples(st.integers(2, 20), st.integers(least, most))
    return shapes.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, 2)))


def once(given_answers):
    return np.ones((1, len(given_answers)))


class TestCohenKappa:
    @few
    @given(answers(2, 2))
    def test_is_that_of_scikit_learn(self, given_answers):
        [kappa] = cohen_kappa(given_answers, N_VALUES, once(given_answers))
        if len(np.unique(given_answers)) == 1:
            assert np.isnan(kappa)
        else:
            assert kappa == pytest.approx(cohen_kappa_score(*given_answers.T), abs=1e-9)

    @few
    @given(answers(3, 3))
    def test_of_more_annotators_is_the_mean_over_pairs(self, given_answers):
        weights = once(given_answers)
        pairs = [
            cohen_kappa(given_answers[:, pair], 3, weights) for pair in ([0, 1], [0, 2], [1, 2])
        ]
        expected = np.mean(pairs, axis=0)
        assert cohen_kappa(given_answers, 3, weights) == pytest.approx(expected, nan_ok=True)


class TestKrippendorffAlpha:
    @few
    @given(answers())
    def test_is_that_of_the_package(self, given_answers):
        [alpha] = krippendorff_alpha(
            given_answers, nominal_distances(N_VALUES), once(given_answers)
        )
        if len(np.unique(given_answers)) == 1:
            assert np.isnan(alpha)
        else:
            expected = krippendorff.alpha(given_answers.T, level_of_measurement="nominal")
            assert alpha == pytest.approx(expected, abs=1e-9)

    @few
    @given(answers())
    def test_with_distances_between_sets(self, given_answers):
        distances = masi_distances([frozenset("ab"), frozenset("b"), frozenset("bc")])

        def metric(_values, _others, *, i1, i2, n_v, dtype):
            return distances[i1, i2]

        [alpha] = krippendorff_alpha(given_answers, distances, once(given_answers))
        if len(np.unique(given_answers)) > 1:
            expected = krippendorff.alpha(
                given_answers.T, level_of_measurement=metric, value_domain=range(N_VALUES)
            )
            assert alpha == pytest.approx(expected, abs=1e-9)

    def test_of_a_published_example(self):
        # Krippendorff, K. (2011), Computing Krippendorff's alpha-reliability, part A.
        one = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
        other = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
        pair = np.array([one, other]).T
        assert krippendorff_alpha(pair, nominal_distances(2), once(pair)).round(3) == 0.095


class TestWeights:
    @few
    @given(answers(), st.data())
    def test_count_repeated_sentences(self, given_answers, data):
        n = len(given_answers)
        times = data.draw(arrays(np.int64, (2, n), elements=st.integers(0, 3)))
        times[:, 0] += 1
        distances = nominal_distances(N_VALUES)
        for number, weights in enumerate(times):
            repeated = np.repeat(given_answers, weights, axis=0)
            for coefficient in (
                raw_agreement,
                lambda rows, w: cohen_kappa(rows, N_VALUES, w),
                lambda rows, w: krippendorff_alpha(rows, distances, w),
            ):
                weighted = coefficient(given_answers, times.astype(float))[number]
                [counted] = coefficient(repeated, once(repeated))
                assert weighted == pytest.approx(counted, nan_ok=True, abs=1e-9)


class TestMasi:
    SETS = ({"a"}, {"a"}, {"a", "b"}, {"b", "c"}, {"c"}, set())

    def test_values(self):
        distances = masi_distances([frozenset(names) for names in self.SETS])
        assert distances[0, 1] == 0
        assert distances[0, 2] == pytest.approx(1 - 1 / 2 * 2 / 3)
        assert distances[2, 3] == pytest.approx(1 - 1 / 3 * 1 / 3)
        assert distances[0, 4] == 1
        assert distances[0, 5] == 1
        assert distances[5, 5] == 0

    def test_symmetry(self):
        distances = masi_distances([frozenset(names) for names in self.SETS])
        assert (distances == distances.T).all()


def test_raw_agreement_of_three():
    rows = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 2]])
    assert raw_agreement(rows, once(rows)) == pytest.approx((1 + 1 / 3 + 0) / 3)
