"""The benchmarks' arithmetic, on timings that are given, and the documents that they write."""

import dataclasses
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fake_systems
import pytest
from made_up_results import made_up, made_up_speed

from diplomacy_nlp import CORE, WIDE, Example, Examples
from diplomacy_nlp.benchmark.results_file import read_results, read_speed, write_results
from diplomacy_nlp.benchmark.speed_results import SpeedResults
from diplomacy_nlp.benchmark.timing import Spread
from diplomacy_nlp.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

sys.path.insert(0, str(ROOT / "benchmarks"))
cold_start = importlib.import_module("cold_start")
experiment_parts = importlib.import_module("experiment_parts")
parts = importlib.import_module("parts")
picture = importlib.import_module("picture")
quality = importlib.import_module("quality")
quality_parts = importlib.import_module("quality_parts")
render = importlib.import_module("render")
speed = importlib.import_module("speed")
speed_parts = importlib.import_module("speed_parts")


def cost(seconds, peak_mb=100.0):
    return cold_start.ProcessCost(Spread.of([seconds]), Spread.of([peak_mb]), 1)


def test_a_process_is_measured_and_its_failure_told():
    measured = cold_start.measure_process(["-c", "b'x' * 10**8"], 2)
    assert measured.n_runs == 2
    assert 0 < measured.seconds.low <= measured.seconds.median <= measured.seconds.high
    assert measured.peak_mb.low > 100
    with pytest.raises(subprocess.CalledProcessError):
        cold_start.measure_process(["-c", "raise SystemExit(3)"], 1)


def test_targets_are_limits_of_medians():
    costs = {"tag": cost(1.4, 250.0), "help": cost(0.6), "import": cost(0.2)}
    assert {target.name: target.is_met for target in cold_start.targets(costs)} == {
        "seconds of tag": True,
        "MB of tag": False,
        "seconds of --help": False,
        "seconds of import": True,
    }


def test_cold_starts_are_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cold_start, "measure_process", lambda *_: cost(0.1))
    output = tmp_path / "cold_start.json"
    assert cold_start.main(["--output", str(output)]) == 0
    assert "seconds of --help" in capsys.readouterr().out
    results = json.loads(output.read_text(encoding="utf-8"))
    published = json.loads((RESULTS / "cold_start.json").read_text(encoding="utf-8"))
    assert results.keys() == published.keys()
    assert results["commands"].keys() == published["commands"].keys()


def test_goals_are_ratios_of_medians():
    goals = speed.goals(made_up_speed())
    assert [(goal.system, goal.kind, goal.measured, goal.is_met) for goal in goals] == [
        ("accurate", "labelled", 9.0, True),
        ("accurate", "running", 9.0, True),
        ("fast", "running", 5.0, True),
    ]
    assert speed.goals(SpeedResults({}, {"labelled": {}})) == ()


def test_speed_is_measured_on_written_sentences(monkeypatch, tmp_path, capsys):
    fake_systems.install(monkeypatch)
    output, text = tmp_path / "speed.json", tmp_path / "news.txt"
    text.write_text("Parliament met.\n")
    options = ["--sentences", "8", "--rounds", "1", "--output", str(output)]
    assert speed.main([*options, "--text", str(text)]) == 0
    printed = capsys.readouterr().out
    assert "fast, running sentences: 4.0 times accurate, at least 5 wanted: missed" in printed
    assert read_speed(output).kinds == ("labelled", "running")
    assert speed.main([*options, "--systems", "bert"]) == 1
    assert "error: unknown system 'bert'" in capsys.readouterr().err


