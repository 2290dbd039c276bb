import dataclasses
import json
import shutil

import numpy as np
import onnx
import pytest
import tiny
import torch

from diplomacy_nlp import __version__, export, fitting, trainer
from diplomacy_nlp.calibration import Logits
from diplomacy_nlp.charts import reliability_chart, risk_coverage_chart, standalone
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, DomainSet
from diplomacy_nlp.errors import ConfigError, DataError, ModelError, TrainingError
from diplomacy_nlp.evaluation import evaluate
from diplomacy_nlp.model_files import read_model_config
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.splits import split_examples
from diplomacy_nlp.tagged_examples import tag_examples
from diplomacy_nlp.tagger import Tagger
from diplomacy_nlp.trainer import train

BASELINE = TrainConfig(architecture="baseline")
N_STEPS_PER_EPOCH = 35
NO_TIME = {"training_seconds": 0, "training_cpu_seconds": 0}


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def without_relations(examples, every=1):
    """Forget the relation of each first of so many examples."""
    rows = (
        row if number % every else dataclasses.replace(row, relation=None)
        for number, row in enumerate(examples)
    )
    return Examples(examples.domains, tuple(rows), examples.source)


@pytest.fixture
def ready_export(tiny_model, monkeypatch):
    """Spare the export: what comes out is the int8 model of another run on the same words."""
    data = (tiny_model / "model.onnx").read_bytes()
    monkeypatch.setattr(export, "export_int8", lambda *_: data)
    return data


class TestModelFolder:
    @pytest.mark.parametrize("model", ["tiny_model", "tiny_baseline"])
    def test_files(self, request, model):
        folder = request.getfixturevalue(model)
        weights = {"model.skops"} if "baseline" in model else {"model.onnx", "tokenizer.json"}
        assert {path.name for path in folder.iterdir()} == weights | {
            "README.md",
            "SHA256SUMS",
            "config.json",
            "metrics.json",
            "operating_points.json",
            "reliability.svg",
            "risk_coverage.svg",
        }
        assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]

    @pytest.mark.parametrize("model", ["tiny_model", "tiny_baseline"])
    def test_metrics_are_those_of_the_folder(self, request, model, words):
        folder = request.getfixturevalue(model)
        tagger = Tagger.load(folder)
        metrics = metrics_of(folder)
        for name in ("dev", "test"):
            evaluation = evaluate(tagger, words.where_split(name))
            assert metrics["scores"][name] == evaluation.to_dict()
            assert evaluation.macro_f1.value > 0.8

    def test_provenance(self, tiny_model, tiny_encoder, words):
        metrics = metrics_of(tiny_model)
        assert metrics["data"] == {
            "source": "words.jsonl",
            "sha256": words.sha256,
            "n_train": 280,
            "n_per_set": {"dev": 80, "test": 40},
        }
        recipe = tiny.recipe(tiny_encoder).to_dict()
        assert metrics["recipe"] == recipe | {"base_model": tiny_encoder.name}
        assert metrics["versions"]["diplomacy-nlp"] == __version__
        assert {"python", "torch", "onnxruntime"} < set(metrics["versions"])
        assert metrics["training_cpu_seconds"] > 0
        assert metrics["device"] in ("cpu", "gpu")
        for file in ("config.json", "metrics.json", "README.md"):
            assert str(tiny_encoder.parent) not in (tiny_model / file).read_text()
        config = read_model_config(tiny_model)
        assert config.max_length_tokens == tiny.MAX_LENGTH_TOKENS
        assert config.domains == words.domains
        assert config.default_domains == words.domains.names
        assert config.has_relation

    @pytest.mark.parametrize("model", ["tiny_model", "tiny_baseline"])
    def test_pictures_of_the_card(self, request, model, words):
        folder = request.getfixturevalue(model)
        tagger = Tagger.load(folder)
        tagged = {name: tag_examples(tagger, words.where_split(name)) for name in ("dev", "test")}
        drawn = {
            "reliability": reliability_chart(tagged),
            "risk_coverage": risk_coverage_chart(tagged),
        }
        for name, svg in drawn.items():
            assert (folder / f"{name}.svg").read_text(encoding="utf-8") == standalone(svg)
            assert f"]({name}.svg)" in (folder / "README.md").read_text(encoding="utf-8")

    def test_the_baseline_stands_beside(self, tiny_model, tiny_baseline):
        beside = metrics_of(tiny_model)["baseline_scores"]
        assert beside == metrics_of(tiny_baseline)["scores"]
        assert metrics_of(tiny_baseline)["baseline_scores"] == {}

    def test_parity(self, tiny_model):
        parity = metrics_of(tiny_model)["parity"]
        dev = metrics_of(tiny_model)["scores"]["dev"]["macro_f1"]["value"]
        assert parity["onnx_int8_dev_macro_f1"] == pytest.approx(dev, abs=1e-6)
        assert abs(parity["torch_fp32_dev_macro_f1"] - dev) <= 0.05


