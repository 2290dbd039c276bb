import csv
import gzip
import io
import json
import os
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from diplomacy_nlp.documents import (
    Document,
    Position,
    Unreadable,
    find_files,
    holds_rows,
    read_documents,
)
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError


def read(path: Path | str, **options: Any) -> list[Document]:
    return list(read_documents([str(path)], **options))


def texts(documents: Iterable[Document]) -> list[str]:
    return [document.text for document in documents]


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zstandard(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


# --- Which files ----------------------------------------------------------------------------


def test_a_folder_stands_for_its_texts_in_order_of_their_paths(tmp_path: Path) -> None:
    for name in (
        "b.txt",
        "a/z.CSV",
        "a/deep/er.jsonl",
        "B.tsv",
        "c.jsonl.GZ",
        "d.parquet",
        "e.txt.zst",
        "notes.md",
        "notes.md.gz",
        "f.parquet.gz",
        ".hidden.txt",
        ".git/x.txt",
    ):
        write(tmp_path / name, b"x")

    found = find_files([str(tmp_path)])

    names = ["B.tsv", "a/deep/er.jsonl", "a/z.CSV", "b.txt", "c.jsonl.GZ", "d.parquet", "e.txt.zst"]
    assert found == [str(tmp_path / name) for name in names]


def test_files_are_taken_as_named_whatever_their_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("notes.md"), b"x")
    assert find_files(["./notes.md", "-", "notes.md"]) == ["./notes.md", "-", "notes.md"]


def test_a_pattern_stands_for_the_files_that_fit_it(tmp_path: Path) -> None:
    for name in ("b/x.txt", "a/deep/er/y.txt", "a/z.csv", "a/.hidden/h.txt", "[c].txt", "c.txt"):
        write(tmp_path / name, b"x")
    assert find_files([f"{tmp_path}/**/*.txt", f"{tmp_path}/[c].txt"]) == [
        f"{tmp_path}/[c].txt",
        f"{tmp_path}/a/deep/er/y.txt",
        f"{tmp_path}/b/x.txt",
        f"{tmp_path}/c.txt",
        f"{tmp_path}/[c].txt",  # there is a file of that name
    ]
    with pytest.raises(DataError, match=r"\*\.tsv: no file fits this pattern"):
        find_files([f"{tmp_path}/*.tsv"])


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        find_files([str(tmp_path / "no.txt"), str(tmp_path / "empty"), "-"])
    assert caught.value.problems == (
        f"{tmp_path}/no.txt: no such file",
        (
            f"{tmp_path}/empty: no text in this folder. Read are .txt, .csv, .tsv, .jsonl, "
            ".ndjson, .parquet, and all but .parquet with .gz or .zst behind"
        ),
    )


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot be listed: Permission denied"):
        find_files([str(tmp_path)])


def test_holds_rows() -> None:
    assert all(map(holds_rows, ("a.CSV", "a.jsonl", "a.ndjson.gz", "a.tsv.ZST", "a.parquet")))
    assert not any(map(holds_rows, ("a.txt", "-", "a.txt.gz", "csv")))


# --- Plain text -----------------------------------------------------------------------------


def test_every_character_of_a_text_is_kept(tmp_path: Path) -> None:
    text = "\ufeffOne.\r\nTwo.\rThree \U0001f91d\u0301.\n"
    path = write(tmp_path / "a.txt", text.encode())
    assert read(path) == [Document(str(path), text)]


@pytest.mark.parametrize("data", [b"", b" \r\n\t ", b"a" * 1_000_000])
def test_an_empty_a_blank_and_a_huge_text_are_texts(tmp_path: Path, data: bytes) -> None:
    assert texts(read(write(tmp_path / "a.txt", data))) == [data.decode()]


def test_standard_input_is_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Äa.\r\nB".encode())))
    assert read("-") == [Document("-", "Äa.\r\nB")]
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(DataError, match="standard input is closed"):
        read("-")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"PK\x03\x04\x14\0", "a ZIP archive or an office document"),
        (b"\x89PNG\r\n", "an image"),
        (b"{\\rtf1", "an RTF document"),
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".csv"])
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_what_is_no_text_is_called_by_its_name(
    tmp_path: Path, data: bytes, what: str, suffix: str, errors: str
) -> None:
    path = write(tmp_path / f"a{suffix}", data)
    with pytest.raises(DataError, match=f"{path}: {what}, where plain text is wanted"):
        read(path, errors=errors)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
