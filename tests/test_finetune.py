import dataclasses
import logging
import math
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from diplomacy_nlp import finetune
from diplomacy_nlp.encoders import Encoder, load_encoder, torch_logits
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.finetune import (
    FineTuneData,
    Progress,
    TransformerClassifier,
    fine_tune,
    multitask_loss,
    parameter_groups,
)
from diplomacy_nlp.metrics import macro_f1
from diplomacy_nlp.recipe import TrainConfig

N_STEPS_PER_EPOCH = 10


@pytest.fixture(scope="module")
def train(words):
    return FineTuneData.of(words.where_split("train")[: 8 * N_STEPS_PER_EPOCH])


@pytest.fixture(scope="module")
def dev(words):
    return FineTuneData.of(words.where_split("dev"))


@pytest.fixture
def encoder(tiny_encoder):
    return load_encoder(str(tiny_encoder), 6, seed=0)


@pytest.fixture
def recipe(tiny_encoder):
    return tiny.recipe(tiny_encoder, n_epochs=2)


def weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in encoder.model.state_dict().items()}


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


class TestLoss:
    logits = torch.tensor([[2.0, -1.0, 0.5, 0.1, -0.3], [0.0, 3.0, -0.5, 1.0, 0.2]])
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0, 0.0]])

    def test_domains_and_relation(self, recipe):
        recipe = dataclasses.replace(recipe, relation_weight=0.25, label_smoothing=0.0)
        domains = [
            math.log1p(math.exp(-2)),
            math.log1p(math.exp(-1)),
            math.log1p(math.exp(0)),
            math.log1p(math.exp(-3)),
        ]
        relations = [
            math.log(sum(math.exp(x) for x in (0.5, 0.1, -0.3))) + 0.3,
            math.log(sum(math.exp(x) for x in (-0.5, 1.0, 0.2))) + 0.5,
        ]
        expected = np.mean(domains) + 0.25 * np.mean(relations)
        loss = multitask_loss(self.logits, self.labels, 2, recipe)
        assert loss.item() == pytest.approx(expected, rel=1e-6)

    def test_unknown_relations_do_not_count(self, recipe):
        labels = self.labels.clone()
        labels[1, 2:] = 0
        loss = multitask_loss(self.logits, labels, 2, recipe)
        domains = multitask_loss(self.logits[:, :2], labels, 2, recipe)
        first = nn.functional.cross_entropy(self.logits[:1, 2:], torch.tensor([2]))
        assert loss.item() == pytest.approx(
            (domains + recipe.relation_weight * first).item(), rel=1e-6
        )

    def test_no_known_relation(self, recipe):
        labels = self.labels.clone()
        labels[:, 2:] = 0
        loss = multitask_loss(self.logits, labels, 2, recipe)
        assert torch.equal(loss, multitask_loss(self.logits[:, :2], labels, 2, recipe))

    def test_soft_labels(self, recipe):
        labels = torch.tensor([[0.7, 0.2, 0.5, 0.3, 0.2], [0.1, 1.0, 0.0, 0.6, 0.4]])
        loss = multitask_loss(self.logits, labels, 2, recipe)
        p = torch.sigmoid(self.logits[:, :2])
        domains = -(labels[:, :2] * p.log() + (1 - labels[:, :2]) * (1 - p).log()).mean()
        relations = -(labels[:, 2:] * self.logits[:, 2:].log_softmax(1)).sum(1).mean()
        expected = domains + recipe.relation_weight * relations
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)

    def test_label_smoothing(self, recipe):
        smooth = dataclasses.replace(recipe, label_smoothing=0.2)
        loss = multitask_loss(self.logits[:, :2], self.labels, 2, smooth)
        expected = nn.functional.binary_cross_entropy_with_logits(
            self.logits[:, :2], torch.tensor([[0.9, 0.1], [0.1, 0.9]])
        )
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


class TestParameterGroups:
    @pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
    def test_rates_by_depth(self, tmp_path, kind):
        model = load_encoder(str(tiny.build_encoder(kind, tmp_path)), 6, 0).model
        recipe = TrainConfig(
            learning_rate=1e-3, head_learning_rate_factor=5.0, layer_decay=0.5, weight_decay=0.1
        )
        groups = parameter_groups(model, recipe)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        rates = {}
        for group in groups:
            for parameter in group["params"]:
                name = names.pop(id(parameter))
                rates[name] = group["lr"]
                assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
        assert not names
        for name, rate in rates.items():
            if ".layer.1." in name or "pooler" in name:
                assert rate == 1e-3
            elif ".layer.0." in name:
                assert rate == 5e-4
            elif "embeddings" in name:
                assert rate == 2.5e-4
            else:
                assert "classifier" in name
                assert rate == 5e-3