class TestTrain:
    def test_interrupted_and_resumed_as_if_in_one_run(
        self, tiny_model, tiny_encoder, words, tmp_path
    ):
        recipe = tiny.recipe(tiny_encoder)
        folder = tmp_path / "model"
        checkpoints = tmp_path / ".model.checkpoints"

        def interrupt(progress):
            if progress.step == N_STEPS_PER_EPOCH + 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(words, recipe, folder, progress=interrupt)
        assert not folder.exists()
        assert [path.name for path in tmp_path.iterdir()] == [checkpoints.name]

        other_recipe = dataclasses.replace(recipe, weight_decay=0.5)
        for examples, config in ((words, other_recipe), (words[10:], recipe)):
            with pytest.raises(ConfigError, match="another recipe or other data"):
                train(examples, config, folder, resume=True)
        assert not folder.exists()

        steps = []
        model = train(
            words,
            recipe,
            folder,
            resume=True,
            progress=lambda progress: steps.append(progress.step),
        )
        assert steps[0] == N_STEPS_PER_EPOCH + 1
        assert model.folder == folder
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        # tiny_model is the same run without a break.
        assert read_model_config(folder) == read_model_config(tiny_model)
        for key in ("scores", "baseline_scores", "scores_of_all_domains", "parity"):
            assert metrics_of(folder)[key] == metrics_of(tiny_model)[key]
        original, resumed = (
            Tagger.load(f).predict_proba(words.texts) for f in (tiny_model, folder)
        )
        np.testing.assert_allclose(resumed, original, rtol=0, atol=1e-4)

    def test_the_mean_of_runs_also_after_a_break(self, tiny_encoder, words, tmp_path):
        recipe = tiny.recipe(tiny_encoder, n_epochs=1)
        split = split_examples(words, seed=0, dev_share=0.1, test_share=0.1)
        seen = []

        def weights(name, config, progress=None):
            encoder = fitting.fit_encoder(split, None, config, tmp_path / name, progress)
            return encoder.model.state_dict()["classifier.weight"]

        def interrupt(progress):
            if progress.step == N_STEPS_PER_EPOCH + 3:
                raise KeyboardInterrupt
            seen.append(progress.step)

        runs = [weights(f"{seed}", dataclasses.replace(recipe, seed=seed)) for seed in (0, 1)]
        assert not torch.allclose(*runs)
        both = dataclasses.replace(recipe, n_runs=2)
        with pytest.raises(KeyboardInterrupt):
            weights("both", both, interrupt)
        mean = weights("both", both, lambda progress: seen.append(progress.step))
        torch.testing.assert_close(mean, (runs[0] + runs[1]) / 2)
        n_steps = 2 * N_STEPS_PER_EPOCH
        assert seen[: N_STEPS_PER_EPOCH + 2] == list(range(1, N_STEPS_PER_EPOCH + 3))
        assert seen[N_STEPS_PER_EPOCH + 2 :] == list(range(N_STEPS_PER_EPOCH + 1, n_steps + 1))

    @pytest.mark.usefixtures("ready_export")
    def test_without_resume_older_checkpoints_are_dropped(self, tiny_encoder, words, tmp_path):
        recipe = tiny.recipe(tiny_encoder, n_epochs=1)
        old = tmp_path / ".model.checkpoints" / "checkpoint-3"
        old.mkdir(parents=True)
        steps = []
        train(words, recipe, tmp_path / "model", progress=lambda p: steps.append(p.step))
        assert steps[0] == 1
        assert not old.parent.exists()

    @pytest.mark.usefixtures("ready_export")
    def test_resume_without_checkpoints_starts_anew(self, tiny_encoder, words, tmp_path):
        recipe = tiny.recipe(tiny_encoder, n_epochs=1)
        steps = []
        train(
            words, recipe, tmp_path / "model", resume=True, progress=lambda p: steps.append(p.step)
        )
        assert steps[0] == 1

    def test_further_from_a_model_folder(self, tiny_model, words, tmp_path):
        """Other domains, no relation, and a domain that train has no sentence of."""
        domains = DomainSet.of(["fisheries", "security", "space law"])
        rows = tuple(
            Example(
                row.text,
                {"security", "fisheries"} if "security" in row.domains else set(),
                split=row.split,
            )
            for row in words
        )
        examples = Examples(domains, rows)
        recipe = tiny.recipe(tiny_model, n_epochs=1, default_domains=("security",))
        model = train(examples, recipe, tmp_path / "further")
        config = read_model_config(model.folder)
        assert config.domains == domains
        assert not config.has_relation
        assert config.base_model == read_model_config(tiny_model).base_model
        assert metrics_of(model.folder)["recipe"]["base_model"] == tiny_model.name
        assert model.evaluations["test"].macro_f1.value > 0.8
        assert model.evaluations["test"].relation_macro_f1 is None
        tagger = Tagger.load(model.folder, domains=domains.names)
        assert not tagger.has_relation
        [sentence] = tagger.tag("The war.")
        assert sentence.relation is None
        assert sentence.relation_probabilities == {}
        assert "space law" not in sentence.domains
        assert Tagger.load(model.folder).domains.names == ("security",)
        metrics = metrics_of(model.folder)
        assert set(metrics["scores"]["test"]["domains"]) == {"security"}
        assert set(metrics["scores_of_all_domains"]["test"]["domains"]) == set(domains.names)
        assert metrics["scores_of_all_domains"]["test"]["domains"]["space law"]["f1"] is None

    def test_int8_that_loses_too_much(self, tiny_model, tiny_encoder, words, tmp_path, monkeypatch):
        folder = tmp_path / "model"
        train(words, BASELINE, folder)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        spoilt = onnx.load(tiny_model / "model.onnx")
        for weight in spoilt.graph.initializer:
            if "word_embeddings" in weight.name and weight.name.endswith("_quantized"):
                weight.raw_data = bytes(len(weight.raw_data))  # every word is the same
        monkeypatch.setattr(export, "export_int8", lambda *_: spoilt.SerializeToString())
        with pytest.raises(TrainingError) as caught:
            train(words, tiny.recipe(tiny_encoder), folder)
        assert "points of macro-F1 on 80 dev sentences against fp32, at least" in str(caught.value)
        assert "0.50 are allowed" in str(caught.value)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    @pytest.mark.usefixtures("ready_export")
    def test_another_seed_another_model(self, tiny_encoder, words, tmp_path):
        scores = {}
        for seed in (1, 2):
            recipe = tiny.recipe(tiny_encoder, n_epochs=2, seed=seed)
            scores[seed] = seen = []
            train(
                words,
                recipe,
                tmp_path / str(seed),
                progress=lambda progress, seen=seen: seen.append(progress.dev_macro_f1),
            )
        assert scores[1] != scores[2]


