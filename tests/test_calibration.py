import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diplomacy_nlp.calibration import (
    Calibration,
    Logits,
    best_f1_threshold,
    expected_f1_threshold,
    fit_calibration,
)
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.metrics import calibration_error, f1_score

few = settings(max_examples=50, deadline=None)
logit = st.floats(-1e4, 1e4, width=32)


@st.composite
def calibrations(draw, n_domains=3):
    values = st.lists(st.floats(-20, 20), min_size=n_domains, max_size=n_domains)
    shares = st.lists(st.floats(0, 1), min_size=n_domains, max_size=n_domains)
    slopes = st.lists(st.floats(1e-3, 1e3), min_size=n_domains, max_size=n_domains)
    return Calibration(
        draw(slopes),
        draw(values),
        draw(shares),
        relation_temperature=draw(st.floats(0.1, 10)),
        relation_biases=draw(st.lists(st.floats(-5, 5), min_size=3, max_size=3)),
    )


@st.composite
def labelled(draw, elements):
    n = draw(st.integers(1, 30))
    return (
        draw(hnp.arrays(bool, n)),
        draw(hnp.arrays(np.float32, n, elements=elements)),
    )


def tempered(temperature):
    return Calibration((1,), (0,), (0.5,), relation_temperature=temperature)


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def gradient_of_smoothed_loss(calibration, labels, logits):
    """Residuals to Platt's targets: their sum and their covariance with standardised logits."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    targets = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    exact = logits.astype(float)
    scores = calibration.slopes[0] * exact + calibration.intercepts[0]
    residuals = np.exp(-np.logaddexp(0, -scores)) - targets
    return np.array([residuals.sum(), residuals @ ((exact - exact.mean()) / exact.std())])


class TestProbabilities:
    @few
    @given(calibrations(), hnp.arrays(np.float32, (10, 3), elements=logit))
    def test_bounded_and_monotone(self, calibration, logits):
        probabilities = calibration.probabilities(logits)
        assert probabilities.dtype == np.float32
        assert probabilities.shape == (10, 3)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        for j in range(3):
            assert (np.diff(probabilities[np.argsort(logits[:, j]), j]) >= 0).all()

    def test_is_the_sigmoid_of_the_line(self):
        calibration = Calibration((1.5, 0.5), (0.25, -1.0), (0.5, 0.5))
        logits = np.array([[-3.0, 2.0], [0.0, 9.0]], dtype=np.float32)
        expected = sigmoid(logits * [1.5, 0.5] + [0.25, -1.0])
        np.testing.assert_allclose(calibration.probabilities(logits), expected, rtol=1e-6)

    def test_extremes_are_exact_and_silent(self):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            probabilities = Calibration.identity(4).probabilities([[-1e4, -80.0, 0.0, 1e4]])
        assert probabilities[0, [0, 2, 3]].tolist() == [0.0, 0.5, 1.0]
        assert probabilities[0, 1] == pytest.approx(math.exp(-80))

    def test_no_sentences(self):
        assert Calibration.identity(2).probabilities(np.empty((0, 2))).shape == (0, 2)

    @pytest.mark.parametrize("logits", [[0.0, 0.0], [[0.0]], [[0.0, math.nan]], [[0.0, math.inf]]])
    def test_wrong_logits(self, logits):
        with pytest.raises(ValueError, match="logits must be"):
            Calibration.identity(2).probabilities(logits)


class TestTags:
    def test_reaching_the_threshold_is_enough(self):
        tags = Calibration((1, 1), (0, 0), (0.5, 0.75)).tags([[0.5, 0.75], [0.49, 0.7499]])
        assert tags.dtype == np.bool_
        assert tags.tolist() == [[True, True], [False, False]]

    def test_thresholds_are_not_rounded_to_float32(self):
        probability = np.float32(0.1)
        above = float(probability) + 1e-12
        assert Calibration((1,), (0,), (float(probability),)).tags([[probability]]).all()
        assert not Calibration((1,), (0,), (above,)).tags([[probability]]).any()

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"probabilities must be \(n, 2\), not \(1, 1\)"):
            Calibration.identity(2).tags([[0.5]])


class TestRelationProbabilities:
    @few
    @given(hnp.arrays(np.float32, (5, 3), elements=logit), st.floats(0.1, 10))
    @example(np.array([[1e4, -1e4, 0]] * 5, dtype=np.float32), 0.1)
    def test_distribution(self, logits, temperature):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            probabilities = tempered(temperature).relation_probabilities(logits)
        assert probabilities.dtype == np.float32
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        chosen = probabilities[np.arange(5), logits.argmax(axis=1)]
        assert (chosen == probabilities.max(axis=1)).all()

    def test_softmax_of_the_tempered_logits(self):
        logits = np.array([[2.0, 0.0, -2.0]], dtype=np.float32)
        expected = np.exp([1, 0, -1]) / np.exp([1, 0, -1]).sum()
        np.testing.assert_allclose(tempered(2).relation_probabilities(logits)[0], expected, 1e-6)
        assert tempered(1).relation_probabilities(logits)[0, 0] > expected[0]

    @pytest.mark.parametrize("logits", [[0.0] * 3, [[0.0] * 2], [[0.0, 0.0, math.nan]]])
    def test_wrong_logits(self, logits):
        with pytest.raises(ValueError, match="relation logits must be"):
            tempered(1).relation_probabilities(logits)


class TestExpectedF1Threshold:
    @few
    @given(st.lists(st.floats(0.0625, 1, width=32), min_size=1, max_size=30))
    def test_no_other_cut_expects_more(self, probabilities):
        threshold = expected_f1_threshold(probabilities)

        def expected_f1(cut):
            tagged = [p for p in probabilities if p >= cut]
            return 2 * sum(tagged) / (len(tagged) + sum(probabilities))

        assert 0 < threshold <= 0.5 + 1e-12
        best = max(expected_f1(cut) for cut in probabilities)
        assert expected_f1(threshold) == pytest.approx(best)
        assert threshold == pytest.approx(best / 2)

    @pytest.mark.parametrize("probabilities", [[0.0, 0.0], []])
    def test_nothing_expected(self, probabilities):
        assert expected_f1_threshold(probabilities) == 0.5

    def test_wrong_probabilities(self):
        with pytest.raises(ValueError, match="probabilities must lie in"):
            expected_f1_threshold([0.5, 1.5])


class TestBestF1Threshold:
    @few
    @given(labelled(st.one_of(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.floats(0, 1, width=32))))
    def test_as_good_as_any(self, drawn):
        labels, probabilities = drawn
        threshold = best_f1_threshold(labels, probabilities)
        assert 0 <= threshold <= 1
        if not labels.any():
            assert threshold == 0.5
            return
        scores = [f1_score(labels, probabilities >= cut) for cut in np.unique(probabilities)]
        reached = Calibration((1,), (0,), (threshold,)).tags(probabilities[:, None])[:, 0]
        assert f1_score(labels, reached) == pytest.approx(max(scores), abs=1e-12)

    def test_half_way_between_neighbours(self):
        assert best_f1_threshold([0, 0, 1, 1], [0.1, 0.25, 0.5, 0.9]) == 0.375
        assert best_f1_threshold([1, 1], [0.5, 0.25]) == 0.125

    def test_nearest_to_one_half_among_equals(self):
        # Tagging one, two or all of these gives F1 2/3, 1/2 or 2/3.
        labels, probabilities = [1, 0, 0, 1], [0.875, 0.75, 0.625, 0.5]
        assert f1_score(labels, [1, 0, 0, 0]) == f1_score(labels, [1, 1, 1, 1])
        assert best_f1_threshold(labels, probabilities) == 0.25
        assert best_f1_threshold(labels, [0.625, 0.5, 0.125, 0.0625]) == 0.5625

    def test_nothing_between_neighbouring_floats(self):
        low = 0.5
        high = math.nextafter(low, 1)
        assert best_f1_threshold([0, 1], [low, high]) == high

    def test_probability_zero(self):
        assert best_f1_threshold([1], [0.0]) == 0

    @pytest.mark.parametrize(
        ("labels", "probabilities", "message"),
        [
            ([1, 0], [0.5], "shapes disagree"),
            ([[1]], [[0.5]], "labels must have 1 dimension"),
            ([2], [0.5], "labels may hold only 0 and 1"),
            ([1], [1.5], r"probabilities must lie in \[0, 1\]"),
            ([1], [math.nan], r"probabilities must lie in \[0, 1\]"),
        ],
    )
    def test_wrong_input(self, labels, probabilities, message):
        with pytest.raises(ValueError, match=message):
            best_f1_threshold(labels, probabilities)


class TestFit:
    def test_finds_the_curve_that_made_the_labels(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(scale=4, size=(20_000, 2)).astype(np.float32)
        true = sigmoid(logits * [0.5, 2.0] + [-1.0, 3.0])
        labels = rng.random(true.shape) < true
        calibration = fit_calibration(Logits(logits), labels)
        assert calibration.slopes == pytest.approx([0.5, 2.0], rel=0.05)
        assert calibration.intercepts == pytest.approx([-1.0, 3.0], rel=0.05)
        assert calibration.relation_temperature == 1
        raw = Calibration.identity(2).probabilities(logits)
        for j, fitted in enumerate(calibration.probabilities(logits).T):
            error = calibration_error(labels[:, j], fitted)
            assert error < 0.02 < calibration_error(labels[:, j], raw[:, j])

    @few
    @given(labelled(logit))
    def test_minimises_the_smoothed_loss(self, drawn):
        labels, logits = drawn
        calibration = fit_calibration(Logits(logits[:, None]), labels[:, None])
        slope, intercept = calibration.slopes[0], calibration.intercepts[0]
        assert slope > 0
        if (slope, intercept) == (1, 0):
            return
        assert gradient_of_smoothed_loss(calibration, labels, logits) == pytest.approx(0, abs=1e-3)

    def test_one_huge_logit(self):
        # Newton's full steps overshoot here.
        logits = np.append(np.linspace(-2, 2, 44), 1e4)
        labels = np.append(np.zeros(44, dtype=bool), True)
        calibration = fit_calibration(Logits(logits[:, None]), labels[:, None])
        assert calibration.slopes[0] != 1
        assert gradient_of_smoothed_loss(calibration, labels, logits) == pytest.approx(0, abs=1e-3)

    def test_separable_labels_stay_finite(self):
        logits = np.array([[-9.0], [-8.0], [8.0], [9.0]], dtype=np.float32)
        calibration = fit_calibration(Logits(logits), [[0], [0], [1], [1]])
        probabilities = calibration.probabilities(logits)[:, 0]
        # Platt's targets for two of each are 1/4 and 3/4.
        np.testing.assert_allclose(probabilities, [0.25, 0.25, 0.75, 0.75], atol=0.03)
        assert calibration.tags(probabilities[:, None])[:, 0].tolist() == [False, False, True, True]

    @pytest.mark.parametrize(
        ("labels", "logits"),
        [
            ([0, 0, 0], [-1.0, 0.0, 2.0]),
            ([1, 1, 1], [-1.0, 0.0, 2.0]),
            ([1, 0, 1], [0.5, 0.5, 0.5]),
            ([1, 1, 0, 0], [-2.0, -1.0, 1.0, 2.0]),
            ([], []),
        ],
        ids=["no positives", "no negatives", "equal logits", "falling", "no sentences"],
    )
    def test_keeps_the_logits_where_there_is_nothing_to_fit(self, labels, logits):
        columns = (np.array(values).reshape(-1, 1) for values in (labels, logits))
        labels, logits = columns
        calibration = fit_calibration(Logits(logits.astype(np.float32)), labels)
        assert (calibration.slopes, calibration.intercepts) == ((1.0,), (0.0,))
        if not labels.any():
            assert calibration.thresholds == (0.5,)

    def test_thresholds_are_those_of_the_best_expected_f1(self):
        rng = np.random.default_rng(1)
        logits = rng.normal(size=(4000, 3)).astype(np.float32)
        labels = rng.random((4000, 3)) < sigmoid(3 * logits - 2)
        calibration = fit_calibration(Logits(logits), labels)
        probabilities = calibration.probabilities(logits)
        tags = calibration.tags(probabilities)
        for j in range(3):
            assert calibration.thresholds[j] == expected_f1_threshold(probabilities[:, j])
            best = max(f1_score(labels[:, j], logits[:, j] >= cut) for cut in logits[::20, j])
            assert f1_score(labels[:, j], tags[:, j]) == pytest.approx(best, abs=0.01)

    def test_temperature(self):
        rng = np.random.default_rng(2)
        scores = rng.normal(scale=2, size=(5000, 3))
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        relations = (rng.random((5000, 1)) > shares.cumsum(axis=1)).sum(axis=1).astype(np.int8)
        relations[::7] = -1
        overconfident = Logits(
            np.zeros((5000, 1), dtype=np.float32), (3 * scores).astype(np.float32)
        )
        temperature = fit_calibration(
            overconfident, np.zeros((5000, 1)), relations
        ).relation_temperature
        assert temperature == pytest.approx(3, rel=0.1)
        known = np.flatnonzero(relations >= 0)
        losses = [
            -np.log(tempered(t).relation_probabilities(3 * scores)[known, relations[known]]).mean()
            for t in (temperature, temperature * 0.95, temperature * 1.05)
        ]
        assert losses[0] == min(losses)

    @pytest.mark.parametrize(
        ("relations", "temperature"), [([-1, -1], 1.0), ([0, 1], 0.1), ([1, 0], 10.0)]
    )
    def test_temperature_is_bounded(self, relations, temperature):
        logits = Logits(np.zeros((2, 1), dtype=np.float32), np.eye(3, dtype=np.float32)[:2] * 20)
        fitted = fit_calibration(logits, np.zeros((2, 1)), relations)
        assert fitted.relation_temperature == pytest.approx(temperature, rel=1e-3)

    @pytest.mark.parametrize(
        ("labels", "relations", "message"),
        [
            ([[0], [1]], None, r"shapes disagree: logits \(2, 2\), labels \(2, 1\)"),
            ([[0, 1], [1, 2]], None, "labels may hold only 0 and 1"),
            ([[0, 1], [1, 0]], [0], "relations must be 2 integers from -1 to 2"),
            ([[0, 1], [1, 0]], [0, 3], "relations must be 2 integers from -1 to 2"),
        ],
    )
    def test_wrong_input(self, labels, relations, message):
        logits = Logits(np.zeros((2, 2), dtype=np.float32), np.zeros((2, 3), dtype=np.float32))
        with pytest.raises(ValueError, match=message):
            fit_calibration(logits, labels, relations)


class TestLogits:
    def test_length(self):
        assert len(Logits(np.zeros((4, 2), dtype=np.float32))) == 4

    @pytest.mark.parametrize(
        ("domains", "relations"), [((2,), None), ((2, 1), (2, 2)), ((2, 1), (1, 3))]
    )
    def test_wrong_shape(self, domains, relations):
        with pytest.raises(ValueError, match="logits must be"):
            Logits(np.zeros(domains), None if relations is None else np.zeros(relations))


class TestCalibration:
    @few
    @given(calibrations())
    def test_survives_json(self, calibration):
        text = json.dumps(calibration.to_dict(), allow_nan=False)
        assert Calibration.from_dict(json.loads(text)) == calibration

    def test_models_made_before_there_were_biases(self):
        calibration = Calibration.identity(2)
        values = calibration.to_dict()
        del values["relation_biases"]
        assert Calibration.from_dict(values) == calibration
        del values["slopes"]
        with pytest.raises(ConfigError, match=r"missing or unknown keys: slopes$"):
            Calibration.from_dict(values)

    def test_numpy_values_become_plain(self):
        calibration = Calibration(np.ones(2, dtype=np.float32), [0, 1], (np.float64(0.5), 1))
        assert calibration == Calibration((1.0, 1.0), (0.0, 1.0), (0.5, 1.0))
        assert {type(value) for value in calibration.slopes + calibration.thresholds} == {float}
        assert hash(calibration) == hash(Calibration((1.0, 1.0), (0.0, 1.0), (0.5, 1.0)))

    def test_select(self):
        calibration = Calibration((1, 2, 3), (4, 5, 6), (0.1, 0.2, 0.3), 2, (3, 4, 5))
        chosen = calibration.select([2, 0])
        assert chosen == Calibration((3, 1), (6, 4), (0.3, 0.1), 2, (3, 4, 5))
        assert len(chosen) == 2
        logits = np.array([[1.0, -2.0, 0.5]], dtype=np.float32)
        np.testing.assert_array_equal(
            chosen.probabilities(logits[:, [2, 0]]), calibration.probabilities(logits)[:, [2, 0]]
        )

    def test_with_thresholds(self):
        calibration = Calibration((1, 2), (3, 4), (0.1, 0.2), 2, (3, 4, 5))
        changed = calibration.with_thresholds({1: 0.9})
        assert changed == Calibration((1, 2), (3, 4), (0.1, 0.9), 2, (3, 4, 5))
        assert calibration.thresholds == (0.1, 0.2)
        assert calibration.with_thresholds({}) == calibration

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda c: c.select([2]), "there is no column 2, only 0 to 1"),
            (lambda c: c.select([-1]), "there is no column -1, only 0 to 1"),
            (lambda c: c.select([]), "need one value a domain"),
            (lambda c: c.with_thresholds({2: 0.5}), "there is no column 2, only 0 to 1"),
            (lambda c: c.with_thresholds({0: 1.5}), r"thresholds must lie in \[0, 1\], not 1.5"),
            (lambda c: c.with_thresholds({0: math.nan}), "thresholds must be finite"),
        ],
    )
    def test_wrong_change(self, call, message):
        with pytest.raises(ConfigError, match=message):
            call(Calibration.identity(2))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"slopes": [1.0]}, "there are 1, 2 and 2"),
            ({"slopes": [1.0, 0.0]}, r"slopes must be above 0, not 0.0"),
            ({"slopes": "11"}, "slopes must be a list of numbers, not '11'"),
            ({"slopes": 1.0}, "slopes must be a list of numbers, not 1.0"),
            ({"slopes": [1.0, True]}, "slopes must be finite, not True"),
            ({"intercepts": [0.0, None]}, "intercepts must be finite, not None"),
            ({"intercepts": [0.0, math.inf]}, "intercepts must be finite, not inf"),
            ({"thresholds": [0.5, -0.1]}, r"thresholds must lie in \[0, 1\], not -0.1"),
            ({"relation_temperature": 0}, "relation_temperature must be above 0, not 0.0"),
            ({"relation_temperature": "1"}, "relation_temperature must be finite, not '1'"),
            ({"relation_biases": [0.0]}, "relation_biases needs 3 values, not 1"),
            ({"relation_biases": [0.0, 0.0, math.nan]}, "relation_biases must be finite, not nan"),
            ({"bias": 1}, "missing or unknown keys: bias"),
        ],
    )
    def test_wrong_values(self, change, message):
        values = Calibration.identity(2).to_dict() | change
        with pytest.raises(ConfigError, match=message):
            Calibration.from_dict(values)

    def test_missing_key(self):
        values = Calibration.identity(2).to_dict()
        del values["thresholds"]
        with pytest.raises(ConfigError, match="missing or unknown keys: thresholds"):
            Calibration.from_dict(values)