class TestFineTune:
    def test_learns(self, encoder, words, dev, recipe, tmp_path):
        seen: list[Progress] = []
        train = FineTuneData.of(words.where_split("train"))
        recipe = dataclasses.replace(recipe, n_epochs=4)
        tuned = fine_tune(encoder, train, dev, recipe, tmp_path, progress=seen.append)
        logits = torch_logits(tuned, dev.texts, tiny.MAX_LENGTH_TOKENS)
        assert macro_f1(dev.labels, logits[:, :3] > 0) > 0.8
        assert [progress.step for progress in seen] == list(range(1, seen[0].n_steps + 1))
        assert seen[-1].epoch == 4.0
        assert seen[0].dev_macro_f1 is None
        assert 0 < seen[-1].dev_macro_f1 <= 1

    def test_same_seed_same_weights(self, tiny_encoder, train, dev, recipe, tmp_path):
        def run(name: str, seed: int) -> dict[str, torch.Tensor]:
            config = dataclasses.replace(recipe, seed=seed, n_epochs=1)
            encoder = load_encoder(str(tiny_encoder), 6, seed)
            return weights(fine_tune(encoder, train, dev, config, tmp_path / name))

        first = run("first", 3)
        assert_same(first, run("again", 3))
        other = run("other", 4)
        assert not torch.equal(first["classifier.weight"], other["classifier.weight"])

    def test_best_epoch_is_kept_and_training_stops_early(
        self, encoder, train, dev, recipe, tmp_path, monkeypatch
    ):
        scores = iter([0.5, 0.9, 0.1, 0.9, 1.0])  # an equal score is no better one
        monkeypatch.setattr(finetune, "_dev_metrics", lambda *_: {"macro_f1": next(scores)})
        recipe = dataclasses.replace(recipe, n_epochs=9, patience_epochs=2)
        at_epoch = {}

        def keep(progress: Progress) -> None:
            if progress.step % N_STEPS_PER_EPOCH == 0:
                at_epoch[progress.step // N_STEPS_PER_EPOCH] = weights(encoder)

        tuned = fine_tune(encoder, train, dev, recipe, tmp_path, progress=keep)
        assert list(at_epoch) == [1, 2, 3, 4]
        assert_same(weights(tuned), at_epoch[2])

    def test_the_named_columns_decide(self, encoder, train, dev, recipe, tmp_path, monkeypatch):
        seen = []

        def metrics(prediction, columns):
            seen.append(columns)
            assert prediction.predictions.shape == (len(dev.texts), 6)
            assert prediction.label_ids.shape == (len(dev.texts), 6)
            return {"macro_f1": 0.5}

        monkeypatch.setattr(finetune, "_dev_metrics", metrics)
        recipe = dataclasses.replace(recipe, n_epochs=1)
        fine_tune(encoder, train, dev, recipe, tmp_path / "a", selection_columns=[2, 0])
        fine_tune(encoder, train, dev, recipe, tmp_path / "b")
        assert seen == [[2, 0], [0, 1, 2]]

    def test_dev_metrics_are_at_the_best_thresholds(self):
        prediction = type("Prediction", (), {})()
        prediction.predictions = np.array([[-3.0, 9], [-4, 9], [-5, 9], [-9, 9]])
        prediction.label_ids = np.array([[1.0, 0, 2], [1, 1, 2], [0, 0, -1], [0, 0, 0]])
        assert finetune._dev_metrics(prediction, [0]) == {"macro_f1": 1.0}
        assert finetune._dev_metrics(prediction, [1])["macro_f1"] == pytest.approx(0.4)

    def test_resumes_from_the_last_epoch(self, tiny_encoder, encoder, train, dev, recipe, tmp_path):
        recipe = dataclasses.replace(recipe, n_epochs=3)
        whole = fine_tune(encoder, train, dev, recipe, tmp_path / "whole")

        def interrupt(progress: Progress) -> None:
            if progress.step == N_STEPS_PER_EPOCH + 3:
                raise KeyboardInterrupt

        fresh = load_encoder(str(tiny_encoder), 6, seed=0)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(fresh, train, dev, recipe, tmp_path / "parts", progress=interrupt)
        steps = []
        fresh = load_encoder(str(tiny_encoder), 6, seed=0)
        resumed = fine_tune(
            fresh,
            train,
            dev,
            recipe,
            tmp_path / "parts",
            progress=lambda progress: steps.append(progress.step),
        )
        assert steps[0] == N_STEPS_PER_EPOCH + 1
        assert_same(weights(resumed), weights(whole))

    def test_the_best_epoch_is_found_after_resuming_elsewhere(
        self, tiny_encoder, train, dev, recipe, tmp_path, monkeypatch
    ):
        """The same folder, named from another working directory."""
        scores = iter([0.9, 0.1])
        monkeypatch.setattr(finetune, "_dev_metrics", lambda *_: {"macro_f1": next(scores)})
        recipe = dataclasses.replace(recipe, patience_epochs=5)
        encoder = load_encoder(str(tiny_encoder), 6, seed=0)
        first_epoch = {}

        def interrupt(progress: Progress) -> None:
            if progress.step == N_STEPS_PER_EPOCH:
                first_epoch.update(weights(encoder))
            if progress.step > N_STEPS_PER_EPOCH:
                raise KeyboardInterrupt

        (tmp_path / "a").mkdir()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(encoder, train, dev, recipe, Path("a", "checkpoints"), progress=interrupt)
        monkeypatch.chdir(tmp_path / "a")
        encoder = load_encoder(str(tiny_encoder), 6, seed=0)
        resumed = fine_tune(encoder, train, dev, recipe, Path("checkpoints"))
        assert_same(weights(resumed), first_epoch)

    def test_without_dev_all_epochs_run(self, encoder, train, recipe, tmp_path):
        seen: list[Progress] = []
        fine_tune(encoder, train, None, recipe, tmp_path, progress=seen.append)
        assert len(seen) == recipe.n_epochs * N_STEPS_PER_EPOCH
        assert {progress.dev_macro_f1 for progress in seen} == {None}

    def test_learns_from_soft_labels(self, encoder, dev, recipe, words, tmp_path):
        """A row of ``soft`` is seen once, one of ``train`` in every epoch."""
        few = FineTuneData.of(words.where_split("train")[:8])
        many = FineTuneData.of(tiny.word_examples(800, seed=1))
        soft = dataclasses.replace(many, labels=np.clip(many.labels, 0.1, 0.9))
        seen: list[Progress] = []
        recipe = dataclasses.replace(recipe, n_epochs=4)
        tuned = fine_tune(encoder, few, dev, recipe, tmp_path, soft=soft, progress=seen.append)
        assert seen[-1].n_steps == 4 + len(soft) // 8
        assert seen[-1].epoch == pytest.approx(4)
        assert len({progress.dev_macro_f1 for progress in seen}) > 2
        logits = torch_logits(tuned, dev.texts, 16)
        assert macro_f1(dev.labels > 0, logits[:, :3] > 0) > 0.8

    @pytest.mark.parametrize("precision", ["bf16", "auto"])
    def test_what_comes_back_computes_in_fp32(
        self, encoder, tiny_encoder, train, recipe, tmp_path, precision
    ):
        recipe = dataclasses.replace(recipe, precision=precision, n_epochs=1)
        tuned = fine_tune(encoder, train, None, recipe, tmp_path)
        assert {p.dtype for p in tuned.model.parameters()} == {torch.float32}
        fresh = load_encoder(str(tiny_encoder), 6, seed=0)
        fresh.model.load_state_dict(tuned.model.state_dict())
        fresh.model.eval()
        np.testing.assert_array_equal(
            torch_logits(tuned, train.texts, 16), torch_logits(fresh, train.texts, 16)
        )

    def test_dev_without_a_positive(self, encoder, train, dev, recipe, tmp_path):
        empty = dataclasses.replace(dev, labels=np.zeros_like(dev.labels))
        tuned = fine_tune(encoder, train, empty, recipe, tmp_path)
        assert np.isfinite(torch_logits(tuned, ["gas"], 16)).all()

    @pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
    def test_windows_longer_than_the_encoder_reads(self, tmp_path, train, recipe, kind):
        encoder = load_encoder(str(tiny.build_encoder(kind, tmp_path / "encoder")), 6, 0)
        too_long = dataclasses.replace(recipe, max_length_tokens=65)
        with pytest.raises(ConfigError, match="max_length_tokens is 65; the encoder reads 64"):
            fine_tune(encoder, train, None, too_long, tmp_path / "checkpoints")
        long = dataclasses.replace(train, texts=["gas and war " * 100] * len(train.texts))
        longest = dataclasses.replace(recipe, max_length_tokens=64, n_epochs=1)
        tuned = fine_tune(encoder, long, None, longest, tmp_path / "checkpoints")
        assert np.isfinite(torch_logits(tuned, long.texts[:1], 64)).all()

    def test_leaves_the_surroundings_as_they_were(
        self, encoder, train, recipe, tmp_path, capfd, caplog
    ):
        environment = dict(os.environ)
        with caplog.at_level(logging.INFO):
            fine_tune(encoder, train, None, recipe, tmp_path)
        assert capfd.readouterr() == ("", "")
        assert not caplog.records
        assert dict(os.environ) == environment


class TestTransformerClassifier:
    @pytest.fixture
    def classifier(self, tiny_encoder):
        return TransformerClassifier(
            base_model=str(tiny_encoder),
            n_epochs=1,
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
