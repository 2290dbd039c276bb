from pathlib import Path

import pytest

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.labelled_files import (
    RowPlace,
    count_places,
    join_files,
    read_labelled_files,
    unite_domains,
)

pytestmark = pytest.mark.filterwarnings("ignore::diplomacy_nlp.errors.DataWarning")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_places_are_those_of_messages(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", 'text,domains\n"Two\nlines.",energy\n\nRain.,\n')
    lines = write(tmp_path / "b.jsonl", '\n{"text": "Gas.", "domains": ["energy"]}\n')
    first, second = read_labelled_files([table, lines])
    assert [str(place) for place in first.places] == [f"{table} row 2", f"{table} row 4"]
    assert second.places == (RowPlace(str(lines), 2, "line"),)
    # The same numbers as in what the reader has to say.
    write(table, 'text,domains\n"Two\nlines.",energy\n\nRain.,x\n')
    with pytest.raises(DataError, match=r"a\.csv row 4"):
        read_labelled_files([table])


def test_every_file_is_read_with_the_domains_of_all(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "text,domains\nGas.,health\n")
    other = write(tmp_path / "other.csv", "text,domains\nGas.,finance\n")
    files = read_labelled_files([one, other])
    names = ("energy", "trade", "security", "counter-terrorism", "finance", "health")
    assert [file.examples.domains.names for file in files] == [names, names]
    [file] = read_labelled_files([one], domains=["health"])
    assert file.examples.domains.names == ("health",)


def test_columns_of_one_file_that_another_lacks(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "text,energy,trade\nGas.,1,0\n")
    other = write(tmp_path / "other.csv", "text,energy\nGas.,1\n")
    with pytest.raises(
        DataError, match=r"other\.csv: no column 'domains' and no 0/1 column 'trade'"
    ):
        read_labelled_files([one, other])
    assert len(read_labelled_files([one, other], domains=["energy"])) == 2


def test_files_without_splits_are_splits(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "text,domains\nGas.,energy\n")
    test = write(tmp_path / "news.csv", "text,domains\nOil.,energy\n")
    split = write(tmp_path / "c.csv", "text,domains,split\nCoal.,energy,dev\nRain.,,\n")
    joined = join_files(read_labelled_files([train, test, split]))
    assert [row.split for row in joined.examples] == ["train", "news", "dev", None]
    assert [place.row for place in joined.places] == [2, 2, 2, 3]
    assert joined.examples.source == f"{train}, {test}, {split}"


def test_one_file_stays_as_it_is(tmp_path: Path) -> None:
    [file] = read_labelled_files([write(tmp_path / "train.csv", "text,domains\nGas.,energy\n")])
    assert join_files([file]) is file


def test_unite_domains() -> None:
    sets = [Examples(DomainSet.of(names), ()) for names in (["fish", "trade"], ["energy", "milk"])]
    assert unite_domains(sets).names == ("energy", "trade", "fish", "milk")
    assert unite_domains(sets[:1]).names == ("fish", "trade")


def test_places_that_are_counted() -> None:
    examples = Examples(DomainSet.of(["fish"]), (Example("One."), Example("Two.")))
    assert [str(place) for place in count_places(examples)] == [
        "examples example 1",
        "examples example 2",
    ]
