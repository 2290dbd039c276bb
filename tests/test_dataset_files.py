import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.dataset_files import read_examples
from diplomacy_nlp.dataset_writer import write_examples
from diplomacy_nlp.domains import CORE, WIDE, DomainSet
from diplomacy_nlp.errors import ConfigError, DataError, DataWarning, MissingExtraError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
VALID_WIDE = ", ".join(WIDE.names)

# Every core domain has a sentence, so that reading these warns of nothing.
ROWS = (
    Example(
        "A pipeline deal.",
        frozenset({"energy", "trade"}),
        "cooperation",
        "train",
        "a",
        "1",
        "speeches",
    ),
    Example("Shelling went on.", frozenset({"security"}), "conflict", "dev", "b", "2"),
    Example("Both condemned the attack.", frozenset({"counter-terrorism"}), id="3"),
    Example("It rained.", relation="neutral"),
)
EXAMPLES = Examples(CORE, ROWS)

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the current folder and return its bare name."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, content: str | bytes) -> Path:
        path = Path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def quietly(source: Any, **options: Any) -> Examples:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return read_examples(source, **options)


def problems(source: Any, **options: Any) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        quietly(source, **options)
    return caught.value.problems


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    pa.parquet.write_table(pa.table(columns), path)


class Rows:
    """What is used of datasets.Dataset."""

    def __init__(self, rows: list[dict[str, Any]], column_names: Any = None) -> None:
        self.rows = rows
        self.column_names = list(rows[0]) if column_names is None else column_names

    def __iter__(self) -> Any:
        return iter(self.rows)


# --- formats ---


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix.upper()}"
    write_examples(EXAMPLES, path)
    examples = read_examples(path)
    assert examples == EXAMPLES
    assert examples.source == str(path)
    assert examples.sha256 == EXAMPLES.sha256
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_programs_write_it(write: Write, bom: str, newline: str, delimiter: str) -> None:
    rows = ['"text", "relation","energy"', '"a; b, c\tø ""x""","","1"', '"y","neutral","0"']
    text = newline.join(row.replace('","', f'"{delimiter}"') for row in rows)
    text = text.replace('"text", "', f'text{delimiter} "').replace(' "relation"', "relation")
    examples = read_examples(write("labels.csv", bom + text + newline))
    assert examples.rows == (
        Example('a; b, c\tø "x"', frozenset({"energy"})),
        Example("y", relation="neutral"),
    )


def test_a_byte_order_mark_is_skipped_in_every_text_format(write: Write) -> None:
    for name, text in (("x.tsv", "text\tenergy\nx\t1\n"), ("x.jsonl", '{"text":"x","energy":1}')):
        assert read_examples(write(name, "\ufeff" + text)).texts == ["x"]


def test_other_encodings(write: Write) -> None:
    text = "text,energy\nl’été,1\n"
    for encoding in ("utf-16", "cp1252", "utf-8-sig", "utf-16-le"):
        path = write("labels.csv", text.encode(encoding))
        assert read_examples(path, encoding=encoding).texts == ["l’été"]


def test_blank_lines_are_passed_over_and_counted(write: Write) -> None:
    path = write("labels.csv", "text,energy\n\nx,1\n\n,0\n\n")
    assert problems(path) == ("labels.csv row 5, column 'text': empty text",)
    path = write("labels.jsonl", '\n{"text": "x", "energy": 1}\n \n{"text": "", "energy": 0}\n\n')
    assert problems(path) == ("labels.jsonl line 4, column 'text': empty text",)


def test_a_quoted_line_break_starts_no_row(write: Write) -> None:
    path = write("labels.csv", 'text,energy\n"two\nlines\r\n",1\n,0\n')
    assert problems(path) == ("labels.csv row 3, column 'text': empty text",)


def test_json_lines_may_hold_other_line_separators(write: Write) -> None:
    path = write("labels.jsonl", '{"text": "a\u2028b\x85c", "energy": true}\r\n')
    assert read_examples(path).texts == ["a\u2028b\x85c"]


def test_parquet_from_pandas_types(tmp_path: Path) -> None:
    path = tmp_path / "split=train" / "labels.parquet"
    path.parent.mkdir()
    columns = {
        "text": pa.array(["x", "y"]).dictionary_encode(),
        "energy": pa.array([1.0, 0.0]),
        "trade": pa.array([False, True]),
        "doc": pa.array([7.0, None]),
        "relation": pa.array([None, "conflict"], pa.large_string()),
        "id": pa.array([1, 2], pa.int8()),
    }
    write_parquet(path, columns)
    assert read_examples(path).rows == (
        Example("x", frozenset({"energy"}), group="7", id="1"),
        Example("y", frozenset({"trade"}), "conflict", id="2"),
    )


