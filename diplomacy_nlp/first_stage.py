"""The first stage of the fast tier: a small convolutional network that learns from an encoder."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.errors import ConfigError, MissingExtraError
from diplomacy_nlp.model_files import ModelConfig

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

from diplomacy_nlp.encoders import restore_encoder
from diplomacy_nlp.export import quantised, to_onnx
from diplomacy_nlp.progress import Progress

__all__ = [
    "DistilConfig",
    "FirstStageNet",
    "SoftTargets",
    "export_first_stage",
    "fit_first_stage",
    "principal_embeddings",
    "train_first_stage",
]

_HIDDEN = 128
_DROPOUT = 0.1
# Batches are drawn in blocks, within which sentences of like lengths come together.
_BLOCK_BATCHES = 50


@dataclass(frozen=True)
class DistilConfig:
    """Every setting of the fast tier's first stage.

    Parameters
    ----------
    embedding_dim : int
        Dimensions of a word piece, at most those of the encoder's.
    n_filters : int
        Outputs of the convolution.
    n_epochs : int
        Passes over the sentences.
    batch_size : int
        Sentences a step.
    learning_rate : float
        Its peak.
    relation_weight : float
        Weight of the relation's loss beside the domains'.
    label_repeats : int
        How often a labelled sentence stands in an epoch.
    max_error_share : float
        The errors of either kind that the first stage may make of a domain where it answers, as
        a share of the sentences that the encoder tags with it; in (0, 1). Less is slower.
    seed : int
        Seed of every random step, in [0, 2**32).

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    embedding_dim: int = 96
    n_filters: int = 256
    n_epochs: int = 5
    batch_size: int = 256
    learning_rate: float = 2e-3
    relation_weight: float = 0.1
    label_repeats: int = 3
    max_error_share: float = 0.015
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("embedding_dim", "n_filters", "n_epochs", "batch_size", "label_repeats")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, which must be at least 1")
        if self.learning_rate <= 0 or self.relation_weight < 0:
            raise ConfigError("learning_rate must be above 0 and relation_weight not below")
        if not 0 < self.max_error_share < 1:
            raise ConfigError(f"max_error_share is {self.max_error_share!r}, not in (0, 1)")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed!r}, not in [0, 2**32)")


@dataclass(frozen=True, slots=True, eq=False)
class SoftTargets:
    """Sentences as word pieces, and how probable their labels are.

    Parameters
    ----------
    token_ids : sequence of list of int
        ``n`` sentences.
    probabilities : ndarray of float32, (n, d + 3)
        Of the domains and then of the relations; without relations (n, d).
    """

    token_ids: Sequence[Sequence[int]]
    probabilities: npt.NDArray[np.float32]


