"""From labelled sentences to a model folder: split, fit, calibrate, export, evaluate, save."""

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diplomacy_nlp import __version__
from diplomacy_nlp.calibration import Calibration, Logits, fit_calibration
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import ConfigError, DataError, TrainingError
from diplomacy_nlp.evaluation import Evaluation, evaluate_tagged
from diplomacy_nlp.metrics import macro_f1
from diplomacy_nlp.model_card import RELIABILITY_PICTURE, RISK_COVERAGE_PICTURE, model_card
from diplomacy_nlp.model_files import ModelConfig, check_replaceable, write_model
from diplomacy_nlp.operating_points import OPERATING_POINTS_FILE
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.self_training import SoftLabels, soft_labels
from diplomacy_nlp.splits import Split, split_examples
from diplomacy_nlp.tagged_examples import TaggedExamples, tag_examples
from diplomacy_nlp.tagger import Backend, Tagger, open_backend
from diplomacy_nlp.threshold_search import find_operating_points

if TYPE_CHECKING:
    from diplomacy_nlp.finetune import Progress

__all__ = ["TrainedModel", "train"]

# How much macro-F1 on dev int8 may lose against fp32; more where dev is too small to measure it.
_PARITY_TOLERANCE = 0.005
_PARITY_SENTENCES = 500

_PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class TrainedModel:
    """What a training run made.

    Parameters
    ----------
    folder : Path
        The model folder.
    evaluations : mapping of str to Evaluation
        The model's scores by set: ``dev``, ``test`` and whatever else was asked for.
    baseline_evaluations : mapping of str to Evaluation
        The same of a baseline trained on the same rows; empty where the model is a baseline.
    """

    folder: Path
    evaluations: Mapping[str, Evaluation]
    baseline_evaluations: Mapping[str, Evaluation]


@dataclass(frozen=True)
class _Fitted:
    """A model in memory: what its folder will say and hold, and what came up on the way."""

    config: ModelConfig
    files: Mapping[str, bytes]
    backend: Backend
    notes: Mapping[str, Any]


def train(
    examples: Examples,
    config: TrainConfig | None = None,
    output: str | Path = "model",
    *,
    evaluation_sets: Mapping[str, Examples] | None = None,
    teachers: Sequence[Tagger] = (),
    unlabelled: Sequence[str] = (),
    card_notes: str = "",
    resume: bool = False,
    progress: "Callable[[Progress], None] | None" = None,
) -> TrainedModel:
    """Train a model and write its folder.

    Where the examples have no splits of their own they are divided by document. A transformer
    model is fitted beside a baseline on the same rows, so that its card shows what it gains.
    The folder is written whole at the end or not at all; until then checkpoints lie in
    ``.OUTPUT.checkpoints`` beside it.

    Parameters
    ----------
    examples : Examples
        Labelled sentences, as of :func:`diplomacy_nlp.read_examples`.
    config : TrainConfig, optional
        The recipe.
    output : str or Path
        The model folder; an older model there is replaced.
    evaluation_sets : mapping of str to Examples, optional
        Further sets to score the model on.
    teachers : sequence of Tagger, optional
        Models whose probabilities for unlabelled sentences are learned from too (self-training).
        Each tags at least the examples' domains.
    unlabelled : sequence of str, optional
        The sentences for the teachers; those of dev, test or an evaluation set are left out.
    card_notes : str
        Markdown for the model's card: what only you know of your data, its limits and licence.
    resume : bool
        Go on from the last checkpoint of a run that was interrupted.
    progress : callable, optional
        Called with a :class:`diplomacy_nlp.finetune.Progress` after every step.

    Raises
    ------
    DataError
        There are too few examples, none has a domain, or an evaluation set has none of the
        model's domains.
    ConfigError
        The recipe names a domain that the examples lack, a resumed run had another recipe, or
        there are teachers without unlabelled sentences or the other way round.
    TrainingError
        The encoder cannot be loaded or exported, or int8 loses too much.
    ModelError
        Something other than a model stands at ``output``.
    MissingExtraError
        The ``train`` extra is not installed.
    """
    config = config or TrainConfig()
    folder = Path(output)
    check_replaceable(folder)
    _check_domains(examples, config, evaluation_sets or {})
    split = split_examples(
        examples, seed=config.seed, dev_share=config.dev_share, test_share=config.test_share
    )
    if not split.train.labels.any():
        raise DataError("no training example has a domain, so there is nothing to learn")
    sets = {"dev": split.dev, "test": split.test, **(evaluation_sets or {})}
    started, busy = time.monotonic(), time.process_time()
    baseline = _fit_baseline(split, config)
    _require_charts()
    soft = _soft_labels(teachers, unlabelled, sets.values(), split, config)
    fitted = baseline
    if config.architecture == "transformer":
        checkpoints = _checkpoint_folder(folder, split, soft, config, resume)
        fitted = _fit_transformer(split, soft, config, checkpoints, progress)
    seconds, busy = time.monotonic() - started, time.process_time() - busy
    sets = {name: rows for name, rows in sets.items() if len(rows)}
    tagged = _tagged(fitted, sets)
    evaluations = _evaluations(_of_default_domains(tagged, fitted.config))
    baseline_evaluations = (
        {}
        if fitted is baseline
        else _evaluations(_of_default_domains(_tagged(baseline, sets), fitted.config))
    )
    metrics = {
        "scores": _to_dicts(evaluations),
        "baseline_scores": _to_dicts(baseline_evaluations),
        "scores_of_all_domains": _to_dicts(_evaluations(tagged)),
        "training_seconds": round(seconds),
        "training_cpu_seconds": round(busy),
        **fitted.notes,
        **_provenance(examples, sets, split, soft, config),
    }
    card = model_card(folder.name, fitted.config, metrics, card_notes)
    files = {
        "metrics.json": (json.dumps(metrics, indent=2) + "\n").encode(),
        "README.md": card.encode(),
        OPERATING_POINTS_FILE: _operating_points(tagged["dev"]),
        **_pictures(_of_default_domains(tagged, fitted.config)),
    }
    write_model(folder, fitted.config, {**fitted.files, **files})
    if config.architecture == "transformer":
        shutil.rmtree(checkpoints)
    return TrainedModel(folder, evaluations, baseline_evaluations)


