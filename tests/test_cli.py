import contextlib
import csv
import json
import math
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakes
import pytest
from typer.testing import CliRunner, Result

from diplomacy_nlp import __version__, cli_tag
from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.cli import app
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import CORE, RELATIONS, WIDE
from diplomacy_nlp.errors import DataWarning
from diplomacy_nlp.evaluation import evaluate
from diplomacy_nlp.model_files import write_model
from diplomacy_nlp.operating_points import OPERATING_POINTS_FILE, OperatingPoint
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.sentences import split_sentences
from diplomacy_nlp.tagger import Tagger
from diplomacy_nlp.trainer import TrainedModel

ROOT = Path(__file__).parents[1]
SUMMIT = ROOT / "examples" / "summit.txt"
WRITTEN = ROOT / "data" / "written.jsonl"


def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_fails(result: Result, message: str, exit_code: int = 1) -> None:
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit)
    assert f"error: {message}" in result.stderr
    assert result.stdout == ""


# --- The command itself ---------------------------------------------------------------------


def test_version() -> None:
    assert run("--version").stdout == f"diplomacy-nlp {__version__}\n"


@pytest.mark.parametrize("command", ["tag", "train", "evaluate", "thresholds", "models", "domains"])
def test_help_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: diplomacy-nlp {command}" in result.stdout
    assert command in run("--help").stdout


@pytest.mark.parametrize("arguments", [["tag", "--format", "xml"], ["tag", "--no"], ["sing"]])
def test_wrong_use(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from diplomacy_nlp.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = shown.stdout.splitlines()[-1].split()
    heavy = {"numpy", "rich", "onnxruntime", "tokenizers", "torch", "sklearn", "sentencex"}
    assert "typer" in imported
    assert not heavy.intersection(imported)


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (BrokenPipeError(), 0, ""),
        (OSError(28, "No space left on device"), 1, "error: No space left on device\n"),
        (PermissionError(13, "Permission denied", "/a"), 1, "error: /a: Permission denied\n"),
    ],
)
def test_what_the_system_refuses_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, error: OSError, exit_code: int, message: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("diplomacy_nlp.display.print_domains", fail)
    result = run("domains")
    assert (result.exit_code, result.output) == (exit_code, message)


