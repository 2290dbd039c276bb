"""Fine-tuning an encoder with transformers."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Calibration, best_f1_threshold
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import ConfigError, MissingExtraError
from diplomacy_nlp.metrics import check_binary, macro_f1
from diplomacy_nlp.recipe import TrainConfig

try:
    import torch
    from datasets import Dataset, concatenate_datasets
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted
    from torch import nn
    from transformers import (
        DataCollatorWithPadding,
        EarlyStoppingCallback,
        EvalPrediction,
        PreTrainedModel,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )
    from transformers.trainer_utils import get_last_checkpoint
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

from diplomacy_nlp.encoders import (
    Encoder,
    load_encoder,
    longest_window_tokens,
    quiet_transformers,
    torch_logits,
)

__all__ = [
    "FineTuneData",
    "Progress",
    "TransformerClassifier",
    "fine_tune",
]

# Kernels are compiled for every new shape of a batch: a few lengths are faster than all of them.
_LENGTH_MULTIPLE_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training run is.

    Parameters
    ----------
    step, n_steps : int
        Optimiser steps done and to do.
    epoch : float
        Passes over the rows done.
    dev_macro_f1 : float or None
        Of the last epoch, in [0, 1]; None before the first.
    """

    step: int
    n_steps: int
    epoch: float
    dev_macro_f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class FineTuneData:
    """Sentences with their labels as the encoder sees them.

    Parameters
    ----------
    texts : sequence of str
        ``n`` sentences.
    labels : ndarray of float32, (n, d)
        How probable each domain is, in [0, 1]; 0 or 1 where an annotator said so.
    relations : ndarray of float32, (n, 3)
        How probable each of ``RELATIONS`` is; a row of zeros where nothing is known.
    """

    texts: Sequence[str]
    labels: npt.NDArray[np.float32]
    relations: npt.NDArray[np.float32]

    @classmethod
    def of(cls, examples: Examples) -> "FineTuneData":
        """Return the labels of annotators."""
        relations = examples.relations[:, None] == np.arange(len(RELATIONS))
        return cls(examples.texts, examples.labels.astype(np.float32), relations.astype(np.float32))

    def __len__(self) -> int:
        return len(self.texts)


def fine_tune(
    encoder: Encoder,
    train: FineTuneData,
    dev: FineTuneData | None,
    config: TrainConfig,
    checkpoints: Path,
    *,
    soft: FineTuneData | None = None,
    selection_columns: Sequence[int] = (),
    progress: Callable[[Progress], None] | None = None,
) -> Encoder:
    """Fine-tune an encoder, whose weights it changes.

    With ``soft`` there is one pass over a mixture, in which every row of ``train`` stands
    ``n_epochs`` times and every row of ``soft`` once; an epoch is then an equal share of it.

    Parameters
    ----------
    encoder : Encoder
        With ``d`` outputs, or ``d + 3`` to learn the relation too.
    train : FineTuneData
        What it learns from.
    dev : FineTuneData, optional
        After every epoch the macro-F1 on it is taken, and the best epoch kept. Without it all
        epochs are run and the last is kept.
    config : TrainConfig
        The recipe.
    checkpoints : Path
        A folder for checkpoints; with some in it already, the run goes on from the last.
    soft : FineTuneData, optional
        Sentences labelled by other models.
    selection_columns : sequence of int
        The domains whose macro-F1 decides; all of them when empty.
    progress : callable, optional
        Called after every step.

    Raises
    ------
    ConfigError
        The recipe's windows are longer than what the encoder reads.
    """
    limit = longest_window_tokens(encoder)
    if limit is not None and config.max_length_tokens > limit:
        raise ConfigError(
            f"max_length_tokens is {config.max_length_tokens}; the encoder reads {limit} at most"
        )
    n_domains = train.labels.shape[1]
    columns = list(selection_columns) or list(range(n_domains))
    epochs_a_pass = 1 if soft is None else config.n_epochs
    rows = _tokenised(encoder, train, config)
    if soft is not None:
        rows = concatenate_datasets([rows] * config.n_epochs + [_tokenised(encoder, soft, config)])
    n_epoch_steps = -(-len(rows) // config.batch_size) // epochs_a_pass
    callbacks: list[TrainerCallback] = [_Report(progress, epochs_a_pass)] if progress else []
    if dev is not None:
        callbacks.append(EarlyStoppingCallback(config.patience_epochs))
    with quiet_transformers():
        trainer = _Trainer(
            recipe=config,
            n_domains=n_domains,
            model=encoder.model,
            args=_arguments(
                config,
                checkpoints,
                n_passes=config.n_epochs // epochs_a_pass,
                n_epoch_steps=n_epoch_steps,
                has_dev=dev is not None,
            ),
            data_collator=DataCollatorWithPadding(
                encoder.tokenizer, pad_to_multiple_of=_LENGTH_MULTIPLE_TOKENS
            ),
            train_dataset=rows,
            eval_dataset=None if dev is None else _tokenised(encoder, dev, config),
            compute_metrics=lambda prediction: _dev_metrics(prediction, columns),
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)
        last = get_last_checkpoint(checkpoints) if checkpoints.is_dir() else None
        trainer.train(resume_from_checkpoint=last)
    # The Trainer leaves its autocast around the model; what is exported must be fp32.
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    return Encoder(model.to("cpu").eval(), encoder.tokenizer)


class _Trainer(Trainer):  # type: ignore[misc]
    """The Trainer with this library's loss and a learning rate for every depth."""

    def __init__(self, *, recipe: TrainConfig, n_domains: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.recipe = recipe
        self.n_domains = n_domains
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,  # noqa: ARG002
    ) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = multitask_loss(outputs.logits.float(), labels, self.n_domains, self.recipe)
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        groups = parameter_groups(model or self.model, self.recipe)
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        return self.optimizer


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


def _arguments(
    config: TrainConfig, checkpoints: Path, *, n_passes: int, n_epoch_steps: int, has_dev: bool
) -> TrainingArguments:
    on_cpu = not torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=n_passes,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=2 * config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_share,
        lr_scheduler_type="linear",
        train_sampling_strategy="group_by_length",
        bf16=config.precision == "bf16" or (config.precision == "auto" and _has_bf16(on_cpu)),
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        seed=config.seed,
        data_seed=config.seed,
        eval_strategy="steps" if has_dev else "no",
        eval_steps=n_epoch_steps,
        save_strategy="steps",
        save_steps=n_epoch_steps,
        save_total_limit=2,
        load_best_model_at_end=has_dev,
        metric_for_best_model="macro_f1" if has_dev else None,
        greater_is_better=True if has_dev else None,
        label_names=["labels"],
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _has_bf16(on_cpu: bool) -> bool:
    if on_cpu:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cuda.is_bf16_supported())