def test_a_dataset(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "x", "domains": ["energy"], "doc": 3, "id": float("nan")},
        {"text": "y", "domains": None, "doc": None, "id": "b"},
    ]
    examples = quietly(Rows(rows))
    assert examples.rows == (Example("x", frozenset({"energy"}), group="3"), Example("y", id="b"))
    assert examples.source == "dataset"


def test_a_dataset_of_the_datasets_library() -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"text": ["x", "y"], "energy": [1, 0], "trade": [True, True]}
    dataset = datasets.Dataset.from_dict(rows).with_format("numpy")
    expected = (Example("x", frozenset({"energy", "trade"})), Example("y", frozenset({"trade"})))
    assert read_examples(dataset).rows == expected
    with pytest.raises(DataError, match=r"^dataset: give one split of it, such as dataset\['a'\]"):
        read_examples(datasets.DatasetDict({"a": dataset}))


# --- labels ---


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("energy", {"energy"}),
        (" energy ; trade;", {"energy", "trade"}),
        ('["energy", "trade"]', {"energy", "trade"}),
        (" []", set()),
        ("", set()),
        ("  ", set()),
        (";", set()),
        ("trade;trade", {"trade"}),
    ],
)
def test_the_column_domains(write: Write, cell: str, names: set[str]) -> None:
    quoted = cell.replace('"', '""')
    assert quietly(write("x.csv", f'text,domains\nx,"{quoted}"\n'))[0].domains == names
    line = json.dumps({"text": "x", "domains": cell})
    assert quietly(write("x.jsonl", line))[0].domains == names


@pytest.mark.parametrize("value", ["[energy]", "['energy']", ["energy", 3], 3, {"energy": 1}, True])
def test_a_column_domains_that_holds_no_names(write: Write, value: object) -> None:
    path = write("x.jsonl", json.dumps({"text": "x", "domains": value}))
    assert problems(path) == (
        (
            f"x.jsonl line 1, column 'domains': {value!r} is neither names joined by ';' "
            "nor a list of names"
        ),
    )


def test_the_domain_set_is_the_core_unless_wider_domains_occur(write: Write) -> None:
    path = write("x.csv", "text,domains\nx,trade\n")
    assert quietly(path).domains == CORE
    path = write("x.csv", "text,domains\nx,health;trade\ny,finance\n")
    assert quietly(path).domains == WIDE.select([*CORE.names, "finance", "health"])


def test_the_domain_set_is_the_one_given(write: Write) -> None:
    path = write("x.csv", "text,domains\nx,fish;trade\n")
    examples = read_examples(path, domains=["trade", "fish"])
    assert examples.domains == DomainSet.of(["trade", "fish"])
    assert examples.labels.tolist() == [[True, True]]
    assert quietly(path, domains=DomainSet.of(["fish", "trade", "art"])).domains.names == (
        "fish",
        "trade",
        "art",
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("1", True), ("TRUE", True), (" 1.0 ", True), ("0", False), ("False", False), ("0.0", False)],
)
def test_what_stands_for_0_and_1(write: Write, cell: str, expected: bool) -> None:
    path = write("x.csv", f"text,energy\nx,{cell}\n")
    assert quietly(path).labels.tolist() == [[expected]]


@pytest.mark.parametrize("cell", ["", "2", "yes", "-1", "0.5", "nan", "y"])
def test_what_does_not_stand_for_0_and_1(write: Write, cell: str) -> None:
    path = write("x.csv", f"text,energy\nx,1\ny,{cell}\n")
    message = f"x.csv row 3, column 'energy': {cell!r} where 0 or 1 belongs"
    assert problems(path) == (message,)


def test_0_and_1_in_json(write: Write) -> None:
    lines = (
        '{"text": "x", "energy": 1, "trade": true}',
        '{"text": "y", "energy": 0.0, "trade": "0"}',
    )
    path = write("x.jsonl", "\n".join(lines))
    assert read_examples(path).labels.tolist() == [[True, True], [False, False]]
    path = write("x.jsonl", '{"text": "x", "energy": 1}\n{"text": "y"}\n{"text": "z", "energy":[]}')
    assert problems(path) == (
        "x.jsonl line 2, column 'energy': None where 0 or 1 belongs",
        "x.jsonl line 3, column 'energy': [] where 0 or 1 belongs",
    )


