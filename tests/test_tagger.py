import dataclasses
import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from fakes import FAKE_CONFIG, KeywordBackend

from diplomacy_nlp import tagger as tagger_module
from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.domains import CORE, RELATIONS, WIDE, DomainSet
from diplomacy_nlp.errors import ConfigError, ModelDamagedError, ModelNotFoundError
from diplomacy_nlp.sentences import Sentence, split_lines, split_sentences
from diplomacy_nlp.tagger import TaggedSentence, Tagger

TEXT = "They agree on gas and trade.\r\nHe left. 😀 Armies were accused."


@pytest.fixture
def tagger():
    return Tagger(KeywordBackend(), FAKE_CONFIG)


class NoRelation(KeywordBackend):
    def logits(self, sentences):
        return Logits(super().logits(sentences).domains)


class TestTag:
    def test_sentences(self, tagger):
        sentences = tagger.tag(TEXT)
        assert [s.domains for s in sentences] == [("energy", "trade"), (), ("security",)]
        assert [s.relation for s in sentences] == ["cooperation", "neutral", "conflict"]
        assert all(TEXT[s.start : s.end] == s.text for s in sentences)
        assert [Sentence(s.text, s.start, s.end) for s in sentences] == split_sentences(TEXT)

    def test_probabilities(self, tagger):
        [sentence] = tagger.tag("They agree on gas.")
        assert tuple(sentence.probabilities) == CORE.names
        assert sentence.probabilities["energy"] == pytest.approx(1 / (1 + np.exp(-3)))
        assert sentence.probabilities["trade"] == pytest.approx(1 / (1 + np.exp(3)))
        assert tuple(sentence.relation_probabilities) == RELATIONS
        assert sum(sentence.relation_probabilities.values()) == pytest.approx(1)

    def test_results_are_frozen(self, tagger):
        [sentence] = tagger.tag("Gas.")
        with pytest.raises(dataclasses.FrozenInstanceError):
            sentence.text = "Oil."
        with pytest.raises(TypeError):
            sentence.probabilities["energy"] = 0.0
        with pytest.raises(TypeError):
            sentence.relation_probabilities["conflict"] = 0.0

    def test_results_are_plain(self, tagger):
        [sentence] = tagger.tag("They agree on gas.")
        fields = {
            "domains": sentence.domains,
            "probabilities": dict(sentence.probabilities),
            "relation": dict(sentence.relation_probabilities),
        }
        assert json.loads(json.dumps(fields))["domains"] == ["energy"]

    @pytest.mark.parametrize("text", ["", " \n\t\r\n", "\ufeff"])
    def test_no_sentence(self, tagger, text):
        assert tagger.tag(text) == []

    def test_lone_surrogate(self, tiny_model):
        text = "Gas \udcff and trade."
        [sentence] = Tagger.load(tiny_model).tag(text)
        assert sentence.text == text

    def test_splitters(self, tagger):
        lines = tagger.tag("Gas. Trade.\nWar.", splitter=split_lines)
        assert [s.text for s in lines] == ["Gas. Trade.", "War."]
        whole = tagger.tag("a b", splitter=lambda text: [Sentence(text, 0, len(text))])
        assert [s.text for s in whole] == ["a b"]

    def test_without_relation(self):
        config = dataclasses.replace(FAKE_CONFIG, has_relation=False)
        tagger = Tagger(NoRelation(), config)
        assert not tagger.has_relation
        [sentence] = tagger.tag("They agree on gas.")
        assert sentence.relation is None
        assert dict(sentence.relation_probabilities) == {}
        assert tagger.predict_all(["gas"]).relation_probabilities is None


