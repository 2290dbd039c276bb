import csv
import io
import json
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import fakes
import numpy as np
import pytest
from pyarrow import parquet

from diplomacy_nlp.domains import CORE, RELATIONS
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.output import (
    Format,
    TaggedDocument,
    check_output,
    is_terminal,
    open_binary_output,
    open_output,
    write_csv,
    write_json_lines,
    write_parquet,
    write_tagged,
)
from diplomacy_nlp.tagger import Tagger

TEXT = 'They agreed on gas\nand on wheat, said "Oslo". The end\r\nof it.'


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _write_and_raise(file: TextIO, error: BaseException) -> None:
    file.write("new")
    raise error


def test_json_lines(fake_tagger: Tagger) -> None:
    file = io.StringIO()
    write_json_lines(file, [("a.txt", fake_tagger.tag(TEXT)), ("blank.txt", []), ("b.txt", [])])

    records = [json.loads(line) for line in file.getvalue().splitlines()]

    assert [TEXT[record["start"] : record["end"]] for record in records] == [
        record["text"] for record in records
    ]
    assert records[0] == {
        "document": "a.txt",
        "index": 0,
        "start": 0,
        "end": 45,
        "text": 'They agreed on gas\nand on wheat, said "Oslo".',
        "domains": ["energy", "trade"],
        "probabilities": {
            "energy": 0.952574,
            "trade": 0.952574,
            "security": 0.047426,
            "counter-terrorism": 0.047426,
        },
        "relation": "cooperation",
        "relation_probabilities": {
            "cooperation": 0.95033,
            "conflict": 0.002356,
            "neutral": 0.047314,
        },
    }
    assert (records[1]["document"], records[1]["index"]) == ("a.txt", 1)


def test_review_is_written_where_it_was_asked_for(fake_tagger: Tagger) -> None:
    # A threshold of 0.96 keeps out what has 0.953.
    tagger = fakes.load_fake_tagger(review=0.9, thresholds={"trade": 0.96})
    documents = [("a.txt", tagger.tag(TEXT))]
    lines, table = io.StringIO(), io.StringIO(newline="")
    write_json_lines(lines, documents)
    write_csv(table, documents, tagger)
    plain = io.StringIO()
    write_json_lines(plain, [("a.txt", fake_tagger.tag(TEXT))])

    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    rows = list(csv.DictReader(io.StringIO(table.getvalue(), newline="")))

    assert [record["review"] for record in records] == [["trade"], []]
    assert [list(record)[-1] for record in records] == ["review"] * 2
    assert [row["review"] for row in rows] == ["trade", ""]
    assert list(rows[0])[-1] == "review"
    assert "review" not in plain.getvalue()


@pytest.mark.parametrize(
    ("relations", "kept"),
    [((), [0, 1, 2]), (("neutral",), [1]), (("conflict", "cooperation"), [0, 2])],
)
def test_sentences_of_a_relation_keep_their_place(
    fake_tagger: Tagger, relations: tuple[str, ...], kept: list[int]
) -> None:
    documents = [("a.txt", fake_tagger.tag("They agreed. It rained. Rome accused us."))]
    lines, table = io.StringIO(), io.StringIO(newline="")
    write_json_lines(lines, documents, relations=relations)
    write_csv(table, documents, fake_tagger, relations=relations)
    assert [json.loads(line)["index"] for line in lines.getvalue().splitlines()] == kept
    rows = csv.DictReader(io.StringIO(table.getvalue(), newline=""))
    assert [int(row["index"]) for row in rows] == kept


def test_csv(fake_tagger: Tagger) -> None:
    file = io.StringIO(newline="")
    write_csv(file, [("a.txt", fake_tagger.tag(TEXT))], fake_tagger)

    rows = list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))

    assert list(rows[0]) == [
        *("document", "index", "start", "end", "text", "domains"),
        *(f"probability_{name}" for name in CORE.names),
        "relation",
        *(f"relation_probability_{name}" for name in RELATIONS),
    ]
    assert [row["text"] for row in rows] == [s.text for s in fake_tagger.tag(TEXT)]
    assert rows[0]["domains"] == "energy;trade"
    assert rows[0]["probability_trade"] == "0.952574"
    assert rows[1]["domains"] == ""
    assert rows[1]["relation"] == "neutral"


