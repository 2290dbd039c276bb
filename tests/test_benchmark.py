"""The quality benchmark: its rows, runs, results and pictures, with systems that cost nothing."""

import io
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_results import made_up
from rich.console import Console

from diplomacy_nlp.benchmark import systems as systems_module
from diplomacy_nlp.benchmark.chart import learning_curves
from diplomacy_nlp.benchmark.display import print_quality
from diplomacy_nlp.benchmark.machine import describe_machine, installed_versions
from diplomacy_nlp.benchmark.quality import run_quality
from diplomacy_nlp.benchmark.results import (
    Cell,
    QualityResults,
    Spread,
    kept_scores,
)
from diplomacy_nlp.benchmark.results_file import read_results, write_results
from diplomacy_nlp.benchmark.rows import BenchmarkData, draw_rows, parse_sizes
from diplomacy_nlp.benchmark.systems import SystemInfo
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError

DOMAINS = DomainSet.of(["energy", "trade"])
WORDS = {"energy": "gas", "trade": "tariff"}


def examples(n: int, split: str | None = None, domains: DomainSet = DOMAINS) -> Examples:
    """Return sentences whose domains are plain from two words."""
    rows = []
    for number in range(n):
        names = [name for bit, name in enumerate(DOMAINS.names) if number >> bit & 1]
        unlike_others = "".join(random.Random(number).choices(ascii_lowercase, k=30))  # noqa: S311
        text = " ".join([unlike_others, *(WORDS[name] for name in names)])
        rows.append(Example(text, names, relation="neutral", split=split, group=f"d{number // 3}"))
    return Examples(domains, tuple(rows), "rows.jsonl")


@pytest.fixture
def data() -> BenchmarkData:
    return BenchmarkData(examples(40), examples(20), {"test": examples(12), "far": examples(8)})


class Keywords:
    """Finds the two words, and writes down what it was trained on."""

    def __init__(self, fitted: list[tuple[int, int, bool]], **settings: Any) -> None:
        self.settings = settings
        self.fitted = fitted

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:
        sys.stdout.write("a peer that prints\n")
        assert len(dev) == 20
        self.fitted.append((len(train), seed, bool((train.relations >= 0).any())))

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[3.0 if w in t else -3.0 for w in WORDS.values()] for t in texts], "f4")


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, bool]]:
    """Put two systems in the place of the real ones, one of which is not installed."""
    fitted: list[tuple[int, int, bool]] = []
    infos = (
        SystemInfo("words", "Words", (), ("numpy", "absent"), lambda _: Keywords(fitted, a=1)),
        SystemInfo("gone", "Gone", ("no_such_module",), (), lambda _: Keywords(fitted)),
    )
    monkeypatch.setattr(systems_module, "SYSTEMS", {info.name: info for info in infos})
    return fitted


# --- Rows -----------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_fewer_rows_lie_in_more(size: int, other: int, seed: int) -> None:
    rows = examples(40)
    fewer, more = (draw_rows(rows, n, seed) for n in sorted((size, other)))
    assert len(more) == min(max(size, other), 40)
    assert set(fewer.texts) <= set(more.texts)
    places = [rows.texts.index(text) for text in more.texts]
    assert places == sorted(places)


def test_rows_depend_on_the_seed() -> None:
    rows = examples(40)
    assert draw_rows(rows, 10, 0) == draw_rows(rows, 10, 0) != draw_rows(rows, 10, 1)
    assert draw_rows(rows, None, 0) == draw_rows(rows, None, 1) == rows


def test_data_of_examples_scores_every_further_split() -> None:
    named = [examples(9, split=split) for split in ("train", "dev", "test", "far")]
    rows = tuple(row for part in named for row in part)
    data = BenchmarkData.of(Examples(DOMAINS, rows))
    assert {name: len(part) for name, part in data.sets.items()} == dict.fromkeys(
        ("train", "dev", "test", "far"), 9
    )
    without_test = tuple(row for row in rows if row.split != "test")
    assert list(BenchmarkData.of(Examples(DOMAINS, without_test)).tests) == ["far"]