class TestParity:
    """The tolerance of half a point, beyond what chance may explain."""

    class Fixed:
        def __init__(self, domains):
            self.domains = domains

        def logits(self, _):
            return Logits(self.domains)

    @pytest.mark.parametrize(
        ("n_sentences", "n_wrong", "allowed"),
        [(1_000, 0, True), (1_000, 4, True), (1_000, 20, False), (100, 1, True), (100, 5, False)],
    )
    def test_tolerance(self, tiny_model, words, n_sentences, n_wrong, allowed):
        config = dataclasses.replace(
            read_model_config(tiny_model), default_domains=("trade", "energy")
        )
        dev = words.select([i % len(words) for i in range(n_sentences)])
        plain = np.where(dev.labels, 4.0, -4.0).astype(np.float32)
        int8 = plain.copy()
        positives = np.flatnonzero(dev.labels[:, 1])[:n_wrong]
        int8[positives, 1] = -9.0  # below every negative, so that no threshold mends it
        int8[:, 2] = 0.0  # security is no default domain
        fitted = fitting.FittedModel(config, {}, self.Fixed(int8), {})
        if allowed:
            scores = fitting._parity(plain, fitted, dev)
            assert scores["torch_fp32_dev_macro_f1"] == 1.0
            assert 0.99 < scores["onnx_int8_dev_macro_f1"] <= 1.0
        else:
            with pytest.raises(TrainingError, match=r"int8 loses .* Nothing was written"):
                fitting._parity(plain, fitted, dev)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU for torch here")
class TestOnAGpu:
    @pytest.mark.parametrize("precision", ["auto", "float32"])
    def test_trains_and_says_so(self, tiny_encoder, words, tmp_path, precision):
        recipe = tiny.recipe(tiny_encoder, precision=precision)
        model = train(words, recipe, tmp_path / "model")
        assert torch.cuda.max_memory_allocated() > 0
        assert metrics_of(model.folder)["device"] == "gpu"
        assert model.evaluations["test"].macro_f1.value > 0.8
        assert Tagger.load(model.folder).predict(["gas"]).tolist() == [[True, False, False]]