class TestPredict:
    def test_arrays(self, tagger):
        sentences = ["oil and trade", "rain", "the armies"]
        probabilities = tagger.predict_proba(sentences)
        assert probabilities.shape == (3, 4)
        assert probabilities.dtype == np.float32
        tags = tagger.predict(sentences)
        assert tags.dtype == np.bool_
        np.testing.assert_array_equal(tags, [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]])
        prediction = tagger.predict_all(sentences)
        np.testing.assert_array_equal(prediction.probabilities, probabilities)
        np.testing.assert_array_equal(prediction.tags, tags)
        assert prediction.relation_probabilities.shape == (3, 3)

    @pytest.mark.parametrize("model", ["tiny_model", "tiny_baseline"])
    def test_nothing(self, request, model):
        tagger = Tagger.load(request.getfixturevalue(model))
        prediction = tagger.predict_all([])
        assert prediction.probabilities.shape == prediction.tags.shape == (0, 3)
        assert prediction.relation_probabilities.shape == (0, 3)

    def test_tag_agrees_with_predict(self, tiny_model, words):
        tagger = Tagger.load(tiny_model)
        texts = words.texts[:50]
        prediction = tagger.predict_all(texts)
        for row, tagged in enumerate(tagger.tag("\n".join(texts), splitter=split_lines)):
            assert list(tagged.probabilities.values()) == prediction.probabilities[row].tolist()
            tags = [name in tagged.domains for name in tagger.domains.names]
            assert tags == prediction.tags[row].tolist()
            assert RELATIONS.index(tagged.relation) == (
                prediction.relation_probabilities[row].argmax()
            )


class TestDomains:
    def test_default(self, tagger):
        assert tagger.domains == CORE

    def test_wide(self):
        assert Tagger(KeywordBackend(), FAKE_CONFIG, domains="wide").domains == WIDE
        assert Tagger(KeywordBackend(), FAKE_CONFIG, domains="core").domains == CORE

    def test_own_order(self, tagger):
        chosen = Tagger(KeywordBackend(), FAKE_CONFIG, domains=["trade", "health", "energy"])
        assert chosen.domains == WIDE.select(["trade", "health", "energy"])
        sentences = ["oil", "trade"]
        np.testing.assert_array_equal(
            chosen.predict_proba(sentences)[:, [2, 0]], tagger.predict_proba(sentences)[:, :2]
        )
        assert chosen.tag("Oil and trade.")[0].domains == ("trade", "energy")

    def test_calibration_goes_with_its_domain(self):
        calibration = Calibration(
            slopes=(1.0, 2.0, 1.0), intercepts=(0.0, 0.0, -9.0), thresholds=(0.5, 0.99, 0.5)
        )
        config = dataclasses.replace(
            FAKE_CONFIG,
            domains=DomainSet.of(["energy", "trade", "security"]),
            default_domains=("trade",),
            calibration=calibration,
        )

        class First3(KeywordBackend):
            def logits(self, sentences):
                return Logits(super().logits(sentences).domains[:, :3])

        tagger = Tagger(First3(), config, domains=["security", "trade"])
        assert tagger.thresholds == {"security": 0.5, "trade": 0.99}
        [row] = tagger.predict_proba(["trade and armies"])
        assert row == pytest.approx([1 / (1 + np.exp(9 - 3)), 1 / (1 + np.exp(-6))])
        assert Tagger(First3(), config).domains.names == ("trade",)

    @pytest.mark.parametrize(
        ("domains", "message"),
        [
            (["trade", "tarde"], "unknown domain 'tarde'"),
            (["trade", "trade"], "'trade' stands twice"),
            ([], "at least one domain"),
            ("trade", "domains is 'trade', not 'core', 'wide' or a list of names"),
        ],
    )
    def test_wrong(self, domains, message):
        with pytest.raises(ConfigError, match=message):
            Tagger(KeywordBackend(), FAKE_CONFIG, domains=domains)

    def test_model_lacks_them(self, tiny_model):
        with pytest.raises(ConfigError, match="unknown domain 'counter-terrorism'"):
            Tagger.load(tiny_model, domains="core")


