import dataclasses
import shutil

import numpy as np
import pytest

from diplomacy_nlp.calibration import Logits
from diplomacy_nlp.cascade import Cascade, open_cascade, sure_band
from diplomacy_nlp.errors import ConfigError, ModelDamagedError, ModelError, ModelFormatError
from diplomacy_nlp.model_files import FirstStage, read_model_config, write_model
from diplomacy_nlp.tagger import Tagger

BANDS = FirstStage(low=(-1.0, -2.0), high=(1.0, 2.0))


class Stage:
    """Gives a sentence, which is a number, as every logit, plus a constant."""

    def __init__(self, plus, has_relation=True):
        self.plus = plus
        self.has_relation = has_relation
        self.read = []

    def logits(self, sentences):
        self.read += sentences
        numbers = np.array([[float(s)] for s in sentences], np.float32).reshape(-1, 1) + self.plus
        return Logits(numbers.repeat(2, 1), numbers.repeat(3, 1) if self.has_relation else None)


class TestCascade:
    @pytest.mark.parametrize(
        ("columns", "passed_on"),
        [
            ([0], ["-1", "0", "1"]),
            ([1], ["-2", "-1", "0", "1", "2"]),
            ([0, 1], ["-2", "-1", "0", "1", "2"]),
        ],
    )
    def test_the_encoder_reads_what_the_first_stage_is_unsure_of(self, columns, passed_on):
        second = Stage(100)
        cascade = Cascade(Stage(0), second, BANDS, columns)
        sentences = ["-3", "-2", "-1", "0", "1", "2", "3"]
        logits = cascade.logits(sentences)
        assert second.read == passed_on
        expected = [float(s) + 100 * (s in passed_on) for s in sentences]
        assert logits.domains.T.tolist() == [expected] * 2
        assert logits.relations.T.tolist() == [expected] * 3

    def test_without_a_relation(self):
        cascade = Cascade(Stage(0, False), Stage(100, False), BANDS, [0])
        logits = cascade.logits(["0", "5"])
        assert logits.domains[:, 0].tolist() == [100, 5]
        assert logits.relations is None

    def test_without_a_sentence(self):
        assert len(Cascade(Stage(0), Stage(100), BANDS, [0]).logits([])) == 0


class TestSureBand:
    def test_errors_outside_are_as_many_as_allowed(self):
        rng = np.random.default_rng(0)
        is_tagged = rng.random(5000) < 0.1
        logits = rng.normal(size=5000) + 3 * is_tagged
        n_tagged = is_tagged.sum()
        widths = []
        for share in (0.005, 0.02, 0.05):
            low, high = sure_band(logits, is_tagged, 1.5, share)
            assert (is_tagged & (logits < low)).sum() == int(share * n_tagged)
            assert (~is_tagged & (logits > high)).sum() == int(share * n_tagged)
            widths.append(high - low)
        assert widths == sorted(widths, reverse=True)

    def test_the_cut_is_always_within(self):
        logits = np.array([-2.0, -1.0, 1.0, 2.0])
        assert sure_band(logits, logits > 0, 0.0, 0.1) == (0.0, 0.0)
        assert sure_band(logits, np.zeros(4, bool), 0.5, 0.1) == (0.5, 2.0)
        assert sure_band(logits, np.ones(4, bool), 0.5, 0.1) == (-2.0, 0.5)


@pytest.fixture(scope="module")
def unsure_model(tiny_fast_model, words, tmp_path_factory):
    """Return a folder whose first stage is unsure of a fifth of the sentences, domain by domain.

    How sure it is after training depends on the processor's rounding.
    """
    config = read_model_config(tiny_fast_model)
    cascade = open_cascade(tiny_fast_model, config, config.domains.names)
    low, high = np.quantile(cascade._first.logits(words.texts).domains, (0.4, 0.6), axis=0)
    bands = FirstStage(tuple(low.tolist()), tuple(high.tolist()))
    files = {file.name: file.read_bytes() for file in tiny_fast_model.iterdir()}
    del files["config.json"], files["SHA256SUMS"]
    folder = tmp_path_factory.mktemp("unsure") / "tiny"
    write_model(folder, dataclasses.replace(config, first_stage=bands), files)
    return folder