def test_the_package_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["__main__.py", "tag", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("diplomacy_nlp", run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: diplomacy-nlp tag [OPTIONS]")


# --- tag ------------------------------------------------------------------------------------

with_fake_tagger = pytest.mark.usefixtures("fake_tagger")


@with_fake_tagger
def test_tag_writes_a_record_a_sentence() -> None:
    text = SUMMIT.read_text(encoding="utf-8")
    found = records(run("tag", SUMMIT))
    assert [(r["start"], r["end"], r["text"]) for r in found] == [
        (s.start, s.end, s.text) for s in split_sentences(text)
    ]
    assert {record["document"] for record in found} == {str(SUMMIT)}
    assert [record["index"] for record in found] == list(range(len(found)))
    assert list(found[0]["probabilities"]) == list(CORE.names)
    assert found[0]["domains"] == ["energy", "security"]


@with_fake_tagger
def test_tag_reads_files_folders_and_rows_in_order(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "b.txt").write_text("B one. B two.")
    (tmp_path / "folder" / "deep" / "a.csv").write_text("n,body\n1,Row two.\n2,\n3,Row four.\n")
    (tmp_path / "c.md").write_text("C.")
    found = records(
        run("tag", tmp_path / "c.md", tmp_path / "folder", "-", "--text-column=body", stdin="In.")
    )
    assert [(record["document"], record["index"], record["text"]) for record in found] == [
        (f"{tmp_path}/c.md", 0, "C."),
        (f"{tmp_path}/folder/b.txt", 0, "B one."),
        (f"{tmp_path}/folder/b.txt", 1, "B two."),
        (f"{tmp_path}/folder/deep/a.csv:2", 0, "Row two."),
        (f"{tmp_path}/folder/deep/a.csv:4", 0, "Row four."),
        ("-", 0, "In."),
    ]


@with_fake_tagger
def test_tag_reads_standard_input_when_nothing_is_named() -> None:
    [found] = records(run("tag", stdin="Gas für Köln.".encode()))
    assert (found["document"], found["text"]) == ("-", "Gas für Köln.")
    [found] = records(run("tag", "--encoding", "cp1252", stdin="Köln.".encode("cp1252")))
    assert found["text"] == "Köln."
    [found] = records(run("tag", "--errors", "replace", stdin=b"K\xf6ln."))
    assert found["text"] == "K\ufffdln."


@with_fake_tagger
def test_tag_writes_to_standard_output_by_its_name() -> None:
    assert len(records(run("tag", "-", "--output", "-", stdin="Gas. Oil."))) == 2


@with_fake_tagger
def test_tag_takes_lines_for_sentences() -> None:
    found = records(run("tag", "--lines", stdin="One. Two.\n\nThree"))
    assert [record["text"] for record in found] == ["One. Two.", "Three"]


@with_fake_tagger
@pytest.mark.parametrize("stdin", ["", " \n\t\n"])
@pytest.mark.parametrize("options", [[], ["--lines"], ["--format", "csv"], ["--format", "table"]])
def test_tag_answers_texts_without_a_sentence(stdin: str, options: list[str]) -> None:
    result = run("tag", *options, stdin=stdin)
    assert result.exit_code == 0
    assert '"text"' not in result.stdout


@with_fake_tagger
@pytest.mark.parametrize("format_", ["jsonl", "csv", "table"])
def test_tag_answers_a_line_of_a_million_characters(format_: str) -> None:
    result = run("tag", "--format", format_, "--lines", stdin="gas deal " * 111_112)
    assert result.exit_code == 0
    assert result.stdout.count("deal") == 111_112


@with_fake_tagger
def test_tag_chooses_domains_and_thresholds() -> None:
    [found] = records(run("tag", "--domains", "wide", stdin="Gas."))
    assert list(found["probabilities"]) == list(WIDE.names)
    [found] = records(
        run("tag", "--domains", "health, energy", "--threshold", "health=0.01", stdin="Gas.")
    )
    assert found["domains"] == ["health", "energy"]


@with_fake_tagger
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "trade"], "--threshold 'trade' is not DOMAIN=P"),
        (["--threshold", "0.6"], "--threshold '0.6' is not DOMAIN=P"),
        (["--threshold", "trade=high"], "--threshold 'trade=high' is not DOMAIN=P"),
        (["--threshold", "trade=1.5"], "thresholds must lie in [0, 1]"),
        (["--threshold", "trad=0.5"], "unknown domain 'trad'. Valid: energy"),
        (["--domains", "energy,,trade"], "unknown domain ''"),
        (["--encoding", "klingon"], "unknown encoding 'klingon'"),
        (["--precision", "0.95"], "energy: precision 0.95 cannot be had; the best that dev shows"),
        (["--precision", "0.95"], "trade: precision 0.95 cannot be had; the best that dev shows"),
        (["--precision", "0.9", "--recall", "0.9"], "precision and recall are both set"),
        (
            ["--precision", "90%"],
            "--precision '90%' is neither a number, such as 0.9, nor DOMAIN=P",
        ),
        (["--recall", "trade=0.9", "--recall", "0.8"], "--recall '0.8' is not DOMAIN=P"),
        (["--recall", "health=0.9"], "unknown domain 'health'"),
        (["--recall", "2"], "recall is 2.0, not one of 0.50, 0.51 … 0.99"),
        (["--review", "1"], "review is 1.0, not one of 0.50, 0.51 … 0.99"),
    ],
)
def test_tag_refuses_options_without_a_meaning(arguments: list[str], message: str) -> None:
    assert_fails(run("tag", *arguments, stdin="Gas."), message, exit_code=2)