def test_parquet_has_the_columns_and_values_of_csv(
    fake_tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diplomacy_nlp.output._ROW_GROUP_SENTENCES", 3)
    tagger = fakes.load_fake_tagger(review=0.9)
    documents = [("a.txt", tagger.tag(TEXT)), ("b.txt", []), ("c.txt", tagger.tag(TEXT))] * 3
    table, stream = io.StringIO(newline=""), io.BytesIO()
    write_csv(table, documents, tagger, relations=["cooperation"])
    write_parquet(stream, documents, tagger, relations=["cooperation"])

    file = parquet.ParquetFile(stream)
    columns = file.schema_arrow
    rows = list(csv.DictReader(io.StringIO(table.getvalue(), newline="")))

    assert file.num_row_groups == 2
    assert columns.names == list(rows[0])
    assert [str(columns.field(name).type) for name in ("index", "text", "probability_trade")] == [
        *("int64", "string", "float")
    ]
    for found, expected in zip(file.read().to_pylist(), rows, strict=True):
        assert found["text"] == expected["text"]
        assert (found["domains"], found["review"]) == (["energy", "trade"], [])
        assert np.float32(expected["probability_trade"]) == found["probability_trade"]
        assert found["relation"] == "cooperation"


def test_parquet_without_a_sentence_and_with_lone_surrogates(fake_tagger: Tagger) -> None:
    stream = io.BytesIO()
    write_parquet(stream, [("a.txt", [])], fake_tagger)
    assert parquet.read_table(stream).num_rows == 0
    stream = io.BytesIO()
    write_parquet(stream, [("\udc80.txt", fake_tagger.tag("Gas \ud800."))], fake_tagger)
    [row] = parquet.read_table(stream).to_pylist()
    assert (row["document"], row["text"]) == ("?.txt", "Gas ?.")


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_what_fails_midway_leaves_no_file(
    fake_tagger: Tagger, tmp_path: Path, format_: Format
) -> None:
    def documents() -> Iterator[TaggedDocument]:
        yield "a.txt", fake_tagger.tag(TEXT)
        raise DataError("b.txt: damaged")

    with pytest.raises(DataError, match=r"b\.txt: damaged"):
        write_tagged(tmp_path / "out", documents(), fake_tagger, format_)
    assert names_in(tmp_path) == []
    write_tagged(tmp_path / "out", islice(documents(), 1), fake_tagger, format_)
    assert names_in(tmp_path) == ["out"]


def test_bytes_appear_when_they_are_whole(tmp_path: Path) -> None:
    with open_binary_output(tmp_path / "out") as file:
        file.write(b"\xff")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").read_bytes() == b"\xff"


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_output(path) as file:
        file.write("Ä\r\n")
        assert not path.exists()
    assert path.read_bytes() == "Ä\r\n".encode()
    assert names_in(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, DataError])
def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(failure), open_output(path) as file:
        _write_and_raise(file, failure("stop"))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.jsonl"]


def test_a_full_disk_is_an_error_of_the_data(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with (
        pytest.raises(DataError, match=r"out\.jsonl: cannot be written: No space left on device"),
        open_output(path) as file,
    ):
        _write_and_raise(file, OSError(28, "No space left on device"))
    assert names_in(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_device_is_written_to_as_it_is() -> None:
    with (
        pytest.raises(DataError, match="/dev/full: cannot be written"),
        open_output(Path("/dev/full")) as file,
    ):
        file.write("x")
    with open_output(Path(os.devnull)) as file:
        file.write("x")
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with open_output(pipe) as file:
        file.write("x")
    reader.join()
    assert got == ["x"]
    assert names_in(tmp_path) == ["pipe"]


def test_a_closed_pipe_is_no_error_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), open_output(tmp_path / "out.jsonl"):
        raise BrokenPipeError


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "folder" / "file.jsonl")
    with open_output(link) as file:
        file.write("x")
    assert link.is_symlink()
    assert link.read_text() == "x"


@pytest.mark.parametrize(
    ("errors", "written"), [("backslashreplace", b"\\ud800\n"), ("replace", b"?\n")]
)
def test_standard_output_is_utf8_and_takes_lone_surrogates(
    monkeypatch: pytest.MonkeyPatch, errors: str, written: bytes
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with open_output(None, errors=errors) as file:
        file.write("Ä\ud800\n")
        file.flush()
    assert raw.getvalue() == "Ä".encode() + written


def test_standard_output_may_be_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    with open_output(None) as file:
        assert file is stream
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(DataError, match="standard output is closed"), open_output(None):
        pass


def test_an_output_is_checked_before_the_work(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("x")
    check_output(tmp_path / "out.jsonl", [str(text), "-"])
    for path, problem in [
        (tmp_path, "is a folder; name a file"),
        (tmp_path / "no" / "out.jsonl", f"there is no folder {tmp_path / 'no'}"),
        (tmp_path / "." / "a.txt", "is one of the inputs; name another file"),
    ]:
        with pytest.raises(DataError, match=problem):
            check_output(path, [str(text), "-"])


def test_is_terminal() -> None:
    assert not is_terminal(None)
    assert not is_terminal(io.StringIO())
