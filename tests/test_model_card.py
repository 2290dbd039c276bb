import dataclasses
import json
import re

import pytest

from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.domains import Domain, DomainSet
from diplomacy_nlp.model_card import model_card
from diplomacy_nlp.model_files import read_model_config


@pytest.fixture(params=["tiny_model", "tiny_baseline"])
def folder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def config(folder):
    return read_model_config(folder)


@pytest.fixture
def metrics(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture
def card(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def tables(card: str) -> list[list[list[str]]]:
    """Return the cells of every table, without the line below its head."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", card, flags=re.MULTILINE)
    rows = [
        [re.split(r" (?<!\\)\| ", line[2:-2]) for line in block.splitlines()] for block in blocks
    ]
    return [[table[0], *table[2:]] for table in rows]


def test_is_that_of_its_folder(folder, config, metrics, card):
    assert model_card(folder.name, config, metrics) == card
    assert card.startswith(f"# {folder.name}\n")
    assert f'Tagger.load("{folder.name}")' in card


def test_every_score_is_there(metrics, card):
    assert set(metrics["scores"]) == {"dev", "test"}
    for name, scores in metrics["scores"].items():
        section = card.partition(f"### {name}: {scores['n_sentences']} sentences\n")[2]
        [table] = tables(section.partition("###")[0])[:1]
        cells = {row[0]: row for row in table}
        for domain, row in scores["domains"].items():
            interval = row["f1_interval"]
            shown = [
                domain,
                f"{row['precision']:.3f}",
                f"{row['recall']:.3f}",
                f"{row['f1']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]",
                f"{row['average_precision']:.3f}",
                f"{row['calibration_error']:.3f}",
                str(row["support"]),
            ]
            if baseline := metrics["baseline_scores"].get(name):
                shown.append(f"{baseline['domains'][domain]['f1']:.3f}")
            assert cells[domain] == shown
        macro, interval = scores["macro_f1"]["value"], scores["macro_f1"]["interval"]
        assert f"{macro:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]" in cells["macro"]
        assert f"{scores['macro_average_precision']['value']:.3f}" in cells["macro"]
        assert f"Macro-F1 of the relation: {scores['relation_macro_f1']['value']:.3f} [" in section


def test_tables_are_rectangular(card):
    for table in tables(card):
        assert len({len(row) for row in table}) == 1


def test_domains(config, card):
    head, *rows = tables(card)[0]
    assert head == ["domain", "threshold", "definition"]
    assert [row[0] for row in rows] == list(config.domains.names)
    assert [row[1] for row in rows] == [f"{t:.3f}" for t in config.calibration.thresholds]
    assert "CAP 18" in rows[1][2]


def test_training(config, metrics, card):
    assert metrics["data"]["sha256"] in card
    assert f"{metrics['data']['n_train']} sentences for training" in card
    assert f"seed `{metrics['recipe']['seed']}`" in card
    for name, version in metrics["versions"].items():
        assert f"{name} {version}" in card
    if config.backend == "onnx":
        assert f"{metrics['parity']['onnx_int8_dev_macro_f1']:.4f} in int8" in card
        assert "learning_rate `0.003`" in card
    else:
        assert "learning_rate" not in card


def test_time_and_energy(config, metrics, card):
    seconds = metrics["training_cpu_seconds"]
    assert (
        f"- {metrics['training_seconds']} seconds on {metrics['machine']['n_cores']} cores" in card
    )
    assert f"busy for {seconds} seconds in all\n" in card
    metrics |= {"training_cpu_seconds": 2400, "unlabelled": {"n_sentences": 9, "sha256": "0"}}
    changed = model_card("name", config, metrics | {"device": "cpu"})
    assert (
        "energy: not measured; at 15 W for each busy core, an assumption, it would be 0.01 kWh"
        in (changed)
    )
    assert "in all, without the training of its teachers" in changed
    assert "energy: not measured\n" in model_card("name", config, metrics | {"device": "gpu"})


def test_calibration(card):
    section = card.partition("## Calibration\n")[2].partition("\n## ")[0]
    assert "](reliability.svg)" in section
    assert "](risk_coverage.svg)" in section


def test_nothing_is_said_of_data_that_the_library_cannot_know(card):
    for word in ("English", "codebook", "Apache", "Kremlin", "language-model"):
        assert word not in card


def test_notes(config, metrics):
    notes = "## Licence\n\nOurs.\n\n"
    card = model_card("name", config, metrics, notes)
    assert "\n\n## Licence\n\nOurs.\n\n## Domains\n" in card
    assert card.replace("## Licence\n\nOurs.\n\n", "") == model_card("name", config, metrics, " \n")


def test_domains_on_request(config, metrics):
    assert "### On request" not in model_card("name", config, metrics)
    config = dataclasses.replace(config, default_domains=("energy",))
    test = metrics["scores_of_all_domains"]["test"]["domains"]
    test["trade"] |= {"f1": None, "f1_interval": {"low": None, "high": None}, "support": 0}
    del metrics["scores_of_all_domains"]["dev"]["domains"]["security"]
    card = model_card("name", config, metrics)
    test_tables_are_rectangular(card)
    head, *rows = tables(card.partition("### On request")[2])[0]
    assert head == ["domain", "dev", "test"]
    assert [row[0] for row in rows] == ["trade", "security"]
    assert rows[0][2] == "– of 0"
    security = test["security"]
    low, high = security["f1_interval"]["low"], security["f1_interval"]["high"]
    shown = f"{security['f1']:.3f} [{low:.3f}, {high:.3f}] of {security['support']}"
    assert rows[1][1:] == ["–", shown]


def test_what_cannot_be_scored_is_a_dash(config, metrics):
    scores = metrics["scores"]["test"]
    scores["domains"]["trade"] |= dict.fromkeys(
        ("precision", "recall", "f1", "average_precision"), None
    )
    scores["domains"]["trade"] |= {"f1_interval": {"low": None, "high": None}, "support": 0}
    scores["relation_macro_f1"] = None
    metrics["scores"] = {"test": scores}
    metrics["baseline_scores"] = {}
    metrics["data"]["n_per_set"]["dev"] = 80
    card = model_card("name", config, metrics)
    [row] = [row for row in tables(card)[1] if row[0] == "trade"]
    assert row[1:5] == ["–"] * 4
    assert row[6] == "0"
    assert "of the relation:" not in card


def test_names_with_the_marks_of_a_table(config, metrics):
    odd = Domain("oil | gas", "Two\nlines | and a bar")
    config = dataclasses.replace(
        config,
        domains=DomainSet((odd,)),
        default_domains=(odd.name,),
        calibration=Calibration.identity(1),
    )
    for scores in (*metrics["scores"].values(), *metrics["baseline_scores"].values()):
        scores["domains"] = {odd.name: scores["domains"]["trade"]}
    card = model_card("name", config, metrics)
    test_tables_are_rectangular(card)
    assert tables(card)[0][1] == ["oil \\| gas", "0.500", "Two lines \\| and a bar"]


def test_without_relation(config, metrics):
    with_it = model_card("name", config, metrics)
    without = model_card("name", dataclasses.replace(config, has_relation=False), metrics)
    assert "domains and the relation of each sentence." in with_it
    assert "the relation of each sentence" not in without