class TestBaseline:
    """What does not depend on the architecture, with the one that takes no time."""

    def test_same_data_same_model(self, words, tiny_baseline, tmp_path):
        folder = train(words, BASELINE, tmp_path / "again").folder
        assert read_model_config(folder) == read_model_config(tiny_baseline)
        first, again = (metrics_of(f) | NO_TIME for f in (folder, tiny_baseline))
        assert first == again

    def test_seed_of_the_split(self, words, tmp_path):
        examples = Examples(
            words.domains, tuple(dataclasses.replace(row, split=None) for row in words)
        )
        scores = [
            metrics_of(train(examples, dataclasses.replace(BASELINE, seed=s), tmp_path / n).folder)
            for n, s in (("first", 1), ("again", 1), ("other", 2))
        ]
        first, again, other = (score | NO_TIME for score in scores)
        assert first == again
        assert first["scores"] != other["scores"]
        split = split_examples(examples, seed=1)
        assert first["data"]["n_per_set"] == {"dev": len(split.dev), "test": len(split.test)}

    def test_an_older_model_is_replaced(self, words, tiny_model, tmp_path):
        folder = shutil.copytree(tiny_model, tmp_path / "model")
        train(words, BASELINE, folder)
        assert read_model_config(folder).backend == "skops"
        assert not (folder / "model.onnx").exists()

    def test_a_foreign_folder_is_refused_before_the_training(self, words, tmp_path, monkeypatch):
        (tmp_path / "thesis.txt").write_text("two years of work")
        monkeypatch.setattr(trainer, "split_examples", lambda *_, **__: pytest.fail("too late"))
        with pytest.raises(ModelError, match="is not a model folder; choose another"):
            train(words, BASELINE, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    def test_relation_known_of_some(self, words, tmp_path):
        folder = train(without_relations(words, every=2), BASELINE, tmp_path / "model").folder
        assert Tagger.load(folder).has_relation
        relation = metrics_of(folder)["scores"]["test"]["relation_macro_f1"]
        assert relation["value"] > 0.8

    def test_relation_known_of_none(self, words, tmp_path):
        folder = train(without_relations(words), BASELINE, tmp_path / "model").folder
        assert not read_model_config(folder).has_relation
        [sentence] = Tagger.load(folder).tag("They agreed.")
        assert sentence.relation is None

    def test_relation_known_in_dev_alone(self, words, tmp_path):
        rows = tuple(
            row if row.split == "dev" else dataclasses.replace(row, relation=None) for row in words
        )
        folder = train(Examples(words.domains, rows), BASELINE, tmp_path / "model").folder
        assert not read_model_config(folder).has_relation

    def test_a_relation_that_train_lacks_is_never_said(self, words, tmp_path):
        rows = tuple(row for row in words if row.relation != "neutral")
        folder = train(Examples(words.domains, rows), BASELINE, tmp_path / "model").folder
        said = {s.relation for [s] in Tagger.load(folder).tag_texts(words.texts)}
        assert said == {"cooperation", "conflict"}

    def test_a_domain_without_positives_is_never_tagged(self, words, tmp_path):
        examples = words.with_domains(DomainSet.of(["energy", "health", "trade"]))
        model = train(examples, BASELINE, tmp_path / "model")
        tagger = Tagger.load(model.folder)
        assert not tagger.predict(words.texts)[:, 1].any()
        assert tagger.predict(words.texts)[:, [0, 2]].any(axis=0).all()
        assert model.evaluations["test"].domains[1].support == 0
        assert metrics_of(model.folder)["scores"]["test"]["domains"]["health"]["f1"] is None

    def test_one_domain(self, words, tmp_path):
        examples = words.with_domains(DomainSet.of(["trade"]))
        folder = train(examples, BASELINE, tmp_path / "model").folder
        tagger = Tagger.load(folder)
        assert tagger.predict(["the trade", "the year"]).tolist() == [[True], [False]]

    def test_default_domains(self, words, tmp_path):
        config = dataclasses.replace(BASELINE, default_domains=("trade",))
        model = train(words, config, tmp_path / "model")
        assert Tagger.load(model.folder).domains.names == ("trade",)
        assert [scores.domain for scores in model.evaluations["test"].domains] == ["trade"]

    def test_notes_for_the_card(self, words, tmp_path):
        model = train(words, BASELINE, tmp_path / "model", card_notes="## Licence\n\nOurs.\n")
        card = (model.folder / "README.md").read_text(encoding="utf-8")
        assert "\n## Licence\n\nOurs.\n\n## Domains\n" in card

    def test_evaluation_sets(self, words, tmp_path):
        other = words.where_split("train")[:50].with_domains(CORE.select(["trade", "energy"]))
        sets = {"other": other, "none": words[:0]}
        model = train(words, BASELINE, tmp_path / "model", evaluation_sets=sets)
        assert list(model.evaluations) == ["dev", "test", "other"]
        assert metrics_of(model.folder)["scores"]["other"]["n_sentences"] == 50
        assert "### other: 50 sentences" in (model.folder / "README.md").read_text()

    def test_an_evaluation_set_of_other_domains(self, words, tmp_path, monkeypatch):
        monkeypatch.setattr(trainer, "split_examples", lambda *_, **__: pytest.fail("too late"))
        other = words[:5].with_domains(DomainSet.of(["health"]))
        with pytest.raises(DataError, match=r"^other: the domains are health; the model will tag"):
            train(words, BASELINE, tmp_path / "model", evaluation_sets={"other": other})

    def test_two_parts_without_a_test_set(self, words, tmp_path):
        rows = tuple(row for row in words if row.split != "test")
        model = train(Examples(words.domains, rows), BASELINE, tmp_path / "model")
        assert list(model.evaluations) == ["dev"]

    def test_nothing_to_learn(self, words, tmp_path):
        examples = words.with_domains(DomainSet.of(["health"]))
        with pytest.raises(DataError, match="no training example has a domain"):
            train(examples, BASELINE, tmp_path / "model")

    def test_words_that_never_recur(self, tmp_path):
        rows = tuple(
            Example(word, {"trade"} if i % 2 else set())
            for i, word in enumerate("oil gas war pact talks ships fish cars grain".split())
        )
        with pytest.raises(DataError, match="7 sentences are too few to learn from"):
            train(Examples(DomainSet.of(["trade"]), rows), BASELINE, tmp_path / "model")

    def test_unknown_default_domain(self, words, tmp_path):
        config = dataclasses.replace(BASELINE, default_domains=("tarde",))
        with pytest.raises(ConfigError, match="unknown domain 'tarde'"):
            train(words, config, tmp_path / "model")

    def test_default_recipe_and_output(self, words, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        seen = []
        monkeypatch.setattr(
            trainer, "split_examples", lambda *_, **shares: seen.append(shares) or 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            train(words)
        assert seen == [{"seed": 0, "dev_share": 0.1, "test_share": 0.1}]
        assert not list(tmp_path.iterdir())


class TestSelfTraining:
    def test_a_student_of_two_teachers(self, tiny_model, tiny_encoder, words, tmp_path):
        teachers = [Tagger.load(tiny_model), Tagger.load(tiny_model)]
        unlabelled = tiny.word_examples(200, seed=5).texts
        recipe = tiny.recipe(tiny_encoder, n_epochs=2, n_unlabelled=100)
        few = Examples(words.domains, words.where_split("train")[:40].rows, "few.jsonl")
        rows = (*few.rows, *words.where_split("dev").rows, *words.where_split("test").rows)
        examples = Examples(words.domains, rows, "few.jsonl")
        scored = words.where_split("test").texts
        student = train(
            examples,
            recipe,
            tmp_path / "student",
            teachers=teachers,
            unlabelled=[*unlabelled, *scored],
        )
        alone = train(examples, recipe, tmp_path / "alone")
        assert (
            student.evaluations["test"].macro_average_precision.value
            > alone.evaluations["test"].macro_average_precision.value
        )
        metrics = metrics_of(tmp_path / "student")
        assert metrics["unlabelled"]["n_sentences"] == 100
        assert len(metrics["unlabelled"]["sha256"]) == 64
        assert metrics_of(tmp_path / "alone")["unlabelled"] is None

    def test_sentences_to_be_scored_are_left_out(self, tiny_model, words, tmp_path):
        scored = [*words.where_split("dev").texts, *words.where_split("test").texts]
        with pytest.raises(DataError, match="no sentence"):
            train(
                words, teachers=[Tagger.load(tiny_model)], unlabelled=scored, output=tmp_path / "m"
            )

    @pytest.mark.parametrize("given", ["teachers", "unlabelled", "baseline"])
    def test_one_without_the_other(self, tiny_model, words, tmp_path, given):
        teachers = [] if given == "unlabelled" else [Tagger.load(tiny_model)]
        unlabelled = [] if given == "teachers" else ["They met."]
        config = BASELINE if given == "baseline" else TrainConfig()
        with pytest.raises(ConfigError, match="teachers and unlabelled sentences together"):
            train(words, config, tmp_path / "m", teachers=teachers, unlabelled=unlabelled)
