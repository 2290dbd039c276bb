"""Every backend through the same assertions, then what is peculiar to one."""

import io
import os
import pickletools
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import onnxruntime
import pytest
import tiny
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from tokenizers import Tokenizer

from diplomacy_nlp.baseline import BaselineClassifier
from diplomacy_nlp.calibration import Logits
from diplomacy_nlp.errors import ModelDamagedError
from diplomacy_nlp.metrics import macro_f1
from diplomacy_nlp.model_files import read_model_config
from diplomacy_nlp.onnx_backend import _BATCH_TOKENS, OnnxBackend, _batches_by_length
from diplomacy_nlp.tagger import open_backend

# Of logits with a standard deviation of 2. Where this was tried, they are equal to the last digit;
# elsewhere the same sums in another order may round one activation differently.
BATCH_TOLERANCE = 0.02

ODD_SENTENCES = [
    "",
    " \t\n",
    "\0",
    "😀 👩‍👩‍👧‍👦 🇺🇳",
    "e\u0301 n\u0303 \u202eright to left\u202c",
    "\ufeffgas",
    "lone \ud800 surrogate",
    "x" * 10_000,
    "gas and trade " * 2_000,
]


@pytest.fixture(scope="module", params=["tiny_model", "tiny_baseline"])
def folder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def backend(folder):
    return open_backend(folder, read_model_config(folder))


@pytest.fixture(scope="module")
def onnx_backend(tiny_model):
    return OnnxBackend(tiny_model, read_model_config(tiny_model))


@pytest.fixture(scope="module")
def run(tiny_model):
    """Return what gives the logits of one sequence of token ids, alone in its batch."""
    session = onnxruntime.InferenceSession(tiny_model / "model.onnx")

    def run(ids: list[int]) -> np.ndarray:
        feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), int)}
        return session.run(["logits"], feeds)[0][0]

    return run


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def labels(words):
    return words.labels.astype(int)


def together(logits: Logits) -> np.ndarray:
    return np.hstack([logits.domains, logits.relations])


class TestEveryBackend:
    def test_shapes(self, backend, words):
        logits = backend.logits(words.texts[:70])
        assert logits.domains.shape == (70, 3)
        assert logits.relations.shape == (70, 3)
        assert logits.domains.dtype == logits.relations.dtype == np.float32

    def test_nothing(self, backend):
        logits = backend.logits([])
        assert logits.domains.shape == (0, 3)
        assert logits.relations.shape == (0, 3)

    def test_learnt_the_words(self, backend, words):
        test = words.where_split("test")
        tags = backend.logits(test.texts).domains > 0
        assert macro_f1(test.labels, tags) > 0.8

    def test_same_input_same_logits(self, backend, folder, words):
        first = together(backend.logits(words.texts))
        again = together(backend.logits(tuple(words.texts)))
        anew = together(open_backend(folder, read_model_config(folder)).logits(words.texts))
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(first, anew)

    def test_order_is_kept(self, backend, words):
        order = np.random.default_rng(0).permutation(len(words))
        straight = together(backend.logits(words.texts))
        shuffled = together(backend.logits([words.texts[i] for i in order]))
        np.testing.assert_allclose(shuffled, straight[order], rtol=0, atol=BATCH_TOLERANCE)

    def test_alone_as_in_company(self, backend, words):
        texts = words.texts[:40]
        company = together(backend.logits(texts))
        alone = np.vstack([together(backend.logits([text])) for text in texts])
        np.testing.assert_allclose(alone, company, rtol=0, atol=BATCH_TOLERANCE)

    def test_odd_sentences(self, backend):
        logits = together(backend.logits(ODD_SENTENCES))
        assert np.isfinite(logits).all()
        for text, expected in zip(ODD_SENTENCES, logits, strict=True):
            alone = together(backend.logits([text]))[0]
            np.testing.assert_allclose(alone, expected, rtol=0, atol=BATCH_TOLERANCE)

    @pytest.mark.parametrize("data", [b"", b"not a model", b"PK\x05\x06" + bytes(18)])
    def test_damaged_weights(self, folder, tmp_path, data):
        copied = shutil.copytree(folder, tmp_path / "model")
        config = read_model_config(copied)
        [weights] = copied.glob("model.*")
        weights.write_bytes(data)
        with pytest.raises(ModelDamagedError, match="cannot be loaded"):
            open_backend(copied, config)


