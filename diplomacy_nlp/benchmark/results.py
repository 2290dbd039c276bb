"""The results of a quality benchmark: what was run, and what was not and why."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from diplomacy_nlp.evaluation import Evaluation

__all__ = [
    "Cell",
    "ModelScores",
    "NotRun",
    "QualityResults",
    "Run",
    "Spread",
    "kept_scores",
    "size_name",
]

FORMAT_VERSION = 1

_OVERALL = ("macro_f1", "micro_f1", "macro_average_precision", "exact_match")
_OF_DOMAIN = ("precision", "recall", "f1", "average_precision", "calibration_error", "support")


def size_name(size: int | None) -> str:
    """Return what people call a number of training rows.

    Examples
    --------
    >>> size_name(3000), size_name(None)
    ('3,000', 'all')
    """
    return "all" if size is None else f"{size:,}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One training in the grid of a benchmark.

    Parameters
    ----------
    system : str
        Its name.
    size : int or None
        How many training rows it sees; None for all.
    seed : int
        Which rows these are, and the seed of everything random in training.
    """

    system: str
    size: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """A training that was done, and its scores.

    Parameters
    ----------
    cell : Cell
        What was run.
    n_rows : int
        The training rows.
    scores : mapping of str to mapping
        By set, ``dev`` among them, as of :func:`kept_scores`.
    fit_seconds, predict_seconds : float
        Wall-clock time of the training, and of the logits of all the sets.
    fit_core_seconds : float
        The time that processor cores were busy with the training, which other work on the machine
        does not lengthen.
    n_predicted : int
        The sentences of all the sets.
    settings : mapping
        How the system was trained.
    versions : mapping of str to str
        Of Python and the packages that bear on it.
    machine : mapping
        As of :func:`diplomacy_nlp.benchmark.machine.describe_machine`.
    """

    cell: Cell
    n_rows: int
    scores: Mapping[str, Mapping[str, Any]]
    fit_seconds: float
    fit_core_seconds: float
    predict_seconds: float
    n_predicted: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A training that was wanted and not done."""

    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True)
class ModelScores:
    """The scores of a model that was there already.

    Parameters
    ----------
    name : str
        Of a shipped model, or of the folder; followed by ``, fast`` for its fast tier, and by
        ``, fp32`` for the weights of its accurate tier without int8.
    sha256 : str
        Of its list of checksums.
    scores : mapping of str to mapping
        As of :class:`Run`.
    """

    name: str
    sha256: str
    scores: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Spread:
    """A score over seeds: the mean, the smallest and the largest of n.

    Examples
    --------
    >>> Spread.of([0.5, 0.75, 1.0])
    Spread(mean=0.75, low=0.5, high=1.0, n=3)
    """

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(statistics.fmean(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class QualityResults:
    """All that a quality benchmark has found so far.

    Parameters
    ----------
    data : mapping
        The hash, the domains, and the number of sentences and labels of each set.
    runs : tuple of Run
        One a cell.
    not_run : tuple of NotRun
        Cells without a run.
    models : tuple of ModelScores
        Models scored on the same sets.
    """

    data: Mapping[str, Any]
    runs: tuple[Run, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    models: tuple[ModelScores, ...] = ()

    def find(self, cell: Cell) -> Run | None:
        """Return the run of a cell, or None."""
        return next((run for run in self.runs if run.cell == cell), None)

    def with_run(self, run: Run) -> "QualityResults":
        """Return the same with a run, in the place of an older one of its cell."""
        others = (other for other in self.runs if other.cell != run.cell)
        missing = (other for other in self.not_run if other.cell != run.cell)
        return replace(self, runs=(*others, run), not_run=tuple(missing))

    def with_not_run(self, cells: Iterable[Cell], reason: str) -> "QualityResults":
        """Return the same with a reason for each of these cells that has no run."""
        done = {run.cell for run in self.runs}
        missing = {entry.cell: entry for entry in self.not_run}
        missing |= {cell: NotRun(cell, reason) for cell in cells if cell not in done}
        return replace(self, not_run=tuple(missing.values()))

    def with_model(self, model: ModelScores) -> "QualityResults":
        """Return the same with the scores of a model, in the place of older ones."""
        others = (other for other in self.models if other.name != model.name)
        return replace(self, models=(*others, model))

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems with a run, in the order of their first."""
        return tuple(dict.fromkeys(run.cell.system for run in self.runs))

    @property
    def reasons(self) -> dict[str, tuple[str, ...]]:
        """The reasons why cells were not run, each with what it kept from running."""
        sizes: dict[tuple[str, str], dict[int | None, None]] = {}
        for entry in self.not_run:
            sizes.setdefault((entry.reason, entry.cell.system), {})[entry.cell.size] = None
        reasons: dict[str, tuple[str, ...]] = {}
        for (reason, system), found in sizes.items():
            rows = ", ".join(size_name(size) for size in found)
            name = system if len(found) == len(self.sizes) else f"{system} ({rows})"
            reasons[reason] = (*reasons.get(reason, ()), name)
        return reasons

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The sizes that occur, rising, all the rows last."""
        cells = (*(run.cell for run in self.runs), *(entry.cell for entry in self.not_run))
        return tuple(
            sorted({cell.size for cell in cells}, key=lambda size: (size is None, size or 0))
        )

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets that were scored other than dev, which every system has seen."""
        return tuple(name for name in self.data["sets"] if name not in ("train", "dev"))

    def spread(
        self, system: str, size: int | None, of_set: str, score: str = "macro_f1"
    ) -> Spread | None:
        """Return a score of a system over the seeds, or None without a run or a defined value."""
        values = [
            run.scores[of_set][score]["value"]
            for run in self.runs
            if (run.cell.system, run.cell.size) == (system, size)
        ]
        defined = [value for value in values if value is not None]
        return Spread.of(defined) if defined else None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain JSON types."""
        return {
            "format_version": FORMAT_VERSION,
            "data": dict(self.data),
            "models": [asdict(model) for model in self.models],
            "not_run": [_flat(entry) for entry in self.not_run],
            "runs": [_flat(run) for run in self.runs],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "QualityResults":
        """Return the results that :meth:`to_dict` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are something else.
        """
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version is {values['format_version']}, not {FORMAT_VERSION}")
        return cls(
            data=dict(values["data"]),
            models=tuple(ModelScores(**model) for model in values["models"]),
            not_run=tuple(NotRun(**_nested(entry)) for entry in values["not_run"]),
            runs=tuple(Run(**_nested(run)) for run in values["runs"]),
        )


def _flat(entry: Run | NotRun) -> dict[str, Any]:
    fields = asdict(entry)
    cell = fields.pop("cell")
    return {**cell, "size": "all" if cell["size"] is None else cell["size"], **fields}


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(Cell)]
    cell = {name: fields[name] for name in names}
    if cell["size"] == "all":
        cell["size"] = None
    return {"cell": Cell(**cell)} | {n: value for n, value in fields.items() if n not in names}


def kept_scores(evaluation: Evaluation) -> dict[str, Any]:
    """Return of an evaluation what the results keep.

    Returns
    -------
    dict
        ``macro_f1``, ``micro_f1``, ``macro_average_precision`` and ``exact_match`` with their
        intervals; ``domains`` with the measures of each. The shape is that of
        :meth:`Evaluation.to_dict`.
    """
    whole = evaluation.to_dict()
    kept = {name: whole[name] for name in _OVERALL}
    domains = {
        domain: {name: scores[name] for name in _OF_DOMAIN}
        for domain, scores in whole["domains"].items()
    }
    return {**kept, "domains": domains, "n_sentences": whole["n_sentences"]}
