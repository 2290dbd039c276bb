"""What README.md tells a newcomer to type works as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [
    line.removeprefix("$ ")
    for block in blocks("console")
    for line in block.splitlines()
    if line.startswith("$ ")
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of what the commands read, so that what they write stays out of the checkout."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("examples", "data", "models"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def test_python_blocks_run_in_order(clone, monkeypatch):
    monkeypatch.chdir(clone)
    code = "\n".join(blocks("python"))
    assert "Tagger.load()" in code
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 (our own)


def test_commands_run_in_order(clone):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    run = [line for line in COMMANDS if "diplomacy-nlp" in line]
    assert any("train" in shlex.split(line) for line in run)
    for line in run:
        result = subprocess.run(
            line,
            shell=True,
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, f"{line}\n{result.stderr}"
        assert result.stdout or "--output" in line, line


def test_make_targets_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = [line.split()[1] for line in COMMANDS if line.startswith("make ")]
    assert named
    assert set(named) <= set(targets)


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        path, _, heading = link.partition("#")
        assert (ROOT / path).exists(), link
        text = (ROOT / path).read_text(encoding="utf-8") if heading else ""
        assert f"# {heading}" in text.lower() or not heading, link
