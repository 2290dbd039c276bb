"""What fine-tuning makes small, and how fast each part of the encoder learns."""

from typing import Any

from diplomacy_nlp.errors import MissingExtraError
from diplomacy_nlp.recipe import TrainConfig

try:
    import torch
    from torch import nn
    from transformers import PreTrainedModel
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

__all__ = ["multitask_loss", "parameter_groups"]


def multitask_loss(
    logits: torch.Tensor, labels: torch.Tensor, n_domains: int, config: TrainConfig
) -> torch.Tensor:
    """Return the domains' binary and the relation's three-way cross-entropy, weighed.

    Parameters
    ----------
    logits : Tensor of float32, (n, d) or (n, d + 3)
    labels : Tensor of float32, (n, d + 3)
        The probability of each domain, then that of each relation; zeros where it is unknown.
    n_domains : int
        ``d``.
    config : TrainConfig
        Its label smoothing and the relation's weight.
    """
    smoothing = config.label_smoothing
    targets = labels[:, :n_domains] * (1 - smoothing) + smoothing / 2
    loss = nn.functional.binary_cross_entropy_with_logits(logits[:, :n_domains], targets)
    known = labels[:, n_domains:].sum(dim=1) > 0
    if logits.shape[1] > n_domains and bool(known.any()):
        loss = loss + config.relation_weight * nn.functional.cross_entropy(
            logits[known, n_domains:], labels[known, n_domains:], label_smoothing=smoothing
        )
    return loss


def parameter_groups(model: PreTrainedModel, config: TrainConfig) -> list[dict[str, Any]]:
    """Return AdamW's groups: each layer slower than the one above, no decay for vectors."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    body = f"{model.base_model_prefix}."
    for name, parameter in model.named_parameters():
        if name.startswith(body):
            depth = _depth_from_top(name, model.config.num_hidden_layers)
            rate = config.learning_rate * config.layer_decay**depth
        else:
            rate = config.learning_rate * config.head_learning_rate_factor
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _depth_from_top(name: str, n_layers: int) -> int:
    """Return how many layers lie above a parameter: 0 at the top, all of them for embeddings."""
    numbers = [int(part) for part in name.split(".") if part.isdigit()]
    if numbers:
        return n_layers - 1 - numbers[0]
    return n_layers if "embedding" in name else 0