class TestThresholds:
    def test_replace_the_models_own(self, tagger):
        strict = Tagger(KeywordBackend(), FAKE_CONFIG, thresholds={"energy": 0.99, "trade": 0})
        assert strict.thresholds == tagger.thresholds | {"energy": 0.99, "trade": 0.0}
        np.testing.assert_array_equal(strict.predict(["oil and armies"]), [[0, 1, 1, 0]])
        np.testing.assert_array_equal(strict.predict_proba(["oil"]), tagger.predict_proba(["oil"]))

    @pytest.mark.parametrize(
        ("thresholds", "message"),
        [
            ({"tarde": 0.5}, "unknown domain 'tarde'"),
            ({"health": 0.5}, "unknown domain 'health'"),  # which is not tagged
            ({"trade": 1.01}, r"thresholds must lie in \[0, 1\], not 1.01"),
            ({"trade": -0.1}, r"thresholds must lie in \[0, 1\]"),
            ({"trade": float("nan")}, "thresholds must be finite"),
            ({"trade": "0.5"}, "thresholds must be finite"),
        ],
    )
    def test_wrong(self, thresholds, message):
        with pytest.raises(ConfigError, match=message):
            Tagger(KeywordBackend(), FAKE_CONFIG, thresholds=thresholds)

    def test_of_a_model(self, tiny_model):
        own = Tagger.load(tiny_model).thresholds
        assert set(own) == {"energy", "trade", "security"}
        changed = Tagger.load(tiny_model, domains=["trade"], thresholds={"trade": 0.125})
        assert changed.thresholds == {"trade": 0.125}


class TestTagTexts:
    def test_agrees_with_tag(self, tagger):
        texts = [TEXT, "", "Trade.", " \n"] * 3
        assert list(tagger.tag_texts(texts)) == [tagger.tag(text) for text in texts]

    def test_splitter(self, tagger):
        [sentences] = tagger.tag_texts(["Gas. Oil.\nWar."], splitter=split_lines)
        assert [s.text for s in sentences] == ["Gas. Oil.", "War."]

    def test_no_text(self, tagger):
        assert list(tagger.tag_texts([])) == []

    @pytest.mark.parametrize(("text", "ahead"), [("Gas.", 16), ("Gas. War.", 8), ("", 16)])
    def test_reads_a_fixed_number_ahead(self, tagger, monkeypatch, text, ahead):
        monkeypatch.setattr(tagger_module, "_PASS_SENTENCES", 16)
        n_read = 0

        def endless() -> Iterator[str]:
            nonlocal n_read
            while True:
                n_read += 1
                yield text

        stream = tagger.tag_texts(endless())
        assert n_read == 0
        for n_tagged in range(1, 100):
            assert len(next(stream)) == text.count(".")
            assert n_read == -(-n_tagged // ahead) * ahead

    def test_passes_of_about_a_thousand_sentences(self, tagger, monkeypatch):
        sizes = []

        def count(_, sentences):
            sizes.append(len(sentences))
            return Logits(np.zeros((len(sentences), 13), dtype=np.float32))

        monkeypatch.setattr(KeywordBackend, "logits", count)
        list(tagger.tag_texts(["Gas. War."] * 1_300))
        assert sizes == [1024, 1024, 552]


class TestLoad:
    @pytest.mark.parametrize("model", ["tiny_model", "tiny_baseline"])
    def test_saved_equals_loaded_elsewhere(self, request, tmp_path, words, model):
        folder = request.getfixturevalue(model)
        copied = shutil.copytree(folder, tmp_path / "copy")
        original = Tagger.load(folder).predict_all(words.texts)
        loaded = Tagger.load(str(copied)).predict_all(words.texts)
        np.testing.assert_array_equal(loaded.probabilities, original.probabilities)
        np.testing.assert_array_equal(loaded.tags, original.tags)
        np.testing.assert_array_equal(
            loaded.relation_probabilities, original.relation_probabilities
        )

    def test_damaged(self, tiny_model, tmp_path):
        copied = shutil.copytree(tiny_model, tmp_path / "copy")
        with (copied / "model.onnx").open("ab") as file:
            file.write(b"\0")
        with pytest.raises(ModelDamagedError, match=r"model\.onnx is damaged"):
            Tagger.load(copied)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(ModelNotFoundError):
            Tagger.load(tmp_path / "none")


def test_fields_of_a_tagged_sentence():
    assert [field.name for field in dataclasses.fields(TaggedSentence)] == [
        "text",
        "start",
        "end",
        "domains",
        "probabilities",
        "relation",
        "relation_probabilities",
    ]


def test_one_string_is_not_taken_for_many(tiny_model):
    tagger = Tagger.load(tiny_model)
    with pytest.raises(TypeError, match="sentences is one string"):
        tagger.predict_proba("gas war")
    with pytest.raises(TypeError, match="texts is one string"):
        next(tagger.tag_texts("gas war"))
