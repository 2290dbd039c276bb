"""Tagging on a local Ray cluster gives what one process gives, whatever dies meanwhile."""

import csv
import gzip
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from diplomacy_nlp import distributed, onnx_backend
from diplomacy_nlp.archive import tag_documents
from diplomacy_nlp.distributed import sources, tagging, workers
from diplomacy_nlp.documents import find_files, read_documents
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError
from diplomacy_nlp.output import write_tagged
from diplomacy_nlp.sentences import split_lines
from diplomacy_nlp.tagger import Tagger

ray = pytest.importorskip("ray", reason="needs the extra ray")
pa = pytest.importorskip("pyarrow", reason="needs the extra ray")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("sklearn", reason="the baseline needs the extra train")

# Ray leaves sockets open, and its own code warns of its own options.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

TOPICS = ("gas and oil", "tariffs on wheat", "joint exercises", "terrorism", "the weather")


def text_of(number: int) -> str:
    return " ".join(
        f"Country {number} and country {other} spoke of {TOPICS[(number * other) % 5]} at length."
        for other in range(1, number % 7 + 2)
    )


def write_archive(folder: Path) -> Path:
    """Write 60 documents in every kind of file, and some that are odd."""
    folder.mkdir()
    rows = [{"text": text_of(number)} for number in range(30)]
    rows[3:3] = [{"text": "A lone \udc80 surrogate. They sold gas."}, {"text": ""}]
    lines = [json.dumps(row) for row in rows]
    lines.insert(5, "")
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with gzip.open(folder / "b.csv.gz", "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *((n, text_of(n)) for n in range(30, 40))])
    (folder / "deep").mkdir()
    table = pa.table({"text": [text_of(number) for number in range(40, 50)]})
    parquet.write_table(table, folder / "deep" / "c.parquet")
    for number in range(50, 60):
        (folder / "deep" / f"d{number}.txt").write_text(text_of(number), encoding="utf-8")
    (folder / "deep" / "notes.pdf").write_bytes(b"%PDF-")
    return folder


def table_of_one_process(inputs: list[str], tmp_path: Path, model="baseline") -> "pa.Table":
    path = tmp_path / "one.parquet"
    tagger = Tagger.load(model)
    write_tagged(path, tag_documents(tagger, read_documents(find_files(inputs))), tagger, "parquet")
    return parquet.read_table(path)


def table_of_parts(folder: Path) -> "pa.Table":
    return pa.concat_tables(
        parquet.read_table(part, partitioning=None) for part in sorted(folder.glob("*.parquet"))
    )


@pytest.fixture(scope="module")
def cluster():
    """Start two workers' worth of Ray on this machine, once for all tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Else workers step back behind everything else that runs, and tests wait for them.
        environment.setenv("RAY_worker_niceness", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100_000_000,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield
        ray.shutdown()


@pytest.fixture
def small_batches(monkeypatch):
    """Have many batches of few documents, so that both workers have some and order matters."""
    monkeypatch.setattr(tagging, "_BATCH_BYTES", 1500)
    monkeypatch.setattr(tagging, "_SHARD_BYTES", 5000)


# --- What needs no cluster ------------------------------------------------------------------


def test_sources_are_the_files_of_one_process(tmp_path):
    folder = write_archive(tmp_path / "archive")
    local = sources.find_sources([str(folder)])
    assert [source.name for source in local] == find_files([str(folder)])
    assert [source.n_bytes for source in local] == [
        Path(source.location).stat().st_size for source in local
    ]
    remote = sources.find_sources([folder.as_uri() + "/"])
    assert [source.name for source in remote] == [Path(s.name).as_uri() for s in local]
    assert [source.n_bytes for source in remote] == [source.n_bytes for source in local]


def test_relative_names_stay_and_locations_are_absolute(tmp_path, monkeypatch):
    write_archive(tmp_path / "archive")
    monkeypatch.chdir(tmp_path)
    first = sources.find_sources(["archive"])[0]
    assert (first.name, first.location) == ("archive/a.jsonl", f"{tmp_path}/archive/a.jsonl")


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (["-"], ConfigError, "name files"),
        (["nowhere/"], DataError, "nowhere/: no such file"),
        (["file:///nowhere/"], DataError, "file:///nowhere/: no such file"),
        (["gopher://store/a"], ConfigError, "gopher://store/a: "),
    ],
)
def test_sources_that_are_none(inputs, error, message):
    with pytest.raises(error, match=message):
        sources.find_sources(inputs)


def test_an_empty_folder_elsewhere(tmp_path):
    with pytest.raises(DataError, match="no text in this folder"):
        sources.find_sources([tmp_path.as_uri()])


@pytest.mark.parametrize("batch_bytes", [1, 1500, 10**9])
@pytest.mark.parametrize("is_remote", [False, True])
def test_shards_are_read_as_one_process_reads(tmp_path, batch_bytes, is_remote):
    folder = write_archive(tmp_path / "archive")
    found = sources.find_sources([folder.as_uri() if is_remote else str(folder)])
    shard = {"name": [s.name for s in found], "location": [s.location for s in found]}
    batches = list(
        workers.read_shard(pa.Table.from_pylist([shard]), batch_bytes=batch_bytes, reading={})
    )
    documents = [document for batch in batches for document in workers.documents_of(batch)]
    prefix = "file://" if is_remote else ""
    assert [(document.name, document.text) for document in documents] == [
        (prefix + document.name, document.text)
        for document in read_documents(find_files([str(folder)]))
    ]
    assert (len(batches) == 1) == (batch_bytes == 10**9)


def test_errors_name_the_file_as_it_was_named(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "Fine."}\n{"text": 3}\n', encoding="utf-8")
    shard = pa.Table.from_pylist([{"name": [bad.as_uri()], "location": [bad.as_uri()]}])
    with pytest.raises(DataError, match=rf"^{bad.as_uri()} line 2: 'text' is 3, not text"):
        list(workers.read_shard(shard, batch_bytes=1, reading={}))


def test_the_folder_must_be_empty(tmp_path):
    (tmp_path / "other.csv").touch()
    with pytest.raises(DataError, match=r"holds other files, such as other\.csv"):
        distributed.tag_files([__file__], str(tmp_path), model="baseline")
    with pytest.raises(DataError, match="cannot be a folder of parts"):
        distributed.tag_files([__file__], str(tmp_path / "other.csv"), model="baseline")


def test_options_are_checked_before_ray_is_started(tmp_path):
    output = str(tmp_path / "tagged")
    wrong = [
        ({"tagging": {"domains": ["tarde"]}}, "tarde"),
        ({"reading": {"encoding": "klingon"}}, "klingon"),
        ({"n_workers": 0}, "n_workers 0"),
    ]
    for options, message in wrong:
        with pytest.raises(ConfigError, match=message):
            distributed.tag_files([__file__], output, model="baseline", **options)
    assert not Path(output).exists()


def test_without_ray(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray.data", None)
    with pytest.raises(MissingExtraError, match=r"diplomacy-nlp\[ray\]"):
        distributed.tag_files([__file__], str(tmp_path))


@pytest.mark.parametrize(("limit", "n_threads"), [("1", 1), ("64", 3), ("0", 3), ("", 3)])
def test_a_worker_keeps_to_its_cores(monkeypatch, limit, n_threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert onnx_backend._n_threads() == n_threads


# --- On a cluster ---------------------------------------------------------------------------


@pytest.mark.usefixtures("cluster", "small_batches")
class TestCluster:
    def test_rows_are_those_of_one_process(self, tmp_path):
        inputs = [str(write_archive(tmp_path / "archive"))]
        output = tmp_path / "tagged"
        parts = distributed.tag_files(
            inputs, str(output), model="baseline", n_workers=2, part_sentences=50
        )
        expected = table_of_one_process(inputs, tmp_path)
        tagged = table_of_parts(output)
        assert tagged.schema.equals(expected.schema)
        assert tagged.equals(expected)
        assert len(set(tagged["document"].to_pylist())) == 61
        assert parts.n_sentences == expected.num_rows
        assert parts.n_parts == len(list(output.iterdir())) > 2

    def test_by_uri_with_options(self, tmp_path):
        folder = tmp_path / "archive"
        folder.mkdir()
        (folder / "a.csv").write_text("body\n\"Gas.\nTrade\"\n''\n", encoding="cp1252")
        output = tmp_path / "tagged"
        parts = distributed.tag_files(
            [folder.as_uri()],
            output.as_uri(),
            model="baseline",
            tagging={"domains": ["trade"], "thresholds": {"trade": 0.0}},
            reading={"text_column": "body", "encoding": "cp1252"},
            splitter=split_lines,
            n_workers=1,
        )
        rows = table_of_parts(output).to_pylist()
        assert parts == distributed.TaggedParts(output.as_uri(), 1, 3)
        assert [(row["text"], row["domains"]) for row in rows] == [
            ("Gas.", ["trade"]),
            ("Trade", ["trade"]),
            ("''", ["trade"]),
        ]
        assert {row["document"] for row in rows} == {
            f"{folder.as_uri()}/a.csv:2",
            f"{folder.as_uri()}/a.csv:3",
        }

    def test_a_damaged_file_stops_the_run_by_its_name(self, tmp_path):
        folder = write_archive(tmp_path / "archive")
        bad = folder / "bad.jsonl"
        bad.write_text("{", encoding="utf-8")
        with pytest.raises(DataError, match=rf"^{bad} line 1: not JSON"):
            distributed.tag_files(
                [str(folder)], str(tmp_path / "tagged"), model="baseline", n_workers=1
            )

    def test_no_sentences_are_columns_without_rows(self, tmp_path):
        empty = tmp_path / "empty.txt"
        empty.touch()
        output = tmp_path / "tagged"
        parts = distributed.tag_files([str(empty)], str(output), model="baseline", n_workers=1)
        assert (parts.n_parts, parts.n_sentences) == (1, 0)
        expected = table_of_one_process([str(empty)], tmp_path)
        assert table_of_parts(output).schema.equals(expected.schema)

    def test_rows_of_an_encoder_are_those_of_one_process(self, tmp_path, tiny_model):
        inputs = [str(write_archive(tmp_path / "archive"))]
        output = tmp_path / "tagged"
        distributed.tag_files(inputs, str(output), model=tiny_model, n_workers=2)
        tagged = table_of_parts(output)
        expected = table_of_one_process(inputs, tmp_path, tiny_model)
        assert tagged.schema.equals(expected.schema)
        for name in expected.column_names:
            found, wanted = tagged[name].to_pylist(), expected[name].to_pylist()
            if pa.types.is_floating(expected[name].type):
                # Other batches may round one step away on other processors.
                assert found == pytest.approx(wanted, abs=0.005)
            else:
                assert found == wanted

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="holds the run by a named pipe")
    def test_a_worker_that_is_killed_costs_nothing(self, tmp_path):
        archive = write_archive(tmp_path / "archive")
        rows = [json.dumps({"text": text_of(number)}) + "\n" for number in range(120)]
        # The run cannot end before the pipe does, and the pipe waits for the kill.
        pipe = tmp_path / "late.jsonl"
        os.mkfifo(pipe)
        inputs = [str(archive), str(pipe)]
        started: list[int] = []
        feeder = threading.Thread(target=feed_and_kill, args=(pipe, rows, started), daemon=True)
        feeder.start()
        output = tmp_path / "tagged"
        distributed.tag_files(inputs, str(output), model="baseline", n_workers=2, part_sentences=50)
        feeder.join()
        assert len(started) == 1
        pipe.unlink()
        pipe.write_text("".join(rows), encoding="utf-8")
        assert table_of_parts(output).equals(table_of_one_process(inputs, tmp_path))


def feed_and_kill(pipe: Path, rows: list[str], started: list[int]) -> None:
    """Write half of the rows, kill a worker that has work, wait for another, write the rest."""
    with pipe.open("w", encoding="utf-8") as file:
        before = wait_for_taggers(lambda pids: len(pids) == 2)
        # Stopped first, so that work is given to it that it cannot have done when it is killed.
        victim = min(before)
        os.kill(victim, signal.SIGSTOP)
        file.writelines(rows[: len(rows) // 2])
        file.flush()
        time.sleep(2)
        os.kill(victim, signal.SIGKILL)
        after = wait_for_taggers(lambda pids: len(pids - {victim}) == 2)
        started += after - before
        file.writelines(rows[len(rows) // 2 :])


def wait_for_taggers(is_enough) -> set[int]:
    for _ in range(600):
        shown = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True)
        # Not while a model is loaded, when nothing is given to it.
        pids = {
            int(line.split()[0])
            for line in shown.stdout.splitlines()
            if "(TagBatch)" in line and "__init__" not in line
        }
        if is_enough(pids):
            return pids
        time.sleep(0.1)
    raise AssertionError(f"taggers: {pids}")
