import dataclasses
import hashlib
import json
import math
import shutil
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from diplomacy_nlp import __version__, model_files
from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.domains import WIDE, Domain, DomainSet
from diplomacy_nlp.errors import (
    ModelDamagedError,
    ModelError,
    ModelFormatError,
    ModelNotFoundError,
)
from diplomacy_nlp.model_files import (
    FORMAT_VERSION,
    SHIPPED_MODELS,
    FirstStage,
    ModelConfig,
    check_replaceable,
    find_model,
    own_model,
    read_model_config,
    write_model,
)
from diplomacy_nlp.tagger import Tagger

CONFIG = ModelConfig(
    backend="onnx",
    domains=DomainSet((WIDE["trade"], Domain("fisheries", "Fish — “渔业”", ("A 1",)))),
    default_domains=("fisheries",),
    has_relation=True,
    calibration=Calibration((1.25, 0.1 + 0.2), (-1 / 3, 0.0), (0.25, 1.0), 0.7),
    base_model="some/encoder",
    max_length_tokens=64,
    encoder={"model_type": "bert", "pad_token_id": 0},
    special_tokens={"pad_token": "[PAD]"},
    first_stage=FirstStage((-1.5, 1 / 3), (2.0, 1 / 3)),
)
FILES = {"model.onnx": b"weights", "tokenizer.json": b"{}", "README.md": b"# card\n"}


WRONG_TYPES = [
    (key, value)
    for key, right in json.loads(CONFIG.to_json()).items()
    for value in (None, 7, -1.5, "7", [7], {"a": 7})
    if key != "library_version" and type(value) is not type(right)
    if (key, value) != ("first_stage", None)  # the fast tier need not be there
] + [
    ("domains", [7]),
    ("default_domains", [7]),
    ("calibration", {"a": 7}),
    ("first_stage", {"low": [0.0, 0.0]}),
    ("first_stage", {"low": [0.0], "high": [0.0]}),
    ("first_stage", {"low": [0.0, 1.0], "high": [0.0, 0.0]}),
    ("first_stage", {"low": [0.0, math.nan], "high": [0.0, 0.0]}),
]


@pytest.fixture
def folder(tmp_path):
    write_model(tmp_path / "model", CONFIG, FILES)
    return tmp_path / "model"