def test_speed_parts_show_all_systems():
    cold = {"commands": {"tag": dataclasses.asdict(cost(0.4, 147.0))}}
    part = speed_parts.speed_part(made_up_speed(), cold)
    lines = part.splitlines()
    speeds = " 900 (800–1,000) | 9.0 (8.0–10.0) |"
    assert lines[2] == f"| diplomacy_nlp, accurate |{speeds}{speeds}"
    assert [line.split(" | ")[0] for line in lines[2:7]] == [
        "| diplomacy_nlp, accurate",
        "| diplomacy_nlp, fast",
        "| transformers pipeline, fp32",
        "| spaCy",
        "| TF-IDF + logistic regression",
    ]
    assert "takes 0.40 seconds and 147 MB. Not timed: SetFit." in part
    details = speed_parts.speed_details_part(made_up_speed())
    assert "| spaCy | 60,000 | 1.0 | 1.0 |" in details
    assert "| diplomacy_nlp, fast | 0.50 (0.25–0.75) | 150 |" in details
    assert "20 billion multiply-adds a second in int8 and 10 in fp32" in details
    assert "reaches 50 % of that peak" in details
    assert "- transformers pipeline, fp32; spaCy: 2 cores (a chip); spacy 3.8.\n" in details
    assert details.endswith("- Not timed: SetFit: not installed: setfit.\n")


def test_published_numbers_are_fresh(capsys):
    assert render.main(["--check"]) == 0, capsys.readouterr()


@pytest.fixture
def repository(tmp_path):
    for name in ("benchmarks/results", "docs", "models"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.onnx", "*.skops")
        )
    parts = [
        f"<!-- begin generated: {name} -->\nold\n<!-- end generated: {name} -->"
        for name in ("scores", "wide", "systems", "behaviour", "speed", "sentences")
    ]
    (tmp_path / "README.md").write_text("\n\n".join(["# Title", *parts, "last\n"]))
    (tmp_path / "docs" / "guide.md").write_text(
        "<!-- begin generated: models -->\n<!-- end generated: models -->\n"
        "<!-- begin generated: learning -->\n<!-- end generated: learning -->\n"
        "<!-- begin generated: speed-details -->\n<!-- end generated: speed-details -->\n"
    )
    write_results(tmp_path / "benchmarks" / "results" / "quality.json", made_up())
    write_results(tmp_path / "benchmarks" / "results" / "speed.json", made_up_speed())
    return tmp_path


def test_parts_are_stale_then_written_then_fresh(repository, capsys):
    readme = repository / "README.md"
    before = readme.read_text(encoding="utf-8")
    assert render.main(["--check"], repository) == 1
    assert f"{readme}: is stale" in capsys.readouterr().out
    assert readme.read_text(encoding="utf-8") == before
    assert render.main([], repository) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n<!-- begin generated: scores -->\n| ")
    assert text.endswith("<!-- end generated: sentences -->\n\nlast\n")
    assert "old" not in text.split()
    guide = (repository / "docs" / "guide.md").read_text(encoding="utf-8")
    assert "| `baseline` | " in guide
    assert render.main(["--check"], repository) == 0


def test_experiments_are_means_over_runs():
    measures = ("core_macro_f1", "core_average_precision", "all_macro_f1", "relation_macro_f1")
    runs = [dict.fromkeys(measures, value) for value in (0.5, 0.6)]
    ideas = [
        {"name": "a", "what": "This.", "kept": True, "verdict": "Paid.", "runs": runs},
        {"name": "b", "what": "That.", "kept": False, "verdict": "Did not.", "runs": runs[:1]},
        {"name": "c", "what": "Looked.", "kept": False, "verdict": "Nothing.", "runs": []},
    ]
    part = experiment_parts.experiments_part({"dev": {"n_sentences": 1200}, "ideas": ideas})
    mean = "0.550 (0.500–0.600)"
    assert f"| a (kept) | 2 | {mean} | {mean} | {mean} | {mean} |\n" in part
    assert "| b | 1 | 0.500 | 0.500 | 0.500 | 0.500 |\n" in part
    assert part.endswith(
        "the 1,200 sentences of dev, calibration and thresholds fitted on them."
        "\n\n- **a**: This. Paid.\n- **b**: That. Did not.\n- **c**: Looked. Nothing.\n"
    )


def test_every_idea_was_run_and_judged():
    experiments = json.loads((RESULTS / "experiments.json").read_text(encoding="utf-8"))
    for idea in experiments["ideas"]:
        for run in idea["runs"]:
            assert 0.5 < min(value for value in run.values() if isinstance(value, float)) < 1
        assert idea["what"].endswith("."), idea["name"]
        assert idea["verdict"].endswith("."), idea["name"]