def test_label_columns_are_put_in_the_order_of_the_codebook(write: Write) -> None:
    path = write("x.csv", "health,date,text,energy\n1,2024,x,1\n")
    examples = read_examples(path)
    assert examples.domains == WIDE.select(["energy", "health"])
    assert examples.rows == (Example("x", frozenset({"energy", "health"})),)


def test_a_0_1_column_beside_those_of_the_codebook_is_left_out_with_a_warning(
    write: Write,
) -> None:
    path = write("x.csv", "text,energy,fish,year\nx,1,1,1999\n")
    message = "^x.csv: 'fish' may be labels, but are left out beside domains of the codebook"
    with pytest.warns(DataWarning, match=message) as caught:
        examples = read_examples(path)
    assert examples.domains.names == ("energy",)
    assert caught[0].filename == __file__
    assert read_examples(path, domains=["fish", "energy"]).domains.names == ("fish", "energy")


def test_label_columns_of_ones_own_are_found_by_their_values(write: Write) -> None:
    path = write("x.csv", "id,text,art,date,fish,\n1,x,0,1999,1,\n2,y,1,2000,true,\n")
    examples = read_examples(path)
    assert examples.domains == DomainSet.of(["art", "fish"])
    assert examples.rows == (
        Example("x", frozenset({"fish"}), id="1"),
        Example("y", frozenset({"art", "fish"}), id="2"),
    )


def test_a_slip_in_a_label_column_of_ones_own_is_no_metadata(write: Write) -> None:
    path = write("x.csv", "text,art,n\nx,0,1\ny,1,2\nz,l,3\n")
    assert problems(path) == ("x.csv row 4, column 'art': 'l' where 0 or 1 belongs",)


def test_no_labels(write: Write) -> None:
    path = write("x.csv", "text,date,id\nx,1999,1\n")
    assert problems(path) == (
        (
            "x.csv: no labels, neither a column 'domains' nor one named like a domain "
            f"({VALID_WIDE}) nor another that holds only 0 and 1. "
            "Columns found: 'text', 'date', 'id'"
        ),
    )


def test_missing_label_columns(write: Write) -> None:
    path = write("x.csv", "text,energy,group\nx,1,0\n")
    assert problems(path, domains=["fish", "energy", "art", "group"]) == (
        (
            "x.csv: no column 'domains' and no 0/1 column 'fish', 'art', 'group'. "
            "Columns found: 'text', 'energy', 'group'"
        ),
    )


def test_a_label_column_whose_name_files_cannot_carry(write: Write) -> None:
    path = write("x.jsonl", '{"text": "x", "a;b": 1}')
    [message] = problems(path)
    assert message == "x.jsonl: domain name 'a;b' may not hold ';', tabs or line breaks"


def test_other_columns_are_tolerated_beside_the_column_domains(write: Write) -> None:
    path = write("x.jsonl", '{"text": "x", "domains": ["trade"], "energy": 0.3, "n": {"a": 1}}')
    assert quietly(path).rows == (Example("x", frozenset({"trade"})),)


# --- the other columns ---


def test_optional_columns(write: Write) -> None:
    path = write(
        "x.csv",
        "text,domains,relation,split,doc,id,source\n"
        "x,trade,conflict,validation,d,1,wire\n"
        "y,,,,,,\n"
        "z,, neutral,test_source, d ,007,\n",
    )
    assert quietly(path).rows == (
        Example("x", frozenset({"trade"}), "conflict", "dev", "d", "1", "wire"),
        Example("y"),
        Example("z", relation="neutral", split="test_source", group="d", id="007"),
    )
    assert quietly(write("x.csv", "text,domains,group\nx,,d\n"))[0].group == "d"


# --- errors ---


