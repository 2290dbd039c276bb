"""How training runs are scored on dev for the table of what was tried."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.domains import CORE, RELATIONS
from diplomacy_nlp.evaluation import evaluate
from diplomacy_nlp.model_files import find_model, read_model_config
from diplomacy_nlp.tagger import Tagger, open_backend

ROOT = Path(__file__).resolve().parent.parent

sys.path.insert(0, str(ROOT / "training"))
compare_runs = importlib.import_module("compare_runs")


@pytest.fixture(scope="module")
def dev() -> Examples:
    return tiny.written_examples().where_split("dev")[:120]


def test_scores_are_those_of_the_model(dev: Examples) -> None:
    scores = compare_runs.score("default", dev)
    folder = find_model("default")
    config = read_model_config(folder)
    calibration = replace(config.calibration, relation_biases=(0.0,) * len(RELATIONS))
    without_biases = replace(config, calibration=calibration)
    tagger = Tagger(open_backend(folder, config), without_biases, domains=CORE.names)
    evaluation = evaluate(tagger, dev, n_bootstrap=0)
    # Calibration keeps the order of a domain's probabilities.
    assert scores["core_average_precision"] == pytest.approx(
        evaluation.macro_average_precision.value, abs=1e-4
    )
    assert scores["relation_macro_f1"] == pytest.approx(
        evaluation.relation_macro_f1.value, abs=1e-4
    )
    assert scores["core_macro_f1"] == pytest.approx(evaluation.macro_f1.value, abs=0.05)
    assert 0.5 < scores["all_macro_f1"] <= 1


def test_runs_take_the_place_of_earlier_ones() -> None:
    one = compare_runs.with_runs({"ideas": []}, "more data", [{"run": "a"}])
    assert one["ideas"] == [
        {"name": "more data", "what": "", "kept": False, "verdict": "", "runs": [{"run": "a"}]}
    ]
    one["ideas"][0]["verdict"] = "It paid."
    two = compare_runs.with_runs(one, "teachers", [{"run": "b"}])
    two = compare_runs.with_runs(two, "more data", [{"run": "c"}])
    assert [(i["name"], i["verdict"], i["runs"]) for i in two["ideas"]] == [
        ("more data", "It paid.", [{"run": "c"}]),
        ("teachers", "", [{"run": "b"}]),
    ]


def test_the_whole_script(
    dev: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    corpus = type("Corpus", (), {"training": dev})()
    monkeypatch.setattr(compare_runs, "find_labelled", lambda _: tmp_path)
    monkeypatch.setattr(compare_runs, "read_corpus", lambda _: corpus)
    monkeypatch.setattr(compare_runs, "_RESULTS", tmp_path / "experiments.json")
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", "nothing", "default"])
    assert compare_runs.main() == 0
    assert "'run': 'default'" in capsys.readouterr().out
    results = json.loads((tmp_path / "experiments.json").read_text(encoding="utf-8"))
    assert results["dev"] == {"n_sentences": len(dev), "sha256": dev.sha256}
    assert [idea["name"] for idea in results["ideas"]] == ["nothing"]
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", "nothing", "no-such-model"])
    assert compare_runs.main() == 1
    assert "no-such-model" in capsys.readouterr().err
