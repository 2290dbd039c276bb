"""Other ways to learn tags: each is trained as its own documentation says, from the same weights.

The weights are those of all-MiniLM-L6-v2, from which this library's own training starts as well;
spaCy starts from nothing. Settings are the defaults of each library unless a comment says why not.

References
----------
Reimers, N. and Gurevych, I. (2019). Sentence-BERT. EMNLP, 3982-3992.

Tunstall, L. et al. (2022). Efficient few-shot learning without prompts. arXiv:2209.11055.

Tulkens, S. and van Dongen, T. (2024). Model2Vec: fast state-of-the-art static embeddings.
"""

import io
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.curves import log_odds as log_odds_of
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.recipe import MINILM

__all__ = ["MinilmLogreg", "Model2Vec", "SetFit", "SpacyTextcat", "log_odds"]

_Float32s: TypeAlias = npt.NDArray[np.float32]

# Of model2vec's batches the smallest, which is what it takes for few rows.
_MODEL2VEC_BATCH = 32


def log_odds(probabilities: npt.ArrayLike) -> _Float32s:
    """Return the logits of probabilities, for those that give nothing else.

    Parameters
    ----------
    probabilities : array_like of float, shape (n, d)
        In [0, 1].

    Returns
    -------
    ndarray of float32, shape (n, d)
        Finite.

    Examples
    --------
    >>> log_odds([[0.5, 0.75]]).round(2)
    array([[0. , 1.1]], dtype=float32)
    """
    return log_odds_of(np.asarray(probabilities, dtype=np.float64)).astype(np.float32)


def _minilm_folder() -> Path:
    from diplomacy_nlp.encoders import minilm_folder

    return minilm_folder()


