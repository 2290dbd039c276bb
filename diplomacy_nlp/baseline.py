"""The baseline: TF-IDF with logistic regression, as an estimator and as a backend."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.errors import MissingExtraError, ModelDamagedError
from diplomacy_nlp.metrics import check_binary
from diplomacy_nlp.model_files import ModelConfig

try:
    import skops.io
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise MissingExtraError("The baseline", "train") from error

__all__ = ["BaselineBackend", "BaselineClassifier"]

# The logit, or its negative, of a column whose training labels were all alike.
_CERTAIN_LOGIT = 10.0
# What scikit-learn puts in the place of a regression there, which skops does not know.
_CONSTANT_TYPES = ["sklearn.multiclass._ConstantPredictor"]


class BaselineClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF of words and word pairs with one logistic regression a domain.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    max_ngram_words : int
        Longest run of words that is a feature.
    min_sentences : int
        Features in fewer training sentences are left out.
    class_weight : "balanced" or None
        Whether rare domains weigh more.

    Attributes
    ----------
    classes_ : list of ndarray, d times [0, 1]
        The labels of each column, as scikit-learn has them for several outputs.
    pipeline_ : Pipeline
        The fitted scikit-learn pipeline.
    """

    def __init__(
        self,
        C: float = 10.0,  # noqa: N803 (scikit-learn's name for it)
        max_ngram_words: int = 2,
        min_sentences: int = 2,
        class_weight: str | None = "balanced",
    ) -> None:
        self.C = C
        self.max_ngram_words = max_ngram_words
        self.min_sentences = min_sentences
        self.class_weight = class_weight

    def fit(self, texts: Sequence[str], Y: npt.ArrayLike) -> "BaselineClassifier":  # noqa: N803
        """Fit on ``n`` sentences and their 0/1 labels, (n, d)."""
        labels = check_binary(Y, "Y", 2).astype(np.int64)
        pipeline = Pipeline(
            [
                (
                    "tfidf",
                    TfidfVectorizer(
                        ngram_range=(1, self.max_ngram_words),
                        min_df=self.min_sentences,
                        sublinear_tf=True,
                        dtype=np.float32,
                    ),
                ),
                (
                    "classifier",
                    OneVsRestClassifier(
                        LogisticRegression(C=self.C, class_weight=self.class_weight, max_iter=1000)
                    ),
                ),
            ]
        )
        with warnings.catch_warnings():
            # Of a column of labels that are all alike, which read_examples warns of in its words.
            warnings.filterwarnings("ignore", "Label .* is present in all training examples")
            self.pipeline_ = pipeline.fit(list(texts), labels)
        self.classes_ = [np.array([0, 1])] * labels.shape[1]
        return self

    def decision_function(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        check_is_fitted(self)
        return _pipeline_logits(self.pipeline_, texts)

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the uncalibrated probabilities of ``n`` sentences: float32 (n, d)."""
        logits = self.decision_function(texts)
        return Calibration.identity(logits.shape[1]).probabilities(logits)

    def predict(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return 0/1 tags at a probability of one half: int64 (n, d)."""
        return (self.decision_function(texts) >= 0).astype(np.int64)

    def to_bytes(self) -> bytes:
        """Return the fitted pipeline as a skops file, which holds no pickle."""
        check_is_fitted(self)
        return bytes(skops.io.dumps(self.pipeline_, compression=ZIP_DEFLATED))


class BaselineBackend:
    """A fitted baseline from a model folder.

    Parameters
    ----------
    folder : Path
        A model folder with ``model.skops``.
    config : ModelConfig
        Its configuration.

    Raises
    ------
    ModelDamagedError
        The file cannot be loaded, or asks for types that scikit-learn and numpy do not define.
    """

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        try:
            self._pipeline = skops.io.load(folder / "model.skops", trusted=_CONSTANT_TYPES)
        except Exception as error:  # a file from outside may raise whatever it hits
            raise ModelDamagedError(
                f"{folder / 'model.skops'} cannot be loaded: {error}"
            ) from error
        self._n_domains = len(config.domains)
        self._has_relation = config.has_relation

    def logits(self, sentences: Sequence[str]) -> Logits:
        """Return the logits of ``n`` sentences: (n, d) and, with a relation, (n, 3)."""
        logits = _pipeline_logits(self._pipeline, sentences)
        relations = logits[:, self._n_domains :] if self._has_relation else None
        return Logits(logits[:, : self._n_domains], relations)


def _pipeline_logits(pipeline: Pipeline, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    estimators = pipeline["classifier"].estimators_
    if not len(texts):
        return np.empty((0, len(estimators)), dtype=np.float32)
    decisions = pipeline.decision_function(list(texts))
    # A single column comes without its second dimension.
    logits = decisions.reshape(len(texts), len(estimators)).astype(np.float32)
    for column, estimator in enumerate(estimators):
        if not isinstance(estimator, LogisticRegression):
            always = pipeline.predict([texts[0]]).ravel()[column]
            logits[:, column] = _CERTAIN_LOGIT if always else -_CERTAIN_LOGIT
    return np.asarray(logits)