@with_fake_tagger
def test_tag_reaches_for_a_goal() -> None:
    # Probabilities are 0.953 and 0.047.
    assert records(run("tag", "--recall", "0.97", stdin="Gas."))[0]["domains"] == list(CORE.names)
    arguments = ["--recall", "trade=0.97", "--recall", "energy=0.5", "--threshold", "energy=0.96"]
    assert records(run("tag", *arguments, stdin="Gas."))[0]["domains"] == ["trade"]
    assert records(run("tag", "--precision", "0.9", stdin="Gas."))[0]["domains"] == ["energy"]


@with_fake_tagger
@pytest.mark.parametrize("format_", ["jsonl", "csv", "table"])
def test_tag_marks_what_to_review(format_: str) -> None:
    arguments = ["tag", "--format", format_, "--threshold", "trade=0.96"]
    stdin = "They agreed on wheat. They agreed on gas."
    plain = run(*arguments, stdin=stdin)
    marked = run(*arguments, "--review", "0.9", stdin=stdin)
    assert (plain.exit_code, marked.exit_code) == (0, 0)
    assert "review" not in plain.stdout
    if format_ == "jsonl":
        assert [record["review"] for record in records(marked)] == [["trade"], []]
    elif format_ == "csv":
        assert [row["review"] for row in csv.DictReader(marked.stdout.splitlines())] == [
            "trade",
            "",
        ]
    else:
        assert [line.split()[-1] for line in marked.stdout.splitlines() if "wheat" in line] == ["?"]
        assert "1 of 2 sentences tagged, 1 to review" in marked.stdout


@with_fake_tagger
@pytest.mark.parametrize("format_", ["jsonl", "csv", "table"])
def test_tag_keeps_sentences_of_a_relation(format_: str) -> None:
    stdin = "They agreed on gas. Rain fell. Rome accused us. Ice fell. Both pledged help."

    def kept(*relations: str) -> list[str]:
        arguments = [word for relation in relations for word in ("--relation", relation)]
        result = run("tag", "--format", format_, *arguments, stdin=stdin)
        assert result.exit_code == 0
        return [s.text for s in split_sentences(stdin) if s.text in result.stdout]

    assert kept("conflict") == ["Rome accused us."]
    assert kept("cooperation", "neutral") == [
        "They agreed on gas.",
        "Rain fell.",
        "Ice fell.",
        "Both pledged help.",
    ]
    assert len(kept()) == 5
    if format_ == "jsonl":
        found = records(run("tag", "--relation", "cooperation", stdin=stdin))
        assert [record["index"] for record in found] == [0, 4]


def test_tag_refuses_relations_of_a_model_that_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(fakes.FAKE_CONFIG, has_relation=False)
    tagger = Tagger(fakes.KeywordBackend(), config)
    monkeypatch.setattr(Tagger, "load", lambda *_, **__: tagger)
    result = run("tag", "--model", "mine", "--relation", "conflict", stdin="Gas.")
    assert_fails(result, "--relation conflict: the model mine does not tell relations", exit_code=2)
    assert run("tag", "--relation", "war", stdin="Gas.").exit_code == 2


def test_the_relations_of_the_option_are_all_there_are() -> None:
    assert tuple(cli_tag._Relation) == RELATIONS


@with_fake_tagger
def test_tag_needs_something_to_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diplomacy_nlp.output.is_terminal", lambda stream: stream is sys.stdin)
    assert_fails(run("tag"), "nothing to tag: name files or folders", exit_code=2)


@with_fake_tagger
def test_tag_names_what_it_cannot_read(tmp_path: Path) -> None:
    result = run("tag", tmp_path / "no.txt", tmp_path, SUMMIT)
    assert_fails(result, f"{tmp_path}/no.txt: no such file")
    assert_fails(result, f"{tmp_path}: no text in this folder")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n\xff")
    assert_fails(run("tag", tmp_path / "a.pdf"), f"{tmp_path}/a.pdf: a PDF")
    assert_fails(run("tag", stdin=b"caf\xe9"), "-: byte 0xe9 at offset 3 is not utf-8.")
    assert_fails(run("tag", stdin=b"a\0b"), "-: a NUL character")


