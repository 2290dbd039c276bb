"""Fine-tuning as a scikit-learn estimator."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Calibration
from diplomacy_nlp.domains import RELATIONS
from diplomacy_nlp.errors import MissingExtraError
from diplomacy_nlp.metrics import check_binary
from diplomacy_nlp.recipe import TrainConfig

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

from diplomacy_nlp.encoders import load_encoder, torch_logits
from diplomacy_nlp.finetune import FineTuneData, fine_tune

__all__ = ["TransformerClassifier"]


class TransformerClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An encoder fine-tuned for several labels at once, as a scikit-learn estimator.

    Probabilities come from torch in fp32, uncalibrated, and tags are cut at one half;
    :func:`diplomacy_nlp.train` is the way to a calibrated, quantised model folder.

    Parameters
    ----------
    base_model, n_epochs, min_steps, batch_size, learning_rate, max_length_tokens, precision, seed
        As of :class:`diplomacy_nlp.TrainConfig`.

    Attributes
    ----------
    classes_ : list of ndarray, d times [0, 1]
        The labels of each column, as scikit-learn has them for several outputs.
    encoder_ : Encoder
        The fine-tuned encoder.
    """

    def __init__(
        self,
        base_model: str = TrainConfig.base_model,
        n_epochs: int = TrainConfig.n_epochs,
        min_steps: int = TrainConfig.min_steps,
        batch_size: int = TrainConfig.batch_size,
        learning_rate: float = TrainConfig.learning_rate,
        max_length_tokens: int = TrainConfig.max_length_tokens,
        precision: str = TrainConfig.precision,
        seed: int = TrainConfig.seed,
    ) -> None:
        self.base_model = base_model
        self.n_epochs = n_epochs
        self.min_steps = min_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_length_tokens = max_length_tokens
        self.precision = precision
        self.seed = seed

    def fit(self, texts: Sequence[str], Y: npt.ArrayLike) -> "TransformerClassifier":  # noqa: N803
        """Fine-tune on ``n`` sentences and their 0/1 labels, (n, d)."""
        labels = check_binary(Y, "Y", 2)
        if len(labels) != len(texts):
            raise ValueError(f"Y has {len(labels)} rows for {len(texts)} texts")
        config = TrainConfig(**self.get_params())
        encoder = load_encoder(self.base_model, labels.shape[1], self.seed)
        unknown = np.zeros((len(labels), len(RELATIONS)), dtype=np.float32)
        data = FineTuneData(list(texts), labels.astype(np.float32), unknown)
        with tempfile.TemporaryDirectory() as checkpoints:
            self.encoder_ = fine_tune(encoder, data, None, config, Path(checkpoints))
        self.classes_ = [np.array([0, 1])] * labels.shape[1]
        return self

    def decision_function(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the logits of ``n`` sentences: float32 (n, d)."""
        check_is_fitted(self)
        return torch_logits(self.encoder_, list(texts), self.max_length_tokens)

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the uncalibrated probabilities of ``n`` sentences: float32 (n, d)."""
        logits = self.decision_function(texts)
        return Calibration.identity(logits.shape[1]).probabilities(logits)

    def predict(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return 0/1 tags at a probability of one half: int64 (n, d)."""
        return (self.decision_function(texts) >= 0).astype(np.int64)
