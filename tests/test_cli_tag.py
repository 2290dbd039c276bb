"""``tag`` over many files, into parts, and again after it was killed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from diplomacy_nlp.cli import app

ROOT = Path(__file__).parents[1]
SUMMIT = ROOT / "examples" / "summit.txt"

with_fake_tagger = pytest.mark.usefixtures("fake_tagger")
needs_sigkill = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL there")


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["tag", *map(str, arguments)], input=stdin)


def assert_fails(result: Result, message: str, exit_code: int = 2) -> None:
    assert result.exit_code == exit_code, result.output
    assert f"error: {message}" in result.stderr
    assert result.stdout == ""


def content(folder: Path) -> dict[str, bytes | list[dict[str, object]]]:
    """What a folder holds for a reader: bytes, or rows, since bytes of Parquet may differ."""
    return {
        file.name: parquet.read_table(file).to_pylist()
        if file.suffix == ".parquet"
        else file.read_bytes()
        for file in folder.iterdir()
        if file.name != ".lock"
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three hundred texts of some sentences in files of three kinds, two of them damaged."""
    folder = tmp_path / "archive"
    folder.mkdir()
    texts = [
        f"They agreed on gas in {n}. " * (n % 5) + f"The minister met {n} of the two sides."
        for n in range(300)
    ]
    lines = [json.dumps({"text": text}) + "\n" for text in texts]
    lines[150] = "broken\n"
    for number in range(3):
        rows = "".join(lines[number * 100 : number * 100 + 80])
        (folder / f"{number}.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
        for n in range(number * 100 + 80, number * 100 + 100):
            (folder / f"{number}.{n}.txt").write_text(texts[n])
    (folder / "1.damaged.txt.gz").write_bytes(b"not gzip")
    return folder


# --- Parts ----------------------------------------------------------------------------------


@with_fake_tagger
@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_parts_hold_what_one_file_holds(archive: Path, tmp_path: Path, format_: str) -> None:
    whole, parts = tmp_path / f"whole.{format_}", tmp_path / "parts"
    options = ["--skip-errors", "--domains", "wide", "--review", "0.9"]
    result = run(f"{archive}/**/*", "-o", whole, *options)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        f"skipped 2 texts or files that could not be read, listed in {whole}.errors.jsonl"
    ]
    result = run(
        archive, "-o", f"{parts}/", *options, "--format", format_, "--part-sentences", "200"
    )
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        f"{parts}: parts: 5, texts: 299, sentences: 899",
        f"skipped 2 texts or files that could not be read, listed in {parts}/errors.jsonl",
    ]
    errors = (parts / "errors.jsonl").read_text()
    assert errors == Path(f"{whole}.errors.jsonl").read_text()
    assert [json.loads(line)["document"] for line in errors.splitlines()] == [
        f"{archive}/1.damaged.txt.gz",
        f"{archive}/1.jsonl.gz:51",
    ]
    names = [f"part-0000{number}.{format_}" for number in range(5)]
    assert sorted(content(parts)) == ["errors.jsonl", *names, "progress.json"]
    if format_ == "parquet":
        rows = [row for name in names for row in parquet.read_table(parts / name).to_pylist()]
        assert rows == parquet.read_table(whole).to_pylist()
        return
    header = b"" if format_ == "jsonl" else whole.read_bytes().splitlines(keepends=True)[0]
    joined = b"".join((parts / name).read_bytes().removeprefix(header) for name in names)
    assert header + joined == whole.read_bytes()


@with_fake_tagger
def test_a_damaged_file_stops_with_its_name_and_can_be_passed_over_later(
    archive: Path, tmp_path: Path
) -> None:
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"
    arguments = [archive, "--part-sentences", "100"]
    assert_fails(
        run(*arguments, "-o", f"{stopped}/"),
        f"{archive}/1.damaged.txt.gz: damaged or cut off: Not a gzipped file",
        exit_code=1,
    )
    assert (stopped / "part-00001.jsonl").exists()
    assert run(*arguments, "-o", f"{stopped}/", "--resume", "--skip-errors").exit_code == 0
    assert run(*arguments, "-o", f"{straight}/", "--skip-errors").exit_code == 0
    assert content(stopped) == content(straight)


@with_fake_tagger
def test_only_the_same_run_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Gas.")
    arguments = [tmp_path / "a.txt", "-o", f"{tmp_path}/out/", "--domains", "core"]
    # There may be nothing to go on with yet, so that a script need not know.
    assert run(*arguments, "--resume").exit_code == 0
    before = content(tmp_path / "out")
    again = run(*arguments, "--resume")
    assert again.stderr == f"{tmp_path}/out: parts: 1, texts: 1, sentences: 1\n"
    assert content(tmp_path / "out") == before
    assert_fails(run(*arguments), f"{tmp_path}/out: holds a run already; go on with it by")
    other = run(*arguments, "--resume", "--lines", "--format", "csv", "--model", "baseline")
    assert_fails(other, f"{tmp_path}/out: cannot be resumed; the run there was another one")
    assert 'error: --format: "jsonl" then, "csv" now' in other.stderr
    assert "error: --lines: false then, true now" in other.stderr
    assert "error: model: " in other.stderr
    (tmp_path / "a.txt").write_text("Gas, oil.")
    assert_fails(run(*arguments, "--resume"), f"{tmp_path}/out: cannot be resumed")
    assert "error: inputs: " in run(*arguments, "--resume").stderr
    assert content(tmp_path / "out") == before