def test_a_changed_score_is_stale(repository):
    render.main([], repository)
    metrics = repository / "models" / "default" / "metrics.json"
    content = json.loads(metrics.read_text(encoding="utf-8"))
    content["scores"]["test"]["macro_f1"]["value"] = 0.123
    metrics.write_text(json.dumps(content), encoding="utf-8")
    stale = render.stale_files(repository)
    assert {path.name for path in stale} == {"README.md", "guide.md"}
    assert "| shipped model | 0.123 (" in stale[repository / "README.md"]


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (
            "README.md",
            "# Title\n",
            "has no generated part named behaviour, scores, sentences, speed, systems, wide",
        ),
        ("benchmarks/results/quality.json", "{}", "not the results of a quality benchmark"),
        ("benchmarks/results/speed.json", None, "speed.json: No such file"),
        ("benchmarks/results/speed.json", "{}", "not the results of a speed benchmark"),
        ("benchmarks/results/cold_start.json", None, "cold_start.json: No such file"),
        (
            "docs/more.md",
            "<!-- begin generated: sped -->\n<!-- end generated: sped -->",
            "no generated part 'sped'",
        ),
    ],
)
def test_what_cannot_be_rendered_is_told(repository, capsys, path, content, message):
    if content is None:
        (repository / path).unlink()
    else:
        (repository / path).write_text(content)
    assert render.main([], repository) == 1
    assert message in capsys.readouterr().err
    with pytest.raises(DataError, match=re.escape(message)):
        render.stale_files(repository)


def test_what_was_not_measured_leaves_its_part_empty(repository):
    results = repository / "benchmarks" / "results"
    (results / "quality.json").unlink()
    (results / "behaviour.json").unlink(missing_ok=True)
    shutil.rmtree(repository / "docs")
    assert render.main([], repository) == 0
    text = (repository / "README.md").read_text(encoding="utf-8")
    for name in ("systems", "behaviour"):
        assert f"<!-- begin generated: {name} -->\n<!-- end generated: {name} -->\n" in text
    assert not (repository / "docs").exists()
    assert render.main(["--check"], repository) == 0


def test_systems_are_shown_by_all_rows_and_the_curves_by_sizes(repository):
    render.main([], repository)
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert "| macro-F1, 12 training sentences | `test` | `far` |" in text
    assert "| SetFit | 0.780 (0.770–0.790) | 0.680 (0.670–0.690) |" in text
    assert "| the shipped model | 0.900 | 0.800 |" in text
    assert "Not run: MiniLM + logistic regression, model2vec, spaCy." in text
    guide = (repository / "docs" / "guide.md").read_text(encoding="utf-8")
    assert "| macro-F1 on `far` | 100 | 1,000 | all |" in guide
    assert "| SetFit | 3 | 3 | 3 | 80 |" in guide  # core-seconds, and 40 sentences in 0.5 s
    assert "- Not run: spacy: not installed: spacy.\n" in guide
    assert "- SetFit: `epochs` 1; python 3.11.\n" in guide


def test_a_chart_is_stale_when_its_numbers_change(repository):
    render.main([], repository)
    curves = repository / "docs" / "learning-curves.svg"
    scatter = repository / "docs" / "speed-quality.svg"
    for chart, name in ((curves, "SetFit"), (scatter, "accurate")):
        drawn = chart.read_text(encoding="utf-8")
        assert f">{name}</text>" in drawn
        # Another version of matplotlib may draw the same numbers otherwise.
        chart.write_text(drawn.replace("<svg ", '<svg class="other" '), encoding="utf-8")
    assert render.stale_files(repository) == {}
    results = repository / "benchmarks" / "results"
    quality = read_results(results / "quality.json")
    write_results(results / "quality.json", dataclasses.replace(quality, runs=quality.runs[1:]))
    assert curves in render.stale_files(repository)
    assert scatter not in render.stale_files(repository)
    write_results(results / "speed.json", made_up_speed(["labelled"]))
    assert scatter in render.stale_files(repository)


