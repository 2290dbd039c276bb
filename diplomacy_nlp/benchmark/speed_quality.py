"""Speed beside quality: the systems of which both benchmarks have results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from diplomacy_nlp.benchmark.contestants import CONTESTANTS
from diplomacy_nlp.benchmark.results import QualityResults
from diplomacy_nlp.benchmark.speed_results import SpeedResults
from diplomacy_nlp.benchmark.timing import Spread

__all__ = ["SpeedQuality", "speed_quality"]

# What the quality benchmark calls the systems, in the order in which their scores are taken: a
# model with this ending of its name, or what was trained on all the rows.
_TIERS = {"accurate": "", "fast": ", fast", "pipeline": ", fp32"}
_TRAINED = {"accurate": "diplomacy_nlp"}


@dataclass(frozen=True, slots=True)
class SpeedQuality:
    """A system's speed and its macro F1.

    Parameters
    ----------
    name : str
        A key of :data:`diplomacy_nlp.benchmark.contestants.CONTESTANTS`.
    sentences_per_second : Spread
        Over the rounds.
    macro_f1 : Spread
        With the ends of its 95 % interval; means over seeds where there are several.
    """

    name: str
    sentences_per_second: Spread
    macro_f1: Spread


def speed_quality(
    speed: SpeedResults, quality: QualityResults, kind: str, of_set: str
) -> tuple[SpeedQuality, ...]:
    """Return the systems whose speed on a kind of sentences and whose score on a set are known.

    Parameters
    ----------
    speed : SpeedResults
        From them the speeds.
    quality : QualityResults
        From them the scores: those of the model that was timed, or of what was trained on all rows.
    kind : str
        Of sentences.
    of_set : str
        The set that was scored.
    """
    points = []
    for name in CONTESTANTS:
        system = speed.find(name)
        score = _score(quality, speed.model["name"], name, of_set)
        if system is not None and score is not None:
            points.append(SpeedQuality(name, system.timings[kind].sentences_per_second, score))
    return tuple(points)


def _score(quality: QualityResults, model: str, name: str, of_set: str) -> Spread | None:
    wanted = model + _TIERS[name] if name in _TIERS else name
    models = [known.scores for known in quality.models if known.name == wanted]
    trained = [
        run.scores
        for run in quality.runs
        if run.cell.system == _TRAINED.get(name, name) and run.cell.size is None
    ]
    scores = [scores[of_set]["macro_f1"] for scores in models or trained]
    return _mean([score for score in scores if score["value"] is not None])


def _mean(scores: Sequence[Mapping[str, Any]]) -> Spread | None:
    if not scores:
        return None
    ends = [(s["value"], s["interval"]["low"], s["interval"]["high"]) for s in scores]
    return Spread(*(fmean(values) for values in zip(*ends, strict=True)))
