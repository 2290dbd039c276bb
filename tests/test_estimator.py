import dataclasses

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.estimator import TransformerClassifier
from diplomacy_nlp.finetune import FineTuneData
from diplomacy_nlp.recipe import TrainConfig


@pytest.fixture(scope="module")
def train(words):
    return FineTuneData.of(words.where_split("train")[:80])


class TestTransformerClassifier:
    @pytest.fixture
    def classifier(self, tiny_encoder):
        return TransformerClassifier(
            base_model=str(tiny_encoder),
            n_epochs=1,
            min_steps=0,
            batch_size=16,
            learning_rate=3e-3,
            max_length_tokens=16,
            precision="float32",
        )

    @pytest.fixture
    def labels(self, train):
        return train.labels.astype(int)

    def test_fit_predict(self, classifier, train, labels):
        assert classifier.fit(train.texts, labels) is classifier
        probabilities = classifier.predict_proba(train.texts)
        assert probabilities.dtype == np.float32
        assert probabilities.shape == labels.shape
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        np.testing.assert_array_equal(classifier.predict(train.texts), probabilities >= 0.5)
        np.testing.assert_array_equal(classifier.classes_, [[0, 1]] * 3)
        again = clone(classifier).fit(np.array(train.texts), labels.tolist())
        np.testing.assert_array_equal(again.predict_proba(train.texts), probabilities)

    def test_parameters_and_clone(self, classifier):
        copied = clone(classifier)
        assert copied is not classifier
        assert copied.get_params() == classifier.get_params()
        assert copied.set_params(seed=9).seed == 9
        names = {field.name for field in dataclasses.fields(TrainConfig)}
        assert set(copied.get_params()) < names
        defaults = TrainConfig()
        assert TransformerClassifier().get_params() == {
            name: getattr(defaults, name) for name in copied.get_params()
        }

    def test_not_fitted(self, classifier):
        for method in ("predict", "predict_proba", "decision_function"):
            with pytest.raises(NotFittedError):
                getattr(classifier, method)(["gas"])

    @pytest.mark.parametrize(("n_domains", "scoring"), [(1, "average_precision"), (3, None)])
    def test_cross_validation(self, classifier, train, labels, n_domains, scoring):
        scores = cross_val_score(
            classifier, train.texts[:40], labels[:40, :n_domains], scoring=scoring, cv=2
        )
        assert ((scores >= 0) & (scores <= 1)).all()

    def test_grid_search(self, classifier, train, labels):
        search = GridSearchCV(
            classifier, {"learning_rate": [1e-6, 3e-3]}, scoring="average_precision", cv=2
        )
        search.fit(train.texts[:40], labels[:40])
        assert search.predict(train.texts).shape == labels.shape
        assert len(set(search.cv_results_["mean_test_score"])) == 2

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.zeros(4), "Y must have 2 dimension"),
            (np.full((4, 2), 2), "Y may hold only 0 and 1"),
            (np.zeros((3, 2)), "Y has 3 rows for 4 texts"),
        ],
    )
    def test_wrong_labels(self, classifier, labels, message):
        with pytest.raises(ValueError, match=message):
            classifier.fit(["gas"] * 4, labels)

    def test_wrong_settings(self, classifier, train, labels):
        with pytest.raises(ConfigError, match="n_epochs is 0"):
            classifier.set_params(n_epochs=0).fit(train.texts, labels)
