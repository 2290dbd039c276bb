"""``diplomacy-nlp benchmark``, with the baseline and with systems that are not there."""

import json
from pathlib import Path

import fake_systems
import pytest
import tiny
from typer.testing import CliRunner, Result

from diplomacy_nlp.benchmark import systems
from diplomacy_nlp.benchmark.results_file import read_results, read_speed
from diplomacy_nlp.cli import app
from diplomacy_nlp.dataset_writer import write_examples


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    write_examples(tiny.word_examples(200), path)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["benchmark", *(str(argument) for argument in arguments)])


def test_help_shows_examples() -> None:
    for arguments, example in (
        (("--help",), "quality labels.csv"),
        (("quality", "--help"), "quality labels.csv"),
        (("speed", "--help"), "speed --data labels.csv"),
        (("all", "--help"), "all labels.csv"),
    ):
        result = run(*arguments)
        assert result.exit_code == 0
        assert f"Example: diplomacy-nlp benchmark {example}" in result.stdout
    assert "benchmark" in CliRunner().invoke(app, ["--help"]).stdout


def test_table_file_and_chart(labels: Path, tmp_path: Path) -> None:
    output, chart = tmp_path / "results.json", tmp_path / "curves.svg"
    options = ("--systems", "baseline", "--sizes", "30,1000,all", "--seeds", "2")
    result = run("quality", labels, *options, "--output", output, "--chart", chart)
    assert result.exit_code == 0, result.output
    assert "test  macro F1, 20 sentences" in result.stdout
    assert "Means over the seeds" in result.stdout
    assert "baseline, 30 rows, seed 1: macro F1 on dev" in result.stderr
    assert [run.n_rows for run in read_results(output).runs] == [30, 30, 140, 140]
    assert chart.read_text(encoding="utf-8").startswith("<svg ")
    again = run("quality", labels, *options, "--output", output)
    assert again.stdout == result.stdout
    assert "rows, seed" not in again.stderr


def test_json_is_the_only_output(labels: Path) -> None:
    options = ("--systems", "baseline", "--sizes", "all", "--seeds", "1", "--json")
    result = run("quality", labels, *options, "--domains", "trade")
    document = json.loads(result.stdout)
    assert document["data"]["domains"] == ["trade"]
    assert [entry["size"] for entry in document["runs"]] == ["all"]


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--systems", "bert"], 2, "unknown system 'bert'"),
        (["--sizes", "1k"], 2, "size '1k' is neither"),
        (["--sizes", "5000"], 2, "no size is below the 140 training rows"),
        (["--seeds", "0"], 2, "Invalid value"),
        (["--output", "no/such/file.json"], 1, "there is no folder"),
        (["--recipe", "none.toml"], 2, "none.toml: cannot be read"),
        (["--domains", "tarde"], 1, "unknown domain 'energy'. Valid: tarde"),
    ],
)
def test_wrong_use(labels: Path, options: list[str], exit_code: int, message: str) -> None:
    result = run("quality", labels, *options)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr


def test_a_file_of_other_data_is_left_alone(labels: Path, tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    output.write_text("{}")
    result = run("quality", labels, "--output", output)
    assert result.exit_code == 1
    assert "not the results of a quality benchmark" in result.stderr
    assert output.read_text() == "{}"


def test_speed_prints_tables_and_keeps_results(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_systems.install(monkeypatch)
    text, output = tmp_path / "news.txt", tmp_path / "speed.json"
    text.write_text("Parliament met.\nIt rained.\n")
    options = ("--text", text, "--sentences", "8", "--rounds", "2", "--output", output)
    result = run("speed", "--data", labels, "--systems", "accurate,spacy", *options)
    assert result.exit_code == 0, result.output
    assert "labelled sentences  8 sentences" in result.stdout
    assert "timing accurate, pipeline, spacy: 2 rounds" in result.stderr
    assert read_speed(output).kinds == ("labelled", "running")
    shown = run("speed", "--data", labels, *options, "--json")
    names = {s["name"] for r in json.loads(shown.stdout)["runs"] for s in r["systems"]}
    assert names == {"accurate", "fast", "pipeline", "spacy", "baseline"}


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        ([], 2, "there is nothing to time: give --data, --text or both"),
        (["--text", "none.txt"], 1, "none.txt: cannot be read"),
        (["--data", "LABELS", "--systems", "bert"], 2, "unknown system 'bert'"),
        (["--data", "LABELS", "--model", "baseline"], 2, "is a baseline"),
        (["--data", "LABELS", "--output", "LABELS"], 1, "is one of the inputs"),
        (["--data", "LABELS", "--rounds", "0"], 2, "Invalid value"),
    ],
)
def test_wrong_use_of_speed(labels: Path, options: list[str], exit_code: int, message: str) -> None:
    result = run("speed", *(str(labels) if word == "LABELS" else word for word in options))
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr


def test_all_runs_both_and_draws(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fish = tmp_path / "fish.csv"
    fish.write_text(labels.read_text().replace("energy", "cod"))
    fake_systems.install(monkeypatch)
    baseline = {"baseline": systems.SYSTEMS["baseline"]}
    monkeypatch.setattr(systems, "SYSTEMS", baseline)
    folder = tmp_path / "results"
    options = ("--domains", "cod,trade,security", "--sentences", "8", "--rounds", "1")
    result = run("all", fish, "--output", folder, *options)
    assert result.exit_code == 0, result.output
    assert "test  macro F1" in result.stdout
    assert read_speed(folder / "speed.json").find("fast") is not None
    quality = read_results(folder / "quality.json")
    assert [run.cell.system for run in quality.runs] == ["baseline"]
    # The model does not know one of the domains.
    assert quality.models == ()
    chart = (folder / "speed-quality.svg").read_text(encoding="utf-8")
    assert ">+ logistic regression</text>" in chart
