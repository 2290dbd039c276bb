import json
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from typer.testing import CliRunner, Result

from diplomacy_nlp.assessment import assess
from diplomacy_nlp.cli import app
from diplomacy_nlp.dataset_files import read_examples
from diplomacy_nlp.domains import WIDE, DomainSet
from diplomacy_nlp.tagger import Tagger

with_fake_tagger = pytest.mark.usefixtures("fake_tagger")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def assert_fails(result: Result, message: str, exit_code: int = 1) -> None:
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit)
    assert f"error: {message}" in result.stderr
    assert result.stdout == ""


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(
        "text,domains,split,relation,source\n"
        "They agreed on gas.,energy,test,cooperation,wire\n"
        "It rained.,,test,neutral,speech\n"
        "Wheat and oil.,energy;trade,train,neutral,wire\n"
        "Money was lent.,finance,train,neutral,wire\n"
    )
    return path


@pytest.fixture
def two_taggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every model but ``default`` one that tags no energy."""

    def load(model: str | Path, **options: object) -> Tagger:
        thresholds = {} if model == "default" else {"energy": 1.0}
        return fakes.load_fake_tagger(model, thresholds=thresholds, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Tagger, "load", staticmethod(load))


@with_fake_tagger
def test_prints_scores(labels: Path) -> None:
    result = run("default", labels, "--split", "test")
    assert result.exit_code == 0
    assert f"{labels}  2 sentences, 2 groups" in result.stdout
    for heading in ("macro F1", "length", "relation", "source"):
        assert (heading in result.stdout) == (heading != "length")  # all are short
    assert "against" not in result.stdout
    assert "warning" in result.stderr  # no sentence is labelled security


@with_fake_tagger
def test_prints_json(labels: Path) -> None:
    result = run("default", labels, "--json", "--domains", "trade,finance")
    scores = json.loads(result.stdout)
    assert list(scores["domains"]) == ["trade", "finance"]
    assert scores["domains"]["trade"]["f1"] == 1.0
    assert scores["domains"]["finance"]["f1"] == 0.0


@pytest.mark.filterwarnings("ignore:.*no sentence is labelled")
@with_fake_tagger
def test_seed_and_replicates(labels: Path, fake_tagger: Tagger) -> None:
    options = ("--json", "--bootstrap", "40", "--seed", "7")
    scores = json.loads(run("models/mine/", labels, *options).stdout)
    examples = read_examples(labels)
    expected = assess(fake_tagger, examples, name="mine", n_bootstrap=40, seed=7).to_dict()
    assert scores == expected
    assert run("default", labels, "--bootstrap", "-1").exit_code == 2
    assert run("default", labels, "--seed", "-1").exit_code == 2


def test_a_goal_sets_the_thresholds(labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def load(_: str, *, precision: object, recall: object, **options: object) -> Tagger:
        asked.update(precision=precision, recall=recall)
        return fakes.load_fake_tagger(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(Tagger, "load", staticmethod(load))
    result = run("default", labels, "--precision", "0.9", "--recall", "trade=0.95")
    assert result.exit_code == 0, result.output
    assert asked == {"precision": 0.9, "recall": {"trade": 0.95}}
    assert_fails(run("default", labels, "--recall", "x"), "--recall 'x' is neither a number", 2)


@pytest.mark.usefixtures("two_taggers")
def test_against_another(labels: Path) -> None:
    printed = run("default", labels, "--against", "models/none").stdout
    assert "default against none" in printed
    assert "F1 of energy" in printed
    plain = json.loads(run("default", labels, "--against", "models/none", "--json").stdout)
    assert plain["against"]["model"] == "none"
    assert plain["against"]["comparison"]["domains"]["energy"]["value"] == 1
    assert plain["against"]["comparison"]["domains"]["trade"]["value"] == 0


@pytest.mark.usefixtures("two_taggers")
def test_models_whose_folders_have_the_same_name(labels: Path) -> None:
    plain = json.loads(run("a/model", labels, "--against", "b/model", "--json").stdout)
    assert (plain["model"], plain["against"]["model"]) == ("a/model", "b/model")
    result = run("default", labels, "--against", "default")
    assert_fails(result, "--against default: that is the model itself; name another", 2)


@pytest.mark.usefixtures("two_taggers")
def test_report(labels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    result = run("default", labels, "--against", "none", "--report", folder, "--bootstrap", "10")
    assert result.exit_code == 0, result.output
    assert "macro F1" in result.stdout
    assert f"The report is {folder / 'index.html'}" in result.stderr
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "<h1>default on labels.csv</h1>" in page
    assert "Against none" in page


def test_a_report_that_cannot_be_is_refused_before_the_work(labels: Path) -> None:
    result = run("no such model", labels, "--report", labels)
    assert_fails(result, f"{labels}: is a file; a report needs a folder")


@with_fake_tagger
def test_names_the_splits_that_there_are(labels: Path) -> None:
    result = run("default", labels, "--split", "final")
    assert_fails(result, f"{labels}: no split 'final'. Splits found: test, train")


def test_reads_domains_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = DomainSet.of([{"energy": "fisheries"}.get(name, name) for name in WIDE.names])
    config = replace(fakes.FAKE_CONFIG, domains=renamed, default_domains=("fisheries", "trade"))
    tagger = Tagger(fakes.KeywordBackend(), config)
    monkeypatch.setattr(Tagger, "load", lambda *_, **__: tagger)
    path = tmp_path / "labels.csv"
    path.write_text("text,fisheries,trade\nGas.,1,0\nWheat.,0,1\nRain.,0,0\n")
    scores = json.loads(run("own", path, "--json").stdout)
    assert [scores["domains"][name]["f1"] for name in ("fisheries", "trade")] == [1.0, 1.0]
