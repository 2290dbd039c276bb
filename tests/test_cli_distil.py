import json
import shutil
from pathlib import Path

import pytest
import tiny
from typer.testing import CliRunner, Result

from diplomacy_nlp.cli import app
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.dataset_files import read_examples
from diplomacy_nlp.dataset_writer import write_examples
from diplomacy_nlp.errors import DataWarning
from diplomacy_nlp.tagger import Tagger
from diplomacy_nlp.trainer import train


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture(scope="module")
def labels(words: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "words.jsonl"
    write_examples(words, path)
    return path


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    rows = [json.dumps({"text": text}) + "\n" for text in tiny.unlabelled_words()]
    path.write_text("".join(rows), encoding="utf-8")
    return path


def test_a_model_gets_a_fast_tier_and_uses_it(
    tiny_model: Path, labels: Path, unlabelled: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    options = ("--epochs", "1", "--max-error-share", "0.1", "--seed", "3")
    result = run("distil", model, labels, "--unlabelled", unlabelled, *options)
    assert result.exit_code == 0, result.output
    assert "test  40 sentences" in result.stdout
    assert "dev  " not in result.stdout
    assert "% of sentences like the unlabelled ones" in result.stderr
    recipe = json.loads((model / "metrics.json").read_text())["fast_tier"]["recipe"]
    assert (recipe["n_epochs"], recipe["max_error_share"], recipe["seed"]) == (1, 0.1, 3)

    text = "the minister agreed on gas"
    tagged = run("tag", "--model", model, "--tier", "fast", "--lines", stdin=text)
    [sentence] = Tagger.load(model, tier="fast").tag(text)
    assert json.loads(tagged.stdout)["probabilities"] == pytest.approx(
        dict(sentence.probabilities), abs=1e-6
    )
    evaluated = run("evaluate", model, labels, "--tier", "fast", "--against", model, "--json")
    assert evaluated.exit_code == 0, evaluated.output
    assert "model (fast)" in evaluated.stdout


def test_it_says_what_is_wrong(
    tiny_model: Path, tiny_baseline: Path, labels: Path, unlabelled: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    write_examples(tiny.word_examples(50, seed=7), other)
    for model, data, message in (
        (tiny_model, other, "not what"),
        (tiny_baseline, labels, "baseline, which is fast as it is"),
        (tmp_path / "none", labels, "no model folder"),
    ):
        result = run("distil", model, data, "--unlabelled", unlabelled)
        assert result.exit_code in (1, 2)
        assert result.stderr.startswith("error: ")
        assert message in result.stderr
    result = run("tag", "--model", tiny_model, "--tier", "fast", stdin="gas")
    assert result.exit_code == 1
    assert "has no tier 'fast'" in result.stderr


def test_the_labels_are_known_again_after_training(
    tiny_encoder: Path, labels: Path, tmp_path: Path
) -> None:
    """What `train` read from a file is what `distil` reads from it."""
    with pytest.warns(DataWarning, match="no sentence is labelled counter-terrorism"):
        examples = read_examples(labels)
    folder = train(examples, tiny.recipe(tiny_encoder, n_epochs=1), tmp_path / "m").folder
    trained_on = json.loads((folder / "metrics.json").read_text())["data"]["sha256"]
    with pytest.warns(DataWarning):
        again = read_examples(labels, domains=Tagger.load(folder).domains)
    assert again.sha256 == trained_on