def test_wide_part_counts_and_leaves_out_the_undefined():
    domains = {
        "trade": {"f1": 0.9, "f1_interval": {"low": 0.8, "high": 1.0}, "support": 50},
        "health": {"f1": 0.5, "f1_interval": {"low": 0.25, "high": 0.75}, "support": 4},
        "finance": {"f1": None, "f1_interval": {"low": None, "high": None}, "support": 0},
    }
    relation = {"value": 0.75, "interval": {"low": 0.5, "high": 1.0}}
    scores = {
        "test": {"domains": domains, "relation_macro_f1": relation},
        "test_source": {"domains": domains, "relation_macro_f1": None},
        "written": {"domains": domains, "relation_macro_f1": None},
        "reports": {"domains": domains, "relation_macro_f1": None},
    }
    lines = parts.wide_part({"scores_of_all_domains": scores}).splitlines()
    assert lines[2] == "| health" + " | 0.500 (0.25–0.75) | 4" * 4 + " |"
    assert lines[3] == "| finance" + " | – | 0" * 4 + " |"
    assert lines[4] == "| mean, sum" + " | 0.500 | 4" * 4 + " |"
    assert lines[-1].endswith("The relation's macro-F1 is 0.750 (0.500–1.000) on `test`.")


def test_behaviour_part_sums_up():
    kind = {"cases": 20, "pass": {"default": 19, "baseline": 10}}
    lines = parts.behaviour_part({"cases": 40, "kinds": {"case": kind, "swap": kind}}).splitlines()
    assert lines[2] == "| case | 20 | 19 (95 %) | 10 (50 %) |"
    assert lines[4] == "| all | 40 | 38 (95 %) | 20 (50 %) |"


@pytest.fixture
def corpus():
    rows = tuple(
        Example(
            f"{word} {i} {name}",
            {name} if name in WIDE else (),
            split=split,
            id=f"{split}-{i}-{name}",
        )
        for split in ("train", "dev", "test", "test_source")
        for i, word in enumerate(["gas", "food", "talks"] * 20)
        for name in ("trade", "health", "none")
    )
    rows += (Example("of doubted.jsonl", split="train"),)
    rows += (Example("written later", split="train", id="w4712"),)
    labelled = Examples(WIDE, rows, "labelled.jsonl")
    return SimpleNamespace(
        training=labelled,
        evaluation_sets={
            "test_source": labelled.where_split("test_source"),
            "written": labelled[:9],
            "reports": labelled[:3],
        },
    )


def test_quality_is_measured_on_the_core_domains_of_the_corpus(
    corpus, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(quality, "find_labelled", lambda folder: folder)
    monkeypatch.setattr(quality, "read_corpus", lambda _: corpus)
    monkeypatch.setattr(quality, "_MODELS", ())
    output = tmp_path / "quality.json"
    options = ["--systems", "baseline", "--sizes", "50,all", "--seeds", "1"]
    assert quality.main([*options, "--output", str(output)]) == 0
    assert "written  macro F1, 9 sentences, 3 labels" in capsys.readouterr().out
    results = read_results(output)
    assert results.data["domains"] == list(CORE.names)
    assert results.sets == ("test", "test_source", "written")
    assert [run.n_rows for run in results.runs] == [50, 180]
    assert quality.main(["--sizes", "x"]) == 1
    assert "error: size 'x'" in capsys.readouterr().err


def test_picture_shows_every_domain_and_names_no_host(fake_tagger):
    drawn = picture.picture_of_report(ROOT / "examples" / "summit.txt", fake_tagger)
    published = (ROOT / "docs" / "tagged-report.svg").read_text(encoding="utf-8")
    for svg in (drawn, published):
        text = re.sub(r"<[^>]+>", "", svg).replace("&#160;", " ")
        assert "$ diplomacy-nlp tag examples/summit.txt" in text
        assert all(name in text for name in fake_tagger.domains.names)
        assert "sentences tagged" in text
        assert re.findall(r"\w+://[^\"' )]+", svg) == ["http://www.w3.org/2000/svg"]