def test_data_of_examples_without_splits_is_divided() -> None:
    data = BenchmarkData.of(examples(60))
    groups = [set(part.groups) for part in data.sets.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20


def test_data_that_cannot_be_compared_is_refused(data: BenchmarkData) -> None:
    with pytest.raises(DataError, match="no sentence in dev"):
        BenchmarkData(data.train, examples(0), data.tests)
    with pytest.raises(DataError, match="there is no set to score"):
        BenchmarkData(data.train, data.dev, {})
    other = examples(5, domains=DomainSet.of(["trade", "energy"]))
    with pytest.raises(DataError, match="test: its domains are not those of train"):
        BenchmarkData(data.train, data.dev, {"test": other})


def test_hash_is_of_every_set(data: BenchmarkData) -> None:
    same = BenchmarkData(examples(40), examples(20), dict(data.tests))
    assert data.describe() == same.describe()
    for changed in (
        BenchmarkData(examples(39), data.dev, data.tests),
        BenchmarkData(data.train, examples(19), data.tests),
        BenchmarkData(data.train, data.dev, {"test": data.tests["test"]}),
    ):
        assert changed.describe()["sha256"] != data.describe()["sha256"]
    assert data.describe()["sets"]["test"] == {"n_sentences": 12, "n_labels": 12}


@pytest.mark.parametrize("text", ["1k", "", "100,", "0", "-5"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="neither a number of sentences nor 'all'"):
        parse_sizes(text)


# --- Runs -----------------------------------------------------------------------------------


def test_every_cell_is_run_once_on_the_same_terms(
    data: BenchmarkData,
    fitted: list[tuple[int, int, bool]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines: list[str] = []
    results = run_quality(data, sizes=(10, 30, 500, None), n_seeds=2, progress=lines.append)
    sizes = (10, 30, 40)  # 500 is out of reach
    assert fitted == [(size, seed, False) for size in sizes for seed in (0, 1)]
    assert [run.cell for run in results.runs] == [
        Cell("words", size, seed) for size in (10, 30, None) for seed in (0, 1)
    ]
    run = results.runs[0]
    assert list(run.scores) == ["dev", "test", "far"]
    assert run.scores["test"]["macro_f1"]["value"] == 1.0
    assert run.scores["test"]["domains"]["trade"]["support"] == 6
    assert (run.n_rows, run.n_predicted, run.settings) == (10, 40, {"a": 1})
    assert set(run.versions) == {"python", "diplomacy-nlp", "numpy"}
    assert min(run.fit_seconds, run.fit_core_seconds, run.predict_seconds) >= 0
    assert "gone: skipped, not installed: no_such_module" in lines
    assert {(entry.cell.system, entry.reason) for entry in results.not_run} == {
        ("gone", "not installed: no_such_module")
    }
    out, err = capsys.readouterr()
    assert out == ""
    assert "a peer that prints" in err


def test_a_run_goes_on_from_its_file(
    data: BenchmarkData, fitted: list[tuple[int, int, bool]], tmp_path: Path
) -> None:
    output = tmp_path / "results.json"
    run_quality(data, sizes=(10,), n_seeds=1, output=output)
    results = run_quality(data, sizes=(10, None), n_seeds=2, output=output)
    assert fitted == [(10, 0, False), (10, 1, False), (40, 0, False), (40, 1, False)]
    assert read_results(output) == results
    assert len(results.runs) == len({run.cell for run in results.runs}) == 4


def test_an_interrupted_run_keeps_what_was_done(
    data: BenchmarkData,
    fitted: list[tuple[int, int, bool]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit = Keywords.fit

    def stop(self: Keywords, train: Examples, dev: Examples, seed: int) -> None:
        if seed == 2:
            raise KeyboardInterrupt
        fit(self, train, dev, seed)

    monkeypatch.setattr(Keywords, "fit", stop)
    output = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt):
        run_quality(data, systems=["words"], sizes=(10,), output=output)
    assert [run.cell.seed for run in read_results(output).runs] == [0, 1]


def test_another_environment_adds_its_systems(
    data: BenchmarkData,
    fitted: list[tuple[int, int, bool]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "results.json"
    run_quality(data, sizes=(10,), n_seeds=1, output=output)
    gone, words = systems_module.SYSTEMS["gone"], systems_module.SYSTEMS["words"]
    infos = (replace(gone, modules=()), replace(words, modules=("no_such_module",)))
    monkeypatch.setattr(systems_module, "SYSTEMS", {info.name: info for info in infos})
    results = run_quality(data, sizes=(10,), n_seeds=1, output=output)
    assert [run.cell.system for run in results.runs] == ["words", "gone"]
    assert results.not_run == ()


def test_changed_settings_are_run_again(
    data: BenchmarkData,
    fitted: list[tuple[int, int, bool]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "results.json"
    run_quality(data, systems=["words"], sizes=(10,), n_seeds=1, output=output)
    words = replace(systems_module.SYSTEMS["words"], open=lambda _: Keywords(fitted, a=2))
    monkeypatch.setattr(systems_module, "SYSTEMS", {"words": words})
    results = run_quality(data, sizes=(10,), n_seeds=1, output=output)
    assert [run.settings for run in results.runs] == [{"a": 2}]


def test_a_system_that_fails_does_not_end_the_others(
    data: BenchmarkData, fitted: list[tuple[int, int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> Keywords:
        raise ImportError("cannot import name 'x'\nfrom somewhere")

    class Failing(Keywords):
        def fit(self, train: Examples, *_: object) -> None:
            if len(train) > 10:
                raise RuntimeError("out of\nmemory")

    words = systems_module.SYSTEMS["words"]
    infos = (
        replace(words, name="broken", open=broken),
        replace(words, name="failing", open=lambda _: Failing([])),
        words,
    )
    monkeypatch.setattr(systems_module, "SYSTEMS", {info.name: info for info in infos})
    lines: list[str] = []
    results = run_quality(data, sizes=(10, None), n_seeds=1, progress=lines.append)
    assert [(run.cell.system, run.cell.size) for run in results.runs] == [
        ("failing", 10),
        ("words", 10),
        ("words", None),
    ]
    assert results.reasons == {
        "cannot be imported: cannot import name 'x'": ("broken",),
        "RuntimeError: out of": ("failing (all)",),
    }
    assert "failing, all rows, seed 0: failed, RuntimeError: out of" in lines


def test_a_reason_not_to_run_stands_where_nothing_was_run(
    data: BenchmarkData, fitted: list[tuple[int, int, bool]], tmp_path: Path
) -> None:
    output = tmp_path / "results.json"
    options: dict[str, Any] = {"systems": ["words"], "n_seeds": 1, "output": output}
    run_quality(data, sizes=(10,), **options)
    results = run_quality(data, sizes=(10, None), reason_not_to="takes hours", **options)
    assert len(fitted) == 1
    assert results.reasons == {"takes hours": ("words (all)",)}


@pytest.mark.usefixtures("fitted")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"systems": ["word"]}, "unknown system 'word'. Valid: words, gone"),
        ({"systems": []}, "there is no system to compare"),
        ({"n_seeds": 0}, "n_seeds is 0; it must be at least 1"),
        ({"sizes": (40, 100)}, "no size is below the 40 training rows"),
    ],
)
def test_what_cannot_be_run(data: BenchmarkData, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_quality(data, **options)


@pytest.mark.usefixtures("fitted")
def test_a_file_of_other_data_is_refused(data: BenchmarkData, tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    run_quality(data, sizes=(10,), n_seeds=1, output=output)
    before = output.read_bytes()
    other = BenchmarkData(examples(41), data.dev, data.tests)
    with pytest.raises(DataError, match=r"results\.json: holds the results of other data"):
        run_quality(other, sizes=(10,), n_seeds=1, output=output)
    assert output.read_bytes() == before


@pytest.mark.usefixtures("fitted")
def test_models_are_scored_until_they_change(
    data: BenchmarkData, tiny_baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "results.json"
    options: dict[str, Any] = {"systems": ["gone"], "sizes": (10,), "output": output}
    first = run_quality(data, models=[str(tiny_baseline)], **options)
    [model] = first.models
    assert (model.name, list(model.scores)) == (tiny_baseline.name, ["dev", "test", "far"])
    assert set(model.scores["test"]["domains"]) == {"energy", "trade"}

    def missing(*_: object, **__: object) -> None:
        raise MissingExtraError("The baseline", "train")

    monkeypatch.setattr("diplomacy_nlp.tagger.Tagger.load", missing)
    assert run_quality(data, models=[str(tiny_baseline)], **options).models == first.models
    lines: list[str] = []
    write_results(output, replace(first, models=(replace(model, sha256="older"),)))
    run_quality(data, models=[str(tiny_baseline)], progress=lines.append, **options)
    assert lines[0].endswith(
        'not scored. The baseline needs an extra: pip install "diplomacy-nlp[train]"'
    )


def test_the_baseline_for_real_gains_by_rows() -> None:
    import tiny

    words = tiny.word_examples(400)
    data = BenchmarkData.of(words)
    results = run_quality(data, systems=["baseline"], sizes=(20, None), n_seeds=2)
    few, all_rows = (results.spread("baseline", size, "test") for size in (20, None))
    assert few is not None
    assert all_rows is not None
    assert few.mean < 0.9 < all_rows.mean
    assert all_rows.low == all_rows.high  # nothing random in it
    assert "scikit-learn" in results.runs[0].versions


# --- Results --------------------------------------------------------------------------------


def test_results_round_trip_with_one_entry_a_line(tmp_path: Path) -> None:
    path, results = tmp_path / "results.json", made_up()
    write_results(path, results)
    assert read_results(path) == results
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(json.dumps(results.to_dict()))
    assert sum(line.startswith('  {"system": "setfit"') for line in text.splitlines()) == 9
    write_results(path, QualityResults(results.data))
    assert read_results(path).runs == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format_version": 2}', '{"format_version": 1, "data": {}}']
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"results\.json: not the results of a quality benchmark"):
        read_results(path)
    with pytest.raises(DataError, match=r"none\.json: No such file"):
        read_results(tmp_path / "none.json")


def test_spreads_are_over_seeds() -> None:
    results = made_up()
    spread = results.spread("setfit", 1000, "far")
    assert spread == Spread(pytest.approx(0.58), pytest.approx(0.57), pytest.approx(0.59), 3)
    assert results.spread("setfit", 300, "far") is None
    assert (results.sizes, results.sets) == ((100, 1000, None), ("test", "far"))


def test_a_score_that_is_undefined_is_left_out() -> None:
    results = made_up()
    undefined = {"test": {"macro_f1": {"value": None}}}
    runs = (replace(run, scores=undefined) for run in results.runs)
    assert replace(results, runs=tuple(runs)).spread("setfit", 100, "test") is None


def test_what_was_not_run_makes_way_for_a_run() -> None:
    results = made_up(["baseline"])
    run = replace(results.runs[0], cell=Cell("spacy", 100, 0))
    after = results.with_run(run)
    assert [entry.cell.size for entry in after.not_run] == [1000, None]
    assert after.reasons == {"not installed: spacy": ("spacy (1,000, all)",)}
    again = after.with_not_run([run.cell, Cell("spacy", 1000, 0)], "broken")
    assert [(e.cell.size, e.reason) for e in again.not_run] == [
        (1000, "broken"),
        (None, "not installed: spacy"),
    ]


def test_kept_scores_have_the_shape_of_evaluations(data: BenchmarkData) -> None:
    from diplomacy_nlp.evaluation import evaluate_tags

    labels = data.dev.labels
    evaluation = evaluate_tags(labels, labels.astype(float), labels, DOMAINS, n_bootstrap=10)
    whole, kept = evaluation.to_dict(), kept_scores(evaluation)
    assert kept["macro_f1"] == whole["macro_f1"]
    assert kept["domains"]["trade"].items() <= whole["domains"]["trade"].items()
    assert len(json.dumps(kept)) < 0.7 * len(json.dumps(whole))


# --- What people see ------------------------------------------------------------------------


def test_printed_tables() -> None:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        print_quality(made_up(), console)
    printed = captured.get()
    assert max(map(len, printed.splitlines())) <= 80
    assert "far  macro F1, 12 sentences, 9 labels" in printed
    row = next(line for line in printed.splitlines() if line.startswith("setfit"))
    assert row.split() == ["setfit", "0.580", "0.680", "0.780"]
    assert "0.770–0.790" in printed
    assert "default, as it is: 0.900" in printed
    assert "Not run: spacy: not installed: spacy" in printed


def test_chart_is_the_same_for_the_same_results() -> None:
    results = made_up()
    svg = learning_curves(results, results.sets)
    assert svg == learning_curves(made_up(), results.sets)
    for text in ("SetFit", "TF-IDF + logistic regression", "test", "far", "1,000", "4,000"):
        assert f">{text}</text>" in svg
    assert "spaCy" not in svg
    assert learning_curves(made_up(["baseline"]), ["far"]) != svg
    with pytest.raises(DataError, match="no run to draw"):
        learning_curves(QualityResults(results.data), ["test"])


def test_machine_and_versions() -> None:
    machine = describe_machine()
    assert machine["n_cores"] >= 1
    assert machine["processor"]
    assert installed_versions(["numpy", "no-such-package"]).keys() == {
        "python",
        "diplomacy-nlp",
        "numpy",
    }


@pytest.mark.usefixtures("fitted")
def test_weights_are_scored_in_int8_and_in_fp32(words: Examples, tiny_model: Path) -> None:
    data = BenchmarkData.of(words)
    results = run_quality(data, models=[str(tiny_model)], systems=["gone"], sizes=(10,))
    int8, fp32 = results.models
    assert (int8.name, fp32.name) == (tiny_model.name, f"{tiny_model.name}, fp32")
    assert int8.sha256 == fp32.sha256
    for name in ("dev", "test"):
        values = [model.scores[name]["macro_average_precision"]["value"] for model in (int8, fp32)]
        assert values[0] > 0.9
        assert values[0] == pytest.approx(values[1], abs=0.05)