def _check_domains(
    examples: Examples, config: TrainConfig, evaluation_sets: Mapping[str, Examples]
) -> None:
    """Refuse before the training what would fail after it."""
    tagged = examples.domains.select(config.default_domains or examples.domains.names)
    for name, rows in evaluation_sets.items():
        if not any(domain in tagged for domain in rows.domains.names):
            raise DataError(
                f"{name}: the domains are {', '.join(rows.domains.names)}; the model will tag "
                f"{', '.join(tagged.names)}"
            )


def _soft_labels(
    teachers: Sequence[Tagger],
    unlabelled: Sequence[str],
    sets: Iterable[Examples],
    split: Split,
    config: TrainConfig,
) -> SoftLabels | None:
    if not teachers and not unlabelled:
        return None
    if not teachers or not unlabelled or config.architecture != "transformer":
        raise ConfigError("a transformer learns from teachers and unlabelled sentences together")
    scored = {text for examples in sets for text in examples.texts}
    texts = [text for text in unlabelled if text not in scored]
    return soft_labels(
        teachers, texts, split.train.domains, n_drawn=config.n_unlabelled, seed=config.seed
    )


def _fit_baseline(split: Split, config: TrainConfig) -> _Fitted:
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


def _require_charts() -> None:
    """Miss what draws the card's pictures before the training, and not after it."""
    import diplomacy_nlp.charts  # noqa: F401


def _fit_transformer(
    split: Split,
    soft: SoftLabels | None,
    config: TrainConfig,
    checkpoints: Path,
    progress: "Callable[[Progress], None] | None",
) -> _Fitted:
    import torch

    from diplomacy_nlp.encoders import load_encoder, torch_logits
    from diplomacy_nlp.export import export_int8
    from diplomacy_nlp.finetune import FineTuneData, fine_tune

    n_outputs = len(split.train.domains) + len(RELATIONS) * _has_relation(split.train)
    encoder = fine_tune(
        load_encoder(config.base_model, n_outputs, config.seed),
        FineTuneData.of(split.train),
        FineTuneData.of(split.dev),
        config,
        checkpoints,
        soft=None if soft is None else FineTuneData(soft.texts, soft.domains, soft.relations),
        selection_columns=[split.train.domains.index(name) for name in config.default_domains],
        progress=progress,
    )
    encoder_config = encoder.model.config.to_dict()
    encoder_config.pop("_name_or_path", None)  # a path of this machine
    model_config = replace(
        _model_config("onnx", split, config),
        base_model=_public_name(config.base_model),
        max_length_tokens=config.max_length_tokens,
        encoder=encoder_config,
        special_tokens=dict(encoder.tokenizer.special_tokens_map),
    )
    files = {
        "model.onnx": export_int8(encoder.model),
        "tokenizer.json": encoder.tokenizer.backend_tokenizer.to_str().encode(),
    }
    fitted = _calibrated(model_config, files, split.dev)
    plain = torch_logits(encoder, split.dev.texts, config.max_length_tokens)
    parity = _parity(plain, fitted, split.dev)
    device = "gpu" if torch.cuda.is_available() else "cpu"
    return replace(fitted, notes={"parity": parity, "device": device})


def _public_name(base_model: str) -> str:
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


