import numpy as np
import pytest
from fakes import KeywordBackend, load_fake_tagger

from diplomacy_nlp.domains import CORE, DomainSet
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.self_training import draw_by_entropy, soft_labels

TEXTS = ["They agreed on gas.", "He criticised the tariff.", "It rained.", "Oil and wheat."]


class TestSoftLabels:
    def test_mean_of_the_teachers(self):
        tagger = load_fake_tagger()
        unsure = load_fake_tagger(domains=["trade", "energy", "security", "counter-terrorism"])
        unsure._backend = HalfHearted()
        labels = soft_labels([tagger, unsure], TEXTS, CORE, n_drawn=10)
        assert labels.texts == tuple(TEXTS)
        first, second = tagger.predict_all(TEXTS), unsure.predict_all(TEXTS)
        order = [1, 0, 2, 3]
        np.testing.assert_allclose(
            labels.domains, (first.probabilities + second.probabilities[:, order]) / 2, rtol=1e-6
        )
        np.testing.assert_allclose(
            labels.relations,
            (first.relation_probabilities + second.relation_probabilities) / 2,
            rtol=1e-6,
        )
        assert labels.domains[0, 0] > 0.7
        assert labels.domains[2].max() < 0.3

    def test_blank_and_repeated_sentences_are_left_out(self):
        labels = soft_labels([load_fake_tagger()], [*TEXTS, " ", *TEXTS], CORE, n_drawn=10)
        assert labels.texts == tuple(TEXTS)

    def test_no_more_than_drawn(self):
        labels = soft_labels([load_fake_tagger()], TEXTS, CORE, n_drawn=2)
        assert len(labels) == len(labels.domains) == len(labels.relations) == 2
        assert set(labels.texts) < set(TEXTS)

    def test_hash(self):
        labels = soft_labels([load_fake_tagger()], TEXTS, CORE, n_drawn=10)
        same = soft_labels([load_fake_tagger()], TEXTS, CORE, n_drawn=10)
        fewer = soft_labels([load_fake_tagger()], TEXTS[:3], CORE, n_drawn=10)
        assert labels.sha256 == same.sha256 != fewer.sha256

    def test_refusals(self):
        with pytest.raises(ConfigError, match="no teacher"):
            soft_labels([], TEXTS, CORE, n_drawn=10)
        with pytest.raises(ConfigError, match="does not tag fishing"):
            soft_labels([load_fake_tagger()], TEXTS, DomainSet.of(["fishing"]), n_drawn=10)
        with pytest.raises(DataError, match="no sentence"):
            soft_labels([load_fake_tagger()], ["", " "], CORE, n_drawn=10)


class TestDrawByEntropy:
    def test_doubtful_rows_come_more_often(self):
        probabilities = np.array([[0.5, 0.5], [0.0, 1.0]] * 500)
        drawn = draw_by_entropy(probabilities, 300)
        assert len(set(drawn)) == 300
        assert (np.diff(drawn) > 0).all()
        doubtful = np.mean(drawn % 2 == 0)
        assert 0.9 < doubtful < 1.0

    def test_equal_doubts_are_drawn_evenly(self):
        times = np.zeros(4)
        for seed in range(400):
            times[draw_by_entropy(np.full((4, 1), 0.3), 1, seed=seed)] += 1
        assert times.min() > 70

    def test_all_where_there_are_fewer(self):
        assert draw_by_entropy([[0.5], [0.1]], 5).tolist() == [0, 1]

    def test_seed(self):
        probabilities = np.random.default_rng(0).random((100, 3))
        first, same, other = (draw_by_entropy(probabilities, 50, seed=s) for s in (1, 1, 2))
        assert first.tolist() == same.tolist() != other.tolist()

    def test_no_probability(self):
        with pytest.raises(ValueError, match="probabilit"):
            draw_by_entropy([[1.5]], 1)


class HalfHearted(KeywordBackend):
    def logits(self, sentences):
        logits = super().logits(sentences)
        return type(logits)(logits.domains / 2, logits.relations / 2)
