import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, RELATIONS, DomainSet
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.evaluation import evaluate, evaluate_relations, evaluate_tags
from diplomacy_nlp.metrics import macro_f1, relation_macro_f1
from diplomacy_nlp.model_files import ModelConfig
from diplomacy_nlp.tagger import Tagger

few = settings(max_examples=20, deadline=None)


@st.composite
def columns(draw):
    """Labels, tags and probabilities (n, 4)."""
    shape = (draw(st.integers(1, 40)), 4)
    return (
        draw(hnp.arrays(bool, shape)),
        draw(hnp.arrays(bool, shape)),
        draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32))),
    )


@pytest.fixture
def data():
    """Labels, probabilities, tags (300, 4) and documents whose sentences resemble one another."""
    rng = np.random.default_rng(5)
    documents = np.repeat(np.arange(60), 5)
    topic = rng.random((60, 4))[documents]
    probabilities = np.clip(topic + 0.1 * rng.normal(size=topic.shape), 0, 1).astype(np.float32)
    labels = rng.random(topic.shape) < topic**3
    return labels, probabilities, probabilities > 0.6, [f"report {i}" for i in documents]


class TestEvaluateTags:
    @few
    @given(columns())
    def test_evaluation(self, drawn):
        labels, tags, probabilities = drawn
        result = evaluate_tags(labels, probabilities, tags, CORE, n_bootstrap=0)
        supported = labels.any(axis=0)
        expected = sk.precision_recall_fscore_support(labels, tags, zero_division=0)
        for j, scores in enumerate(result.domains):
            ours = (scores.precision, scores.recall, scores.f1)
            theirs = [column[j] if supported[j] else math.nan for column in expected[:3]]
            assert ours == pytest.approx(theirs, abs=1e-12, nan_ok=True)
            assert scores.support == expected[3][j]
        assert result.exact_match.value == pytest.approx(sk.accuracy_score(labels, tags))
        assert macro_f1(labels, tags) == pytest.approx(result.macro_f1.value, nan_ok=True)
        if supported.any():
            assert result.macro_f1.value == pytest.approx(np.mean(expected[2][supported]))
            assert result.micro_f1.value == pytest.approx(
                sk.f1_score(labels, tags, average="micro", zero_division=0)
            )

    def test_deterministic_for_a_seed(self, data):
        labels, probabilities, tags, groups = data
        first, again, other = (
            evaluate_tags(labels, probabilities, tags, CORE, groups=groups, seed=seed)
            for seed in (1, 1, 2)
        )
        assert first == again
        assert first.macro_f1.value == other.macro_f1.value
        assert first.macro_f1.interval != other.macro_f1.interval

    def test_intervals_hold_the_value(self, data):
        labels, probabilities, tags, groups = data
        result = evaluate_tags(labels, probabilities, tags, CORE, groups=groups)
        scores = [
            (score.value, score.interval)
            for score in (
                result.macro_f1,
                result.micro_f1,
                result.macro_average_precision,
                result.exact_match,
            )
        ]
        for domain in result.domains:
            scores += [
                (domain.precision, domain.precision_interval),
                (domain.recall, domain.recall_interval),
                (domain.f1, domain.f1_interval),
            ]
        for value, interval in scores:
            assert 0 <= interval.low < value < interval.high <= 1
        assert (result.n_sentences, result.n_groups) == (300, 60)

    def test_intervals_match_a_plain_bootstrap(self, data):
        labels, probabilities, tags, groups = data
        result = evaluate_tags(labels, probabilities, tags, CORE, groups=groups)
        rows_of = np.arange(300).reshape(60, 5)
        rng = np.random.default_rng(99)
        drawn = [rows_of[rng.integers(60, size=60)].ravel() for _ in range(1000)]
        low, high = np.percentile([macro_f1(labels[r], tags[r]) for r in drawn], [2.5, 97.5])
        assert result.macro_f1.interval.low == pytest.approx(low, abs=0.015)
        assert result.macro_f1.interval.high == pytest.approx(high, abs=0.015)

    def test_sentences_without_a_group_stand_alone(self, data):
        labels, probabilities, tags, _ = data
        alone = evaluate_tags(labels, probabilities, tags, CORE, groups=[None] * 300)
        assert alone == evaluate_tags(labels, probabilities, tags, CORE)
        mixed = [None] * 100 + ["a"] * 100 + ["b"] * 100
        result = evaluate_tags(labels, probabilities, tags, CORE, groups=mixed, n_bootstrap=0)
        assert result.n_groups == 102

    def test_domain_without_support(self):
        labels = np.array([[1, 0], [0, 0], [1, 0]])
        tags = np.array([[1, 1], [0, 0], [0, 0]])
        domains = DomainSet.of(["trade", "health"])
        result = evaluate_tags(labels, tags, tags, domains, n_bootstrap=50)
        trade, health = result.domains
        assert result.macro_f1.value == trade.f1 == pytest.approx(2 / 3)
        # Micro F1 still counts the wrong tag.
        assert result.micro_f1.value == pytest.approx(2 / 4)
        assert health.support == 0
        assert all(
            math.isnan(value)
            for value in (health.precision, health.recall, health.f1, health.average_precision)
        )
        plain = result.to_dict()["domains"]["health"]
        assert plain["f1"] is None
        for interval in ("precision_interval", "recall_interval", "f1_interval"):
            assert plain[interval] == {"low": None, "high": None}
        assert plain["calibration_error"] == pytest.approx(1 / 3, abs=1e-6)

    def test_nothing_labelled_at_all(self):
        nothing = np.zeros((3, 4), dtype=bool)
        result = evaluate_tags(nothing, nothing, nothing, CORE)
        assert math.isnan(result.macro_f1.value)
        assert math.isnan(result.micro_f1.value)
        assert math.isnan(result.macro_average_precision.value)
        assert result.exact_match.value == 1

    def test_json(self, data):
        labels, probabilities, tags, groups = data
        result = evaluate_tags(labels, probabilities, tags, CORE, groups=groups, n_bootstrap=20)
        plain = result.to_dict()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert list(plain["domains"]) == list(CORE.names)
        assert plain["domains"]["trade"]["f1"] == round(result.domains[1].f1, 6)
        assert plain["macro_f1"]["value"] == round(result.macro_f1.value, 6)
        assert plain["macro_f1"]["interval"]["low"] == round(result.macro_f1.interval.low, 6)
        assert plain["n_bootstrap"] == 20
        assert plain["relation_macro_f1"] is None

    @pytest.mark.parametrize(
        ("n_rows", "n_columns", "options", "message"),
        [
            (0, 4, {}, "there is no sentence to evaluate"),
            (3, 3, {}, "labels have 3 columns for 4 domains"),
            (3, 4, {"groups": ["a"]}, "there are 1 groups for 3 sentences"),
            (3, 4, {"n_bootstrap": -1}, "n_bootstrap must be at least 0, not -1"),
        ],
    )
    def test_wrong_use_of_an_evaluation(self, n_rows, n_columns, options, message):
        zeros = np.zeros((n_rows, n_columns))
        with pytest.raises(ValueError, match=message):
            evaluate_tags(zeros, zeros, zeros, CORE, **options)