class TestOnnx:
    def test_damaged_tokenizer(self, tiny_model, tmp_path):
        copied = shutil.copytree(tiny_model, tmp_path / "model")
        (copied / "tokenizer.json").write_text("{}")
        with pytest.raises(ModelDamagedError, match="cannot be loaded"):
            OnnxBackend(copied, read_model_config(tiny_model))

    def test_blocks(self, onnx_backend, words, monkeypatch):
        whole = together(onnx_backend.logits(words.texts))
        monkeypatch.setattr("diplomacy_nlp.onnx_backend._BLOCK_SENTENCES", 30)
        in_blocks = together(onnx_backend.logits(words.texts))
        np.testing.assert_allclose(in_blocks, whole, rtol=0, atol=BATCH_TOLERANCE)

    def test_batches_by_length(self):
        lengths = np.random.default_rng(0).integers(3, 25, 1000)
        ids = [[0] * length for length in lengths]
        batches = _batches_by_length(ids, n_threads=2)
        rows = [row for batch in batches for row, _ in batch]
        assert sorted(rows) == list(range(1000))
        assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
        assert all(own is ids[row] for batch in batches for row, own in batch)
        padded = [len(batch) * len(batch[0][1]) for batch in batches]
        assert max(padded) <= _BATCH_TOKENS
        # Another of the longest would not have fitted.
        room = [size + len(batch[0][1]) for batch, size in zip(batches, padded, strict=True)]
        assert min(room[:-1]) > _BATCH_TOKENS
        assert sum(padded) < 1.1 * lengths.sum()

    def test_a_sentence_longer_than_a_batch(self):
        batches = _batches_by_length([[0] * 900, [0] * 3, [0] * 2], n_threads=1)
        assert [[row for row, _ in batch] for batch in batches] == [[0], [1, 2]]

    @pytest.mark.parametrize(
        ("n", "sizes"), [(0, []), (1, [1]), (5, [2, 2, 1]), (40, [14, 14, 12])]
    )
    def test_few_sentences_keep_every_thread_busy(self, n, sizes):
        batches = _batches_by_length([[0]] * n, n_threads=3)
        assert [len(batch) for batch in batches] == sizes

    def test_without_affinity(self, tiny_model, monkeypatch, words):
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        backend = OnnxBackend(tiny_model, read_model_config(tiny_model))
        assert len(backend.logits(words.texts[:2])) == 2

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    def test_works_after_a_fork(self, tiny_model):
        code = """
import os, sys
from diplomacy_nlp import Tagger
tagger = Tagger.load(sys.argv[1])
before = tagger.predict(["the gas"] * 9).tolist()
child = os.fork()
if not child:
    os._exit(before != tagger.predict(["the gas"] * 9).tolist())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
        subprocess.run([sys.executable, "-c", code, tiny_model], check=True, timeout=60)


class TestLongSentences:
    """More tokens than the model reads at once: windows that overlap."""

    def windows(self, tokenizer: Tokenizer, text: str) -> list[list[int]]:
        first, *inner, last = tokenizer.encode(text).ids
        width = tiny.MAX_LENGTH_TOKENS - 2
        step = width - tiny.MAX_LENGTH_TOKENS // 4
        starts = range(0, max(1, len(inner) - (width - step)), step)
        return [[first, *inner[start : start + width], last] for start in starts]

    @pytest.mark.parametrize("n_words", [21, 22, 23, 40, 100])
    def test_domains_take_the_largest_and_the_relation_the_mean(
        self, onnx_backend, run, tokenizer, n_words
    ):
        text = " ".join([*["the two", "of"] * n_words][:n_words]) + " gas war agreed"
        windows = self.windows(tokenizer, text)
        expected = np.array([run(ids) for ids in windows])
        logits = onnx_backend.logits([text])
        np.testing.assert_allclose(
            logits.domains[0], expected[:, :3].max(axis=0), rtol=0, atol=BATCH_TOLERANCE
        )
        np.testing.assert_allclose(
            logits.relations[0], expected[:, 3:].mean(axis=0), rtol=0, atol=BATCH_TOLERANCE
        )
        assert (len(windows) > 1) == (len(tokenizer.encode(text).ids) > tiny.MAX_LENGTH_TOKENS)

    def test_the_end_is_not_lost(self, onnx_backend):
        start = "the minister said in the year " * 10
        silent, trade = onnx_backend.logits([start, f"{start} trade"]).domains[:, 1]
        cut_off = onnx_backend.logits(["the minister said in the year " * 3]).domains[0, 1]
        assert silent == pytest.approx(cut_off, abs=2)
        assert trade > silent + 3

    def test_among_short_ones(self, onnx_backend, words):
        long = "the gas of the year and " * 20
        texts = [words.texts[0], long, words.texts[1], long, words.texts[2]]
        mixed = together(onnx_backend.logits(texts))
        for text, logits in zip(texts, mixed, strict=True):
            alone = together(onnx_backend.logits([text]))[0]
            np.testing.assert_allclose(logits, alone, rtol=0, atol=BATCH_TOLERANCE)


class TestBaselineClassifier:
    def test_fit_predict(self, words, labels):
        classifier = BaselineClassifier()
        assert classifier.fit(words.texts, labels) is classifier
        probabilities = classifier.predict_proba(words.texts)
        assert probabilities.dtype == np.float32
        assert probabilities.shape == labels.shape
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        tags = classifier.predict(words.texts)
        np.testing.assert_array_equal(tags, probabilities >= 0.5)
        assert classifier.score(words.texts, labels) > 0.95
        np.testing.assert_array_equal(classifier.classes_, [[0, 1]] * 3)

    def test_parameters_and_clone(self):
        classifier = BaselineClassifier(C=3.0, class_weight=None)
        copied = clone(classifier)
        assert copied is not classifier
        assert copied.get_params() == classifier.get_params()
        assert copied.set_params(min_sentences=1).min_sentences == 1

    def test_not_fitted(self):
        for method in ("predict", "predict_proba", "decision_function"):
            with pytest.raises(NotFittedError):
                getattr(BaselineClassifier(), method)(["gas"])
        with pytest.raises(NotFittedError):
            BaselineClassifier().to_bytes()

    @pytest.mark.parametrize("scoring", ["f1_macro", "average_precision", "roc_auc", None])
    @pytest.mark.parametrize("n_domains", [1, 2, 3])
    def test_cross_validation(self, words, labels, scoring, n_domains):
        scores = cross_val_score(
            BaselineClassifier(), words.texts, labels[:, :n_domains], scoring=scoring, cv=2
        )
        assert (scores > 0.9).all()

    def test_grid_search(self, words, labels):
        search = GridSearchCV(
            BaselineClassifier(), {"C": [1e-3, 10.0]}, scoring="average_precision", cv=2
        )
        search.fit(words.texts, labels)
        assert set(search.cv_results_["mean_test_score"]) != {0.0}
        assert search.best_estimator_.predict(words.texts).shape == labels.shape

    def test_labels_that_are_all_alike(self, words, labels):
        labels = np.hstack([labels[:, :1], np.zeros((len(words), 1)), np.ones((len(words), 1))])
        classifier = BaselineClassifier().fit(words.texts, labels)
        tags = classifier.predict(words.texts)
        assert not tags[:, 1].any()
        assert tags[:, 2].all()
        for column in (1, 2):
            alone = BaselineClassifier().fit(words.texts, labels[:, [column]])
            np.testing.assert_array_equal(alone.predict(words.texts)[:, 0], labels[:, column])

    @pytest.mark.parametrize("labels", [np.zeros(4), np.full((4, 2), 2), np.full((4, 2), np.nan)])
    def test_wrong_labels(self, labels):
        with pytest.raises(ValueError, match=r"^Y m"):
            BaselineClassifier().fit(["gas"] * 4, labels)

    def test_the_file_holds_no_pickle(self, tiny_baseline):
        with zipfile.ZipFile(tiny_baseline / "model.skops") as file:
            for name in file.namelist():
                data = file.read(name)
                if name.endswith(".npy"):
                    np.load(io.BytesIO(data), allow_pickle=False)
                else:
                    assert name == "schema.json" or name.endswith(".npz")
                with pytest.raises(ValueError, match=r"."):
                    pickletools.dis(data, out=io.StringIO())

    def test_foreign_types_are_refused(self, tiny_baseline, tmp_path):
        copied = shutil.copytree(tiny_baseline, tmp_path / "model")
        config = read_model_config(copied)
        with (
            zipfile.ZipFile(tiny_baseline / "model.skops") as source,
            zipfile.ZipFile(copied / "model.skops", "w") as target,
        ):
            for name in source.namelist():
                data = source.read(name)
                if name == "schema.json":
                    data = data.replace(b"TfidfVectorizer", b"TfidfSaboteur")
                target.writestr(name, data)
        with pytest.raises(ModelDamagedError, match="TfidfSaboteur"):
            open_backend(copied, config)
