"""What a training run rests on: kept beside its checkpoints, and later in ``metrics.json``."""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diplomacy_nlp import __version__
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.fitting import public_name
from diplomacy_nlp.processes import n_processes
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.self_training import SoftLabels
from diplomacy_nlp.splits import Split

__all__ = ["checkpoint_folder", "provenance"]

_PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "tokenizers", "torch", "transformers")


def checkpoint_folder(
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


def provenance(
    examples: Examples,
    sets: Mapping[str, Examples],
    split: Split,
    soft: SoftLabels | None,
    config: TrainConfig,
) -> dict[str, Any]:
    """Return the data, the recipe, the versions and the machine, as plain JSON types."""
    unlabelled = soft and {"n_sentences": len(soft), "sha256": soft.sha256}
    return {
        "unlabelled": unlabelled,
        "data": {
            "source": Path(examples.source).name,
            "sha256": examples.sha256,
            "n_train": len(split.train),
            "n_per_set": {name: len(rows) for name, rows in sets.items()},
        },
        "recipe": config.to_dict() | {"base_model": public_name(config.base_model)},
        "versions": {"python": platform.python_version(), "diplomacy-nlp": __version__}
        | {package: version(package) for package in _PACKAGES},
        "machine": {
            "architecture": platform.machine(),
            "n_cores": os.cpu_count(),
            "n_processes": n_processes(),
        },
    }
