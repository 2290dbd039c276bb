"""How the shipped models are made, on a small corpus of the same form."""

import gzip
import hashlib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import diplomacy_nlp
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.dataset_writer import write_examples
from diplomacy_nlp.distillation import FastTier
from diplomacy_nlp.domains import CORE, WIDE
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.model_files import SHIPPED_MODELS, read_model_config
from diplomacy_nlp.progress import Progress
from diplomacy_nlp.recipe import MINILM, read_recipe
from diplomacy_nlp.tagger import Tagger
from diplomacy_nlp.trainer import TrainedModel

ROOT = Path(__file__).resolve().parent.parent
SPLITS = ("train", "train", "dev", "test", "test_source")
UNLABELLED = ("Short.", "The ministers met again and agreed on nothing.", "word " * 6 + "end.")

sys.path.insert(0, str(ROOT / "training"))
train_models = importlib.import_module("train_models")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Return a labelled.jsonl of the project's own sentences."""
    written = diplomacy_nlp.read_examples(ROOT / "data" / "written.jsonl", domains=WIDE)
    rows = tuple(
        Example(
            f"{row.text} Really.",
            row.domains,
            relation=row.relation,
            split=SPLITS[number % len(SPLITS)],
            group=f"d{number // 2}",
            id=f"l{number}",
        )
        for number, row in enumerate(written[:300])
    )
    path = tmp_path_factory.mktemp("corpus") / "labelled.jsonl"
    write_examples(Examples(WIDE, rows), path)
    with gzip.open(path.with_name("unlabelled.jsonl.gz"), "wt", encoding="utf-8") as lines:
        for text in UNLABELLED:
            print(json.dumps({"text": text}), file=lines)
    return path


@pytest.fixture
def corrections(monkeypatch, tmp_path):
    """Stand in for data/corrections.jsonl, which speaks of real sentences."""
    path = tmp_path / "corrections.jsonl"
    path.write_text("")
    monkeypatch.setattr(train_models, "_CORRECTIONS", path)
    return path


@pytest.fixture
def distilled():
    """Return a list of what was asked of the distillation."""
    return []