def test_a_byte_that_is_not_of_the_encoding_is_located(tmp_path: Path, suffix: str) -> None:
    # Far enough for the reader of rows to be in its second block.
    padding = b'{"text": "a"}\n' * 2000
    path = write(tmp_path / f"a{suffix}", b"text\n" * (suffix == ".csv") + padding + b"caf\xe9\n")
    offset = path.stat().st_size - 2
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: byte 0xe9 at offset {offset} is not utf-8. Name the right encoding, such as "
        "--encoding cp1252, or go on with --errors replace"
    )


def test_the_encoding_can_be_named_and_bad_bytes_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"caf\xe9")
    assert texts(read(path, encoding="cp1252")) == ["café"]
    assert texts(read(path, errors="replace")) == ["caf\ufffd"]
    rows = write(tmp_path / "a.csv", b"text\ncaf\xe9\n")
    assert texts(read(rows, encoding="cp1252")) == ["café"]
    assert texts(read(rows, errors="replace")) == ["caf\ufffd"]


@pytest.mark.parametrize("encoding", ["klingon", "base64", "undefined"])
def test_an_unknown_encoding_is_wrong_use(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown encoding '{encoding}'"):
        read(write(tmp_path / "a.txt", b""), encoding=encoding)


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_foreign_byte_order_mark_names_the_encoding(
    tmp_path: Path, suffix: str, encoding: str
) -> None:
    path = write(tmp_path / f"a{suffix}", "text\nÄ".encode(encoding))
    message = f"{encoding} by its first bytes, not utf-8; read it with --encoding {encoding}"
    with pytest.raises(DataError, match=message):
        read(path)
    assert texts(read(path, encoding=encoding)) == ["text\nÄ" if suffix == ".txt" else "Ä"]


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_nul_characters_are_refused_or_replaced(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", b"text\na\0b")
    with pytest.raises(DataError, match="a NUL character, so a binary file or another encoding"):
        read(path)
    assert texts(read(path, errors="replace"))[0].endswith("a\ufffdb")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.txt: cannot be read: No such file"):
        read(tmp_path / "gone.txt")


# --- Rows -----------------------------------------------------------------------------------


def test_rows_of_a_table_are_named_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", '\ufeffid,text\r\n1,"Two\nlines, ""so"""\r\n\r\n,\r\n4,\r\n'.encode()
    )
    assert read(path) == [
        Document(f"{path}:2", 'Two\nlines, "so"'),
        Document(f"{path}:5", ""),
    ]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")]
)
def test_the_header_shows_the_delimiter(tmp_path: Path, name: str, delimiter: str) -> None:
    rows = f'"body"{delimiter}x\none{delimiter}1\n'
    path = write(tmp_path / name, rows.encode())
    assert texts(read(path, text_column="body")) == ["one"]


@pytest.mark.parametrize("data", ["", "\n\n", "text\n"])
def test_a_table_without_rows_has_no_documents(tmp_path: Path, data: str) -> None:
    assert read(write(tmp_path / "a.csv", data.encode())) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("id,body\n1,a", ": column 'text' is missing. Columns found: 'id', 'body'; choose one"),
        ("text,text\na,b", ": column 'text' stands twice"),
        ("id,text\n1,a\n2,b,c", " row 3: 3 cells under a header of 2"),
        ('id,text\n1,"open\n2,b', " row 2: unexpected end of data; is a quotation mark left open?"),
    ],
)
def test_a_table_that_cannot_be_understood(tmp_path: Path, data: str, problem: str) -> None:
    path = write(tmp_path / "a.csv", data.encode())
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}{problem}")


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    text = "a" * 1_000_000
    assert texts(read(write(tmp_path / "a.csv", f"text\n{text}\n".encode()))) == [text]


def test_lines_of_json_are_named_by_line(tmp_path: Path) -> None:
    lines = '\ufeff{"text": "A\\r\\nb"}\n\n{"text": null}\r\n{"id": 4, "text": "\\ud800"}'
    path = write(tmp_path / "a.jsonl", lines.encode())
    assert read(path) == [
        Document(f"{path}:1", "A\r\nb"),
        Document(f"{path}:3", ""),
        Document(f"{path}:4", "\ud800"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ('{"text": ' + "1" * 5000 + "}", "not JSON: "),
        ("[]", "not a JSON object"),
        ('{"body": "a"}', "no 'text'. Found: 'body'; choose one with --text-column"),
        ('{"text": 7}', "'text' is 7, not text"),
    ],
)
def test_a_line_that_cannot_be_understood(tmp_path: Path, line: str, problem: str) -> None:
    path = write(tmp_path / "a.ndjson", b'{"text": "fine"}\n' + line.encode())
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path} line 2: {problem}")


def test_rows_are_read_as_they_are_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"text": "fine"}\n' * 5000 + b"broken")
    documents = read_documents([str(path), str(tmp_path / "gone.txt")])
    assert next(iter(documents)).text == "fine"


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=30)
@given(st.lists(CELLS))
def test_cells_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *(["1", cell] for cell in cells)])
    lines = "".join(json.dumps({"text": cell}) + "\n" for cell in cells)
    (folder / "a.jsonl").write_text(lines, encoding="utf-8")

    assert texts(read(folder / "a.csv")) == cells
    assert texts(read(folder / "a.jsonl")) == cells


# --- Compressed -----------------------------------------------------------------------------

COMPRESS = {".gz": gzip.compress, ".zst": zstandard}


@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_compressed_files_read_as_what_is_in_them(tmp_path: Path, suffix: str) -> None:
    compress = COMPRESS[suffix]
    text = write(tmp_path / f"a.txt{suffix}", compress(b"Two.\r\n") + compress(b"Members."))
    assert read(text) == [Document(str(text), "Two.\r\nMembers.")]
    table = write(tmp_path / f"a.csv{suffix}", compress("text;n\nÄ;1\n".encode()))
    assert read(table) == [Document(f"{table}:2", "Ä")]
    lines = write(tmp_path / f"a.ndjson{suffix}", compress(b'{"text": "fine"}\n' * 20_000))
    assert [document.name for document in read(lines)][-1] == f"{lines}:20000"
    assert read(write(tmp_path / f"empty.txt{suffix}", compress(b"")))[0].text == ""


@pytest.mark.parametrize("suffix", list(COMPRESS))
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl"])
def test_a_damaged_archive_is_named(tmp_path: Path, kind: str, suffix: str) -> None:
    rng = random.Random(0)  # noqa: S311 (no secrets)
    rows = b"".join(b'{"text": "%d"}\n' % rng.getrandbits(200) for _ in range(2000))
    whole = COMPRESS[suffix](b"text\n" * (kind == "csv") + rows)
    middle = len(whole) // 2
    for data in (whole[:-4], whole[:middle], b"plain text", b""):
        path = write(tmp_path / f"a.{kind}{suffix}", data)
        with pytest.raises(DataError, match=rf"a\.{kind}{suffix}: (damaged|an archive of 0 bytes)"):
            read(path)


def test_an_archive_without_its_suffix_is_called_by_its_name(tmp_path: Path) -> None:
    for suffix, compress in COMPRESS.items():
        path = write(tmp_path / "a.txt", compress(b"x"))
        with pytest.raises(DataError, match=f"archive, where .* give it the suffix {suffix}"):
            read(path)


# --- Parquet --------------------------------------------------------------------------------


def write_parquet(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path, row_group_size=100)
    return path


def test_rows_of_parquet_are_named_by_row(tmp_path: Path) -> None:
    cells = [f"cell {number}" for number in range(1000)]
    path = write_parquet(tmp_path / "a.parquet", id=range(1000), text=[*cells[:-1], None])
    documents = read(path)
    assert documents[0] == Document(f"{path}:1", "cell 0")
    assert documents[-1] == Document(f"{path}:1000", "")
    assert texts(documents) == [*cells[:-1], ""]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_of_parquet_may_be_stored_in_other_ways(tmp_path: Path, kind: pa.DataType) -> None:
    path = write_parquet(tmp_path / "a.parquet", text=pa.array(["Ä", "b"]).cast(kind))
    assert texts(read(path)) == ["Ä", "b"]


def test_parquet_that_cannot_be_understood(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", text=[1, 2], body=["a", "b"])
    with pytest.raises(DataError, match="column 'text' holds int64, not text"):
        read(path)
    with pytest.raises(DataError, match=r"column 'no' is missing\. Columns found: 'text', 'body'"):
        read(path, text_column="no")
    for data in (path.read_bytes()[:-9], b"text", b""):
        with pytest.raises(DataError, match=r"a\.parquet: damaged or cut off, or no Parquet"):
            read(write(path, data))


@pytest.mark.parametrize("name", ["a.parquet", "a.txt.zst"])
def test_an_extra_that_is_missing_is_named_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write(tmp_path / name, b"x")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"diplomacy-nlp\[parquet\]"):
        list(read_documents([str(path)], skip=lambda _: None))


# --- Going on -------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path) -> list[str]:
    """Files of every kind, some of whose rows are blank or broken."""
    lines = "".join(
        "\n" if n % 7 == 0 else "broken\n" if n % 10 == 0 else f'{{"text": "line {n}"}}\n'
        for n in range(30)
    )
    table = 'id,text\n1,a\n\n2,b,c\n3,"d\ne"\n4,f'
    return [
        str(write(tmp_path / "a.jsonl.gz", gzip.compress(lines.encode()))),
        str(write(tmp_path / "b.txt", b"A text.")),
        str(write(tmp_path / "c.csv", table.encode())),
        str(write(tmp_path / "d.txt.gz", gzip.compress(b"lost")[:-9])),
        str(write_parquet(tmp_path / "e.parquet", text=[f"row {n}" for n in range(250)])),
        str(write(tmp_path / "f.jsonl.gz", gzip.compress(lines.encode())[:-9])),
        str(write(tmp_path / "g.txt", b"The end.")),
    ]


def test_what_cannot_be_read_is_told_and_passed_over(archive: list[str]) -> None:
    skipped: list[Unreadable] = []
    documents = list(read_documents(archive, skip=skipped.append))
    assert documents[-1].text == "The end."
    names = ["a.jsonl.gz:11", "a.jsonl.gz:21", "c.csv:4", "d.txt.gz", "f.jsonl.gz"]
    assert [Path(unreadable.document).name for unreadable in skipped] == names
    for unreadable in skipped:
        assert unreadable.message.startswith(unreadable.document.partition(":")[0])
        assert json.loads(unreadable.to_json())["message"] == unreadable.message
    with pytest.raises(DataError) as caught:
        list(read_documents(archive))
    assert str(caught.value) == skipped[0].message


def test_reading_goes_on_from_every_position(archive: list[str]) -> None:
    skipped: list[Unreadable] = []
    stream = read_documents(archive, skip=skipped.append)
    places = [(stream.position, 0)]
    documents = []
    for document in stream:
        documents.append(document)
        places.append((stream.position, len(skipped)))
    assert stream.position == Position(len(archive))
    for n_done, (position, n_skipped) in enumerate(places):
        again: list[Unreadable] = []
        rest = read_documents(archive, start=position, skip=again.append)
        assert list(rest) == documents[n_done:]
        assert again == skipped[n_skipped:]


def test_files_that_are_done_are_not_opened(archive: list[str]) -> None:
    for name in archive[:-1]:
        Path(name).unlink()
    assert texts(read_documents(archive, start=Position(len(archive) - 1))) == ["The end."]


def test_the_bytes_read_are_those_of_the_files(archive: list[str]) -> None:
    sizes = [Path(name).stat().st_size for name in archive]
    stream = read_documents(archive, skip=lambda _: None)
    assert stream.n_bytes_read == 0
    seen = [stream.n_bytes_read for _ in stream]
    assert seen == sorted(seen)
    assert stream.n_bytes_read == sum(sizes)