class TestEvaluateRelations:
    @few
    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1))
    def test_value(self, pairs):
        right, said = np.array(pairs, dtype=np.int8).T
        score = evaluate_relations(right, said, n_bootstrap=0)
        assert score.value == pytest.approx(relation_macro_f1(right, said))

    def test_interval(self):
        rng = np.random.default_rng(3)
        relations = rng.integers(-1, 3, size=200)
        predicted = np.where(rng.random(200) < 0.7, np.maximum(relations, 0), 1)
        groups = [str(i // 4) for i in range(200)]
        score = evaluate_relations(relations, predicted, groups=groups, seed=4)
        assert score.value == relation_macro_f1(relations, predicted)
        assert score.interval.low < score.value < score.interval.high
        assert score == evaluate_relations(relations, predicted, groups=groups, seed=4)
        known = relations >= 0
        kept = [group for group, keep in zip(groups, known, strict=True) if keep]
        assert score == evaluate_relations(relations[known], predicted[known], groups=kept, seed=4)

    def test_no_known_relation(self):
        with pytest.raises(ValueError, match="no relation is known"):
            evaluate_relations([-1], [0])


class TableBackend:
    """Gives the logits that a table holds for a sentence: domains, then relations."""

    def __init__(self, table, has_relation=True):
        self.table = table
        self.has_relation = has_relation

    def logits(self, sentences):
        rows = np.array([self.table[text] for text in sentences], dtype=np.float32)
        return Logits(rows[:, :-3], rows[:, -3:] if self.has_relation else None)


MODEL_DOMAINS = DomainSet.of(["trade", "health", "energy"])
TABLE = {
    "Tariffs fall.": [4, -4, -4, 9, 0, 0],
    "Gas flows again.": [-4, -4, 4, 9, 0, 0],
    "Tariffs on gas rise.": [4, -4, 4, 0, 9, 0],
    "Vaccines arrive.": [-4, 4, -4, 0, 0, 9],
    "It rained.": [-4, -4, 4, 0, 0, 9],
}
# In an order of their own, with a domain that the model lacks; only the last sentence is mistagged.
EXAMPLES = Examples(
    DomainSet.of(["energy", "security", "trade"]),
    (
        Example("Tariffs fall.", {"trade"}, "cooperation", group="a"),
        Example("Gas flows again.", {"energy", "security"}, "cooperation", group="a"),
        Example("Tariffs on gas rise.", {"trade", "energy"}, "cooperation"),
        Example("Vaccines arrive.", (), "neutral", group="b"),
        Example("It rained."),
    ),
    source="sentences.csv",
)


def tagger(*, has_relation=True, **options):
    config = ModelConfig(
        backend="onnx",
        domains=MODEL_DOMAINS,
        default_domains=MODEL_DOMAINS.names,
        has_relation=has_relation,
        calibration=Calibration.identity(3),
    )
    return Tagger(TableBackend(TABLE, has_relation), config, **options)


class TestEvaluate:
    def test_shared_domains_in_the_order_of_the_tagger(self):
        result = evaluate(tagger(), EXAMPLES, n_bootstrap=0)
        trade, energy = result.domains
        assert (trade.domain, energy.domain) == ("trade", "energy")
        assert (trade.f1, trade.average_precision, trade.support) == (1, 1, 2)
        assert (energy.precision, energy.recall, energy.support) == (pytest.approx(2 / 3), 1, 2)
        assert result.exact_match.value == pytest.approx(4 / 5)
        assert (result.n_sentences, result.n_groups) == (5, 4)

    def test_thresholds_and_domains_of_the_tagger(self):
        strict = tagger(domains=["energy"], thresholds={"energy": 0.99})
        [energy] = evaluate(strict, EXAMPLES, n_bootstrap=0).domains
        assert (energy.domain, energy.f1) == ("energy", 0)

    def test_seed_and_number_of_replicates(self):
        result = evaluate(tagger(), EXAMPLES, n_bootstrap=50, seed=3)
        assert (result.n_bootstrap, result.seed) == (50, 3)
        assert result == evaluate(tagger(), EXAMPLES, n_bootstrap=50, seed=3)
        assert result.exact_match.interval.low < result.exact_match.value
        assert result.relation_macro_f1.interval.low < result.relation_macro_f1.value

    def test_relations_where_known(self):
        result = evaluate(tagger(), EXAMPLES, n_bootstrap=0)
        right = [RELATIONS.index(name) for name in ["cooperation"] * 3 + ["neutral"]]
        assert result.relation_macro_f1.value == relation_macro_f1(right, [0, 0, 1, 2])
        plain = result.to_dict()["relation_macro_f1"]
        assert plain == {"value": 0.9, "interval": {"low": None, "high": None}}

    @pytest.mark.parametrize(
        ("model", "examples"),
        [(tagger(has_relation=False), EXAMPLES), (tagger(), EXAMPLES[4:])],
        ids=["the tagger tells none", "none is known"],
    )
    def test_no_relations(self, model, examples):
        result = evaluate(model, examples, n_bootstrap=0)
        assert result.relation_macro_f1 is None
        assert result.to_dict()["relation_macro_f1"] is None

    def test_no_examples(self):
        with pytest.raises(DataError, match="examples: there is no sentence to evaluate"):
            evaluate(tagger(), Examples(MODEL_DOMAINS, ()))

    def test_no_domain_in_common(self):
        strangers = EXAMPLES.with_domains(DomainSet.of(["security", "culture"]))
        with pytest.raises(DataError) as caught:
            evaluate(tagger(), strangers)
        assert str(caught.value) == (
            "sentences.csv: the domains are security, culture; "
            "the tagger knows only trade, health, energy"
        )