def seal(folder: Path) -> None:
    """Write the checksums of the files as they are now."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in folder.iterdir()
        if path.name != "SHA256SUMS"
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(fields), encoding="utf-8")
    seal(folder)


class TestModelConfig:
    def test_json_round_trip(self):
        assert ModelConfig.from_json(CONFIG.to_json()) == CONFIG

    def test_json_says_who_wrote_it(self):
        fields = json.loads(CONFIG.to_json())
        assert fields["format_version"] == FORMAT_VERSION
        assert fields["library_version"] == __version__


class TestRead:
    def test_written_equals_read(self, folder):
        assert read_model_config(folder) == CONFIG

    def test_checksums_are_those_of_sha256sum(self, folder):
        lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        assert [line.partition("  ")[2] for line in lines] == sorted(["config.json", *FILES])
        assert f"{hashlib.sha256(b'weights').hexdigest()}  model.onnx" in lines

    @pytest.mark.parametrize("name", ["config.json", *FILES])
    def test_changed_byte(self, folder, name):
        data = bytearray((folder / name).read_bytes())
        if name == "config.json":
            data = data.replace(b"some/encoder", b"sane/encoder")
        else:
            data[0] ^= 1
        (folder / name).write_bytes(data)
        with pytest.raises(ModelDamagedError, match=f"{name} is damaged: its SHA-256 is "):
            read_model_config(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_missing_file(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(ModelDamagedError, match=f"{name} cannot be read: No such file"):
            read_model_config(folder)

    def test_no_config(self, folder):
        (folder / "config.json").unlink()
        with pytest.raises(ModelFormatError, match=r"not a model folder: it has no config\.json"):
            read_model_config(folder)

    @pytest.mark.parametrize("data", [b"{", b"", b"\xff\xfe"])
    def test_config_is_no_json(self, folder, data):
        (folder / "config.json").write_bytes(data)
        with pytest.raises(ModelDamagedError, match=r"config\.json is not JSON"):
            read_model_config(folder)

    @pytest.mark.parametrize("config", ["[]", "3", '{"model_type": "bert"}', "null"])
    def test_foreign_folder(self, folder, config):
        (folder / "config.json").write_text(config)
        with pytest.raises(ModelFormatError, match="has no format_version"):
            read_model_config(folder)

    def test_newer_format(self, folder):
        change_config(folder, format_version=FORMAT_VERSION + 1, library_version="7.8")
        with pytest.raises(ModelFormatError) as caught:
            read_model_config(folder)
        assert str(caught.value) == (
            f"{folder} has format 2; diplomacy-nlp {__version__} reads format 1. "
            "Install version 7.8, which wrote it, or a later one"
        )

    @pytest.mark.parametrize(
        ("sums", "message"),
        [
            (None, "no readable SHA256SUMS"),
            (b"\xff", "no readable SHA256SUMS"),
            (b"", "does not name config.json"),
            (b"0  model.onnx\n", "does not name config.json"),
        ],
    )
    def test_damaged_checksums(self, folder, sums, message):
        (folder / "SHA256SUMS").unlink()
        if sums is not None:
            (folder / "SHA256SUMS").write_bytes(sums)
        with pytest.raises(ModelDamagedError, match=message):
            read_model_config(folder)

    @pytest.mark.parametrize(("key", "value"), WRONG_TYPES)
    def test_wrong_types(self, folder, key, value):
        change_config(folder, **{key: value})
        with pytest.raises(ModelFormatError, match=r"config\.json|format_version"):
            read_model_config(folder)

    @pytest.mark.parametrize("key", sorted(json.loads(CONFIG.to_json())))
    def test_missing_key(self, folder, key):
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        del fields[key]
        (folder / "config.json").write_text(json.dumps(fields))
        seal(folder)
        if key == "library_version":
            assert read_model_config(folder) == CONFIG
        elif key == "first_stage":
            assert read_model_config(folder).tiers == ("accurate",)
        else:
            with pytest.raises(ModelFormatError):
                read_model_config(folder)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"backend": "pickle"}, "backend 'pickle' is none of onnx, skops"),
            ({"default_domains": ["trade", "tarde"]}, "unknown domain 'tarde'"),
            ({"default_domains": []}, "at least one domain"),
            ({"max_length_tokens": 2}, "max_length_tokens is 2, less than 8"),
            ({"calibration": Calibration.identity(3).to_dict()}, "3 thresholds, 2 domains"),
            ({"domains": [{"name": "trade"}]}, "definition"),
        ],
    )
    def test_wrong_values(self, folder, changes, message):
        change_config(folder, **changes)
        with pytest.raises(ModelFormatError, match=message):
            read_model_config(folder)


class TestWrite:
    def test_makes_the_folders_above(self, tmp_path):
        write_model(tmp_path / "a" / "b", CONFIG, FILES)
        assert read_model_config(tmp_path / "a" / "b") == CONFIG

    def test_into_an_empty_folder(self, tmp_path):
        write_model(tmp_path, CONFIG, FILES)
        assert read_model_config(tmp_path) == CONFIG

    def test_replaces_an_older_model_whole(self, folder):
        (folder / "left over").write_text("of the older model")
        newer = dataclasses.replace(CONFIG, base_model="newer")
        write_model(folder, newer, {"model.onnx": b"newer"})
        assert read_model_config(folder) == newer
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["SHA256SUMS", "config.json", "model.onnx"]
        assert [path.name for path in folder.parent.iterdir()] == ["model"]

    def test_refuses_other_files(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("two years of work")
        with pytest.raises(ModelError, match="holds other files and is not a model folder"):
            write_model(tmp_path, CONFIG, FILES)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    def test_refuses_a_file(self, tmp_path):
        (tmp_path / "model").write_text("a file")
        with pytest.raises(ModelError, match="is a file"):
            check_replaceable(tmp_path / "model")

    @pytest.mark.parametrize("method", ["write_bytes", "rename"])
    @pytest.mark.parametrize("n_calls", [0, 1])
    def test_is_whole_or_as_before(self, folder, monkeypatch, method, n_calls):
        # A neighbour whose name a careless choice of a name would hit.
        neighbour = folder.parent / ".model.old"
        neighbour.mkdir()
        original, calls = getattr(Path, method), []

        def fail(self, target):
            calls.append(target)
            if len(calls) == n_calls + 1:
                raise OSError(28, "No space left on device")
            return original(self, target)

        monkeypatch.setattr(Path, method, fail)
        with pytest.raises(OSError, match="No space left"):
            write_model(folder, dataclasses.replace(CONFIG, base_model="newer"), FILES)
        monkeypatch.undo()
        assert read_model_config(folder) == CONFIG
        assert {path.name for path in folder.parent.iterdir()} == {"model", ".model.old"}


class TestFind:
    @pytest.mark.parametrize("name", SHIPPED_MODELS)
    @pytest.mark.parametrize("place", ["inside", "beside"])
    def test_shipped(self, tmp_path, monkeypatch, name, place):
        package = tmp_path / "site" / "diplomacy_nlp"
        models = (package if place == "inside" else package.parent) / "models"
        (models / name).mkdir(parents=True)
        monkeypatch.setattr(model_files, "__file__", str(package / "model_files.py"))
        assert find_model(name) == models / name

    def test_shipped_is_missing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(model_files, "__file__", str(tmp_path / "a" / "model_files.py"))
        with pytest.raises(ModelNotFoundError, match="'default' is missing; reinstall"):
            find_model("default")

    def test_own_model(self, folder, tmp_path):
        assert own_model(str(folder)) == folder
        assert own_model("default") == find_model("default")
        assert own_model(str(tmp_path)) is None
        assert own_model("owner/name") is None

    def test_folder(self, folder):
        assert find_model(folder) == folder
        assert find_model(str(folder)) == folder

    def test_file(self, folder):
        with pytest.raises(ModelFormatError, match=r"model\.onnx is a file; a model is a folder"):
            find_model(folder / "model.onnx")

    @pytest.mark.parametrize("name", ["none", "./a", "~/a", "/a/b", "a/b/c", "a\0b", Path("a/b")])
    def test_nothing_there(self, name, monkeypatch):
        monkeypatch.setattr(model_files, "_download", lambda hub_id: pytest.fail(hub_id))
        with pytest.raises(ModelNotFoundError, match="Shipped models: default, baseline"):
            find_model(name)

    def test_hub(self, tiny_model, monkeypatch):
        asked = []

        def snapshot_download(hub_id):
            asked.append(hub_id)
            return str(tiny_model)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        tagger = Tagger.load("someone/diplomacy")
        assert asked == ["someone/diplomacy"]
        assert tagger.domains == Tagger.load(tiny_model).domains

    def test_hub_without_its_library(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        with pytest.raises(ModelNotFoundError, match="pip install huggingface_hub"):
            find_model("someone/diplomacy")

    @pytest.mark.parametrize(
        "error",
        [
            LocalEntryNotFoundError("offline"),
            HFValidationError("no such name"),
            PermissionError("cache"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_hub_fails(self, monkeypatch, error):
        def snapshot_download(hub_id):
            raise error

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        with pytest.raises(ModelNotFoundError, match=r"'some/one', in a folder or on the hub: "):
            find_model("some/one")


def test_a_foreign_folder_from_the_hub_is_refused(tiny_encoder, monkeypatch, tmp_path):
    copied = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda _: str(copied))
    with pytest.raises(ModelFormatError, match="--base-model of a training run"):
        Tagger.load("google/encoder")