def test_an_unknown_domain(write: Write) -> None:
    path = write("labels.csv", "text,domains\nx,trade\ny,tarde;zzz\n")
    hint = "Domains of your own are named with domains=[…] (--domains a,b)"
    where = "labels.csv row 3, column 'domains': unknown domain"
    assert problems(path) == (
        f"{where} 'tarde' (did you mean 'trade'?). Valid: {VALID_WIDE}. {hint}",
        f"{where} 'zzz'. Valid: {VALID_WIDE}. {hint}",
    )
    assert problems(path, domains=["trade", "zzz"]) == (
        f"{where} 'tarde' (did you mean 'trade'?). Valid: trade, zzz",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x.csv: there are no rows"),
        ("text,energy\r\n", "x.csv: there are no rows"),
        ("sentence,energy\nx,1\n", "x.csv: no column 'text'. Columns found: 'sentence', 'energy'"),
        ("Text;energy\nx;1\n", "x.csv: no column 'text'. Columns found: 'Text;energy'"),
        ("text,energy,energy\nx,1,1\n", "x.csv: column 'energy' stands twice"),
        (
            "text,energy,doc,group\nx,1,a,b\n",
            "x.csv: columns 'doc' and 'group' mean the same; keep one",
        ),
        ("text,energy\nx,y,1\n", "x.csv row 2: 3 cells under a header of 2"),
        ("text,energy\nx\ny,1\n", "x.csv row 2: 1 cells under a header of 2"),
        ("text,energy\n ,1\n", "x.csv row 2, column 'text': empty text"),
        (
            "text,energy,id\nx,1,a\ny,0,b\nz,0,a\n",
            "x.csv row 4, column 'id': 'a' stands in row 2",
        ),
        (
            "text,energy,relation\nx,1,war\n",
            (
                "x.csv row 2, column 'relation': unknown relation 'war'. "
                "Valid: cooperation, conflict, neutral"
            ),
        ),
        (
            'text,energy\nx,1\n"y,0\n',
            "x.csv row 3: unexpected end of data; is a quotation mark left open?",
        ),
        (
            'text,energy\nx,1\n"y" z,0\n',
            "x.csv row 3: ',' expected after '\"'; is a quotation mark left open?",
        ),
        (
            "text,energy\nx,1\ny\0,0\n",
            (
                "x.csv line 3: a NUL character. Tell the right encoding with encoding= "
                "(--encoding on the command line), such as utf-16"
            ),
        ),
    ],
)
def test_a_csv_file_that_cannot_be_used(write: Write, text: str, expected: str) -> None:
    assert problems(write("x.csv", text)) == (expected,)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"text": "x"', "x.jsonl line 2: not JSON: Expecting ',' delimiter at character 13"),
        ("[1]", "x.jsonl line 2: not a JSON object"),
        ('"x"', "x.jsonl line 2: not a JSON object"),
        ('{"text": "x", "text": "y"}', "x.jsonl line 2: 'text' stands twice"),
        ('{"text": "x"}', "x.jsonl line 2, column 'domains': missing"),
        ('{"domains": []}', "x.jsonl line 2, column 'text': missing"),
        ('{"text": null, "domains": []}', "x.jsonl line 2, column 'text': missing"),
        ('{"text": 5, "domains": []}', "x.jsonl line 2, column 'text': 5 is not text"),
        ('{"text": NaN, "domains": []}', "x.jsonl line 2, column 'text': nan is not text"),
        (
            '{"text": "a\\u0000", "domains": []}',
            "x.jsonl line 2, column 'text': a NUL character in the text",
        ),
        (
            '{"text": "a\\ud83d", "domains": []}',
            (
                "x.jsonl line 2, column 'text': a lone surrogate at character 1, "
                "which UTF-8 cannot write"
            ),
        ),
        (
            '{"text": "x", "domains": [], "doc": [1]}',
            "x.jsonl line 2, column 'doc': [1] is not text",
        ),
        (
            '{"text": "x", "domains": [], "id": true}',
            "x.jsonl line 2, column 'id': True is not text",
        ),
        (
            '{"text": "x", "domains": [], "id": 1.5}',
            "x.jsonl line 2, column 'id': 1.5 is not text",
        ),
    ],
)
def test_a_json_line_that_cannot_be_used(write: Write, line: str, expected: str) -> None:
    path = write("x.jsonl", f'{{"text": "first", "domains": "energy"}}\n{line}\n')
    assert problems(path) == (expected,)


def test_json_too_deep_or_too_long(write: Write) -> None:
    for value in ("[" * 200_000, "1" * 5_000):
        [message] = problems(write("x.jsonl", f'{{"text": {value}'))
        assert message.startswith("x.jsonl line 1: ")


def test_all_problems_are_told_in_the_order_of_the_rows(write: Write) -> None:
    path = write("x.csv", "text,domains,relation\n,,\nx,tarde,war\ny\nz,,peace\n")
    told = problems(path)
    assert [message.split(":")[0] for message in told] == [
        "x.csv row 2, column 'text'",
        "x.csv row 3, column 'domains'",
        "x.csv row 3, column 'relation'",
        "x.csv row 4",
        "x.csv row 5, column 'relation'",
    ]


