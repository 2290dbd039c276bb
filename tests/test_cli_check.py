import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_checks_data_check import ODD
from test_cli import ROOT, assert_fails, run

from diplomacy_nlp.checks.findings import KINDS
from diplomacy_nlp.dataset_writer import write_examples

LIGHT = "label-conflict,leak,length"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_examples(ODD, tmp_path / "odd.csv")
    return tmp_path / "odd.csv"


# --- check ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "agreement"])
def test_help_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: diplomacy-nlp {command}" in result.stdout


def test_help_names_every_kind() -> None:
    # Lines end after hyphens, too.
    shown = "".join(run("check", "--help").stdout.split())
    assert [kind for kind in KINDS if kind not in shown] == []


def test_the_guide_names_every_kind() -> None:
    guide = (ROOT / "docs" / "data-checks.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([a-z-]+)` \|", guide, flags=re.MULTILINE)
    assert named == list(KINDS)


def test_the_guide_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs" / "data-checks.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(code, "data-checks.md", "exec"), {"__name__": "guide"})  # noqa: S102 (our own)


def test_check_prints_tables(data: Path) -> None:
    result = run("check", data, "--only", LIGHT)
    assert result.exit_code == 0, result.output
    assert f"{data}  13 sentences" in result.stdout
    assert "row 2, conflict, train, energy, cooperation" in result.stdout
    assert "2 errors, 0 warnings, 1 note" in result.stdout


def test_check_without_label_errors(data: Path) -> None:
    plain = json.loads(run("check", data, "--no-label-errors", "--json").stdout)
    assert plain["skipped"] == {}
    kinds = {finding["kind"] for finding in plain["findings"]}
    assert {"leak", "language", "markup"} <= kinds
    assert_fails(
        run("check", data, "--no-label-errors", "--only", "label-error"),
        "--no-label-errors leaves nothing of --only",
        exit_code=2,
    )


def test_check_prints_json(data: Path) -> None:
    plain = json.loads(run("check", data, "--only", "leak", "--json").stdout)
    [leak] = plain["findings"]
    assert [(row["file"], row["row"]) for row in leak["rows"]] == [(str(data), 4), (str(data), 5)]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_check_writes_suspicious_rows(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert run("check", data, "--only", LIGHT, "-o", out, "--show", 0).exit_code == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = (
            list(csv.DictReader(file)) if name.endswith("csv") else list(map(json.loads, file))
        )
    assert [row["id"] for row in rows] == ["conflict", "conflict-too", "leak", "leak-too", "length"]
    assert [int(row["row"]) for row in rows] == [2, 3, 4, 5, 11]


def test_check_says_where_errors_must_not_be(data: Path) -> None:
    assert run("check", data, "--only", "length", "--strict").exit_code == 0
    result = run("check", data, "--only", LIGHT, "--strict")
    assert result.exit_code == 1
    assert "2 errors" in result.stdout
    assert "error:" not in result.stderr


def test_check_compares_files(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("text,domains\nGas was sold to them.,energy\n")
    arguments = ["check", tmp_path / "train.csv", tmp_path / "test.csv", "--only", "leak", "--json"]
    [leak] = json.loads(run(*arguments).stdout)["findings"]
    assert leak["message"] == "the same sentence in test and train"


@pytest.mark.usefixtures("fake_tagger")
def test_check_by_a_model(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    rows = [f"They spoke of gas {n}.,energy" for n in range(12)]
    rows += [f"They met {n}.,{'health' if n else 'energy'}" for n in range(12)]
    path.write_text("text,domains\n" + "\n".join(rows))
    plain = json.loads(
        run("check", path, "--only", "label-error", "--model", "default", "--json").stdout
    )
    # The model's wider domains judge as well.
    judged = plain["findings"][0]["details"]["probabilities"]
    assert list(judged) == ["energy", "health"]
    assert 14 in {finding["rows"][0]["row"] for finding in plain["findings"]}


def test_check_fails_before_any_work(data: Path, tmp_path: Path) -> None:
    assert_fails(run("check", data, "--only", "leaks"), "unknown kind 'leaks'. Valid: ", 2)
    assert_fails(run("check", data, "-o", tmp_path / "a.txt"), f"{tmp_path}/a.txt: unknown format")
    assert_fails(run("check", data, "-o", data), f"{data}: is one of the inputs")
    assert_fails(run("check", tmp_path / "no.csv"), f"{tmp_path}/no.csv: no such file")
    assert_fails(run("check", data, "--model", "nowhere"), "no model folder 'nowhere'")


# --- agreement ------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "anna.csv").write_text(
        "id,text,domains,relation\n1,Gas flows.,energy,neutral\n2,Tariffs rise.,trade,conflict\n"
        "3,Rain.,,neutral\n"
    )
    (tmp_path / "boris.jsonl").write_text(
        '{"id": "2", "text": "Tariffs rise.", "domains": ["trade"], "relation": "neutral"}\n'
        '{"id": "1", "text": "Gas flows.", "domains": "energy;health", "relation": "neutral"}\n'
        '{"id": "4", "text": "Snow.", "domains": []}\n'
    )
    return [tmp_path / "anna.csv", tmp_path / "boris.jsonl"]


@pytest.mark.filterwarnings("ignore::diplomacy_nlp.errors.DataWarning")
def test_agreement_prints_a_table(files: list[Path]) -> None:
    result = run("agreement", *files)
    assert result.exit_code == 0, result.output
    assert "anna and boris  2 sentences, 2 groups, matched by id" in result.stdout
    assert "A: anna; 1 sentence without a counterpart" in result.stdout
    assert "Labelled in different ways: 2 of 2." in result.stdout


def test_agreement_prints_json(files: list[Path]) -> None:
    plain = json.loads(run("agreement", *files, "--json").stdout)
    assert [row["label"] for row in plain["domains"]][-1] == "health"
    # Rows as the files count them.
    assert plain["matching"]["unmatched"] == [[4], [3]]
    assert plain["disagreements"][0]["rows"] == [2, 2]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_agreement_writes_disagreements(files: list[Path], tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert run("agreement", *files, "--output", out).exit_code == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = (
            list(csv.DictReader(file)) if name.endswith("csv") else list(map(json.loads, file))
        )
    assert [row["id"] for row in rows] == ["1", "2"]
    assert (str(rows[0]["row_anna"]), str(rows[0]["row_boris"])) == ("2", "2")
    assert rows[1]["relation_boris"] == "neutral"


def test_agreement_of_files_of_the_same_name(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    copy = tmp_path / "again" / "anna.csv"
    copy.write_text(files[0].read_text())
    plain = json.loads(run("agreement", files[0], copy, files[1], "--json").stdout)
    assert plain["annotators"] == [str(files[0]), str(copy), str(files[1])]


def test_agreement_fails_in_a_line(files: list[Path], tmp_path: Path) -> None:
    assert_fails(run("agreement", files[0]), "agreement takes two files or more", 2)
    assert_fails(run("agreement", *files, "-o", tmp_path / "a.txt"), f"{tmp_path}/a.txt: unknown")
    (tmp_path / "c.csv").write_text("text,domains\nFog.,\n")
    result = run("agreement", files[0], tmp_path / "c.csv")
    assert result.exit_code == 1
    assert "no sentence in common, matched by text" in result.stderr
