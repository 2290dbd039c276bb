import dataclasses
import json
import pickle
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import tiny
from fakes import FAKE_CONFIG, FAKE_POINTS, KeywordBackend

from diplomacy_nlp import tagger as tagger_module
from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.domains import CORE, RELATIONS, WIDE, DomainSet
from diplomacy_nlp.errors import ConfigError, ModelDamagedError, ModelError, ModelNotFoundError
from diplomacy_nlp.operating_points import OPERATING_POINTS_FILE, Band, read_operating_points
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

    @pytest.mark.parametrize("tier", ["accurate", "fast"])
    def test_the_shipped_model_says_the_same_of_a_sentence_in_any_company(self, tier):
        tagger = Tagger.load("default", domains="wide", tier=tier)
        texts = tiny.written_examples().texts[:60]
        company = tagger.predict_proba(texts)
        alone = np.vstack([tagger.predict_proba([text]) for text in texts])
        # Equal where this was tried; elsewhere another order of sums may round a step away.
        np.testing.assert_allclose(alone, company, rtol=0, atol=0.02)

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


def tagger_with(**options):
    return Tagger(KeywordBackend(), FAKE_CONFIG, operating_points=FAKE_POINTS, **options)


class TestGoals:
    @pytest.mark.parametrize("measure", ["precision", "recall"])
    def test_for_every_domain(self, measure):
        tagger = tagger_with(**{measure: 0.75}, domains="wide")
        assert set(tagger.thresholds) == set(WIDE.names)
        assert set(tagger.thresholds.values()) == {0.75 if measure == "precision" else 0.25}

    def test_for_some(self):
        tagger = tagger_with(recall={"trade": 0.875 + 0.005})
        assert tagger.thresholds == dict.fromkeys(CORE.names, 0.5) | {"trade": 0.12}

    def test_a_threshold_goes_before_a_goal(self):
        # The model could not reach the goal, but is not asked to.
        tagger = tagger_with(precision=0.95, domains=["trade"], thresholds={"trade": 0.7})
        assert tagger.thresholds == {"trade": 0.7}

    def test_tags_follow(self):
        assert tagger_with(recall=0.97).predict(["oil"]).all()
        assert tagger_with(precision=0.9).predict(["oil"]).tolist() == [[1, 0, 0, 0]]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"precision": 0.95}, "energy: precision 0.95 cannot be had; the best that dev shows"),
            ({"precision": 0.9, "recall": 0.9}, "precision and recall are both set"),
            ({"precision": 90}, "precision is 90, not one of 0.50"),
            ({"recall": {"tarde": 0.9}}, "no operating points of 'tarde'"),
            ({"recall": {"health": 0.9}}, "unknown domain 'health'"),  # which is not tagged
            ({"review": 0.3}, "review is 0.3, not one of 0.50"),
        ],
    )
    def test_wrong(self, options, message):
        with pytest.raises(ConfigError, match=message):
            tagger_with(**options)

    @pytest.mark.parametrize("option", ["precision", "recall", "review"])
    def test_without_operating_points(self, option):
        with pytest.raises(ConfigError, match="need the model's operating points"):
            Tagger(KeywordBackend(), FAKE_CONFIG, **{option: 0.9})


