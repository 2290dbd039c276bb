"""What docs/thresholds.md tells a reader to type works, and its table is that of the model."""

import importlib
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from fakes import FAKE_POINTS
from typer.testing import CliRunner

from diplomacy_nlp.cli import app
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.model_files import find_model
from diplomacy_nlp.operating_points import OPERATING_POINTS_FILE

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "thresholds.md").read_text(encoding="utf-8")

sys.path.insert(0, str(ROOT / "benchmarks"))
render = importlib.import_module("render")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_run(clone: Path) -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert len(lines) > 5
    for line in lines:
        prompt, program, *arguments = shlex.split(line)
        assert (prompt, program) == ("$", "diplomacy-nlp")
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{line}\n{result.output}"
        assert result.stdout or "--output" in arguments


def test_python_runs_in_order(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile("\n".join(blocks("python")), "thresholds.md", "exec"), {})  # noqa: S102 (our own)
    assert "Band(low=" in capsys.readouterr().out


def test_table_of_a_model() -> None:
    lines = render.thresholds_part(json.loads(FAKE_POINTS.to_json())).splitlines()
    assert lines[2 : 2 + 5] == [
        "| energy | best F1 | 0.50 (0.44–0.53) | 0.875 | 0.750 |",
        "| energy | precision 0.9 | 0.90 (0.84–0.93) | 0.900 | 0.625 |",
        "| energy | precision 0.95 | cannot be had |  |  |",
        "| energy | recall 0.9 | 0.10 (0.04–0.13) | 0.562 | 0.900 |",
        "| energy | recall 0.95 | 0.05 (0.00–0.08) | 0.562 | 0.950 |",
    ]
    assert len(lines) == 2 + 5 * len(CORE) + 2
    assert lines[-1].startswith("On the 1,200 sentences of 300 documents of dev, with 95 %")


def test_the_table_is_that_of_the_shipped_model() -> None:
    points = (find_model("default") / OPERATING_POINTS_FILE).read_text(encoding="utf-8")
    assert render.thresholds_part(json.loads(points)) in DOCUMENT