@with_fake_tagger
def test_outputs_that_cannot_be(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "tags").write_text("x")
    for arguments, message, exit_code in [
        (["--resume"], "--resume needs a folder: --output FOLDER/", 2),
        (["--part-sentences", "9", "-o", "-"], "--part-sentences needs a folder", 2),
        (["--resume", "-o", "tags.csv"], "--resume needs a folder, such as --output tags/", 2),
        (["--format", "parquet"], "--format parquet needs a file or folder", 2),
        (["--format", "table", "-o", f"{tmp_path}/new/"], "--format table has no parts", 2),
        (["--skip-errors"], "--skip-errors needs --output, beside which", 2),
        (["--resume", "-o", tmp_path / "tags"], f"{tmp_path}/tags: is a file; name a folder", 1),
        (["-o", f"{archive}/tags/"], f"{archive}/tags: lies in {archive}, so that", 1),
        (["-o", f"{tmp_path}"], f"{tmp_path}: holds other files, such as", 1),
    ]:
        assert_fails(run(archive, *arguments), message, exit_code)
    piped = run("-", "--resume", "-o", tmp_path / "new", stdin="Gas.")
    assert_fails(piped, "--resume: what was piped in cannot be read again")
    assert run("-", "-o", f"{tmp_path}/new/", stdin="Gas.").exit_code == 0


# --- Killed ---------------------------------------------------------------------------------

# The process kills itself as it comes to a step of its work, or has just done it.
KILLED_MAIN = """
import os, signal, sys
from pathlib import Path
import fakes
from diplomacy_nlp.cli import main
from diplomacy_nlp.tagger import Tagger

STEP, AFTER = int(sys.argv.pop(1)), sys.argv.pop(1) == "after"
n_steps = 0

def counted(work):
    def step(*arguments, **options):
        global n_steps
        n_steps += 1
        if n_steps == STEP and not AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        result = work(*arguments, **options)
        if n_steps == STEP:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return step

Tagger.load = fakes.load_fake_tagger
Path.replace = counted(Path.replace)
fakes.KeywordBackend.logits = counted(fakes.KeywordBackend.logits)
main()
"""


def start(code: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
    )


@needs_sigkill
@with_fake_tagger
@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_a_run_that_was_killed_at_any_step_ends_as_if_it_never_was(
    archive: Path, tmp_path: Path, format_: str
) -> None:
    arguments = [archive, "--skip-errors", "--part-sentences", "300", "--format", format_]
    straight = tmp_path / "straight"
    assert run(*arguments, "-o", f"{straight}/").exit_code == 0
    # Progress, pass, part, progress; pass, part, progress; and so on. Killed again and again.
    killed = tmp_path / "killed"
    for step, moment in [(1, "before"), (3, "after"), (3, "before"), (3, "after"), (2, "before")]:
        process = start(KILLED_MAIN, str(step), moment, "tag", *arguments, "-o", killed, "--resume")
        _, stderr = process.communicate()
        assert process.returncode == -signal.SIGKILL, stderr
    assert not json.loads((killed / "progress.json").read_text())["is_finished"]
    assert run(*arguments, "-o", killed, "--resume").exit_code == 0
    assert content(killed) == content(straight)


SLOW_MAIN = """
import time
from diplomacy_nlp.cli import main
from diplomacy_nlp.onnx_backend import OnnxBackend

logits = OnnxBackend.logits
OnnxBackend.logits = lambda *arguments: time.sleep(0.1) or logits(*arguments)
main()
"""


@needs_sigkill
def test_a_killed_run_of_a_real_model_gives_the_same_digits(
    archive: Path, tmp_path: Path, tiny_model: Path
) -> None:
    arguments = [archive, "--model", tiny_model, "--skip-errors", "--part-sentences", "50"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert run(*arguments, "-o", f"{straight}/").exit_code == 0
    process = start(SLOW_MAIN, "tag", *arguments, "-o", f"{killed}/")
    for _ in _until(killed / "part-00003.jsonl"):
        assert process.poll() is None
    meanwhile = run(*arguments, "-o", killed, "--resume")
    assert_fails(meanwhile, f"{killed}: another process is filling it", exit_code=2)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(content(killed)) < len(content(straight))
    assert run(*arguments, "-o", killed, "--resume").exit_code == 0
    assert content(killed) == content(straight)


def _until(file: Path) -> Iterator[None]:
    while not file.exists():
        yield
        time.sleep(0.01)