@with_fake_tagger
def test_tag_writes_a_file(tmp_path: Path) -> None:
    table, lines = tmp_path / "out.CSV", tmp_path / "out.tagged"
    for path in (table, lines):
        result = run("tag", SUMMIT, "--output", path)
        assert (result.exit_code, result.output) == (0, "")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    objects = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in rows] == [row["text"] for row in objects]
    assert [row["domains"] for row in rows] == [";".join(row["domains"]) for row in objects]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.CSV", "out.tagged"]


@with_fake_tagger
def test_tag_checks_the_output_before_it_reads(tmp_path: Path) -> None:
    assert_fails(run("tag", SUMMIT, "-o", tmp_path / "a/b"), f"{tmp_path}/a/b: there is no folder")
    text = tmp_path / "tags.csv"
    text.write_text("text\nGas.\n")
    assert_fails(run("tag", tmp_path, "-o", text), f"{text}: is one of the inputs")
    assert text.read_text() == "text\nGas.\n"


@with_fake_tagger
def test_tag_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Gas.")
    (tmp_path / "in" / "b.txt").write_bytes(b"\xff")
    result = run("tag", tmp_path / "in", "-o", tmp_path / "out.jsonl")
    assert_fails(result, f"{tmp_path}/in/b.txt: byte 0xff")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@with_fake_tagger
def test_tag_reads_texts_as_it_writes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Gas."}\n' * 3000 + "broken\n")
    result = run("tag", tmp_path / "a.jsonl")
    assert result.exit_code == 1
    assert f"error: {tmp_path}/a.jsonl line 3001: not JSON" in result.stderr
    assert len(result.stdout.splitlines()) >= 1000


@with_fake_tagger
def test_tag_escapes_what_utf8_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Gas \\ud800 \\u00e9."}')
    [found] = records(run("tag", path))
    assert found["text"] == "Gas \ud800 é."
    assert ",Gas ? é.," in run("tag", path, "--format", "csv").stdout


@with_fake_tagger
def test_tag_shows_progress_to_a_person_who_sees_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int | None]] = []

    def watch(stream: Any, n_files: int, n_bytes: int | None, n_sentences: int) -> Any:
        seen.append((n_files, n_bytes))
        return contextlib.nullcontext(iter)

    monkeypatch.setattr("diplomacy_nlp.display.tagging_progress", watch)
    monkeypatch.setattr("diplomacy_nlp.output.is_terminal", lambda stream: stream is sys.stderr)
    (tmp_path / "a.csv").write_text("text\nGas.\n")
    run("tag", SUMMIT)
    assert seen == []
    run("tag", SUMMIT, "-")
    run("tag", tmp_path / "a.csv")
    assert seen == [(2, None), (1, 10)]


def test_tag_says_what_is_wrong_with_a_model(tmp_path: Path) -> None:
    def tag_with(model: str | Path) -> Result:
        return run("tag", "--model", model, stdin="Gas.")

    assert_fails(tag_with(tmp_path / "no"), f"no model folder '{tmp_path}/no'")
    assert_fails(tag_with(tmp_path), f"{tmp_path} is not a model folder")
    assert_fails(tag_with(SUMMIT), f"{SUMMIT} is a file; a model is a folder")
    folder = tmp_path / "model"
    write_model(folder, fakes.FAKE_CONFIG, {"model.onnx": b"x"})
    (folder / "model.onnx").write_bytes(b"y")
    assert_fails(tag_with(folder), f"{folder}/model.onnx is damaged")
    (folder / "config.json").write_text('{"format_version": 99, "library_version": "9.9"}')
    assert_fails(tag_with(folder), f"{folder} has format 99")


# --- In a shell -----------------------------------------------------------------------------