def test_ten_problems_are_shown_and_the_rest_counted(write: Write) -> None:
    path = write("x.csv", "text,energy\n" + "x,2\n" * 25)
    with pytest.raises(DataError) as caught:
        read_examples(path)
    lines = str(caught.value).splitlines()
    assert lines[9].startswith("x.csv row 11, ")
    assert lines[10:] == ["… and 15 more problems."]


def test_a_wrong_encoding(write: Write) -> None:
    tell = "Tell the right encoding with encoding= (--encoding on the command line), such as"
    path = write("x.csv", "text,energy\nété,1\n".encode("latin-1"))
    expected = f"x.csv line 2: byte 0xe9 at offset 12 is not utf-8. {tell} cp1252"
    assert problems(path) == (expected,)
    path = write("x.csv", "text,energy\nx,1\n".encode("utf-16"))
    [message] = problems(path)
    assert message.endswith(f" at offset 0 is not utf-8. {tell} utf-16")


@pytest.mark.parametrize("encoding", ["utf-9", "hex"])
def test_an_encoding_that_is_none(write: Write, encoding: str) -> None:
    path = write("x.csv", "text,energy\nx,1\n")
    with pytest.raises(ConfigError, match=encoding):
        read_examples(path, encoding=encoding)


def test_a_path_that_cannot_be_read(tmp_path: Path, write: Write) -> None:
    assert problems("nowhere.csv") == ("nowhere.csv: no such file",)
    assert problems("nowhere") == ("nowhere: no such file",)
    assert problems(Path("x.csv/y.csv")) == ("x.csv/y.csv: no such file",)
    assert problems(tmp_path) == (f"{tmp_path}: is a folder; name a file in it",)
    assert problems(write("x.xlsx", "PK")) == (
        "x.xlsx: unknown format '.xlsx'. Readable: .csv, .tsv, .jsonl, .ndjson, .parquet",
    )


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("x.csv", "text,energy\nx,1\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert problems(path) == ("x.csv: cannot be read: Permission denied",)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not Parquet at all", b"PAR1" * 9])
def test_a_parquet_file_that_is_none(write: Write, content: bytes) -> None:
    [message] = problems(write("x.parquet", content))
    assert message.startswith("x.parquet: not a whole Parquet file: ")


def test_a_parquet_file_that_was_cut_off(tmp_path: Path, write: Write) -> None:
    write_examples(EXAMPLES, "whole.parquet")
    path = write("x.parquet", Path("whole.parquet").read_bytes()[:-40])
    assert problems(path)[0].startswith("x.parquet: not a whole Parquet file: ")


def test_rows_of_parquet_are_counted_from_1(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, {"text": ["x", None, ""], "domains": [["energy"], None, []]})
    assert problems(path) == (
        f"{path} row 2, column 'text': missing",
        f"{path} row 3, column 'text': empty text",
    )
    write_parquet(path, {"text": pa.array([], pa.string())})
    assert problems(path) == (f"{path}: there are no rows",)


def test_a_parquet_column_that_stands_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.Table.from_arrays([pa.array(["x"])] * 2, ["text", "text"])
    pa.parquet.write_table(table, path)
    assert problems(path) == (f"{path}: column 'text' stands twice",)


def test_something_else_than_a_path_or_a_dataset() -> None:
    message = ("list is neither a path nor a datasets.Dataset",)
    assert problems([{"text": "x"}]) == message
    assert problems(Rows([{"text": "x"}], "text"))[0].startswith("Rows is neither")
    assert problems(Rows([], ["text"])) == ("dataset: there are no rows",)


def test_domains_as_one_string(write: Write) -> None:
    with pytest.raises(ConfigError, match="'energy,trade' is one string"):
        read_examples(write("x.csv", "text,energy\nx,1\n"), domains="energy,trade")


