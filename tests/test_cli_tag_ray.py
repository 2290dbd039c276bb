"""``tag --engine ray``: what its options mean, with what tags on a cluster stood in for."""

from typing import Any

import pytest
from typer.testing import CliRunner, Result

from diplomacy_nlp import distributed
from diplomacy_nlp.archive import PART_SENTENCES
from diplomacy_nlp.cli import app
from diplomacy_nlp.distributed import TaggedParts
from diplomacy_nlp.sentences import split_lines, split_sentences


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what ``tag_files`` is called with, which then does nothing."""
    calls: list[dict[str, Any]] = []

    def tag_files(inputs: list[str], output: str, **options: Any) -> TaggedParts:
        calls.append({"inputs": inputs, "output": output, **options})
        return TaggedParts(output, 2, 1234)

    monkeypatch.setattr(distributed, "tag_files", tag_files)
    return calls


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tag", *arguments])


def test_by_default(calls: list[dict[str, Any]]) -> None:
    result = run("s3://bucket/in/", "--engine", "ray", "--output", "s3://bucket/out/")
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    assert result.stderr == "s3://bucket/out/: parts: 2, sentences: 1,234\n"
    [call] = calls
    assert call["inputs"] == ["s3://bucket/in/"]
    assert call["output"] == "s3://bucket/out/"
    assert call["model"] == "default"
    assert call["reading"] == {"text_column": "text", "encoding": "utf-8", "errors": "strict"}
    assert call["splitter"] is split_sentences
    assert call["part_sentences"] == PART_SENTENCES
    assert (call["address"], call["n_workers"], call["relations"]) == (None, None, [])
    assert call["progress"] is False


def test_options_go_where_they_belong(calls: list[dict[str, Any]]) -> None:
    options = "--model m --domains trade --threshold trade=0.5 --lines --relation conflict"
    more = "--address ray://head:10001 --workers 7 --part-sentences 9 --text-column body"
    result = run("in", "-o", "out", "--engine", "ray", *options.split(), *more.split())
    assert result.exit_code == 0, result.output
    [call] = calls
    assert call["tagging"]["domains"] == ("trade",)
    assert call["tagging"]["thresholds"] == {"trade": 0.5}
    assert call["model"] == "m"
    assert call["splitter"] is split_lines
    assert call["relations"] == ["conflict"]
    assert call["reading"]["text_column"] == "body"
    assert (call["address"], call["n_workers"]) == ("ray://head:10001", 7)
    assert call["part_sentences"] == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--engine ray", "--engine ray writes Parquet to a folder: --output FOLDER/"),
        ("--engine ray -o -", "--engine ray writes Parquet to a folder: --output FOLDER/"),
        ("--engine ray -o out --resume", "--resume does not go with --engine ray"),
        ("--engine ray -o out --skip-errors", "--skip-errors does not go with --engine ray"),
        ("--engine ray -o out --format csv", "--format csv does not go with --engine ray"),
        ("--address auto", "--address needs --engine ray"),
        ("--workers 2", "--workers needs --engine ray"),
    ],
)
def test_options_that_do_not_go_together(
    calls: list[dict[str, Any]], arguments: str, message: str
) -> None:
    result = run("examples", *arguments.split())
    assert result.exit_code == 2
    assert result.stderr == f"error: {message}\n"
    assert not calls