class FirstStageNet(nn.Module):
    """Embeddings of word pieces, a convolution over three neighbours, and pooling [1]_.

    Parameters
    ----------
    embeddings : Tensor of float32, (n_tokens, embedding_dim)
        What to start from.
    n_filters : int
        Outputs of the convolution.
    n_outputs : int
        Columns of the logits.

    References
    ----------
    .. [1] Kim, Y. (2014). Convolutional neural networks for sentence classification. EMNLP,
       1746-1751.
    """

    def __init__(self, embeddings: torch.Tensor, n_filters: int, n_outputs: int) -> None:
        super().__init__()
        n_tokens, dim = embeddings.shape
        self.embeddings = nn.Embedding(n_tokens, dim, _weight=embeddings.clone())
        # A matrix product over neighbours side by side, which int8 makes faster than nn.Conv1d.
        self.filters = nn.Linear(3 * dim, n_filters)
        self.dropout = nn.Dropout(_DROPOUT)
        self.hidden = nn.Linear(dim + 2 * n_filters, _HIDDEN)
        self.output = nn.Linear(_HIDDEN, n_outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits of ``n`` sentences, (n, outputs), from their tokens, (n, tokens)."""
        mask = attention_mask[:, :, None].float()
        tokens = self.embeddings(input_ids) * mask
        padded = nn.functional.pad(tokens, (0, 0, 1, 1))
        neighbours = torch.cat([padded[:, :-2], tokens, padded[:, 2:]], dim=2)
        found = torch.relu(self.filters(neighbours)) * mask
        n_tokens = mask.sum(dim=1)
        pooled = [tokens.sum(dim=1) / n_tokens, found.sum(dim=1) / n_tokens, found.amax(dim=1)]
        hidden = torch.relu(self.hidden(self.dropout(torch.cat(pooled, dim=1))))
        logits: torch.Tensor = self.output(hidden)
        return logits


def fit_first_stage(
    folder: Path,
    model_config: ModelConfig,
    targets: SoftTargets,
    config: DistilConfig,
    progress: Callable[[Progress], None] | None = None,
) -> FirstStageNet:
    """Train a first stage from the word pieces of a model folder's encoder.

    Parameters
    ----------
    folder : Path
        The model folder.
    model_config : ModelConfig
        Its configuration.
    targets : SoftTargets
        What to learn.
    config : DistilConfig
        The recipe.
    progress : callable, optional
        Called after every step.
    """
    encoder = restore_encoder(folder, model_config).model
    embeddings: torch.Tensor = encoder.get_input_embeddings().weight.detach()
    torch.manual_seed(config.seed)
    net = FirstStageNet(
        principal_embeddings(embeddings, min(config.embedding_dim, embeddings.shape[1])),
        config.n_filters,
        targets.probabilities.shape[1],
    )
    train_first_stage(net, targets, model_config.calibration, config, progress)
    return net


def export_first_stage(net: FirstStageNet, token_ids: Sequence[Sequence[int]]) -> bytes:
    """Return a trained first stage as int8 ONNX, with an encoder's in- and outputs.

    Parameters
    ----------
    net : FirstStageNet
        Trained.
    token_ids : sequence of sequences of int
        As of :func:`diplomacy_nlp.export.quantised`.
    """
    exported = to_onnx(net.eval(), net.embeddings.num_embeddings)
    for node in exported.graph.node:
        del node.metadata_props[:]  # stack traces of the exporter, with local paths
    return quantised(exported, token_ids)


def principal_embeddings(embeddings: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the first principal components of embeddings, (n_tokens, dim), of spread one half."""
    centred = embeddings - embeddings.mean(dim=0)
    _, axes = torch.linalg.eigh(centred.T @ centred)
    components = centred @ axes[:, -dim:].flip(1)
    return torch.mul(components, 0.5 / components.std())


def train_first_stage(
    net: FirstStageNet,
    targets: SoftTargets,
    calibration: Calibration,
    config: DistilConfig,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Train a network to give the logits that the calibration turns into the probabilities.

    Parameters
    ----------
    net : FirstStageNet
        Its weights are changed.
    targets : SoftTargets
        What to learn.
    calibration : Calibration
        The encoder's own, so that one calibration serves both stages.
    config : DistilConfig
        The recipe.
    progress : callable, optional
        Called after every step.
    """
    rng = np.random.default_rng(config.seed)
    n_epoch_steps = -(-len(targets.token_ids) // config.batch_size)
    n_steps = config.n_epochs * n_epoch_steps
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=n_steps, pct_start=0.05
    )
    net.train()
    step = 0
    for _ in range(config.n_epochs):
        for rows in _batches(targets.token_ids, config.batch_size, rng):
            ids, mask = _padded([targets.token_ids[row] for row in rows])
            loss = _loss(
                net(ids, mask), torch.from_numpy(targets.probabilities[rows]), calibration, config
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            step += 1
            if progress is not None:
                progress(Progress(step, n_steps, step / n_epoch_steps, None))
    net.eval()


def _loss(
    logits: torch.Tensor, right: torch.Tensor, calibration: Calibration, config: DistilConfig
) -> torch.Tensor:
    d = len(calibration.thresholds)
    slopes, intercepts = torch.tensor(calibration.slopes), torch.tensor(calibration.intercepts)
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits[:, :d] * slopes + intercepts, right[:, :d]
    )
    if logits.shape[1] > d:
        biases = torch.tensor(calibration.relation_biases)
        relations = logits[:, d:] / calibration.relation_temperature + biases
        loss = loss + config.relation_weight * nn.functional.cross_entropy(relations, right[:, d:])
    return loss


def _batches(
    token_ids: Sequence[Sequence[int]], size: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield every row once, those of a batch of like lengths, in random order."""
    lengths = np.array([len(ids) for ids in token_ids])
    order = rng.permutation(len(lengths))
    for start in range(0, len(order), size * _BLOCK_BATCHES):
        block = order[start : start + size * _BLOCK_BATCHES]
        block = block[np.argsort(lengths[block], kind="stable")]
        starts = np.arange(0, len(block), size)
        for first in rng.permutation(starts):
            yield block[first : first + size]


def _padded(token_ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = np.zeros((len(token_ids), max(map(len, token_ids))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
