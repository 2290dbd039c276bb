"""Adds a fast tier to a model folder: a first stage that learns from its encoder."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Logits
from diplomacy_nlp.cascade import Cascade, sure_bands
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import ConfigError, DataError, TrainingError
from diplomacy_nlp.evaluation import Evaluation, evaluate_tagged
from diplomacy_nlp.first_stage import DistilConfig, SoftTargets, export_first_stage, fit_first_stage
from diplomacy_nlp.model_card import with_fast_tier
from diplomacy_nlp.model_files import (
    FIRST_STAGE_FILE,
    FirstStage,
    ModelConfig,
    find_model,
    read_model_config,
    write_model,
)
from diplomacy_nlp.onnx_backend import OnnxBackend
from diplomacy_nlp.operating_points import FAST_OPERATING_POINTS_FILE
from diplomacy_nlp.progress import Progress
from diplomacy_nlp.splits import Split, split_examples
from diplomacy_nlp.tagged_examples import TaggedExamples, tag_examples
from diplomacy_nlp.tagger import Tagger
from diplomacy_nlp.trainer import operating_points_of

__all__ = ["FastTier", "distil"]

_Bools: TypeAlias = npt.NDArray[np.bool_]

# Of the unlabelled sentences, one in so many is kept to find where the first stage is sure.
_HELD_OUT = 10
_FEWEST_SENTENCES = 200


@dataclass(frozen=True)
class FastTier:
    """What a distillation made.

    Parameters
    ----------
    folder : Path
        The model folder, which now has the tier.
    passed_on_share : float
        Of held-out unlabelled sentences, the share that the encoder still has to read for the
        default domains.
    evaluations : mapping of str to Evaluation
        The tier's scores by set.
    """

    folder: Path
    passed_on_share: float
    evaluations: Mapping[str, Evaluation]


def distil(
    model: str | Path,
    examples: Examples,
    unlabelled: Sequence[str],
    config: DistilConfig | None = None,
    *,
    evaluation_sets: Mapping[str, Examples] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> FastTier:
    """Give a model folder a fast tier.

    The first stage learns the encoder's probabilities for unlabelled sentences [1]_, and the
    labels. On sentences held out it is then found from where on it is sure: where it answers, its
    errors of either kind are at most ``max_error_share`` of the sentences that the encoder tags.

    Parameters
    ----------
    model : str or Path
        A fine-tuned transformer's folder, or the name of a shipped one. An older fast tier is
        replaced.
    examples : Examples
        The labelled sentences that the model was trained on.
    unlabelled : sequence of str
        Sentences like those to be tagged, the more the better; those of dev, test or an
        evaluation set are left out.
    config : DistilConfig, optional
        The recipe.
    evaluation_sets : mapping of str to Examples, optional
        Further sets to score the tier on.
    progress : callable, optional
        Called after every step.

    Raises
    ------
    ConfigError
        The examples are not those that the model was trained on.
    DataError
        There are too few unlabelled sentences.
    ModelError
        There is no such model, or it is damaged.
    TrainingError
        The model is no transformer.
    MissingExtraError
        The ``train`` extra is not installed.

    References
    ----------
    .. [1] Hinton, G., Vinyals, O. and Dean, J. (2015). Distilling the knowledge in a neural
       network. arXiv:1503.02531.
    """
    config = config or DistilConfig()
    folder = find_model(model)
    model_config = replace(read_model_config(folder), first_stage=None)
    if model_config.backend != "onnx":
        raise TrainingError(f"{folder} holds a baseline, which is fast as it is")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    split = _split(folder, metrics, examples)
    sets = {"dev": split.dev, "test": split.test, **(evaluation_sets or {})}
    sets = {name: rows for name, rows in sets.items() if len(rows)}
    texts = _not_scored(unlabelled, sets.values())
    started = time.monotonic()
    stages = _learn(folder, model_config, texts, split.train, config, progress)
    seconds = time.monotonic() - started
    default = stages.tagged(sets, model_config.default_domains)
    every = stages.tagged(sets, model_config.domains.names)
    evaluations = {name: evaluate_tagged(rows) for name, rows in default.items()}
    metrics["fast_tier"] = {
        "passed_on_share": stages.passed_on_share,
        "n_held_out": stages.n_held_out,
        "n_unlabelled": len(texts),
        "scores": {name: scores.to_dict() for name, scores in evaluations.items()},
        "scores_of_all_domains": {
            name: evaluate_tagged(rows).to_dict() for name, rows in every.items()
        },
        "recipe": asdict(config),
        "training_seconds": round(seconds),
    }
    _write(folder, stages, metrics, default["dev"])
    return FastTier(folder, stages.passed_on_share, evaluations)


@dataclass(frozen=True)
class _Stages:
    """Both stages, and what is known of the first from sentences held out."""

    first: OnnxBackend
    second: OnnxBackend
    config: ModelConfig
    weights: bytes
    bands: FirstStage
    n_held_out: int
    passed_on_share: float

    def tagged(
        self, sets: Mapping[str, Examples], domains: Sequence[str]
    ) -> dict[str, TaggedExamples]:
        """Tag some sets as the fast tier does."""
        columns = [self.config.domains.index(name) for name in domains]
        cascade = Cascade(self.first, self.second, self.bands, columns)
        tagger = Tagger(cascade, self.config, domains=domains)
        return {name: tag_examples(tagger, rows) for name, rows in sets.items()}


def _learn(
    folder: Path,
    config: ModelConfig,
    texts: Sequence[str],
    train: Examples,
    settings: DistilConfig,
    progress: Callable[[Progress], None] | None,
) -> _Stages:
    encoder = OnnxBackend(folder, config)
    said = encoder.logits(texts)
    is_held_out = np.random.default_rng(settings.seed).permutation(len(texts)) % _HELD_OUT == 0
    targets = _targets(encoder, config, texts, said, ~is_held_out, train, settings)
    net = fit_first_stage(folder, config, targets, settings, progress)
    weights = export_first_stage(net, targets.token_ids)
    first = _load(weights, folder, config)
    held_out = [text for text, is_held in zip(texts, is_held_out, strict=True) if is_held]
    quick = first.logits(held_out)
    bands = sure_bands(
        quick, said.domains[is_held_out], config.calibration, settings.max_error_share
    )
    columns = [config.domains.index(name) for name in config.default_domains]
    passed_on = Cascade(first, encoder, bands, columns).passed_on(quick)
    return _Stages(
        first, encoder, config, weights, bands, len(held_out), len(passed_on) / len(held_out)
    )


def _not_scored(unlabelled: Sequence[str], sets: Iterable[Examples]) -> list[str]:
    """Return the distinct sentences that no set is scored on."""
    scored = {text for examples in sets for text in examples.texts}
    texts = [t for t in dict.fromkeys(unlabelled) if t.strip() and t not in scored]
    if len(texts) < _FEWEST_SENTENCES:
        raise DataError(
            f"{len(texts)} unlabelled sentences, where at least {_FEWEST_SENTENCES} are needed"
        )
    return texts


def _split(folder: Path, metrics: Mapping[str, Any], examples: Examples) -> Split:
    """Divide the examples as they were for the model, whose dev and test stay unseen."""
    if examples.sha256 != metrics["data"]["sha256"]:
        raise ConfigError(
            f"{examples.source}: not what {folder} was trained on, by their SHA-256; the fast tier "
            "learns from the same sentences and is scored on the same dev and test"
        )
    recipe = metrics["recipe"]
    return split_examples(
        examples,
        seed=recipe["seed"],
        dev_share=recipe["dev_share"],
        test_share=recipe["test_share"],
    )


def _targets(
    encoder: OnnxBackend,
    config: ModelConfig,
    texts: Sequence[str],
    said: Logits,
    learned: _Bools,
    train: Examples,
    settings: DistilConfig,
) -> SoftTargets:
    """Put together what the encoder says of unlabelled sentences and what is known of labelled."""
    soft = [config.calibration.probabilities(said.domains[learned])]
    hard = [train.labels]
    if said.relations is not None:
        soft.append(config.calibration.relation_probabilities(said.relations[learned]))
        hard.append(train.relations[:, None] == np.arange(len(RELATIONS)))
    repeats = settings.label_repeats
    sentences = [text for text, is_learned in zip(texts, learned, strict=True) if is_learned]
    labels = np.vstack([np.hstack(soft), *[np.hstack(hard)] * repeats])
    return SoftTargets(
        encoder.token_ids(sentences + train.texts * repeats), labels.astype(np.float32)
    )


def _load(weights: bytes, folder: Path, config: ModelConfig) -> OnnxBackend:
    """Load a first stage as a user will."""
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary, FIRST_STAGE_FILE).write_bytes(weights)
        Path(temporary, "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        return OnnxBackend(Path(temporary), config, FIRST_STAGE_FILE)


def _write(folder: Path, stages: _Stages, metrics: Mapping[str, Any], dev: TaggedExamples) -> None:
    """Write the folder anew, with what the tier adds to it."""
    kept = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    del kept["config.json"], kept["SHA256SUMS"]
    files = {
        FIRST_STAGE_FILE: stages.weights,
        FAST_OPERATING_POINTS_FILE: operating_points_of(dev),
        "metrics.json": (json.dumps(metrics, indent=2) + "\n").encode(),
        "README.md": with_fast_tier(kept["README.md"].decode(), metrics).encode(),
    }
    config = replace(stages.config, first_stage=stages.bands)
    write_model(folder, config, {**kept, **files})
