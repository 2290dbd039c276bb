import importlib.util
import itertools
import json
from dataclasses import replace

import fakes
import pytest
from test_checks_label_errors import EXAMPLES, WRONG_ENERGY

from diplomacy_nlp.checks.data_check import check
from diplomacy_nlp.checks.findings import KINDS
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError
from diplomacy_nlp.labelled_files import RowPlace

GAS = "They agreed on gas."
# One of nearly every kind; the rows of each are told by its id.
ROWS = (
    Example(GAS, {"energy"}, "cooperation", "train", "a", "conflict"),
    Example(GAS, (), "neutral", "train", "b", "conflict-too"),
    Example(
        "Tariffs fell, and exports rose across the border.", {"trade"}, split="train", id="leak"
    ),
    Example(
        "Tariffs fell and exports rose across the border!", {"trade"}, split="test", id="leak-too"
    ),
    Example("Oil was sold abroad.", {"energy"}, split="train", id="duplicate"),
    Example("oil was  sold ABROAD.", {"energy"}, split="train", id="duplicate-too"),
    Example("They met in Rome.", split="train", group="crosses", id="group"),
    Example("They met in Oslo.", split="test", group="crosses", id="group-too"),
    Example("Der Bundeskanzler traf den Präsidenten in Paris.", split="train", id="language"),
    Example("Agreed.", split="train", id="length"),
    Example("He left. She stayed.", split="train", id="several"),
    Example("Joint Statement on Energy Cooperation", split="train", id="heading"),
    Example("It <b>rained</b> there again.", split="train", id="markup"),
)
ODD = Examples(CORE, ROWS, "odd.csv")


def ids(checked, kind):
    return {checked.examples[row].id for found in checked.of_kind(kind) for row in found.rows}


@pytest.fixture(scope="module")
def checked():
    return check(ODD)


def test_each_kind_is_found(checked):
    expected = {
        "label-conflict": {"conflict", "conflict-too"},
        "leak": {"leak", "leak-too"},
        "group-across-splits": {"group", "group-too"},
        "few-positives": set(),
        "duplicate": {"duplicate", "duplicate-too"},
        "language": {"language"},
        "length": {"length"},
        "several-sentences": {"several"},
        "heading": {"heading"},
        "markup": {"markup"},
    }
    assert {finding.kind for finding in checked.findings} == set(expected)
    assert {kind: ids(checked, kind) for kind in expected} == expected
    # Four domains in two splits.
    assert len(checked.of_kind("few-positives")) == 8
    assert checked.n_of_severity == {"error": 3, "warning": 11, "note": 3}
    order = list(KINDS)
    found = [order.index(finding.kind) for finding in checked.findings]
    assert found == sorted(found)
    assert [of_split.split for of_split in checked.counts] == ["train", "test"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone(checked, kind):
    assert check(ODD, kinds=[kind]).findings == checked.of_kind(kind)


def test_what_could_not_be_looked_for(checked):
    assert set(checked.skipped) == {"label-error", "relation-error"}
    assert "no domain to judge" in checked.skipped["label-error"]
    alone = Examples(EXAMPLES.domains, tuple(replace(row, group="one") for row in EXAMPLES))
    skipped = check(alone, kinds=["label-error"]).skipped
    assert skipped == {"label-error": "1 independent documents cannot be divided into 5 folds"}


def test_label_errors_by_cross_validation():
    checked = check(EXAMPLES, kinds=["label-error"], n_folds=4)
    first = {finding.rows[0] for finding in checked.findings[: len(WRONG_ENERGY)]}
    assert first == set(WRONG_ENERGY)
    assert checked.findings == check(EXAMPLES, kinds=["label-error"], n_folds=4).findings
    assert checked.skipped == {}


def test_near_identical_sentences_do_not_judge_one_another():
    # Each sentence and its twin are labelled alike, and no other sentence has their word.
    rows = tuple(
        Example(
            f"the long word{n // 2} stands here{'!' * (n % 2)}", {"energy"} if n // 2 % 2 else ()
        )
        for n in range(80)
    )
    checked = check(Examples(CORE, rows), kinds=["label-error"])
    for finding in checked.findings:
        assert 0.2 < finding.details["probabilities"]["energy"] < 0.8


def test_label_errors_by_a_model():
    rows = [Example(f"They spoke of gas {n}.", {"energy"}) for n in range(12)]
    rows += [Example(f"They met {n} times.") for n in range(12)]
    rows[20] = Example("They met in vain.", {"energy"})
    checked = check(
        Examples(CORE, tuple(rows)), kinds=["label-error"], tagger=fakes.load_fake_tagger()
    )
    [found] = checked.findings
    assert (found.rows, list(found.details["wrong"])) == ((20,), ["energy"])


def test_json_names_places_and_ids():
    places = tuple(RowPlace("odd.csv", 2 + n) for n in range(len(ODD)))
    plain = check(ODD, kinds=["leak", "length"], places=places).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["n_sentences"] == len(ODD)
    assert plain["counts"][0]["domains"]["energy"] == 3
    leak, length = plain["findings"]
    assert leak["rows"][1] == {
        "file": "odd.csv",
        "row": 5,
        "id": "leak-too",
        "split": "test",
        "group": None,
    }
    assert (length["kind"], length["severity"]) == ("length", "note")


def test_suspicious_rows():
    rows = check(ODD, kinds=["leak", "label-conflict", "few-positives"]).suspicious_rows()
    assert [row["finding"] for row in rows] == [1, 1, 2, 2]
    assert [row["id"] for row in rows] == ["conflict", "conflict-too", "leak", "leak-too"]
    assert (rows[0]["domains"], rows[0]["relation"], rows[1]["domains"]) == (
        ["energy"],
        "cooperation",
        [],
    )
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert (rows[0]["file"], rows[0]["row"]) == ("odd.csv", 1)


def test_plain_data_has_no_findings():
    places = itertools.product(("Rome", "Oslo", "Lima", "Accra", "Quito", "Hanoi"), repeat=3)
    rows = tuple(
        Example(f"{one} met {two}, and {three} agreed.", CORE.names)
        for one, two, three in itertools.islice(places, 0, None, 5)
    )
    assert check(Examples(CORE, rows)).findings == ()


@pytest.mark.parametrize(
    ("examples", "options", "error", "message"),
    [
        (Examples(CORE, (), "no.csv"), {}, DataError, "no.csv: there is no sentence to check"),
        (ODD, {"kinds": ["leaks"]}, ConfigError, "unknown kind 'leaks'. Valid: label-conflict, "),
        (ODD, {"n_folds": 1}, ConfigError, "n_folds is 1, not at least 2"),
    ],
)
def test_wrong_use(examples, options, error, message):
    with pytest.raises(error, match=message):
        check(examples, **options)


def test_extra(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "cleanlab" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"Looking for leak, language .*\[check\]"):
        check(ODD, kinds=["language", "leak", "length"])
    assert check(ODD, kinds=["length", "few-positives", "group-across-splits"]).findings
