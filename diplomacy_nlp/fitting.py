"""Models in memory: fitted to a split, calibrated on its dev set, ready to be written."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.bootstrap import bootstrap_scores, number_groups
from diplomacy_nlp.calibration import Calibration, Logits, fit_calibration
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import DataError, TrainingError
from diplomacy_nlp.metrics import Tallies, mean_of_defined
from diplomacy_nlp.model_files import ModelConfig, own_model, read_model_config
from diplomacy_nlp.progress import Progress
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.self_training import SoftLabels
from diplomacy_nlp.splits import Split
from diplomacy_nlp.tagger import Backend, open_backend

if TYPE_CHECKING:
    from diplomacy_nlp.encoders import Encoder

__all__ = ["FittedModel", "export_encoder", "fit_baseline", "fit_encoder", "public_name"]

# How much macro-F1 on dev int8 may lose against fp32.
_PARITY_TOLERANCE = 0.005
_N_BOOTSTRAP = 1000


@dataclass(frozen=True)
class FittedModel:
    """A model in memory: what its folder will say and hold, and what came up on the way.

    Parameters
    ----------
    config : ModelConfig
        With its calibration.
    files : mapping of str to bytes
        The weights, by the names of their files.
    backend : Backend
        The same weights, loaded.
    notes : mapping of str to JSON types
        For ``metrics.json``.
    """

    config: ModelConfig
    files: Mapping[str, bytes]
    backend: Backend
    notes: Mapping[str, Any]


def fit_baseline(split: Split, config: TrainConfig) -> FittedModel:
    """Fit TF-IDF with logistic regression.

    Raises
    ------
    DataError
        The sentences are too few.
    """
    from diplomacy_nlp.baseline import BaselineClassifier

    labels = split.train.labels
    if _has_relation(split.train):
        # Three more columns; a sentence of unknown relation has none of them.
        relations = split.train.relations[:, None] == np.arange(len(RELATIONS))
        labels = np.hstack([labels, relations])
    try:
        classifier = BaselineClassifier().fit(split.train.texts, labels)
    except ValueError as error:  # no word stands in two sentences
        raise DataError(f"{len(labels)} sentences are too few to learn from: {error}") from error
    model_config = _model_config("skops", split, config)
    return _calibrated(model_config, {"model.skops": classifier.to_bytes()}, split.dev)


def fit_encoder(
    split: Split,
    soft: SoftLabels | None,
    config: TrainConfig,
    checkpoints: Path,
    progress: Callable[[Progress], None] | None,
) -> "Encoder":
    """Fine-tune the recipe's encoder, and take the mean of its runs; every process calls this.

    Parameters
    ----------
    split : Split
        Its train set is learned from, and its dev set picks the best epoch.
    soft : SoftLabels or None
        What teachers say of further sentences.
    config : TrainConfig
        The recipe.
    checkpoints : Path
        A folder that exists; with checkpoints in it, the run goes on from the last.
    progress : callable or None
        Called after every step.
    """
    from diplomacy_nlp.encoders import load_encoder, mean_encoder
    from diplomacy_nlp.finetune import FineTuneData, fine_tune

    n_outputs = len(split.train.domains) + len(RELATIONS) * _has_relation(split.train)
    train, dev = FineTuneData.of(split.train), FineTuneData.of(split.dev)
    said = None if soft is None else FineTuneData(soft.texts, soft.domains, soft.relations)
    return mean_encoder(
        fine_tune(
            load_encoder(config.base_model, n_outputs, config.seed + run),
            train,
            dev,
            replace(config, seed=config.seed + run),
            checkpoints / f"run-{run}",
            soft=said,
            selection_columns=[split.train.domains.index(name) for name in config.default_domains],
            progress=None if progress is None else _of_all_runs(progress, run, config.n_runs),
        )
        for run in range(config.n_runs)
    )


def _of_all_runs(
    progress: Callable[[Progress], None], run: int, n_runs: int
) -> Callable[[Progress], None]:
    """Return what tells a caller of one run as a part of all."""

    def tell(of_run: Progress) -> None:
        n_steps = of_run.n_steps
        progress(replace(of_run, step=run * n_steps + of_run.step, n_steps=n_runs * n_steps))

    return tell


def export_encoder(encoder: "Encoder", split: Split, config: TrainConfig) -> FittedModel:
    """Quantise a fine-tuned encoder to int8, calibrate it, and compare it with torch in fp32.

    Raises
    ------
    TrainingError
        It cannot be exported, or int8 loses too much.
    """
    import torch

    from diplomacy_nlp.encoders import token_ids, torch_logits
    from diplomacy_nlp.export import export_int8

    encoder_config = encoder.model.config.to_dict()
    encoder_config.pop("_name_or_path", None)  # a path of this machine
    model_config = replace(
        _model_config("onnx", split, config),
        base_model=_origin(config.base_model),
        max_length_tokens=config.max_length_tokens,
        encoder=encoder_config,
        special_tokens=dict(encoder.tokenizer.special_tokens_map),
    )
    files = {
        "model.onnx": export_int8(
            encoder.model, token_ids(encoder, split.train.texts, config.max_length_tokens)
        ),
        "tokenizer.json": encoder.tokenizer.backend_tokenizer.to_str().encode(),
    }
    fitted = _calibrated(model_config, files, split.dev)
    plain = torch_logits(encoder, split.dev.texts, config.max_length_tokens)
    parity = _parity(plain, fitted, split.dev)
    device = "gpu" if torch.cuda.is_available() else "cpu"
    return replace(fitted, notes={"parity": parity, "device": device})


def _origin(base_model: str) -> str:
    """Return the encoder that a run began with, be it by way of another model of this library."""
    folder = own_model(base_model)
    return public_name(base_model) if folder is None else read_model_config(folder).base_model


def public_name(base_model: str) -> str:
    """Return an encoder's id, or the name of its folder without the path to it."""
    return Path(base_model).name if Path(base_model).is_dir() else base_model