@pytest.fixture
def run(labelled, corrections, distilled, monkeypatch, tmp_path):
    """Run the script with arguments, on the small corpus and recipes that take no time."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    for name in (*SHIPPED_MODELS, "teacher", "student"):
        (recipes / f"{name}.toml").write_text(
            f'architecture = "baseline"\ndefault_domains = {list(CORE.names)}\n'
        )
    monkeypatch.setattr(train_models, "_RECIPES", recipes)
    monkeypatch.setattr(train_models, "find_labelled", lambda _: labelled)
    monkeypatch.setattr(train_models, "_BUILD", tmp_path / "build")

    def distil(folder, examples, unlabelled, *, evaluation_sets, progress):
        progress(Progress(1, 10, 0.1, None))
        distilled.append((folder, examples.splits, unlabelled, list(evaluation_sets)))
        return FastTier(folder, 0.08, {})

    monkeypatch.setattr(train_models, "distil", distil)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["train_models.py", *map(str, arguments)])
        return train_models.main()

    return run


class TestCorpus:
    @pytest.fixture
    def corpus(self, labelled, corrections):  # noqa: ARG002
        return train_models.read_corpus(labelled)

    def test_test_sets_stay_apart(self, corpus):
        trained_on = {row.text for row in corpus.training if row.split in ("train", "dev")}
        scored = [row.text for row in corpus.training if row.split == "test"]
        for examples in corpus.evaluation_sets.values():
            scored += examples.texts
        assert scored
        assert not trained_on & set(scored)
        assert set(corpus.evaluation_sets) == {"test_source", "written", "reports"}

    def test_written_sentences_train_too(self, corpus):
        written = diplomacy_nlp.read_examples(ROOT / "data" / "written.jsonl", domains=WIDE)
        for split in ("train", "dev"):
            ours = {row.text for row in corpus.training.where_split(split)}
            assert {row.text for row in written.where_split(split)} <= ours
        assert corpus.evaluation_sets["written"] == written.where_split("test")

    def test_teachers_label_a_part_of_the_unlabelled_sentences(self, corpus):
        assert corpus.unlabelled == list(UNLABELLED)
        assert train_models.lesson(corpus.unlabelled) == [UNLABELLED[2]]

    def test_what_was_labelled_since_is_unlabelled_no_more(self, labelled, monkeypatch, tmp_path):
        row = {"source": "s", "doc": "s:1", "sent": 0, "split": "train", "relation": "conflict"}
        row |= {"domains": ["trade"], "sha256": hashlib.sha256(UNLABELLED[1].encode()).hexdigest()}
        doubted = tmp_path / "doubted.jsonl"
        doubted.write_text(json.dumps(row) + "\n")
        monkeypatch.setattr(train_models, "_CORRECTIONS", Path(os.devnull))
        monkeypatch.setattr(train_models, "_DOUBTED", doubted)
        corpus = train_models.read_corpus(labelled)
        assert corpus.unlabelled == [UNLABELLED[0], UNLABELLED[2]]
        [example] = [row for row in corpus.training if row.text == UNLABELLED[1]]
        assert example == Example(
            UNLABELLED[1], {"trade"}, relation="conflict", split="train", group="s:1", source="s"
        )

    def test_corrections(self, labelled, corrections):
        before = {row.id: row for row in train_models.read_corpus(labelled).training}
        row = {"id": "l0", "domains": ["culture"], "relation": "conflict", "reason": "why"}
        corrections.write_text(json.dumps(row) + "\n")
        after = {row.id: row for row in train_models.read_corpus(labelled).training}
        assert after.pop("l0").domains == {"culture"} != before.pop("l0").domains
        assert after == before

    @pytest.mark.parametrize(
        ("id_", "message"), [("l2", "l2 is not of train"), ("l999", "no sentence l999")]
    )
    def test_corrections_of_other_sentences(self, labelled, corrections, id_, message):
        row = {"id": id_, "domains": [], "relation": "neutral", "reason": "why"}
        corrections.write_text(json.dumps(row) + "\n")
        with pytest.raises(DataError, match=message):
            train_models.read_corpus(labelled)

    def test_domains(self, corpus):
        assert corpus.training.domains == WIDE
        assert all(examples.domains == WIDE for examples in corpus.evaluation_sets.values())


class TestMain:
    def test_makes_one_model(self, run, distilled, tmp_path, capsys):
        assert run("baseline", "--output", tmp_path / "models") == 0
        assert not distilled
        assert [path.name for path in (tmp_path / "models").iterdir()] == ["baseline"]
        config = read_model_config(tmp_path / "models" / "baseline")
        assert config.domains == WIDE
        assert config.default_domains == CORE.names
        assert config.has_relation
        printed = capsys.readouterr().out
        for name in ("dev", "test", "test_source", "written", "reports"):
            assert f"baseline {name}: 0." in printed

    def test_makes_every_model_in_its_folder(self, run, distilled, monkeypatch, tmp_path):
        made = []

        def train(examples, recipe, output, *, evaluation_sets, card_notes, progress, **teaching):
            assert "## Licence" in card_notes
            progress(Progress(1, 10, 0.1, None))
            progress(Progress(2, 10, 0.2, 0.5))
            made.append((output, recipe, list(evaluation_sets), examples.splits, teaching))
            f1 = {"value": 0.9 if output.name == "student-1" else 0.8}
            output.mkdir(parents=True)
            metrics = {"scores": {"dev": {"macro_f1": f1}}}
            (output / "metrics.json").write_text(json.dumps(metrics))
            return TrainedModel(output, {}, {})

        monkeypatch.setattr(train_models, "train", train)
        monkeypatch.setattr(Tagger, "load", lambda folder, domains: (folder.name, domains))
        build = tmp_path / "build"
        (build / "teacher-1").mkdir(parents=True)
        assert run("--output", tmp_path) == 0
        sets = ["test_source", "written", "reports"]
        splits = {"train", "dev", "test", "test_source"}
        unscored = splits - {"test"}

        def taught_by(name):
            teachers = [(f"{name}-{seed}", "wide") for seed in range(3)]
            return {"teachers": teachers, "unlabelled": [UNLABELLED[2]]}

        assert [(output, recipe.seed, *rest) for output, recipe, *rest in made] == [
            *((build / f"teacher-{seed}", seed, [], unscored, {}) for seed in (0, 2)),
            *(
                (build / f"student-{seed}", seed, [], unscored, taught_by("teacher"))
                for seed in range(3)
            ),
            (tmp_path / "default", 0, sets, splits, taught_by("student")),
            (tmp_path / "baseline", 0, sets, splits, {}),
        ]
        assert made[-2][1].base_model == str(build / "student-1")
        assert distilled == [(tmp_path / "default", splits, list(UNLABELLED), sets)]
        # Students that stand need no teachers.
        shutil.rmtree(build / "teacher-1")
        made.clear()
        assert run("default", "--output", tmp_path / "again") == 0
        assert [output for output, *_ in made] == [tmp_path / "again" / "default"]

    def test_makes_the_fast_tier_alone(self, run, distilled, tmp_path, capsys):
        assert run("fast", "--output", tmp_path) == 0
        assert [folder for folder, *_ in distilled] == [tmp_path / "default"]
        assert not (tmp_path / "default").exists()
        assert "fast passes on 8.0% of running text" in capsys.readouterr().out

    def test_without_teachers(self, run, tmp_path):
        assert run("default", "--without-teachers", "--output", tmp_path / "models") == 0
        assert not (tmp_path / "build").exists()
        assert (tmp_path / "models" / "default" / "config.json").exists()

    def test_without_unlabelled_sentences(self, run, labelled, tmp_path, monkeypatch, capsys):
        alone = tmp_path / "labelled.jsonl"
        alone.write_bytes(labelled.read_bytes())
        monkeypatch.setattr(train_models, "find_labelled", lambda _: alone)
        assert run("default", "--output", tmp_path / "models") == 1
        assert "no unlabelled.jsonl.gz" in capsys.readouterr().err

    def test_unknown_recipe(self, run, capsys):
        with pytest.raises(SystemExit) as caught:
            run("defualt")
        assert caught.value.code == 2
        assert "no recipe defualt" in capsys.readouterr().err

    def test_without_the_corpus(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr(sys, "argv", ["train_models.py", "--corpus", str(tmp_path)])
        assert train_models.main() == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "python training/build_corpus.py --clones" in error


def test_calls_the_public_function():
    assert train_models.train is diplomacy_nlp.train


def test_recipes_are_those_of_the_shipped_models():
    recipes = {path.stem: read_recipe(path) for path in (ROOT / "training/recipes").glob("*.toml")}
    assert set(recipes) == {*SHIPPED_MODELS, "teacher", "student"}
    assert {recipe.default_domains for recipe in recipes.values()} == {CORE.names}
    assert recipes["default"].base_model == MINILM
    assert [recipes[name].architecture for name in SHIPPED_MODELS] == ["transformer", "baseline"]