class MinilmLogreg:
    """Frozen sentence embeddings with one logistic regression a domain."""

    settings: Mapping[str, Any] = {"embeddings": MINILM, "C": 10.0, "class_weight": "balanced"}

    def __init__(self) -> None:
        from transformers import AutoModel, AutoTokenizer

        from diplomacy_nlp.encoders import minilm_folder, quiet_transformers

        with quiet_transformers():
            self._tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
            self._model = AutoModel.from_pretrained(minilm_folder()).eval()

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:  # noqa: ARG002 (nothing random)
        """Fit; dev and the seed make no difference."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        regression = LogisticRegression(
            C=self.settings["C"], class_weight=self.settings["class_weight"], max_iter=1000
        )
        with warnings.catch_warnings():
            # Of a domain that no row has, which read_examples warns of in its words.
            warnings.filterwarnings("ignore", "Label .* is present in all training examples")
            self._classifier = OneVsRestClassifier(regression).fit(
                self._embeddings(train.texts), train.labels.astype(np.int64)
            )

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        probabilities = self._classifier.predict_proba(self._embeddings(texts))
        n_domains = len(self._classifier.estimators_)
        # Of a single column scikit-learn gives the probability of its absence too.
        return log_odds(probabilities[:, -n_domains:])

    def _embeddings(self, texts: Sequence[str], batch_size: int = 64) -> _Float32s:
        """Return the normalised means of the tokens' vectors: float32 (n, 384)."""
        import torch

        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        embeddings = np.empty((len(texts), self._model.config.hidden_size), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = self._tokenizer(
                [texts[row] for row in rows], truncation=True, padding=True, return_tensors="pt"
            )
            with torch.inference_mode():
                vectors = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(-1)
                means = (vectors * mask).sum(dim=1) / mask.sum(dim=1)
                embeddings[rows] = torch.nn.functional.normalize(means).numpy()
        return embeddings


class SetFit:
    """Contrastive fine-tuning on pairs of sentences, then one logistic regression a domain."""

    # An epoch of all pairs has 300 steps with 100 sentences and 8 million with 12,000: no further
    # than a machine without a GPU comes in minutes.
    settings: Mapping[str, Any] = {
        "embeddings": MINILM,
        "multi_target_strategy": "one-vs-rest",
        "batch_size": 16,
        "num_epochs": 1,
        "max_steps": 1000,
    }

    def __init__(self, *, max_steps: int | None = None) -> None:
        import setfit  # noqa: F401

        if max_steps is not None:
            self.settings = {**self.settings, "max_steps": max_steps}

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:  # noqa: ARG002 (stops by steps)
        """Train on as many pairs as there are different ones, within the cap."""
        from datasets import Dataset
        from setfit import SetFitModel, Trainer, TrainingArguments

        n_pairs = len(train) * (len(train) + 1) // 2
        batch_size = self.settings["batch_size"]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                batch_size=batch_size,
                num_epochs=self.settings["num_epochs"],
                max_steps=min(self.settings["max_steps"], max(1, n_pairs // batch_size)),
                seed=seed,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                show_progress_bar=False,
            )
            self._model = SetFitModel.from_pretrained(
                str(_minilm_folder()),
                multi_target_strategy=self.settings["multi_target_strategy"],
                device="cpu",
            )
            rows = {"text": train.texts, "label": train.labels.astype(int).tolist()}
            Trainer(
                model=self._model, args=arguments, train_dataset=Dataset.from_dict(rows)
            ).train()

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        probabilities = self._model.predict_proba(
            list(texts), as_numpy=True, show_progress_bar=False
        )
        return log_odds(probabilities)

    def save(self, folder: Path) -> None:
        """Write what ``SetFitModel.from_pretrained`` loads."""
        self._model.save_pretrained(str(folder))


class Model2Vec:
    """Static vectors of tokens, distilled from the encoder, fine-tuned with a small network."""

    # With few rows it would else stop after a few steps, before it tags anything.
    settings: Mapping[str, Any] = {"distilled_from": MINILM, "pca_dims": 256, "min_steps": 150}

    def __init__(self) -> None:
        import model2vec.train  # noqa: F401
        from model2vec.distill import distill

        # Once for all runs: training copies the vectors.
        self._vectors = distill(
            str(_minilm_folder()), pca_dims=self.settings["pca_dims"], device="cpu"
        )

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:
        """Fine-tune, and stop by the accuracy on dev."""
        from model2vec.train import StaticModelForClassification

        learned = sorted(frozenset[str]().union(*(row.domains for row in train)))
        self._domains = train.domains.names
        self._classifier = StaticModelForClassification.from_static_model(model=self._vectors).fit(
            train.texts,
            [sorted(row.domains) for row in train],
            X_val=dev.texts,
            # It takes no domain there that no training row has.
            y_val=[sorted(row.domains.intersection(learned)) for row in dev],
            min_epochs=-(-self.settings["min_steps"] * _MODEL2VEC_BATCH // len(train)),
            random_seed=seed,
            device="cpu",
        )

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        probabilities = np.zeros((len(texts), len(self._domains)))
        columns = [self._domains.index(name) for name in self._classifier.classes_]
        probabilities[:, columns] = self._classifier.predict_proba(list(texts))
        return log_odds(probabilities)

    def save(self, folder: Path) -> None:
        """Write what ``StaticModelPipeline.from_pretrained`` loads."""
        self._classifier.to_pipeline().save_pretrained(str(folder))


class SpacyTextcat:
    """``textcat_multilabel`` as ``spacy init config`` sets it up for a CPU: a linear bag of words.

    The alternative that it offers, for accuracy, wants word vectors that are not on PyPI.
    """

    # With few rows dev improves by ever less for 20,000 steps, the default; with many it stops
    # before this.
    settings: Mapping[str, Any] = {
        "architecture": "spacy.TextCatBOW.v3",
        "optimize": "efficiency",
        "max_steps": 4000,
    }

    def __init__(self, *, max_steps: int | None = None) -> None:
        import spacy  # noqa: F401

        if max_steps is not None:
            self.settings = {**self.settings, "max_steps": max_steps}

    def fit(self, train: Examples, dev: Examples, seed: int) -> None:
        """Train until dev is no longer tagged better, and keep the best step."""
        import spacy
        from spacy.cli.init_config import init_config
        from spacy.training.initialize import init_nlp
        from spacy.training.loop import train as train_pipeline

        self._domains = train.domains.names
        config = init_config(
            lang="en",
            pipeline=["textcat_multilabel"],
            optimize=self.settings["optimize"],
            gpu=False,
        )
        with tempfile.TemporaryDirectory() as folder:
            paths = {"train": Path(folder, "train.spacy"), "dev": Path(folder, "dev.spacy")}
            for path, examples in zip(paths.values(), (train, dev), strict=True):
                _write_docs(path, examples)
            config = config.merge(
                {
                    "paths": {name: str(path) for name, path in paths.items()},
                    "system": {"seed": seed},
                    "training": {"max_steps": self.settings["max_steps"]},
                }
            )
            models = Path(folder, "models")
            models.mkdir()
            quiet = io.StringIO()
            train_pipeline(init_nlp(config), models, stdout=quiet, stderr=quiet)
            self._pipeline = spacy.load(models / "model-best")

    def logits(self, texts: Sequence[str]) -> _Float32s:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        scores = [doc.cats for doc in self._pipeline.pipe(texts)]
        return log_odds([[cats[name] for name in self._domains] for cats in scores])

    def save(self, folder: Path) -> None:
        """Write what ``spacy.load`` loads."""
        self._pipeline.to_disk(folder)


def _write_docs(path: Path, examples: Examples) -> None:
    import spacy
    from spacy.tokens import DocBin

    blank = spacy.blank("en")
    docs = DocBin()
    for example in examples:
        doc = blank.make_doc(example.text)
        doc.cats = {name: float(name in example.domains) for name in examples.domains.names}
        docs.add(doc)
    docs.to_disk(path)