def _has_relation(examples: Examples) -> bool:
    return bool((examples.relations >= 0).any())


def _model_config(backend: str, split: Split, config: TrainConfig) -> ModelConfig:
    domains = split.train.domains
    return ModelConfig(
        backend=backend,
        domains=domains,
        default_domains=config.default_domains or domains.names,
        has_relation=_has_relation(split.train),
        calibration=Calibration.identity(len(domains)),
    )


def _calibrated(config: ModelConfig, files: Mapping[str, bytes], dev: Examples) -> FittedModel:
    """Load the weights as a user will, and fit calibration and thresholds on dev."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        backend = open_backend(Path(folder), config)
    calibration = fit_calibration(backend.logits(dev.texts), dev.labels, dev.relations)
    return FittedModel(replace(config, calibration=calibration), files, backend, {})


def _parity(plain: npt.NDArray[np.float32], fitted: FittedModel, dev: Examples) -> dict[str, float]:
    """Compare int8 with torch on dev, each at its own best thresholds.

    Raises
    ------
    TrainingError
        int8 loses more than half a point of macro-F1 over the default domains, beyond what chance
        may explain: all of the 95 % interval, of a paired bootstrap by document, lies above that.
        A few tags near their thresholds, which any rounding changes, may well be worth as much.
    """
    domains = fitted.config.domains
    columns = [domains.index(name) for name in fitted.config.default_domains]
    labels = dev.labels[:, columns]

    def tags(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        calibration = fit_calibration(Logits(logits[:, columns]), labels)
        return calibration.tags(calibration.probabilities(logits[:, columns]))

    in_fp32, in_int8 = tags(plain), tags(fitted.backend.logits(dev.texts).domains)

    def statistics(weights: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
        before, after = (
            mean_of_defined(Tallies.of(labels, tagged, weights).f1())
            for tagged in (in_fp32, in_int8)
        )
        return {"before": before, "after": after, "loss": before - after}

    groups = number_groups(dev.groups, len(dev))
    scores = bootstrap_scores(statistics, groups, n_bootstrap=_N_BOOTSTRAP, seed=0)
    [before], [after], [loss] = (scores[name] for name in ("before", "after", "loss"))
    # Without an interval, of a single document, the value itself decides.
    if loss.value > _PARITY_TOLERANCE and not loss.interval.low <= _PARITY_TOLERANCE:
        raise TrainingError(
            f"int8 loses {100 * loss.value:.2f} points of macro-F1 on {len(dev)} dev sentences "
            f"against fp32, at least {100 * loss.interval.low:.2f} by the 95 % interval; "
            f"{100 * _PARITY_TOLERANCE:.2f} are allowed. Nothing was written"
        )
    return {"torch_fp32_dev_macro_f1": before.value, "onnx_int8_dev_macro_f1": after.value}
