"""The model folder: its files, its format, how it is found, checked and written.

A model folder holds ``config.json``, the weights (``model.onnx`` with ``tokenizer.json``, or
``model.skops``), ``metrics.json``, ``operating_points.json``, ``README.md`` and ``SHA256SUMS``; for
its fast tier also ``first_stage.onnx`` and ``fast_operating_points.json``. Nothing in it
is a pickle.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diplomacy_nlp import __version__
from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.domains import Domain, DomainSet
from diplomacy_nlp.errors import (
    ConfigError,
    ModelDamagedError,
    ModelError,
    ModelFormatError,
    ModelNotFoundError,
)

__all__ = [
    "FIRST_STAGE_FILE",
    "FORMAT_VERSION",
    "SHIPPED_MODELS",
    "TIERS",
    "FirstStage",
    "ModelConfig",
    "find_model",
    "own_model",
    "read_model_config",
    "write_model",
]

FORMAT_VERSION = 1

#: The names under which :func:`find_model` knows the models that come with the library.
SHIPPED_MODELS = ("default", "baseline")

FIRST_STAGE_FILE = "first_stage.onnx"

#: Trades of speed against quality.
TIERS = ("accurate", "fast")

_BACKENDS = ("onnx", "skops")

_KINDS = {
    "backend": str,
    "domains": list,
    "default_domains": list,
    "has_relation": bool,
    "base_model": str,
    "max_length_tokens": int,
    "encoder": dict,
    "special_tokens": dict,
}


@dataclass(frozen=True, slots=True)
class FirstStage:
    """Where the first stage of the fast tier is sure enough to answer.

    Parameters
    ----------
    low, high : tuple of float, length d
        It answers where its logit is below the one or above the other.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ModelConfig:
    """What ``config.json`` says of a model.

    Parameters
    ----------
    backend : {"onnx", "skops"}
        Which file holds the weights.
    domains : DomainSet
        The domains of the weights' first ``d`` outputs.
    default_domains : tuple of str
        Those that are tagged unless the caller asks for others.
    has_relation : bool
        Whether three more outputs give the relation.
    calibration : Calibration
        From logits to probabilities to tags.
    base_model : str
        The encoder that was fine-tuned.
    max_length_tokens : int
        Longest window, special tokens included; 0 where the backend has no limit.
    encoder : dict
        The encoder's own configuration, as transformers writes it.
    special_tokens : dict of str to str
        The tokenizer's special tokens by role, as transformers names them.
    first_stage : FirstStage, optional
        What the fast tier needs besides its weights; None where there is no fast tier.
    """

    backend: str
    domains: DomainSet
    default_domains: tuple[str, ...]
    has_relation: bool
    calibration: Calibration
    base_model: str = ""
    max_length_tokens: int = 0
    encoder: dict[str, Any] = field(default_factory=dict)
    special_tokens: dict[str, str] = field(default_factory=dict)
    first_stage: FirstStage | None = None

    @property
    def tiers(self) -> tuple[str, ...]:
        """The trades of speed against quality that the folder offers."""
        return TIERS[:1] if self.first_stage is None else TIERS

    def to_json(self) -> str:
        """Return the text of ``config.json``."""
        fields = {
            "format_version": FORMAT_VERSION,
            "library_version": __version__,
            "backend": self.backend,
            "domains": [
                {
                    "name": domain.name,
                    "definition": domain.definition,
                    "references": list(domain.references),
                }
                for domain in self.domains
            ],
            "default_domains": list(self.default_domains),
            "has_relation": self.has_relation,
            "calibration": self.calibration.to_dict(),
            "base_model": self.base_model,
            "max_length_tokens": self.max_length_tokens,
            "encoder": self.encoder,
            "special_tokens": self.special_tokens,
            "first_stage": None if self.first_stage is None else asdict(self.first_stage),
        }
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ModelConfig":
        """Read the text of ``config.json``.

        Raises
        ------
        ValueError, KeyError, TypeError
            The text is not such a configuration; :func:`read_model_config` says which folder's.
        """
        fields = json.loads(text)
        for name, kind in _KINDS.items():
            if type(fields[name]) is not kind:
                raise ConfigError(f"{name} is {fields[name]!r}, which is no {kind.__name__}")
        domains = DomainSet(
            tuple(
                Domain(domain["name"], domain["definition"], tuple(domain["references"]))
                for domain in fields["domains"]
            )
        )
        if fields["backend"] not in _BACKENDS:
            raise ConfigError(f"backend {fields['backend']!r} is none of {', '.join(_BACKENDS)}")
        if fields["backend"] == "onnx" and fields["max_length_tokens"] < 8:
            raise ConfigError(f"max_length_tokens is {fields['max_length_tokens']}, less than 8")
        calibration = Calibration.from_dict(fields["calibration"])
        if len(calibration.thresholds) != len(domains):
            raise ConfigError(f"{len(calibration.thresholds)} thresholds, {len(domains)} domains")
        return cls(
            backend=fields["backend"],
            domains=domains,
            default_domains=domains.select(fields["default_domains"]).names,
            has_relation=fields["has_relation"],
            calibration=calibration,
            base_model=fields["base_model"],
            max_length_tokens=fields["max_length_tokens"],
            encoder=fields["encoder"],
            special_tokens=fields["special_tokens"],
            # Folders from before there was a fast tier do not name it.
            first_stage=_first_stage(fields.get("first_stage"), len(domains)),
        )


