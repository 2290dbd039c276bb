import dataclasses
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from diplomacy_nlp import finetune
from diplomacy_nlp.encoders import Encoder, load_encoder, torch_logits
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.finetune import FineTuneData, fine_tune
from diplomacy_nlp.metrics import macro_f1
from diplomacy_nlp.progress import Progress

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

    def test_few_rows_are_passed_over_more_often(
        self, encoder, train, dev, recipe, tmp_path, monkeypatch
    ):
        """Two steps a pass: ten passes for 20 steps, three of them an epoch."""
        scores = []
        monkeypatch.setattr(
            finetune, "_dev_metrics", lambda *_: scores.append(1) or {"macro_f1": len(scores)}
        )
        few = dataclasses.replace(
            train, texts=train.texts[:16], labels=train.labels[:16], relations=train.relations[:16]
        )
        recipe = dataclasses.replace(recipe, n_epochs=4, min_steps=19)
        seen: list[Progress] = []
        fine_tune(encoder, few, dev, recipe, tmp_path / "few", progress=seen.append)
        assert [progress.dev_macro_f1 for progress in seen] == [
            *[None] * 6, *[1] * 6, *[2] * 6, *[3] * 2
        ]  # fmt: skip
        assert [progress.epoch for progress in seen[5::6]] == [1, 2, 3]
        assert len(scores) == 4

        seen.clear()
        recipe = dataclasses.replace(recipe, n_epochs=2)
        fine_tune(encoder, train, None, recipe, tmp_path / "enough", progress=seen.append)
        assert len(seen) == 2 * N_STEPS_PER_EPOCH

    def test_patience_counts_the_longer_epochs(
        self, encoder, train, dev, recipe, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(finetune, "_dev_metrics", lambda *_: {"macro_f1": 0.5})
        recipe = dataclasses.replace(recipe, n_epochs=4, min_steps=80, patience_epochs=1)
        seen: list[Progress] = []
        fine_tune(encoder, train, dev, recipe, tmp_path, progress=seen.append)
        assert len(seen) == 2 * 2 * N_STEPS_PER_EPOCH

    def test_without_dev_all_epochs_run(self, encoder, train, recipe, tmp_path):
        seen: list[Progress] = []
        fine_tune(encoder, train, None, recipe, tmp_path, progress=seen.append)
        assert len(seen) == recipe.n_epochs * N_STEPS_PER_EPOCH
        assert {progress.dev_macro_f1 for progress in seen} == {None}

    def test_learns_from_soft_labels(self, encoder, dev, recipe, words, tmp_path):
        """A row of ``soft`` is seen once, one of ``train`` in every epoch."""
        few = FineTuneData.of(words.where_split("train")[:8])
        many = FineTuneData.of(tiny.word_examples(1600, seed=1))
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
