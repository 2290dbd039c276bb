"""From labelled sentences to a model folder: split, fit, calibrate, export, evaluate, save."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.evaluation import Evaluation, evaluate_tagged
from diplomacy_nlp.fitting import FittedModel, export_encoder, fit_baseline, fit_encoder
from diplomacy_nlp.model_card import RELIABILITY_PICTURE, RISK_COVERAGE_PICTURE, model_card
from diplomacy_nlp.model_files import ModelConfig, check_replaceable, write_model
from diplomacy_nlp.operating_points import OPERATING_POINTS_FILE
from diplomacy_nlp.processes import check_batch_size, from_main, is_main, n_processes
from diplomacy_nlp.progress import Progress
from diplomacy_nlp.provenance import checkpoint_folder, provenance
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.self_training import SoftLabels, soft_labels
from diplomacy_nlp.splits import Split, split_examples
from diplomacy_nlp.tagged_examples import TaggedExamples, tag_examples
from diplomacy_nlp.tagger import Tagger
from diplomacy_nlp.threshold_search import find_operating_points

__all__ = ["TrainedModel", "operating_points_of", "train"]


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
    progress: Callable[[Progress], None] | None = None,
) -> TrainedModel:
    """Train a model and write its folder.

    Where the examples have no splits of their own they are divided by document. A transformer
    model is fitted beside a baseline on the same rows, so that its card shows what it gains.
    The folder is written whole at the end or not at all; until then checkpoints lie in
    ``.OUTPUT.checkpoints`` beside it.

    Under ``torchrun`` or ``accelerate launch`` every process calls this with the same arguments.
    They share the fine-tuning; the main process does the rest, and the others wait for it. All
    return the same.

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
        Called with a :class:`diplomacy_nlp.Progress` after every step, in the main process.

    Raises
    ------
    DataError
        There are too few examples, none has a domain, or an evaluation set has none of the
        model's domains.
    ConfigError
        The recipe names a domain that the examples lack, its batches cannot be shared evenly by
        the processes, a resumed run had another recipe, or there are teachers without unlabelled
        sentences or the other way round.
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
    check_batch_size(config.batch_size)
    _check_domains(examples, config, evaluation_sets or {})
    split = split_examples(
        examples, seed=config.seed, dev_share=config.dev_share, test_share=config.test_share
    )
    if not split.train.labels.any():
        raise DataError("no training example has a domain, so there is nothing to learn")
    sets = {"dev": split.dev, "test": split.test, **(evaluation_sets or {})}
    sets = {name: rows for name, rows in sets.items() if len(rows)}
    started, busy = time.monotonic(), time.process_time()
    baseline = fit_baseline(split, config)
    _require_charts()
    soft = from_main(lambda: _soft_labels(teachers, unlabelled, sets.values(), split, config))
    encoder = None
    if config.architecture == "transformer":
        checkpoints = from_main(lambda: checkpoint_folder(folder, split, soft, config, resume))
        encoder = fit_encoder(split, soft, config, checkpoints, progress if is_main() else None)

    def finish() -> TrainedModel:
        fitted = baseline if encoder is None else export_encoder(encoder, split, config)
        run = {
            "training_seconds": round(time.monotonic() - started),
            # The other processes were as busy.
            "training_cpu_seconds": round((time.process_time() - busy) * n_processes()),
            **fitted.notes,
            **provenance(examples, sets, split, soft, config),
        }
        model = _write(folder, fitted, baseline, sets, run, card_notes)
        if encoder is not None:
            shutil.rmtree(checkpoints)
        return model

    return from_main(finish)


def _write(
    folder: Path,
    fitted: FittedModel,
    baseline: FittedModel,
    sets: Mapping[str, Examples],
    run: Mapping[str, Any],
    card_notes: str,
) -> TrainedModel:
    """Score a model and its baseline, and write the folder with all that is known of the run."""
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
        **run,
    }
    files = {
        "metrics.json": (json.dumps(metrics, indent=2) + "\n").encode(),
        "README.md": model_card(folder.name, fitted.config, metrics, card_notes).encode(),
        OPERATING_POINTS_FILE: operating_points_of(tagged["dev"]),
        **_pictures(_of_default_domains(tagged, fitted.config)),
    }
    write_model(folder, fitted.config, {**fitted.files, **files})
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


def _require_charts() -> None:
    """Miss what draws the card's pictures before the training, and not after it."""
    import diplomacy_nlp.charts  # noqa: F401


def operating_points_of(dev: TaggedExamples) -> bytes:
    """Return what a model folder says of the thresholds that reach a goal on dev."""
    points = find_operating_points(
        dev.probabilities,
        dev.labels,
        dev.thresholds.tolist(),
        dev.examples.domains.names,
        groups=dev.examples.groups,
    )
    return points.to_json().encode()


def _tagged(fitted: FittedModel, sets: Mapping[str, Examples]) -> dict[str, TaggedExamples]:
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
