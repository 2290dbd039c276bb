"""The results of a speed benchmark: what was timed, on what, and what was not and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from diplomacy_nlp.benchmark.contestants import PIPELINE
from diplomacy_nlp.benchmark.roofline import Roofline
from diplomacy_nlp.benchmark.timing import Latency, Measurement, Spread

__all__ = ["SpeedResults", "SpeedRun", "SystemSpeed", "Timing"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a system is on sentences of one kind.

    Parameters
    ----------
    sentences_per_second, tokens_per_second : Spread
        Over the rounds; tokens are those of the model's own tokenizer, whatever the system.
    ratio_to_pipeline : Spread or None
        Of its speed to that of the pipeline in the same round; None without one.
    latency : Latency
        Of one sentence by itself.
    seconds : tuple of float
        Of each round.
    """

    sentences_per_second: Spread
    tokens_per_second: Spread
    ratio_to_pipeline: Spread | None
    latency: Latency
    seconds: tuple[float, ...]

    @classmethod
    def of(
        cls,
        rounds: Sequence[Measurement],
        pipeline: Sequence[Measurement] | None,
        n_sentences: int,
        n_tokens: int,
    ) -> "Timing":
        """Summarise rounds, each beside the pipeline's in the same."""
        seconds = tuple(measured.seconds for measured in rounds)
        latencies = [value for measured in rounds for value in measured.latencies]
        return cls(
            Spread.of([n_sentences / taken for taken in seconds]),
            Spread.of([n_tokens / taken for taken in seconds]),
            None
            if pipeline is None
            else Spread.of([p.seconds / t for p, t in zip(pipeline, seconds, strict=True)]),
            Latency.of(latencies),
            seconds,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Timing":
        """Return the timing that ``dataclasses.asdict`` described."""
        ratio = values["ratio_to_pipeline"]
        return cls(
            Spread(**values["sentences_per_second"]),
            Spread(**values["tokens_per_second"]),
            None if ratio is None else Spread(**ratio),
            Latency(**values["latency"]),
            tuple(values["seconds"]),
        )


@dataclass(frozen=True, slots=True)
class SystemSpeed:
    """How fast a system is, and what its process takes.

    Parameters
    ----------
    name : str
        Of the system.
    timings : mapping of str to Timing
        By kind of sentences.
    start_up_seconds : Spread
        From the start of Python to the first sentence tagged.
    peak_mb : float or None
        The largest resident set of its process, in 10^6 bytes, after all rounds; None where the
        system does not tell.
    """

    name: str
    timings: Mapping[str, Timing]
    start_up_seconds: Spread
    peak_mb: float | None


@dataclass(frozen=True, slots=True)
class SpeedRun:
    """Systems that were timed in turns, in one environment.

    Parameters
    ----------
    systems : tuple of SystemSpeed
        The pipeline among them where it could be had, the reference of their ratios.
    n_rounds : int
        How often each was timed.
    machine, versions, settings : mapping
        The machine, the versions of the packages that bear on the systems, and those variables
        of the environment that do.
    load_average : float or None
        How busy the machine was before.
    roofline : Roofline or None
        Where the accurate tier was timed.
    """

    systems: tuple[SystemSpeed, ...]
    n_rounds: int
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    load_average: float | None = None
    roofline: Roofline | None = None

    def find(self, name: str) -> SystemSpeed | None:
        """Return what was measured of a system, or None."""
        return next((system for system in self.systems if system.name == name), None)

    def without(self, names: set[str]) -> "SpeedRun":
        """Return the same without some systems, but with the pipeline as long as others need it."""
        others = tuple(s for s in self.systems if s.name == PIPELINE or s.name not in names)
        return replace(self, systems=others if {s.name for s in others} - names else ())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SpeedRun":
        """Return the run that ``dataclasses.asdict`` described."""
        systems = tuple(
            SystemSpeed(
                system["name"],
                {kind: Timing.from_dict(of) for kind, of in system["timings"].items()},
                Spread(**system["start_up_seconds"]),
                system["peak_mb"],
            )
            for system in values["systems"]
        )
        roofline = values["roofline"] and Roofline.from_dict(values["roofline"])
        return cls(**{**values, "systems": systems, "roofline": roofline})


@dataclass(frozen=True, slots=True)
class SpeedResults:
    """All that a speed benchmark has found so far.

    Parameters
    ----------
    model : mapping
        ``name`` and ``sha256``, that of its weights and configuration.
    texts : mapping of str to mapping
        ``sha256``, ``n_sentences`` and ``n_tokens`` of each kind of sentences.
    runs : tuple of SpeedRun
        In their order.
    not_run : mapping of str to str
        Why the systems that are in no run are not.
    """

    model: Mapping[str, str]
    texts: Mapping[str, Mapping[str, Any]]
    runs: tuple[SpeedRun, ...] = ()
    not_run: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> SystemSpeed | None:
        """Return what was measured of a system, or None; of the pipeline, in the first run."""
        found = (run.find(name) for run in self.runs)
        return next((system for system in found if system is not None), None)

    def ratio(self, name: str, than: str, kind: str) -> Spread | None:
        """Return how many times as fast a system is as another in the same rounds, or None."""
        for run in self.runs:
            system, other = run.find(name), run.find(than)
            if system is not None and other is not None:
                seconds = (of.timings[kind].seconds for of in (system, other))
                return Spread.of([b / a for a, b in zip(*seconds, strict=True)])
        return None

    def with_run(self, run: SpeedRun, not_run: Mapping[str, str]) -> "SpeedResults":
        """Return the same with a run, in the place of older timings of its systems."""
        names = {system.name for system in run.systems}
        older = tuple(kept for old in self.runs if (kept := old.without(names)).systems)
        runs = (*older, run) if run.systems else older
        timed = {system.name for known in runs for system in known.systems}
        reasons = {**self.not_run, **not_run}
        return replace(
            self,
            runs=runs,
            not_run={name: reason for name, reason in reasons.items() if name not in timed},
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of sentences."""
        return tuple(self.texts)

    @property
    def roofline(self) -> Roofline | None:
        """The roofline of the run that timed the accurate tier."""
        return next((run.roofline for run in self.runs if run.roofline is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain JSON types, with four digits after the point."""
        fields: dict[str, Any] = _rounded(asdict(self))
        return {"format_version": FORMAT_VERSION, **fields}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SpeedResults":
        """Return the results that :meth:`to_dict` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are something else.
        """
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version is {values['format_version']}, not {FORMAT_VERSION}")
        runs = tuple(map(SpeedRun.from_dict, values["runs"]))
        return cls(dict(values["model"]), dict(values["texts"]), runs, dict(values["not_run"]))


def _rounded(value: Any) -> Any:
    """Keep four digits after the point, all the way down."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
