"""The facade: from text to tagged sentences."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.calibration import Calibration, Logits
from diplomacy_nlp.decisions import bands_around, points_for, within
from diplomacy_nlp.domains import CORE, RELATIONS, WIDE, DomainSet
from diplomacy_nlp.errors import ConfigError, ModelError
from diplomacy_nlp.model_files import TIERS, ModelConfig, find_model, read_model_config
from diplomacy_nlp.operating_points import Band, Goal, OperatingPoints, read_operating_points
from diplomacy_nlp.sentences import Sentence, split_sentences

__all__ = ["Backend", "Prediction", "TaggedSentence", "Tagger", "open_backend"]

# Sentences gathered from several texts before a forward pass.
_PASS_SENTENCES = 1024


class Backend(Protocol):
    """What turns sentences into logits: an encoder or the baseline."""

    def logits(self, sentences: Sequence[str]) -> Logits:
        """Return float32 logits of ``n`` sentences: (n, d) and, with a relation, (n, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """A sentence with its tags.

    Parameters
    ----------
    text : str
        The sentence, ``document[start:end]``.
    start, end : int
        Its span in characters of the document.
    domains : tuple of str
        The domains whose probability reaches their threshold, in column order.
    probabilities : mapping of str to float
        Every domain's probability, in [0, 1].
    relation : str or None
        The likeliest of ``cooperation``, ``conflict`` and ``neutral``; None where the model was
        not trained to tell.
    relation_probabilities : mapping of str to float
        Sum to 1; empty without a relation.
    review : tuple of str or None
        The domains that a person should look at, tagged or not, in column order; None where no
        level of review was asked for.
    """

    text: str
    start: int
    end: int
    domains: tuple[str, ...]
    probabilities: Mapping[str, float]
    relation: str | None
    relation_probabilities: Mapping[str, float]
    review: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probabilities and tags of ``n`` sentences.

    Parameters
    ----------
    probabilities : ndarray of float32, (n, d)
        In [0, 1].
    tags : ndarray of bool, (n, d)
        Thresholds applied.
    relation_probabilities : ndarray of float32, (n, 3), or None
        Rows sum to 1; columns in the order of ``RELATIONS``.
    review : ndarray of bool, (n, d), or None
        What a person should look at; None where no level of review was asked for.
    """

    probabilities: npt.NDArray[np.float32]
    tags: npt.NDArray[np.bool_]
    relation_probabilities: npt.NDArray[np.float32] | None
    review: npt.NDArray[np.bool_] | None = None


class Tagger:
    """Tags sentences with the domains of a model.

    Parameters
    ----------
    backend : Backend
        Gives the logits of all the model's domains.
    config : ModelConfig
        The model's domains and calibration.
    domains : "core", "wide" or sequence of str, optional
        Which of the model's domains to tag, and in which order.
    thresholds : mapping of str to float, optional
        Thresholds in [0, 1] that replace the model's own, or those for a goal.
    precision, recall : float or mapping of str to float, optional
        One of them: what tags should reach, in hundredths from 0.50 to 0.99, for every domain or
        for each of some. The threshold is the one that reached it on dev.
    review : float, optional
        A level, in the same hundredths: where decisions, to tag or not, are right less often than
        that, they are marked for a person to look at.
    operating_points : OperatingPoints, optional
        What is known of the model's thresholds; needed for a goal and for a review.

    Raises
    ------
    ConfigError
        A domain that the model lacks, a threshold out of range, a goal or level without a
        meaning, or a goal that cannot be had.

    Examples
    --------
    >>> tagger = Tagger.load()
    >>> for s in tagger.tag("They met in Oslo. Both want more trade and joint exercises."):
    ...     print(s.start, s.end, s.domains)
    0 17 ()
    18 59 ('trade', 'security')
    """

    def __init__(
        self,
        backend: Backend,
        config: ModelConfig,
        *,
        domains: Literal["core", "wide"] | Sequence[str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        precision: Goal | None = None,
        recall: Goal | None = None,
        review: float | None = None,
        operating_points: OperatingPoints | None = None,
    ) -> None:
        self._backend = backend
        self._domains = config.domains.select(_names(domains, config))
        self._columns = [config.domains.index(name) for name in self._domains.names]
        own = thresholds or {}
        free = [name for name in self._domains.names if name not in own]
        reached = points_for(free, precision, recall, operating_points)
        for_goal = {name: point.threshold for name, point in reached.items()}
        self._calibration = _with_thresholds(
            config.calibration.select(self._columns), self._domains, {**for_goal, **own}
        )
        self._bands = bands_around(self.thresholds, review, operating_points)
        self._has_relation = config.has_relation

    @classmethod
    def load(
        cls,
        model: str | Path = "default",
        *,
        tier: Literal["accurate", "fast"] = "accurate",
        domains: Literal["core", "wide"] | Sequence[str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        precision: Goal | None = None,
        recall: Goal | None = None,
        review: float | None = None,
    ) -> "Tagger":
        """Load a model.

        Parameters
        ----------
        model : str or Path
            ``default`` or ``baseline``, which come with the library; a model folder; or a hub id
            where huggingface_hub is installed.
        tier : {"accurate", "fast"}
            ``fast`` lets a quick first stage answer what it is sure of, and the encoder the rest.
        domains, thresholds, precision, recall, review
            As of :class:`Tagger`.

        Raises
        ------
        ModelError
            There is no such model, or it is damaged, foreign or of a newer format; it has no fast
            tier; or it has no operating points, and there is a goal or a review.
        MissingExtraError
            The model is a baseline and scikit-learn is not installed.
        ConfigError
            A domain that the model lacks, a threshold out of range, a goal or level without a
            meaning, or a goal that cannot be had.
        """
        folder = find_model(model)
        config = read_model_config(folder)
        needs_points = any(option is not None for option in (precision, recall, review))
        return cls(
            open_backend(folder, config, tier=tier, domains=_names(domains, config)),
            config,
            domains=domains,
            thresholds=thresholds,
            precision=precision,
            recall=recall,
            review=review,
            operating_points=read_operating_points(folder, tier) if needs_points else None,
        )

    @property
    def domains(self) -> DomainSet:
        """The domains tagged, in column order."""
        return self._domains

    @property
    def thresholds(self) -> dict[str, float]:
        """The probability from which each domain is tagged."""
        return dict(zip(self._domains.names, self._calibration.thresholds, strict=True))

    @property
    def review_bands(self) -> dict[str, Band] | None:
        """The probabilities at which each domain is marked for review, where that is asked for."""
        return None if self._bands is None else dict(self._bands)

    @property
    def has_relation(self) -> bool:
        """Whether sentences come with their relation."""
        return self._has_relation

    def predict_all(self, sentences: Sequence[str]) -> Prediction:
        """Return the probabilities, tags and relations of ``n`` sentences in one pass."""
        _refuse_string("sentences", sentences)
        logits = self._backend.logits(sentences)
        probabilities = self._calibration.probabilities(logits.domains[:, self._columns])
        return Prediction(
            probabilities,
            self._calibration.tags(probabilities),
            None
            if logits.relations is None
            else self._calibration.relation_probabilities(logits.relations),
            None if self._bands is None else within(self._bands, probabilities),
        )

    def predict_proba(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of ``n`` sentences: float32 (n, d), in [0, 1]."""
        return self.predict_all(sentences).probabilities

    def predict(self, sentences: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return the tags of ``n`` sentences: bool (n, d), thresholds applied."""
        return self.predict_all(sentences).tags

    def tag(
        self, text: str, *, splitter: Callable[[str], list[Sentence]] = split_sentences
    ) -> list[TaggedSentence]:
        """Split a text into sentences and tag each.

        Parameters
        ----------
        text : str
            Any text; without a sentence in it the result is empty.
        splitter : callable
            :func:`split_sentences`, :func:`split_lines` or one of your own.
        """
        return self._tag_sentences(splitter(text))

    def tag_texts(
        self,
        texts: Iterable[str],
        *,
        splitter: Callable[[str], list[Sentence]] = split_sentences,
    ) -> Iterator[list[TaggedSentence]]:
        """Tag a stream of texts, yielding one list of sentences a text, in order.

        Texts are read as they are needed, about a thousand sentences ahead, so that memory stays
        flat however many there are.
        """
        _refuse_string("texts", texts)
        documents = (splitter(text) for text in texts)
        while batch := _take_documents(documents):
            tagged = iter(self._tag_sentences([s for document in batch for s in document]))
            for document in batch:
                yield list(islice(tagged, len(document)))

    def _tag_sentences(self, sentences: Sequence[Sentence]) -> list[TaggedSentence]:
        prediction = self.predict_all([sentence.text for sentence in sentences])
        return [self._tagged(sentence, prediction, row) for row, sentence in enumerate(sentences)]

    def _tagged(self, sentence: Sentence, prediction: Prediction, row: int) -> TaggedSentence:
        names = self._domains.names
        relations = prediction.relation_probabilities
        return TaggedSentence(
            text=sentence.text,
            start=sentence.start,
            end=sentence.end,
            domains=tuple(names[column] for column in np.flatnonzero(prediction.tags[row])),
            probabilities=_frozen(names, prediction.probabilities[row]),
            relation=None if relations is None else RELATIONS[int(relations[row].argmax())],
            relation_probabilities=_frozen((), ())
            if relations is None
            else _frozen(RELATIONS, relations[row]),
            review=None
            if prediction.review is None
            else tuple(names[column] for column in np.flatnonzero(prediction.review[row])),
        )


def _refuse_string(name: str, values: object) -> None:
    # Its characters would each pass for a sentence.
    if isinstance(values, str):
        raise TypeError(f"{name} is one string; give a list of them")


def _frozen(names: Sequence[str], values: Iterable[float]) -> Mapping[str, float]:
    return MappingProxyType({name: float(value) for name, value in zip(names, values, strict=True)})


def _take_documents(documents: Iterator[list[Sentence]]) -> list[list[Sentence]]:
    batch: list[list[Sentence]] = []
    n_sentences = 0
    for document in documents:
        batch.append(document)
        n_sentences += len(document)
        if n_sentences >= _PASS_SENTENCES or len(batch) >= _PASS_SENTENCES:
            break
    return batch


def _names(
    domains: Literal["core", "wide"] | Sequence[str] | None, config: ModelConfig
) -> Sequence[str]:
    if domains is None:
        return config.default_domains
    if isinstance(domains, str):
        named = {"core": CORE, "wide": WIDE}
        if domains not in named:
            raise ConfigError(f"domains is {domains!r}, not 'core', 'wide' or a list of names")
        return named[domains].names
    return domains


def _with_thresholds(
    calibration: Calibration, domains: DomainSet, thresholds: Mapping[str, float]
) -> Calibration:
    return calibration.with_thresholds(
        {domains.index(name): threshold for name, threshold in thresholds.items()}
    )


def open_backend(
    folder: Path,
    config: ModelConfig,
    *,
    tier: Literal["accurate", "fast"] = "accurate",
    domains: Sequence[str] | None = None,
) -> Backend:
    """Load the weights of a model folder.

    Parameters
    ----------
    folder : Path
        The model folder.
    config : ModelConfig
        Its configuration.
    tier : {"accurate", "fast"}
        What to load of it.
    domains : sequence of str, optional
        The domains that the fast tier must be sure of; all where None.

    Raises
    ------
    ConfigError
        There is no such tier, or no such domain.
    ModelError
        The weights are damaged, or the folder has no fast tier.
    """
    if tier not in TIERS:
        raise ConfigError(f"tier is {tier!r}, not {' or '.join(TIERS)}")
    if tier not in config.tiers:
        raise ModelError(
            f"{folder} has no tier {tier!r}; `diplomacy-nlp distil` makes one for a transformer"
        )
    # Imported here so that the facade itself needs neither onnxruntime nor scikit-learn.
    if config.backend == "skops":
        from diplomacy_nlp.baseline import BaselineBackend

        return BaselineBackend(folder, config)
    from diplomacy_nlp.onnx_backend import OnnxBackend

    if tier == "accurate":
        return OnnxBackend(folder, config)
    from diplomacy_nlp.cascade import open_cascade

    return open_cascade(folder, config, domains or config.domains.names)