class TestOpenCascade:
    def test_fast_differs_from_accurate_only_where_the_first_stage_is_sure(
        self, unsure_model, words
    ):
        config = read_model_config(unsure_model)
        cascade = open_cascade(unsure_model, config, config.domains.names)
        rows = cascade.passed_on(cascade._first.logits(words.texts))
        assert 0 < len(rows) < len(words)
        fast = Tagger.load(unsure_model, tier="fast")
        accurate = Tagger.load(unsure_model)
        difference = np.abs(
            fast.predict_proba(words.texts)[rows] - accurate.predict_proba(words.texts)[rows]
        )
        assert difference.max() < 0.01
        assert (fast.predict(words.texts) == accurate.predict(words.texts)).mean() > 0.9

    def test_odd_sentences_and_the_same_answer_again(self, tiny_fast_model):
        config = read_model_config(tiny_fast_model)
        odd = ["", " \t\n", "\0", "😀", "lone \ud800 surrogate", "gas and trade " * 2_000]
        first = open_cascade(tiny_fast_model, config, config.domains.names).logits(odd)
        again = open_cascade(tiny_fast_model, config, config.domains.names).logits(odd)
        assert first.domains.shape == (6, 3)
        assert np.isfinite(first.domains).all()
        np.testing.assert_array_equal(first.domains, again.domains)
        np.testing.assert_array_equal(first.relations, again.relations)

    def test_only_the_domains_asked_for_have_to_be_sure(self, unsure_model, words):
        config = read_model_config(unsure_model)
        quick = open_cascade(unsure_model, config, ["energy"])
        every = open_cascade(unsure_model, config, config.domains.names)
        first = quick._first.logits(words.texts)
        assert set(quick.passed_on(first)) < set(every.passed_on(first))

    def test_refusals(self, tiny_model, tiny_fast_model, tmp_path):
        config = read_model_config(tiny_fast_model)
        with pytest.raises(ConfigError, match="fishing"):
            open_cascade(tiny_fast_model, config, ["fishing"])
        with pytest.raises(ModelFormatError, match="no first stage"):
            open_cascade(tiny_model, read_model_config(tiny_model), config.domains.names)
        with pytest.raises(ModelError, match="no tier 'fast'; `diplomacy-nlp distil`"):
            Tagger.load(tiny_model, tier="fast")
        with pytest.raises(ConfigError, match="tier is 'quick', not accurate or fast"):
            Tagger.load(tiny_fast_model, tier="quick")
        folder = shutil.copytree(tiny_fast_model, tmp_path / "model")
        (folder / "first_stage.onnx").write_bytes(b"no graph")
        with pytest.raises(ModelDamagedError):
            open_cascade(folder, config, config.domains.names)


class TestTagger:
    def test_goals_are_those_of_the_tier(self, tiny_fast_model):
        points = (tiny_fast_model / "fast_operating_points.json").read_text(encoding="utf-8")
        others = (tiny_fast_model / "operating_points.json").read_text(encoding="utf-8")
        assert points != others
        tagger = Tagger.load(tiny_fast_model, tier="fast", recall=0.5)
        assert tagger.thresholds != Tagger.load(tiny_fast_model, tier="fast").thresholds

    def test_config(self, tiny_model, tiny_fast_model):
        config = read_model_config(tiny_fast_model)
        assert config.tiers == ("accurate", "fast")
        assert read_model_config(tiny_model).tiers == ("accurate",)
        assert dataclasses.replace(config, first_stage=None) == read_model_config(tiny_model)
        assert all(
            low <= high
            for low, high in zip(config.first_stage.low, config.first_stage.high, strict=True)
        )