def _calibrated(config: ModelConfig, files: Mapping[str, bytes], dev: Examples) -> _Fitted:
    """Load the weights as a user will, and fit calibration and thresholds on dev."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        backend = open_backend(Path(folder), config)
    calibration = fit_calibration(backend.logits(dev.texts), dev.labels, dev.relations)
    return _Fitted(replace(config, calibration=calibration), files, backend, {})


def _parity(plain: npt.NDArray[np.float32], fitted: _Fitted, dev: Examples) -> dict[str, float]:
    """Compare int8 with torch on dev, each at its own best thresholds.

    Raises
    ------
    TrainingError
        int8 loses more than half a point of macro-F1 over the default domains; on a dev set of
        fewer than 500 sentences, more than half a point times 500 over their number.
    """
    domains = fitted.config.domains
    columns = [domains.index(name) for name in fitted.config.default_domains]
    labels = dev.labels[:, columns]
    n_domains = len(domains)

    def score(logits: npt.NDArray[np.float32]) -> float:
        calibration = fit_calibration(Logits(logits[:, columns]), labels)
        return macro_f1(labels, calibration.tags(calibration.probabilities(logits[:, columns])))

    scores = {
        "torch_fp32_dev_macro_f1": score(plain[:, :n_domains]),
        "onnx_int8_dev_macro_f1": score(fitted.backend.logits(dev.texts).domains),
    }
    loss = scores["torch_fp32_dev_macro_f1"] - scores["onnx_int8_dev_macro_f1"]
    tolerance = _PARITY_TOLERANCE * max(1, _PARITY_SENTENCES / len(dev))
    if loss > tolerance:
        raise TrainingError(
            f"int8 loses {100 * loss:.2f} points of macro-F1 on {len(dev)} dev sentences against "
            f"fp32; {100 * tolerance:.2f} are allowed. Nothing was written"
        )
    return scores


def _operating_points(dev: TaggedExamples) -> bytes:
    points = find_operating_points(
        dev.probabilities,
        dev.labels,
        dev.thresholds.tolist(),
        dev.examples.domains.names,
        groups=dev.examples.groups,
    )
    return points.to_json().encode()


def _tagged(fitted: _Fitted, sets: Mapping[str, Examples]) -> dict[str, TaggedExamples]:
    """Tag every set with all the domains that it and the model have."""
    tagger = Tagger(fitted.backend, fitted.config, domains=fitted.config.domains.names)
    return {name: tag_examples(tagger, examples) for name, examples in sets.items()}


def _of_default_domains(
    tagged: Mapping[str, TaggedExamples], config: ModelConfig
) -> dict[str, TaggedExamples]:
    return {
        name: of_set.with_domains(d for d in config.default_domains if d in of_set.examples.domains)
        for name, of_set in tagged.items()
    }


def _evaluations(tagged: Mapping[str, TaggedExamples]) -> dict[str, Evaluation]:
    return {name: evaluate_tagged(of_set) for name, of_set in tagged.items()}


def _pictures(tagged: Mapping[str, TaggedExamples]) -> dict[str, bytes]:
    """Draw the card's pictures, of the sets that every training run has."""
    from diplomacy_nlp.charts import reliability_chart, risk_coverage_chart, standalone

    shown = {name: tagged[name] for name in ("dev", "test") if name in tagged}
    return {
        RELIABILITY_PICTURE: standalone(reliability_chart(shown)).encode(),
        RISK_COVERAGE_PICTURE: standalone(risk_coverage_chart(shown)).encode(),
    }


def _to_dicts(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    return {name: evaluation.to_dict() for name, evaluation in evaluations.items()}


def _checkpoint_folder(
    output: Path, split: Split, soft: SoftLabels | None, config: TrainConfig, resume: bool
) -> Path:
    """Return the folder of this run's checkpoints, empty unless they are to be gone on from.

    Raises
    ------
    ConfigError
        They are of a run with another recipe or other data.
    """
    folder = output.parent / f".{output.name}.checkpoints"
    data = {"train_sha256": split.train.sha256, "soft_sha256": soft and soft.sha256}
    run = json.dumps({"recipe": config.to_dict(), **data}, indent=2)
    record = folder / "run.json"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    elif record.exists() and record.read_text(encoding="utf-8") != run:
        raise ConfigError(
            f"{folder} is of a run with another recipe or other data; it cannot be resumed"
        )
    folder.mkdir(parents=True, exist_ok=True)
    record.write_text(run, encoding="utf-8")
    return folder


def _provenance(
    examples: Examples,
    sets: Mapping[str, Examples],
    split: Split,
    soft: SoftLabels | None,
    config: TrainConfig,
) -> dict[str, Any]:
    unlabelled = soft and {"n_sentences": len(soft), "sha256": soft.sha256}
    return {
        "unlabelled": unlabelled,
        "data": {
            "source": Path(examples.source).name,
            "sha256": examples.sha256,
            "n_train": len(split.train),
            "n_per_set": {name: len(rows) for name, rows in sets.items()},
        },
        "recipe": config.to_dict() | {"base_model": _public_name(config.base_model)},
        "versions": {"python": platform.python_version(), "diplomacy-nlp": __version__}
        | {package: version(package) for package in _PACKAGES},
        "machine": {"architecture": platform.machine(), "n_cores": os.cpu_count()},
    }
