"""The adapters: what each hands to its library, and what it gives back."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny

from diplomacy_nlp.benchmark import peers
from diplomacy_nlp.benchmark.peers import MinilmLogreg, Model2Vec, SetFit
from diplomacy_nlp.benchmark.systems import SYSTEMS, FineTuned, SystemInfo, find_systems
from diplomacy_nlp.calibration import Logits, fit_calibration
from diplomacy_nlp.finetune import fine_tune
from diplomacy_nlp.metrics import average_precision, macro_f1
from diplomacy_nlp.onnx_backend import OnnxBackend
from diplomacy_nlp.recipe import MINILM, TrainConfig
from diplomacy_nlp.splits import Split, split_examples

# Those that learn words in a second or two, where they are installed.
QUICK = ("baseline", "minilm-logreg", "model2vec", "setfit", "spacy")


@pytest.fixture(scope="module")
def split() -> Split:
    return split_examples(tiny.word_examples(300, with_relation=False))


def test_log_odds_undo_the_sigmoid_and_stay_finite() -> None:
    logits = np.array([[-9.0, -0.5, 0.0, 4.0]])
    np.testing.assert_allclose(peers.log_odds(1 / (1 + np.exp(-logits))), logits, rtol=1e-5)
    extremes = peers.log_odds([[0.0, 1.0]])
    assert np.isfinite(extremes).all()
    assert extremes[0, 0] == -extremes[0, 1] < -10


def test_every_system_is_found_by_its_name() -> None:
    assert find_systems(None) == tuple(SYSTEMS.values())
    assert [info.name for info in find_systems(["spacy", "baseline", "spacy"])] == [
        "spacy",
        "baseline",
    ]
    assert all(info.name == name for name, info in SYSTEMS.items())


def test_missing_modules_are_told() -> None:
    info = SystemInfo("x", "X", ("json", "no_such_module"), (), lambda _: MinilmLogreg())
    assert info.missing_modules == ("no_such_module",)


@pytest.mark.filterwarnings("default")  # other libraries deprecate as they like
@pytest.mark.parametrize("name", QUICK)
def test_learns_and_gives_a_column_a_domain(
    name: str, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = SYSTEMS[name]
    if info.missing_modules:
        pytest.skip(f"not installed: {', '.join(info.missing_modules)}")
    monkeypatch.setattr(SetFit, "settings", {**SetFit.settings, "max_steps": 5})
    system = info.open(TrainConfig())
    system.fit(split.train, split.dev, 0)
    logits = system.logits(split.test.texts)
    assert (logits.shape, logits.dtype) == (split.test.labels.shape, np.float32)
    assert np.isfinite(logits).all()
    for labels, column in zip(split.test.labels.T, logits.T, strict=True):
        ranks = column.argsort().argsort() / len(column)
        assert average_precision(labels, ranks) > labels.mean() + 0.2


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", QUICK)
def test_a_domain_without_a_training_row_is_improbable(name: str, split: Split) -> None:
    info = SYSTEMS[name]
    if info.missing_modules or name == "setfit":
        pytest.skip("not installed, or too slow for one more test")
    rows = split.train.select(
        row for row, example in enumerate(split.train) if "security" not in example.domains
    )
    system = info.open(TrainConfig())
    system.fit(rows, split.dev, 0)
    logits = system.logits(split.test.texts)
    column = split.train.domains.index("security")
    assert logits[:, column].max() < 0


def test_fine_tuning_goes_by_the_recipe_and_is_used_as_int8(
    split: Split, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def spy(encoder: object, *arguments: Any, **options: Any) -> Any:
        given.extend([*arguments[:3], options["selection_columns"]])
        return fine_tune(encoder, *arguments, **options)

    monkeypatch.setattr("diplomacy_nlp.finetune.fine_tune", spy)
    recipe = tiny.recipe(tiny_encoder, default_domains=("security", "energy"))
    system = FineTuned(recipe)
    system.fit(split.train, split.dev, 3)
    train, dev, config, columns = given
    assert (train.texts, dev.texts) == (split.train.texts, split.dev.texts)
    assert config == dataclasses.replace(recipe, seed=3)
    assert columns == [2, 0]
    assert isinstance(system._backend, OnnxBackend)
    calibration = fit_calibration(Logits(system.logits(split.dev.texts)), split.dev.labels)
    probabilities = calibration.probabilities(system.logits(split.test.texts))
    assert macro_f1(split.test.labels, calibration.tags(probabilities)) > 0.9


def test_settings_of_fine_tuning_name_no_path_and_no_seed(tiny_encoder: Path) -> None:
    settings = FineTuned(tiny.recipe(tiny_encoder, seed=7)).settings
    assert settings["base_model"] == tiny_encoder.name
    assert settings["batch_size"] == 8
    assert "seed" not in settings
    assert FineTuned(TrainConfig()).settings["base_model"] == MINILM


def test_embeddings_are_the_normalised_means(split: Split) -> None:
    import torch

    system = MinilmLogreg()
    texts = [*split.test.texts[:3], "Long. " * 30]
    embeddings = system._embeddings(texts, batch_size=2)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    for text, embedding in zip(texts, embeddings, strict=True):
        tokens = system._tokenizer([text], return_tensors="pt")
        with torch.inference_mode():
            mean = system._model(**tokens).last_hidden_state[0].mean(dim=0).numpy()
        np.testing.assert_allclose(embedding, mean / np.linalg.norm(mean), atol=1e-5)


# --- What is handed over, to stand-ins for the libraries --------------------------------------


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(("n_rows", "n_steps"), [(4, 1), (100, 315), (180, 1000)])
def test_setfit_gets_no_more_steps_than_there_are_pairs(
    monkeypatch: pytest.MonkeyPatch, split: Split, n_rows: int, n_steps: int
) -> None:
    given: dict[str, Any] = {}

    class Trainer:
        def __init__(self, **arguments: Any) -> None:
            given.update(arguments)

        def train(self) -> None:
            given["trained"] = True

    model = SimpleNamespace(
        predict_proba=lambda texts, **_: np.full((len(texts), 3), 0.5),
    )
    loader = SimpleNamespace(
        from_pretrained=lambda folder, **options: given.update(folder=folder, **options) or model
    )
    stand_in(
        monkeypatch,
        "setfit",
        SetFitModel=loader,
        Trainer=Trainer,
        TrainingArguments=SimpleNamespace,
    )
    system = SetFit()
    rows = split.train[:n_rows]
    system.fit(rows, split.dev, 5)
    assert given["trained"]
    assert (given["args"].max_steps, given["args"].seed) == (n_steps, 5)
    assert given["multi_target_strategy"] == "one-vs-rest"
    assert given["train_dataset"]["text"][:] == rows.texts
    assert given["train_dataset"]["label"][:] == rows.labels.astype(int).tolist()
    assert system.logits(["a", "b"]).tolist() == [[0.0] * 3] * 2


def test_model2vec_columns_are_put_where_they_belong(
    monkeypatch: pytest.MonkeyPatch, split: Split
) -> None:
    given: dict[str, Any] = {}

    class Classifier:
        classes_ = ("security", "trade")

        @classmethod
        def from_static_model(cls, model: object) -> "Classifier":
            assert model == "static"
            return cls()

        def fit(self, texts: Sequence[str], labels: object, **options: Any) -> "Classifier":
            given.update(texts=texts, labels=labels, **options)
            return self

        def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
            return np.tile([0.25, 0.75], (len(texts), 1))

    stand_in(monkeypatch, "model2vec")
    stand_in(monkeypatch, "model2vec.distill", distill=lambda *_, **__: "static")
    stand_in(monkeypatch, "model2vec.train", StaticModelForClassification=Classifier)
    rows = split.train.select(
        row for row, example in enumerate(split.train) if "energy" not in example.domains
    )
    system = Model2Vec()
    system.fit(rows, split.dev, 4)
    assert given["labels"] == [sorted(row.domains) for row in rows]
    assert given["random_seed"] == 4
    assert (given["min_epochs"] - 1) * len(rows) < 150 * 32 <= given["min_epochs"] * len(rows)
    assert any("energy" in row.domains for row in split.dev)
    assert all("energy" not in names for names in given["y_val"])
    energy, trade, security = system.logits(["a"])[0]
    assert (trade, security) == pytest.approx((np.log(3), -np.log(3)), rel=1e-5)
    assert energy < -10
