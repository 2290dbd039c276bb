import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from diplomacy_nlp.metrics import (
    Tallies,
    average_precision,
    average_precisions,
    calibration_error,
    f1_score,
    macro_f1,
    relation_macro_f1,
)

few = settings(max_examples=25, deadline=None)


@st.composite
def columns(draw, n_domains=1, min_rows=1):
    """Labels, tags and probabilities (n, d); few distinct probabilities, so that many are tied."""
    shape = (draw(st.integers(min_rows, 40)), n_domains)
    levels = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=32))
    return (
        draw(hnp.arrays(bool, shape)),
        draw(hnp.arrays(bool, shape)),
        draw(hnp.arrays(np.float32, shape, elements=levels)),
    )


class TestParityWithScikitLearn:
    @few
    @given(columns())
    def test_one_domain(self, drawn):
        labels, tags, probabilities = (column[:, 0] for column in drawn)
        if not labels.any():
            assert math.isnan(f1_score(labels, tags))
            assert math.isnan(average_precision(labels, probabilities))
            return
        assert f1_score(labels, tags) == pytest.approx(
            sk.f1_score(labels, tags, zero_division=0), abs=1e-12
        )
        assert average_precision(labels, probabilities) == pytest.approx(
            sk.average_precision_score(labels, probabilities), abs=1e-12
        )

    @few
    @given(columns(n_domains=4))
    def test_macro_f1(self, drawn):
        labels, tags, _ = drawn
        supported = labels.any(axis=0)
        if not supported.any():
            assert math.isnan(macro_f1(labels, tags))
            return
        scores = sk.f1_score(labels, tags, average=None, zero_division=0)
        assert macro_f1(labels, tags) == pytest.approx(scores[supported].mean(), abs=1e-12)

    @few
    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1))
    def test_relations(self, pairs):
        right, said = np.array(pairs, dtype=np.int8).T
        expected = sk.f1_score(
            right, said, labels=np.unique(right), average="macro", zero_division=0
        )
        assert relation_macro_f1(right, said) == pytest.approx(expected)

    @few
    @given(columns(), st.data())
    def test_average_precision_under_weights(self, drawn, more):
        labels, _, probabilities = drawn
        weights = more.draw(hnp.arrays(float, (3, len(labels)), elements=st.integers(0, 3)))
        ours = average_precisions(labels, probabilities.astype(float), weights)[:, 0]
        for score, row in zip(ours, weights, strict=True):
            if not row[labels[:, 0]].any():
                assert math.isnan(score)
                continue
            times = row.astype(int)
            assert score == pytest.approx(
                sk.average_precision_score(
                    labels[:, 0].repeat(times), probabilities[:, 0].repeat(times)
                )
            )


@few
@given(columns(n_domains=2), st.data())
def test_scores_under_weights(drawn, more):
    labels, tags, _ = drawn
    weights = more.draw(hnp.arrays(float, (3, len(labels)), elements=st.integers(0, 3)))
    tallies = Tallies.of(labels, tags, weights)
    for scores, pooled, precision, recall, row in zip(
        tallies.f1(),
        tallies.pooled().f1()[:, 0],
        tallies.precision(),
        tallies.recall(),
        weights,
        strict=True,
    ):
        times = row.astype(int)
        right, said = labels.repeat(times, axis=0), tags.repeat(times, axis=0)
        for ours, score in ((precision, sk.precision_score), (recall, sk.recall_score)):
            for j in range(2):
                supported = right[:, j].any()
                theirs = score(right[:, j], said[:, j], zero_division=0) if supported else math.nan
                assert ours[j] == pytest.approx(theirs, nan_ok=True)
        ours = [f1_score(right[:, j], said[:, j]) for j in range(2)]
        assert scores == pytest.approx(ours, nan_ok=True)
        assert pooled == pytest.approx(f1_score(right.ravel(), said.ravel()), nan_ok=True)


class TestCalibrationError:
    def test_mean_distance_over_bins(self):
        labels = [0, 0, 1, 1]
        # Two bins: mean probability .2 against share 0, .7 against 1.
        assert calibration_error(labels, [0.1, 0.3, 0.6, 0.8], n_bins=2) == pytest.approx(0.25)

    def test_distances_within_a_bin_cancel(self):
        assert calibration_error([0, 1], [0.5, 0.5]) == 0
        assert calibration_error([0, 1], [0.0, 1.0]) == 0
        assert calibration_error([1, 0], [0.0, 1.0]) == 1

    def test_bins_have_equal_mass(self):
        probabilities = np.linspace(0, 0.01, 150)
        labels = np.arange(150) % 10 == 0
        in_order = np.abs((probabilities - labels).reshape(15, 10).mean(axis=1)).mean()
        assert calibration_error(labels, probabilities) == pytest.approx(in_order)

    @few
    @given(columns(), st.randoms())
    def test_bounds_and_order_of_rows(self, drawn, random):
        labels, _, probabilities = (column[:, 0] for column in drawn)
        error = calibration_error(labels, probabilities)
        assert 0 <= error <= 1
        order = random.sample(range(len(labels)), len(labels))
        assert calibration_error(labels[order], probabilities[order]) == pytest.approx(error)

    def test_small_for_true_probabilities(self):
        rng = np.random.default_rng(0)
        probabilities = rng.beta(0.3, 2, size=20_000)
        labels = rng.random(20_000) < probabilities
        assert calibration_error(labels, probabilities) < 0.01
        assert calibration_error(labels, probabilities**3) > 0.03

    def test_no_sentences(self):
        assert math.isnan(calibration_error([], []))


def test_nothing_labelled_at_all():
    nothing = np.zeros((3, 4), dtype=bool)
    assert math.isnan(macro_f1(nothing, nothing))
    assert math.isnan(average_precision([], []))
    assert math.isnan(relation_macro_f1([-1, -1], [0, 1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: f1_score([1, 0], [1]), "shapes disagree: labels (2,), tags (1,)"),
        (lambda: f1_score([2, 0], [1, 0]), "labels may hold only 0 and 1"),
        (lambda: macro_f1([1, 0], [1, 0]), "labels must have 2 dimension(s), not shape (2,)"),
        (lambda: average_precision([1], [1.5]), "probabilities must lie in [0, 1]"),
        (lambda: average_precision([1], [math.nan]), "probabilities must lie in [0, 1]"),
        (lambda: average_precision([1], [[0.5]]), "shapes disagree"),
        (lambda: calibration_error([1], [0.5], n_bins=0), "n_bins must be at least 1, not 0"),
        (lambda: relation_macro_f1([3], [0]), "relations must be one row of integers from -1"),
        (lambda: relation_macro_f1([0], [-1]), "predicted must be one row of integers from 0"),
    ],
)
def test_wrong_use_of_one_column(call, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    assert message in str(caught.value)