def _first_stage(fields: Any, n_domains: int) -> FirstStage | None:
    if fields is None:
        return None
    bands = FirstStage(*(tuple(float(bound) for bound in fields[side]) for side in ("low", "high")))
    pairs = zip(bands.low, bands.high, strict=True)
    if len(bands.low) != n_domains or not all(low <= high for low, high in pairs):
        raise ConfigError(f"the first stage has not one band for each of {n_domains} domains")
    return bands


def find_model(model: str | Path) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    model : str or Path
        The name of a shipped model (``default``, ``baseline``), a folder, or a hub id
        (``owner/name``) where huggingface_hub is installed.

    Raises
    ------
    ModelNotFoundError
        There is nothing under that name.
    """
    if str(model) in SHIPPED_MODELS:
        return _shipped_folder(str(model))
    folder = Path(model)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ModelFormatError(f"{folder} is a file; a model is a folder")
    if isinstance(model, str) and model.count("/") == 1 and not model.startswith((".", "~", "/")):
        return _download(model)
    raise ModelNotFoundError(
        f"no model folder {str(model)!r}. Shipped models: {', '.join(SHIPPED_MODELS)}"
    )


def own_model(base_model: str) -> Path | None:
    """Return the folder of a base model that is a model of this library itself, else None."""
    if base_model in SHIPPED_MODELS:
        return _shipped_folder(base_model)
    folder = Path(base_model)
    return folder if (folder / "SHA256SUMS").is_file() else None


def _shipped_folder(name: str) -> Path:
    package = Path(__file__).parent
    # Inside the package in a wheel, beside it in a checkout.
    for folder in (package / "models" / name, package.parent / "models" / name):
        if folder.is_dir():
            return folder
    raise ModelNotFoundError(f"the shipped model {name!r} is missing; reinstall diplomacy-nlp")


def _download(hub_id: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ModelNotFoundError(
            f"no model folder {hub_id!r}. To fetch it from a hub: pip install huggingface_hub"
        ) from error
    try:
        return Path(snapshot_download(hub_id))
    except (OSError, ValueError) as error:  # of which the hub's own errors are kinds
        raise ModelNotFoundError(
            f"no model {hub_id!r}, in a folder or on the hub: {error}"
        ) from error


def read_model_config(folder: Path) -> ModelConfig:
    """Check every file of a model folder against its checksum and read its configuration.

    Raises
    ------
    ModelFormatError
        The folder is not a model folder, or of a newer format.
    ModelDamagedError
        A file is missing or differs from its checksum.
    """
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise ModelFormatError(f"{folder} is not a model folder: it has no config.json")
    try:
        fields = json.loads(config_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelDamagedError(f"{config_file} is not JSON: {error}") from error
    version = fields.get("format_version") if isinstance(fields, dict) else None
    if not isinstance(version, int):
        raise ModelFormatError(
            f"{folder} is not a model folder of diplomacy-nlp: its config.json has no "
            "format_version. A transformers model can be the --base-model of a training run"
        )
    if version > FORMAT_VERSION:
        raise ModelFormatError(
            f"{folder} has format {version}; diplomacy-nlp {__version__} reads format "
            f"{FORMAT_VERSION}. Install version {fields.get('library_version', 'unknown')}, which "
            "wrote it, or a later one"
        )
    _verify(folder)
    try:
        return ModelConfig.from_json(config_file.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFormatError(f"{config_file}: {type(error).__name__}: {error}") from error


def _verify(folder: Path) -> None:
    try:
        lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelDamagedError(f"{folder} has no readable SHA256SUMS") from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if "config.json" not in sums:
        raise ModelDamagedError(f"{folder}/SHA256SUMS does not name config.json")
    for name, digest in sums.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelDamagedError(f"{folder / name} cannot be read: {error.strerror}") from error
        if found != digest:
            raise ModelDamagedError(
                f"{folder / name} is damaged: its SHA-256 is {found[:12]}…, not {digest[:12]}…"
            )


def check_replaceable(folder: Path) -> None:
    """Refuse to write a model where something else stands.

    Raises
    ------
    ModelError
        The path is a file, or a folder that is neither empty nor a model folder.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; a model needs a folder")
    if any(folder.iterdir()) and not (folder / "SHA256SUMS").is_file():
        raise ModelError(f"{folder} holds other files and is not a model folder; choose another")


def write_model(folder: Path, config: ModelConfig, files: Mapping[str, bytes]) -> None:
    """Write a model folder whole or not at all, replacing an older model there.

    Parameters
    ----------
    folder : Path
        Where to.
    config : ModelConfig
        Becomes ``config.json``.
    files : mapping of str to bytes
        The other files by name, without ``SHA256SUMS``.

    Raises
    ------
    ModelError
        Something other than a model stands there.
    """
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    content = {"config.json": config.to_json().encode(), **files}
    sums = [
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(content.items())
    ]
    content["SHA256SUMS"] = "".join(sums).encode()
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    replaced = partial.with_name(f"{partial.name}.old")
    try:
        partial.chmod(0o755)
        for name, data in content.items():
            (partial / name).write_bytes(data)
        if folder.exists():
            folder.rename(replaced)
        partial.rename(folder)
    finally:
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