class TestReview:
    def test_nothing_is_marked_unless_asked_for(self, tagger):
        assert tagger.review_bands is None
        assert tagger.predict_all(["oil"]).review is None
        assert tagger.tag("Oil.")[0].review is None

    def test_marks_what_lies_in_the_band(self):
        # Probabilities are 0.953 and 0.047.
        assert [s.review for s in tagger_with(review=0.95).tag("Oil. Rain.")] == [(), ()]
        assert tagger_with(review=0.96).tag("Oil.")[0].review == CORE.names

    @pytest.mark.parametrize("options", [{"thresholds": {"trade": 0.99}}, {"recall": 0.99}])
    def test_reaches_to_the_threshold_in_use(self, options):
        tagger = tagger_with(review=0.9, domains=["energy", "trade"], **options)
        [sentence] = tagger.tag("Oil and trade.")
        if "recall" in options:
            # Tagged from 0.01 on, though 0.047 speaks against it.
            assert tagger.tag("Rain.")[0].domains == tagger.tag("Rain.")[0].review
            assert sentence.review == ()
        else:
            assert (sentence.domains, sentence.review) == (("energy",), ("trade",))

    def test_bands_go_with_their_domain(self):
        tagger = tagger_with(review=0.9, domains=["trade", "energy"], thresholds={"energy": 0.95})
        assert tagger.review_bands == {"trade": Band(0.1, 0.9), "energy": Band(0.1, 0.95)}
        prediction = tagger.predict_all(["oil", "rain", "oil and trade"])
        assert prediction.review.dtype == np.bool_
        assert prediction.review.shape == (3, 2)

    def test_array_agrees_with_sentences(self, tiny_model, words):
        tagger = Tagger.load(tiny_model, review=0.9)
        texts = words.texts[:50]
        review = tagger.predict_all(texts).review
        assert review.any()
        assert not review.all()
        for row, tagged in zip(
            review, tagger.tag("\n".join(texts), splitter=split_lines), strict=True
        ):
            assert row.tolist() == [name in tagged.review for name in tagger.domains.names]


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

    @pytest.mark.parametrize("model", ["tiny_model", "tiny_baseline"])
    def test_goals_are_those_that_training_found(self, request, words, model):
        folder = request.getfixturevalue(model)
        points = read_operating_points(folder)
        assert points.n_sentences == len(words.where_split("dev"))
        assert set(points.domains) == set(words.domains.names)
        assert Tagger.load(folder).thresholds == {
            name: domain.default.threshold for name, domain in points.domains.items()
        }
        tagger = Tagger.load(folder, recall=0.75, review=0.9)
        dev = words.where_split("dev")
        tags = tagger.predict(dev.texts)
        for column, name in enumerate(tagger.domains.names):
            point = points.reaching([name], "recall", 0.75)[name]
            assert tagger.thresholds[name] == point.threshold
            found = tags[dev.labels[:, column], column].mean()
            assert found >= 0.75
            assert found == pytest.approx(point.recall, abs=1e-4)

    @pytest.mark.parametrize("option", ["precision", "recall", "review"])
    def test_goals_of_an_older_folder(self, tiny_model, tmp_path, option):
        copied = shutil.copytree(tiny_model, tmp_path / "copy")
        (copied / OPERATING_POINTS_FILE).unlink()
        sums = (copied / "SHA256SUMS").read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in sums if OPERATING_POINTS_FILE not in line]
        (copied / "SHA256SUMS").write_text("".join(kept), encoding="utf-8")
        assert Tagger.load(copied).review_bands is None
        with pytest.raises(ModelError, match=r"has no operating_points\.json"):
            Tagger.load(copied, **{option: 0.9})

    def test_operating_points_are_checked(self, tiny_model, tmp_path):
        copied = shutil.copytree(tiny_model, tmp_path / "copy")
        with (copied / OPERATING_POINTS_FILE).open("a") as file:
            file.write(" ")
        with pytest.raises(ModelDamagedError, match=r"operating_points\.json is damaged"):
            Tagger.load(copied)

    @pytest.mark.parametrize("tier", ["accurate", "fast"])
    def test_survives_pickling(self, tiny_fast_model, words, tier):
        tagger = Tagger.load(tiny_fast_model, tier=tier, thresholds={"trade": 0.9})
        again = pickle.loads(pickle.dumps(tagger))  # noqa: S301 (our own bytes)
        assert again.thresholds == tagger.thresholds
        np.testing.assert_array_equal(
            again.predict_proba(words.texts), tagger.predict_proba(words.texts)
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
        "review",
    ]


def test_one_string_is_not_taken_for_many(tiny_model):
    tagger = Tagger.load(tiny_model)
    with pytest.raises(TypeError, match="sentences is one string"):
        tagger.predict_proba("gas war")
    with pytest.raises(TypeError, match="texts is one string"):
        next(tagger.tag_texts("gas war"))
