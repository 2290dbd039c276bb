"""Tags each sentence of diplomatic text with the domains in which states cooperate.

>>> from diplomacy_nlp import Tagger
>>> tagger = Tagger.load()
>>> [sentence] = tagger.tag("The ministers agreed to double trade and to build a gas pipeline.")
>>> sentence.domains
('energy', 'trade')
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diplomacy_nlp.annotators import Agreement, agreement
    from diplomacy_nlp.baseline import BaselineClassifier
    from diplomacy_nlp.checks import DataCheck, Finding, check
    from diplomacy_nlp.comparison import Comparison, compare
    from diplomacy_nlp.dataset import Example, Examples
    from diplomacy_nlp.dataset_files import read_examples
    from diplomacy_nlp.dataset_writer import write_examples
    from diplomacy_nlp.distillation import FastTier, distil
    from diplomacy_nlp.domains import CORE, RELATIONS, WIDE, Domain, DomainSet
    from diplomacy_nlp.errors import (
        ConfigError,
        DataError,
        DataWarning,
        DiplomacyError,
        MissingExtraError,
        ModelDamagedError,
        ModelError,
        ModelFormatError,
        ModelNotFoundError,
        TrainingError,
    )
    from diplomacy_nlp.estimator import TransformerClassifier
    from diplomacy_nlp.evaluation import Evaluation, evaluate
    from diplomacy_nlp.first_stage import DistilConfig
    from diplomacy_nlp.progress import Progress
    from diplomacy_nlp.recipe import TrainConfig, read_recipe
    from diplomacy_nlp.sentences import Sentence, split_lines, split_sentences
    from diplomacy_nlp.splits import Split, split_examples
    from diplomacy_nlp.tagger import TaggedSentence, Tagger
    from diplomacy_nlp.trainer import TrainedModel, train

__version__ = "0.1.0"

# Resolved on first use, so that importing the package loads neither torch nor onnxruntime.
_MODULE_OF_NAME = {
    "Agreement": "annotators",
    "BaselineClassifier": "baseline",
    "CORE": "domains",
    "Comparison": "comparison",
    "ConfigError": "errors",
    "DataCheck": "checks",
    "DataError": "errors",
    "DataWarning": "errors",
    "DiplomacyError": "errors",
    "DistilConfig": "first_stage",
    "Domain": "domains",
    "DomainSet": "domains",
    "Evaluation": "evaluation",
    "Example": "dataset",
    "Examples": "dataset",
    "FastTier": "distillation",
    "Finding": "checks",
    "MissingExtraError": "errors",
    "ModelDamagedError": "errors",
    "ModelError": "errors",
    "ModelFormatError": "errors",
    "ModelNotFoundError": "errors",
    "Progress": "progress",
    "RELATIONS": "domains",
    "Sentence": "sentences",
    "Split": "splits",
    "TaggedSentence": "tagger",
    "Tagger": "tagger",
    "TrainConfig": "recipe",
    "TrainedModel": "trainer",
    "TrainingError": "errors",
    "TransformerClassifier": "estimator",
    "WIDE": "domains",
    "agreement": "annotators",
    "check": "checks",
    "compare": "comparison",
    "distil": "distillation",
    "evaluate": "evaluation",
    "read_examples": "dataset_files",
    "read_recipe": "recipe",
    "split_examples": "splits",
    "split_lines": "sentences",
    "split_sentences": "sentences",
    "train": "trainer",
    "write_examples": "dataset_writer",
}

__all__ = [
    "CORE",
    "RELATIONS",
    "WIDE",
    "Agreement",
    "BaselineClassifier",
    "Comparison",
    "ConfigError",
    "DataCheck",
    "DataError",
    "DataWarning",
    "DiplomacyError",
    "DistilConfig",
    "Domain",
    "DomainSet",
    "Evaluation",
    "Example",
    "Examples",
    "FastTier",
    "Finding",
    "MissingExtraError",
    "ModelDamagedError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "Progress",
    "Sentence",
    "Split",
    "TaggedSentence",
    "Tagger",
    "TrainConfig",
    "TrainedModel",
    "TrainingError",
    "TransformerClassifier",
    "__version__",
    "agreement",
    "check",
    "compare",
    "distil",
    "evaluate",
    "read_examples",
    "read_recipe",
    "split_examples",
    "split_lines",
    "split_sentences",
    "train",
    "write_examples",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF_NAME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
