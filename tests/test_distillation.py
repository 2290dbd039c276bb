import json
import shutil

import pytest
import tiny

from diplomacy_nlp.distillation import distil
from diplomacy_nlp.errors import ConfigError, DataError, TrainingError
from diplomacy_nlp.evaluation import evaluate
from diplomacy_nlp.tagger import Tagger


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


class TestDistil:
    def test_metrics_are_those_of_the_tier(self, tiny_fast_model, words):
        fast = metrics_of(tiny_fast_model)["fast_tier"]
        tagger = Tagger.load(tiny_fast_model, tier="fast")
        for name in ("dev", "test"):
            evaluation = evaluate(tagger, words.where_split(name))
            assert fast["scores"][name] == evaluation.to_dict()
            assert evaluation.macro_f1.value > 0.75
        assert fast["n_held_out"] == pytest.approx(fast["n_unlabelled"] / 10, abs=1)
        n_passed_on = fast["passed_on_share"] * fast["n_held_out"]
        assert n_passed_on == pytest.approx(round(n_passed_on))
        assert fast["passed_on_share"] < 0.9

    def test_all_else_stays(self, tiny_model, tiny_fast_model):
        before, after = metrics_of(tiny_model), metrics_of(tiny_fast_model)
        assert after.pop("fast_tier")
        assert before == after
        for name in ("model.onnx", "tokenizer.json", "operating_points.json", "reliability.svg"):
            assert (tiny_model / name).read_bytes() == (tiny_fast_model / name).read_bytes()
        card = (tiny_fast_model / "README.md").read_text(encoding="utf-8")
        assert card.startswith((tiny_model / "README.md").read_text(encoding="utf-8").rstrip())
        assert card.count("## Fast tier") == 1
        assert Tagger.load(tiny_fast_model).thresholds == Tagger.load(tiny_model).thresholds

    def test_again_it_replaces_the_tier(self, tiny_fast_model, words, tmp_path):
        folder = shutil.copytree(tiny_fast_model, tmp_path / "model")
        recipe = tiny.distil_recipe(n_epochs=1, max_error_share=0.1)
        sets = {"others": tiny.word_examples(40, seed=9)}
        tier = distil(folder, words, tiny.unlabelled_words(), recipe, evaluation_sets=sets)
        assert list(tier.evaluations) == ["dev", "test", "others"]
        assert metrics_of(folder)["fast_tier"]["recipe"]["max_error_share"] == 0.1
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert card.count("## Fast tier") == 1
        assert "| dev |" in card

    def test_refusals(self, tiny_model, tiny_baseline, words):
        texts = tiny.unlabelled_words()
        with pytest.raises(ConfigError, match=r"not what .* was trained on"):
            distil(tiny_model, words.where_split("train"), texts)
        scored = words.where_split("dev").texts
        with pytest.raises(DataError, match="3 unlabelled sentences, where at least 200"):
            distil(tiny_model, words, ["a b", "a b", " ", "c", "d", *scored])
        with pytest.raises(TrainingError, match="baseline, which is fast as it is"):
            distil(tiny_baseline, words, texts)