def test_parquet_needs_an_extra(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("x.parquet", b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'^Reading Parquet .*"diplomacy-nlp\[parquet\]"'):
        read_examples(path)
    with pytest.raises(MissingExtraError, match=r'^Writing Parquet .*"diplomacy-nlp\[parquet\]"'):
        write_examples(EXAMPLES, path)
    assert path.read_bytes() == b""


# --- warnings ---


def test_domains_without_a_sentence(write: Write) -> None:
    path = write("x.csv", "text,domains\nx,energy;security\n")
    message = "^x.csv: no sentence is labelled trade, counter-terrorism$"
    with pytest.warns(DataWarning, match=message) as caught:
        read_examples(path)
    assert caught[0].filename == __file__


def test_the_same_sentence_labelled_in_two_ways(write: Write) -> None:
    path = write("x.csv", "text,energy\nx,1\nx,0\nx,0\ny,0\ny,0\n")
    with pytest.warns(DataWarning, match=": 1$") as caught:
        read_examples(path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    path = write("x.csv", "text,energy,relation\nx,1,\nx,1,neutral\ny,0,neutral\ny,0,conflict\n")
    with pytest.warns(DataWarning, match=": 2$"):
        read_examples(path)


# --- writing ---


def test_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_examples(EXAMPLES[:2], path)
    assert path.read_bytes().decode() == (
        "text,domains,relation,split,group,id,source\r\n"
        "A pipeline deal.,energy;trade,cooperation,train,a,1,speeches\r\n"
        "Shelling went on.,security,conflict,dev,b,2,\r\n"
    )
    path = tmp_path / "x.jsonl"
    write_examples(Examples(CORE, (Example("é", frozenset({"trade", "energy"})), ROWS[3])), path)
    assert path.read_bytes().decode() == (
        '{"text": "é", "domains": ["energy", "trade"]}\n'
        '{"text": "It rained.", "domains": [], "relation": "neutral"}\n'
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_domain_that_looks_like_a_json_list(tmp_path: Path, suffix: str) -> None:
    domains = DomainSet.of(["[a]", "b"])
    examples = Examples(
        domains, (Example("x", frozenset({"[a]", "b"})), Example("y", frozenset({"b"})))
    )
    path = tmp_path / f"x{suffix}"
    write_examples(examples, path)
    assert read_examples(path, domains=domains) == examples


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for examples, where, message in (
        (EXAMPLES[:0], path, f"{path}: there are no examples to write"),
        (EXAMPLES.select([0, 1, 0]), path, f"{path}: id '1' stands 2 times"),
        (EXAMPLES, "x.txt", "x.txt: unknown format '.txt'. Writable: " + ", ".join(SUFFIXES)),
        (
            EXAMPLES,
            tmp_path / "no" / "x.csv",
            f"{tmp_path / 'no' / 'x.csv'}: cannot be written: No such file or directory",
        ),
    ):
        with pytest.raises(DataError) as caught:
            write_examples(examples, where)
        assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.csv"
    write_examples(EXAMPLES[:1], path)
    write_examples(EXAMPLES, path)
    assert read_examples(path) == EXAMPLES
    before = path.read_bytes()

    def fail(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(DataError, match="cannot be written: No space left on device"):
        write_examples(EXAMPLES[:2], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- properties ---

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.text("a\"',;[]\\\r\n\t \u2028\x85\ufeff😀é#", min_size=1),
).filter(str.strip)
names = st.sampled_from(["energy", "art & craft", "[x]", "counter-terrorism", 'a"b,c', "été"])


@st.composite
def some_examples(draw: st.DrawFn) -> Examples:
    domains = DomainSet.of(draw(st.lists(names, min_size=1, unique=True)))
    chosen = st.frozensets(st.sampled_from(domains.names))
    optional = st.none() | texts
    relations = st.sampled_from([None, "cooperation", "conflict", "neutral"])
    example = st.builds(Example, texts, chosen, relations, optional, optional, source=optional)
    rows = draw(st.lists(example, min_size=1, max_size=5))
    ids = draw(st.lists(texts.map(str.strip), min_size=5, unique=True))
    if draw(st.booleans()):
        rows = [replace(row, id=name) for row, name in zip(rows, ids, strict=False)]
    return Examples(domains, tuple(rows))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(examples=some_examples())
def test_reading_undoes_writing(tmp_path: Path, suffix: str, examples: Examples) -> None:
    path = tmp_path / f"x{suffix}"
    write_examples(examples, path)
    again = quietly(path, domains=examples.domains)
    assert again == examples
    assert again.sha256 == examples.sha256


PIECES = ["text", "domains", "energy", "id", '"text"', '"energy"', "null", "\\ud800", *",;:[]{}1xé"]
PIECES += ['"', "\t", "\n", "\r", "\0"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(PIECES),
            max_size=40,
        ).map(lambda parts: "".join(parts).encode()),
    )
)
def test_any_bytes_give_examples_or_a_data_error(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    try:
        examples = quietly(path)
    except DataError as error:
        told = error.problems
    else:
        told = ()
        assert len(examples) > 0
    assert all(message.startswith(str(path)) for message in told)
