"""Fine-tuning an encoder with transformers."""

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
from diplomacy_nlp.metrics import macro_f1
from diplomacy_nlp.processes import rank
from diplomacy_nlp.progress import Progress
from diplomacy_nlp.recipe import TrainConfig

try:
    import torch
    from datasets import Dataset, concatenate_datasets
    from torch import nn
    from transformers import (
        DataCollatorWithPadding,
        EarlyStoppingCallback,
        EvalPrediction,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )
    from transformers.trainer_pt_utils import LengthGroupedSampler
    from transformers.trainer_utils import get_last_checkpoint
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

from diplomacy_nlp.encoders import Encoder, longest_window_tokens, quiet_transformers
from diplomacy_nlp.objective import multitask_loss, parameter_groups

__all__ = ["FineTuneData", "fine_tune"]

# Kernels are compiled for every new shape of a batch: a few lengths are faster than all of them.
_LENGTH_MULTIPLE_TOKENS = 8


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
    ``n_epochs`` times and every row of ``soft`` once; an epoch is then an equal share of it. Where
    there are so few rows that ``min_steps`` asks for more passes, an epoch is several of them.

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
    rows = _tokenised(encoder, train, config)
    if soft is None:
        n_pass_steps = _ceil_divide(len(rows), config.batch_size)
        n_passes = max(config.n_epochs, _ceil_divide(config.min_steps, n_pass_steps))
        n_epoch_steps = n_pass_steps * _ceil_divide(n_passes, config.n_epochs)
    else:
        rows = concatenate_datasets([rows] * config.n_epochs + [_tokenised(encoder, soft, config)])
        n_passes = 1
        n_epoch_steps = _ceil_divide(len(rows), config.batch_size * config.n_epochs)
    callbacks: list[TrainerCallback] = [_Report(progress, n_epoch_steps)] if progress else []
    if dev is not None:
        callbacks.append(EarlyStoppingCallback(config.patience_epochs))
    with quiet_transformers():
        trainer = _Trainer(
            recipe=config,
            n_domains=n_domains,
            model=encoder.model,
            args=_arguments(config, checkpoints, n_passes, n_epoch_steps, has_dev=dev is not None),
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


def _ceil_divide(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


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

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> "_RowOrder":
        rows = self.train_dataset if train_dataset is None else train_dataset
        return _RowOrder(self.recipe, [len(tokens) for tokens in rows["input_ids"]])


class _RowOrder(LengthGroupedSampler):  # type: ignore[misc]
    """Rows of like length together, otherwise at random, in another order each epoch.

    It depends on nothing but the seed and the epoch, so that all processes come to the same.
    """

    def __init__(self, recipe: TrainConfig, lengths: list[int]) -> None:
        super().__init__(recipe.batch_size, lengths=lengths, generator=torch.Generator())
        self.seed = recipe.seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        seed = np.random.default_rng([self.seed, epoch]).integers(2**32)
        self.generator.manual_seed(int(seed))


def _arguments(
    config: TrainConfig, checkpoints: Path, n_passes: int, n_epoch_steps: int, *, has_dev: bool
) -> TrainingArguments:
    on_cpu = not torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=n_passes,
        # Of all processes together: they split each batch.
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=2 * config.batch_size,
        accelerator_config={"split_batches": True},
        ddp_find_unused_parameters=False,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_share,
        lr_scheduler_type="linear",
        train_sampling_strategy="group_by_length",
        bf16=config.precision == "bf16" or (config.precision == "auto" and _has_bf16(on_cpu)),
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        # Of dropout, which is to differ between the parts of a batch.
        seed=(config.seed + rank()) % 2**32,
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
    # Several GPUs need as many processes: in one, the Trainer would multiply the batch by them.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


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

    def __init__(self, progress: Callable[[Progress], None], n_epoch_steps: int) -> None:
        self.progress = progress
        self.n_epoch_steps = n_epoch_steps
        self.dev_macro_f1: float | None = None

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        epoch = state.global_step / self.n_epoch_steps
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