FAKE_MAIN = """
import signal

import fakes
from diplomacy_nlp.cli import main
from diplomacy_nlp.tagger import Tagger

# A job in the background inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
Tagger.load = fakes.load_fake_tagger
main()
"""


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return subprocess.Popen(
        [sys.executable, "-c", FAKE_MAIN, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80"},
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "many.jsonl"
    path.write_text('{"text": "They agreed on gas."}\n' * 3000)
    return path


@pytest.mark.parametrize("arguments", [["--format", "jsonl"], ["--format", "table"]])
def test_a_closed_pipe_ends_quietly(many_rows: Path, arguments: list[str]) -> None:
    process = start("tag", many_rows, *arguments, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["tag", SUMMIT], ["domains", "--json"], ["domains"]])
def test_a_full_disk_is_told(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(*arguments, stdout=full)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (1, b"error: No space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_leaves_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "in.jsonl"
    os.mkfifo(pipe)
    (tmp_path / "out").mkdir()
    process = start("tag", SUMMIT, pipe, "-o", tmp_path / "out" / "tags.jsonl")
    # Opens once the command has come to it, and keeps it waiting.
    with pipe.open("w"):
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (130, b"")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals")
def test_a_terminal_gets_a_table() -> None:
    import pty

    there, here = pty.openpty()
    process = start("tag", SUMMIT, stdout=here, stdin=here)
    os.close(here)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal tells that nobody writes to it any more
        while block := os.read(there, 4096):
            shown += block
    os.close(there)
    assert process.communicate()[1] == b""
    assert process.returncode == 0
    assert b"energy" in shown
    assert b"\x1b[" in shown
    assert "of 30 sentences tagged" in shown.decode()


# --- train ----------------------------------------------------------------------------------


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(
        "text,domains,split\nThey agreed on gas.,energy,test\nIt rained.,,test\n"
        "Wheat and oil.,energy;trade,train\nMoney was lent.,finance,train\n"
    )
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """Replace training by taking notes of what was asked for."""
    calls = []

    def train(
        examples: Examples,
        config: TrainConfig,
        output: Path,
        *,
        progress: Callable[[Any], None],
        **options: Any,
    ) -> TrainedModel:
        calls.append(SimpleNamespace(examples=examples, config=config, output=output, **options))
        scores = evaluate(fakes.load_fake_tagger(), examples, n_bootstrap=0)
        both = {"dev": scores, "test": scores}
        return TrainedModel(output, both, both if config.architecture == "transformer" else {})

    monkeypatch.setattr("diplomacy_nlp.trainer.train", train)
    return calls


def test_train_shows_scores_and_how_to_go_on(
    labels: Path, tmp_path: Path, trained: list[SimpleNamespace]
) -> None:
    result = run("train", labels, "--output", tmp_path / "my model")
    assert result.exit_code == 0, result.output
    assert "test  4 sentences" in result.stdout
    assert "dev  " not in result.stdout
    assert "baseline" in result.stdout
    assert f"diplomacy-nlp tag --model '{tmp_path}/my model' FILE" in result.stderr
    [call] = trained
    assert (len(call.examples), call.config, call.resume) == (4, TrainConfig(), False)
    assert (call.teachers, call.unlabelled) == ([], [])
    assert call.output == tmp_path / "my model"


def test_train_warns_in_a_line(
    labels: Path, tmp_path: Path, trained: list[SimpleNamespace]
) -> None:
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        result = run("train", labels, "-o", tmp_path / "model")
    assert result.stderr.splitlines()[0] == (
        f"warning: {labels}: no sentence is labelled security, counter-terrorism"
    )
    assert not [warning for warning in others if warning.category is DataWarning]


def test_train_takes_a_recipe_and_options_before_it(
    labels: Path, tmp_path: Path, trained: list[SimpleNamespace]
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("n_epochs = 7\nseed = 3\n")
    names = "energy,trade,finance"
    arguments = ["--recipe", str(recipe), "--seed", "4", "--base-model", "x", "--domains", names]
    run("train", labels, "-o", tmp_path / "m", *arguments, "--resume")
    run("train", labels, "-o", tmp_path / "m", "--baseline")
    config = TrainConfig(n_epochs=7, seed=4, base_model="x")
    assert [call.config for call in trained] == [config, TrainConfig(architecture="baseline")]
    assert trained[0].examples.domains.names == ("energy", "trade", "finance")
    assert trained[0].resume


def test_train_with_teachers(
    labels: Path,
    tmp_path: Path,
    trained: list[SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Tagger, "load", fakes.load_fake_tagger)
    texts = tmp_path / "texts.txt"
    texts.write_text("They met. They agreed on gas.\n")
    teachers = ["--teacher", "a", "--teacher", "b"]
    result = run(
        "train",
        labels,
        "-o",
        tmp_path / "m",
        *teachers,
        "--unlabelled",
        texts,
        "--domains",
        "energy,trade,finance",
    )
    assert result.exit_code == 0, result.output
    [call] = trained
    assert call.unlabelled == ["They met.", "They agreed on gas."]
    names = ("energy", "trade", "finance")
    assert [teacher.domains.names for teacher in call.teachers] == [names, names]


def test_train_checks_before_it_trains(
    labels: Path, tmp_path: Path, trained: list[SimpleNamespace]
) -> None:
    assert_fails(run("train", labels, "-o", tmp_path), f"{tmp_path} holds other files")
    assert_fails(run("train", labels, "-o", labels), f"{labels} is a file; a model needs a folder")
    out = tmp_path / "m"
    assert_fails(run("train", tmp_path / "no.csv", "-o", out), f"{tmp_path}/no.csv: no such file")
    for arguments, message in [
        (["--epochs", "0"], "n_epochs is 0"),
        (["--recipe", f"{tmp_path}/no.toml"], f"{tmp_path}/no.toml: cannot be read"),
        (["--baseline", "--epochs", "3"], "a baseline has no use for"),
        (["--teacher", "default"], "--teacher and --unlabelled go together"),
        (["--unlabelled", str(labels)], "--teacher and --unlabelled go together"),
    ]:
        assert_fails(run("train", labels, "-o", out, *arguments), message, exit_code=2)
    assert trained == []


def test_ctrl_c_tells_how_to_go_on(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("diplomacy_nlp.trainer.train", interrupt)
    result = run("train", labels, "-o", tmp_path / "m")
    assert result.exit_code == 130
    assert result.stderr.endswith("interrupted; the same command with --resume goes on\n")
    result = run("train", labels, "-o", tmp_path / "m", "--baseline")
    assert result.exit_code == 130
    assert "resume" not in result.stderr


def test_a_baseline_is_trained_evaluated_and_used(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    data = tmp_path / "some.jsonl"
    lines = WRITTEN.read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[::4]), encoding="utf-8")
    model = tmp_path / "model"

    result = run("train", data, "--baseline", "--output", model)
    assert result.exit_code == 0, result.output
    assert "macro F1" in result.stdout
    scores = json.loads(run("evaluate", model, data, "--split", "test", "--json").stdout)
    assert scores["n_sentences"] > 0
    assert len(records(run("tag", "--model", model, stdin="They agreed on gas."))) == 1


# --- models, domains -------------------------------------------------------------------------


def test_models_lists_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(value: float | None) -> Mapping[str, Any]:
        return {"macro_f1": {"value": value}}

    metrics = {"scores": {"dev": score(0.9), "test": score(0.87654), "empty": score(None)}}
    for name in ("default", "baseline"):
        files = {"model.onnx": b"x" * 2_000_000, "metrics.json": json.dumps(metrics).encode()}
        write_model(tmp_path / name, fakes.FAKE_CONFIG, files)
    monkeypatch.setattr("diplomacy_nlp.model_files.find_model", lambda name: tmp_path / name)

    lines = run("models").stdout.splitlines()

    assert lines[0] == "default"
    assert "  domains     energy, trade, security, counter-terrorism" in lines
    assert "  on request  " + ", ".join(WIDE.names[4:]) in lines
    assert "  size        2.0 MB" in lines
    assert "  macro F1    dev 0.900, test 0.877" in lines
    assert f"  folder      {tmp_path / 'baseline'}" in lines


# --- thresholds -----------------------------------------------------------------------------


@pytest.fixture
def model_with_points(tmp_path: Path) -> Path:
    files = {OPERATING_POINTS_FILE: fakes.FAKE_POINTS.to_json().encode()}
    write_model(tmp_path / "model", fakes.FAKE_CONFIG, files)
    return tmp_path / "model"


def test_thresholds_shows_what_they_reach(model_with_points: Path) -> None:
    result = run("thresholds", model_with_points)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["trade", "0.500", "0.438–0.531", "0.875", "0.750"] in lines
    assert "On 1,200 sentences of 300 documents (dev)" in result.stdout
    assert "health" not in result.stdout
    result = run("thresholds", model_with_points, "--domains", "health", "--review", "0.8")
    assert result.stdout.splitlines()[2].split()[-1] == "0.200–0.800"


def test_thresholds_are_those_that_a_goal_gives(model_with_points: Path) -> None:
    arguments = ["--domains", "trade,energy", "--precision", "trade=0.9", "--review", "0.75"]
    rows = json.loads(run("thresholds", model_with_points, *arguments, "--json").stdout)
    assert rows == [
        {
            "domain": "trade",
            "threshold": 0.9,
            "precision": 0.9,
            "recall": 0.625,
            "spread": {"low": 0.8375, "high": 0.9313},
            "review": {"low": 0.25, "high": 0.9},
        },
        {
            "domain": "energy",
            "threshold": 0.5,
            "precision": 0.875,
            "recall": 0.75,
            "spread": {"low": 0.4375, "high": 0.5312},
            "review": {"low": 0.25, "high": 0.75},
        },
    ]
    tagger = Tagger(
        fakes.KeywordBackend(),
        fakes.FAKE_CONFIG,
        domains=["trade", "energy"],
        precision={"trade": 0.9},
        operating_points=fakes.FAKE_POINTS,
    )
    assert tagger.thresholds == {row["domain"]: row["threshold"] for row in rows}


def test_thresholds_writes_what_is_unknown_as_null(tmp_path: Path) -> None:
    unknown = OperatingPoint(0.5, math.nan, math.nan, Interval(math.nan, math.nan))
    trade = replace(fakes.FAKE_POINTS.domains["trade"], default=unknown)
    points = replace(fakes.FAKE_POINTS, domains={"trade": trade})
    files = {OPERATING_POINTS_FILE: points.to_json().encode()}
    write_model(tmp_path / "model", fakes.FAKE_CONFIG, files)
    rows = json.loads(run("thresholds", tmp_path / "model", "--domains", "trade", "--json").stdout)
    assert rows[0]["precision"] is rows[0]["spread"]["low"] is None


def test_thresholds_says_what_it_lacks(model_with_points: Path) -> None:
    result = run("thresholds", model_with_points, "--precision", "0.95")
    assert_fails(result, "trade: precision 0.95 cannot be had", exit_code=2)
    result = run("thresholds", model_with_points, "--domains", "tarde")
    assert_fails(result, "unknown domain 'tarde'", exit_code=2)
    write_model(model_with_points, fakes.FAKE_CONFIG, {})
    result = run("thresholds", model_with_points)
    assert_fails(result, f"{model_with_points} has no operating_points.json")


def test_domains_lists_the_codebook() -> None:
    assert "counter-terrorism" in run("domains").stdout
    rows = json.loads(run("domains", "--json").stdout)
    assert [row["name"] for row in rows] == list(WIDE.names)
    assert rows[0]["references"] == list(WIDE["energy"].references)
    assert "threshold" not in rows[0]


def test_domains_lists_those_of_a_model(tmp_path: Path) -> None:
    write_model(tmp_path / "model", fakes.FAKE_CONFIG, {})
    rows = json.loads(run("domains", "--model", tmp_path / "model", "--json").stdout)
    assert rows[-1]["name"] == "governance"
    assert rows[-1]["threshold"] == 0.5
    assert "0.500" in run("domains", "--model", tmp_path / "model").stdout
    assert_fails(run("domains", "--model", "nowhere"), "no model folder 'nowhere'")
