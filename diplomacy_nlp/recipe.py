"""The recipe of a training run: every setting, its default, and the TOML file that names it."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diplomacy_nlp.errors import ConfigError

__all__ = ["MINILM", "TrainConfig", "read_recipe"]

#: The base encoder that the ``train`` extra installs: all-MiniLM-L6-v2.
MINILM = "all-MiniLM-L6-v2"

_WANTED = {int: "a whole number", float: "a number", str: "a string", tuple: "a list of names"}


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a training run.

    Parameters
    ----------
    architecture : {"transformer", "baseline"}
        ``baseline`` is TF-IDF with logistic regression; it heeds only the shares, the seed and
        the default domains.
    base_model : str
        The encoder to start from: ``all-MiniLM-L6-v2`` (installed by the ``train`` extra),
        ``default`` or another model folder of this library, a folder of transformers, or a hub id.
    max_length_tokens : int
        Longest window of a sentence that the encoder reads, special tokens included.
    n_epochs : int
        Epochs at most: passes over the training rows, but for ``min_steps``.
    n_runs : int
        Runs, with the seeds from ``seed`` on, of which the mean of the weights is kept [1]_, so
        that the model does not rest on the luck of one. They should start from a fine-tuned model,
        near which they stay; means of runs from a bare encoder are worse.
    min_steps : int
        With rows so few that the epochs make fewer steps than this, an epoch is as many passes as
        it takes; 0 for one pass in any case.
    patience_epochs : int
        Stop after so many epochs without a better macro-F1 on dev.
    batch_size : int
        Sentences a step.
    learning_rate : float
        Peak learning rate of the top layer of the encoder.
    head_learning_rate_factor : float
        What the classification head learns faster than the encoder's top layer.
    layer_decay : float
        Factor, in (0, 1], by which each layer learns slower than the one above it.
    weight_decay : float
        AdamW's decay of weights other than biases and norms.
    warmup_share : float
        Share of the steps, in [0, 1), in which the learning rate climbs; then it falls to zero.
    label_smoothing : float
        Moves the targets 0 and 1 towards one half by this share, in [0, 1).
    relation_weight : float
        Weight of the relation's loss beside the domains'.
    n_unlabelled : int
        Sentences at most to learn from by teachers, where there are any.
    default_domains : tuple of str
        The domains that the model tags unless told otherwise, whose macro-F1 on dev picks the
        best epoch; all of the data's when empty.
    precision : {"auto", "bf16", "float32"}
        ``auto`` is bfloat16 autocast where the processor has it.
    dev_share, test_share : float
        Shares of the rows, in (0, 0.5), set aside when the data brings no splits of its own.
    seed : int
        Seed of every random step, in [0, 2**32).

    Raises
    ------
    ConfigError
        A value is out of its range.

    References
    ----------
    .. [1] Wortsman, M. et al. (2022). Model soups: averaging weights of multiple fine-tuned models
       improves accuracy without increasing inference time. ICML.
    """

    architecture: Literal["transformer", "baseline"] = "transformer"
    base_model: str = MINILM
    max_length_tokens: int = 128
    n_epochs: int = 5
    n_runs: int = 1
    min_steps: int = 200
    patience_epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 1e-4
    head_learning_rate_factor: float = 10.0
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    label_smoothing: float = 0.0
    relation_weight: float = 0.5
    n_unlabelled: int = 50_000
    default_domains: tuple[str, ...] = ()
    precision: Literal["auto", "bf16", "float32"] = "auto"
    dev_share: float = 0.1
    test_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "max_length_tokens",
            "n_epochs",
            "n_runs",
            "patience_epochs",
            "batch_size",
            "n_unlabelled",
        ):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "head_learning_rate_factor"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("min_steps", "weight_decay", "relation_weight"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("warmup_share", "label_smoothing"):
            self._require(name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        for name in ("dev_share", "test_share"):
            self._require(name, 0 < getattr(self, name) < 0.5, "in (0, 0.5)")
        self._require("layer_decay", 0 < self.layer_decay <= 1, "in (0, 1]")
        self._require("seed", 0 <= self.seed < 2**32, "in [0, 2**32)")
        for name, choices in (
            ("architecture", ("transformer", "baseline")),
            ("precision", ("auto", "bf16", "float32")),
        ):
            self._require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        self._require("max_length_tokens", self.max_length_tokens >= 8, "at least 8")

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be {wanted}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return dataclasses.asdict(self) | {"default_domains": list(self.default_domains)}


def read_recipe(path: str | Path) -> TrainConfig:
    """Read a recipe: a TOML file with :class:`TrainConfig`'s fields as its keys.

    Raises
    ------
    ConfigError
        The file is missing or not TOML, or a key or value means nothing here.
    """
    try:
        settings = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    try:
        return TrainConfig(**_checked(settings))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    checked = {}
    for key, value in settings.items():
        if key not in fields:
            raise ConfigError(f"unknown key {key!r}. Valid: {', '.join(fields)}")
        default = fields[key].default
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if isinstance(default, tuple) and isinstance(value, list):
            value = tuple(value)
        if type(value) is not type(default):
            raise ConfigError(f"{key} is {value!r}; {_WANTED[type(default)]} is wanted")
        checked[key] = value
    return checked
