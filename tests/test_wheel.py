"""The built wheel, installed in a clean environment without a network, tags."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_WHEEL_MB = 60

# Runs the command line with every connection refused.
OFFLINE = """
import socket
def refused(*arguments):
    raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refused
from diplomacy_nlp.cli import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def clean_python(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return python


def run(python, *arguments, **options):
    return subprocess.run(
        [str(python), "-c", OFFLINE, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=python.parent,
        **options,
    )


def test_wheel_carries_models_and_little_else(wheel):
    assert wheel.stat().st_size < MAX_WHEEL_MB * 1e6
    names = zipfile.ZipFile(wheel).namelist()
    for file in ("default/model.onnx", "default/tokenizer.json", "baseline/model.skops"):
        assert f"diplomacy_nlp/models/{file}" in names
    for file in ("py.typed", "report/page.html", "report/page.css"):
        assert f"diplomacy_nlp/{file}" in names
    assert all(name.startswith("diplomacy_nlp") for name in names)


def test_clean_environment_has_no_training_packages(clean_python):
    script = (
        "import importlib.util as u;"
        "print([m for m in ('torch','transformers','sklearn','datasets') if u.find_spec(m)])"
    )
    found = subprocess.run([str(clean_python), "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_clean_environment_tags_offline(clean_python):
    text = "The ministers agreed to double trade and to build a gas pipeline. It rained in Oslo."
    result = run(clean_python, "tag", "--format", "jsonl", input=text)
    assert result.returncode == 0, result.stderr
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert set(first["domains"]) == {"energy", "trade"}
    assert second["domains"] == []


@pytest.mark.parametrize(
    "arguments", [("tag", "--model", "baseline", "-"), ("train", "labels.csv", "--output", "model")]
)
def test_clean_environment_names_the_missing_extra(clean_python, arguments):
    (clean_python.parent / "labels.csv").write_text("text,domains\nThey signed.,trade\n")
    result = run(clean_python, *arguments, input="They signed a trade deal.")
    assert result.returncode == 1
    assert 'pip install "diplomacy-nlp[train]"' in result.stderr
    assert "Traceback" not in result.stderr
