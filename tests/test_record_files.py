import csv
import json
from pathlib import Path

import pytest

from diplomacy_nlp.errors import DataError
from diplomacy_nlp.record_files import check_records_path, write_records

RECORDS = [
    {
        "n": 1,
        "text": 'He said "gas", then left.',
        "names": ["a", "b"],
        "more": {"p": 0.5},
        "x": None,
    },
    {"n": 2, "text": "Köln", "names": [], "more": {}, "x": "y"},
]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "out.CSV"
    write_records(path, RECORDS)
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "n": "1",
        "text": RECORDS[0]["text"],
        "names": "a;b",
        "more": '{"p": 0.5}',
        "x": "",
    }
    assert (second["text"], second["names"], second["x"]) == ("Köln", "", "y")


@pytest.mark.parametrize("name", ["out.jsonl", "out.ndjson"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    write_records(tmp_path / name, RECORDS)
    lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
    assert list(map(json.loads, lines)) == RECORDS
    assert "Köln" in lines[1]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_nothing(tmp_path: Path, name: str) -> None:
    write_records(tmp_path / name, [])
    assert (tmp_path / name).read_bytes() == b""


def test_paths_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown format '\.txt'. Writable: \.csv, \.jsonl"):
        check_records_path(tmp_path / "out.txt", [])
    with pytest.raises(DataError, match="there is no folder"):
        check_records_path(tmp_path / "no" / "out.csv", [])
    data = tmp_path / "data.csv"
    data.touch()
    with pytest.raises(DataError, match="is one of the inputs"):
        check_records_path(data, [str(data)])
    check_records_path(tmp_path / "out.csv", [str(data)])