def _tokenised(encoder: Encoder, data: FineTuneData, config: TrainConfig) -> Dataset:
    tokens = encoder.tokenizer(
        list(data.texts), truncation=True, max_length=config.max_length_tokens
    )
    labels = np.hstack([data.labels, data.relations])
    return Dataset.from_dict(
        {
            "input_ids": tokens["input_ids"],
            "attention_mask": tokens["attention_mask"],
            "labels": list(labels),
        }
    )


def _dev_metrics(prediction: EvalPrediction, columns: list[int]) -> dict[str, float]:
    """Return the macro-F1 at the best thresholds, as they will be chosen on the same rows."""
    labels = prediction.label_ids[:, columns] > 0
    logits = prediction.predictions[:, columns]
    calibration = Calibration.identity(len(columns))
    probabilities = calibration.probabilities(logits)
    thresholds = {
        column: best_f1_threshold(labels[:, column], probabilities[:, column])
        for column in range(len(columns))
    }
    tags = calibration.with_thresholds(thresholds).tags(probabilities)
    return {"macro_f1": macro_f1(labels, tags)}


class _Report(TrainerCallback):  # type: ignore[misc]
    """Tells a caller how far the run is."""

    def __init__(self, progress: Callable[[Progress], None], epochs_a_pass: int) -> None:
        self.progress = progress
        self.epochs_a_pass = epochs_a_pass
        self.dev_macro_f1: float | None = None

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        epoch = float(state.epoch or 0.0) * self.epochs_a_pass
        self.progress(Progress(state.global_step, state.max_steps, epoch, self.dev_macro_f1))

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        metrics: dict[str, float],
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.dev_macro_f1 = metrics["eval_macro_f1"]


class TransformerClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An encoder fine-tuned for several labels at once, as a scikit-learn estimator.

    Probabilities come from torch in fp32, uncalibrated, and tags are cut at one half;
    :func:`diplomacy_nlp.train` is the way to a calibrated, quantised model folder.

    Parameters
    ----------
    base_model, n_epochs, batch_size, learning_rate, max_length_tokens, precision, seed
        As of :class:`diplomacy_nlp.TrainConfig`.

    Attributes
    ----------
    classes_ : list of ndarray, d times [0, 1]
        The labels of each column, as scikit-learn has them for several outputs.
    encoder_ : Encoder
        The fine-tuned encoder.
    """

    def __init__(
        self,
        base_model: str = TrainConfig.base_model,
        n_epochs: int = TrainConfig.n_epochs,
        batch_size: int = TrainConfig.batch_size,
        learning_rate: float = TrainConfig.learning_rate,
        max_length_tokens: int = TrainConfig.max_length_tokens,
        precision: str = TrainConfig.precision,
        seed: int = TrainConfig.seed,
    ) -> None:
        self.base_model = base_model
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_length_tokens = max_length_tokens
        self.precision = precision
        self.seed = seed

    def fit(self, texts: Sequence[str], Y: npt.ArrayLike) -> "TransformerClassifier":  # noqa: N803
        """Fine-tune on ``n`` sentences and their 0/1 labels, (n, d)."""
        labels = check_binary(Y, "Y", 2)
        if len(labels) != len(texts):
            raise ValueError(f"Y has {len(labels)} rows for {len(texts)} texts")
        config = TrainConfig(**self.get_params())
        encoder = load_encoder(self.base_model, labels.shape[1], self.seed)
        unknown = np.zeros((len(labels), len(RELATIONS)), dtype=np.float32)
        data = FineTuneData(list(texts), labels.astype(np.float32), unknown)
        with tempfile.TemporaryDirectory() as checkpoints:
            self.encoder_ = fine_tune(encoder, data, None, config, Path(checkpoints))
        self.classes_ = [np.array([0, 1])] * labels.shape[1]
        return self

    def decision_function(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        check_is_fitted(self)
        return torch_logits(self.encoder_, list(texts), self.max_length_tokens)

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the uncalibrated probabilities of ``n`` sentences: float32 (n, d)."""
        logits = self.decision_function(texts)
        return Calibration.identity(logits.shape[1]).probabilities(logits)

    def predict(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return 0/1 tags at a probability of one half: int64 (n, d)."""
        return (self.decision_function(texts) >= 0).astype(np.int64)
