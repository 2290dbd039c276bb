"""The quality benchmark: systems trained on the same rows and scored on the same sets.

Every system sees the same labels of the same random rows, the smaller sets of them within the
larger. Calibration and thresholds of each are fitted on dev by this library's own
:func:`diplomacy_nlp.calibration.fit_calibration`, so that no system is held to a threshold of one
half, and the sets are scored by :func:`diplomacy_nlp.evaluation.evaluate_tags`.
"""

import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from diplomacy_nlp.benchmark.machine import describe_machine, installed_versions
from diplomacy_nlp.benchmark.results import (
    Cell,
    ModelScores,
    QualityResults,
    Run,
    kept_scores,
    size_name,
)
from diplomacy_nlp.benchmark.results_file import read_results, write_results
from diplomacy_nlp.benchmark.rows import SIZES, BenchmarkData, draw_rows
from diplomacy_nlp.benchmark.systems import System, SystemInfo, find_systems
from diplomacy_nlp.calibration import Calibration, Logits, fit_calibration
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError
from diplomacy_nlp.evaluation import evaluate, evaluate_tags
from diplomacy_nlp.model_files import TIERS, ModelConfig, find_model, read_model_config
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.tagger import Tagger

__all__ = ["run_quality"]

_DIGITS = 2


def run_quality(
    data: BenchmarkData,
    *,
    systems: Sequence[str] | None = None,
    sizes: Sequence[int | None] = SIZES,
    n_seeds: int = 3,
    recipe: TrainConfig | None = None,
    models: Sequence[str] = (),
    output: Path | None = None,
    reason_not_to: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> QualityResults:
    """Train every system on every size with every seed, and score them all.

    A system whose packages are missing, or that fails, is passed over and the reason kept. What
    is in ``output`` already is not run again unless the system's settings have changed since.
    Several environments fill one file in turn, each with the systems that it has.

    Parameters
    ----------
    data : BenchmarkData
        The rows. Relations are not looked at, since most systems know none.
    systems : sequence of str, optional
        Names from :data:`diplomacy_nlp.benchmark.systems.SYSTEMS`; all by default.
    sizes : sequence of int or None
        Training rows; sizes that the data does not reach are left out.
    n_seeds : int
        Seeds 0 to ``n_seeds - 1``.
    recipe : TrainConfig, optional
        Of this library's own training.
    models : sequence of str
        Model folders, or shipped models, to score on the same sets.
    output : Path, optional
        The file of results, written anew after every run.
    reason_not_to : str
        If there is one, nothing is trained, and this is kept as the reason why not.
    progress : callable
        Called with a line for the user before and after every run.

    Raises
    ------
    ConfigError
        A system is unknown, or there is no size or seed.
    DataError
        ``output`` is something else, or of other data.
    """
    if n_seeds < 1:
        raise ConfigError(f"n_seeds is {n_seeds}; it must be at least 1")
    chosen, known_sizes = find_systems(systems), _known_sizes(sizes, len(data.train))
    store = _Store(output, QualityResults(data.describe()))
    for model in models:
        try:
            _score_model(model, data, store)
        except MissingExtraError as error:
            progress(f"{model}: not scored. {error}")
    data = data.without_relations()
    for info in chosen:
        cells = [Cell(info.name, size, seed) for size in known_sizes for seed in range(n_seeds)]
        if reason_not_to:
            store.add_not_run(cells, reason_not_to)
            continue
        system = _open(info, recipe or TrainConfig(), cells, store, progress)
        if system is not None:
            _run_cells(system, info, cells, data, store, progress)
    return store.results


class _Store:
    """Results in memory, and in a file where there is one."""

    def __init__(self, path: Path | None, empty: QualityResults) -> None:
        self._path = path
        self._empty = empty
        self.results = empty
        self._update(lambda results: results)

    def add_run(self, run: Run) -> None:
        self._update(lambda results: results.with_run(run))

    def add_not_run(self, cells: Sequence[Cell], reason: str) -> None:
        self._update(lambda results: results.with_not_run(cells, reason))

    def add_model(self, model: ModelScores) -> None:
        self._update(lambda results: results.with_model(model))

    def _update(self, change: Callable[[QualityResults], QualityResults]) -> None:
        """Change what is there now, which another process may have added to."""
        if self._path is None:
            self.results = change(self.results)
            return
        found = read_results(self._path) if self._path.exists() else self._empty
        if found.data["sha256"] != self._empty.data["sha256"]:
            raise DataError(f"{self._path}: holds the results of other data; name another file")
        self.results = change(found)
        write_results(self._path, self.results)


def _known_sizes(sizes: Sequence[int | None], n_rows: int) -> tuple[int | None, ...]:
    known = tuple(dict.fromkeys(size for size in sizes if size is None or size < n_rows))
    if not known:
        raise ConfigError(f"no size is below the {n_rows} training rows that there are")
    return known


def _open(
    info: SystemInfo,
    recipe: TrainConfig,
    cells: Sequence[Cell],
    store: _Store,
    progress: Callable[[str], None],
) -> System | None:
    """Return the system, or None where it cannot be had here, with the reason kept."""
    reason = ""
    if info.missing_modules:
        reason = f"not installed: {', '.join(info.missing_modules)}"
    else:
        try:
            return info.open(recipe)
        except ImportError as error:
            reason = f"cannot be imported: {_first_line(error)}"
    store.add_not_run(cells, reason)
    progress(f"{info.name}: skipped, {reason}")
    return None


def _run_cells(
    system: System,
    info: SystemInfo,
    cells: Sequence[Cell],
    data: BenchmarkData,
    store: _Store,
    progress: Callable[[str], None],
) -> None:
    for cell in cells:
        done = store.results.find(cell)
        if done is not None and done.settings == system.settings:
            continue
        title = f"{info.name}, {size_name(cell.size)} rows, seed {cell.seed}"
        progress(f"{title} …")
        try:
            with _prints_aside():
                run = _run(system, info, cell, data)
        except Exception as error:  # whatever another library raises must not end the others' runs
            reason = f"{type(error).__name__}: {_first_line(error)}"
            store.add_not_run([cell], reason)
            progress(f"{title}: failed, {reason}")
            continue
        store.add_run(run)
        dev = run.scores["dev"]["macro_f1"]["value"]
        progress(f"{title}: macro F1 on dev {dev:.3f}, {run.fit_seconds:.0f} s")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


@contextlib.contextmanager
def _prints_aside() -> Iterator[None]:
    """Keep what the systems print out of this library's own output."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _run(system: System, info: SystemInfo, cell: Cell, data: BenchmarkData) -> Run:
    rows = draw_rows(data.train, cell.size, cell.seed)
    started, busy = time.perf_counter(), time.process_time()
    system.fit(rows, data.dev, cell.seed)
    fitted, core_seconds = time.perf_counter(), time.process_time() - busy
    scored = {"dev": data.dev, **data.tests}
    logits = {name: Logits(system.logits(examples.texts)) for name, examples in scored.items()}
    predicted = time.perf_counter()
    calibration = fit_calibration(logits["dev"], data.dev.labels)
    return Run(
        cell=cell,
        n_rows=len(rows),
        scores={
            name: _scores(examples, logits[name], calibration) for name, examples in scored.items()
        },
        fit_seconds=round(fitted - started, _DIGITS),
        fit_core_seconds=round(core_seconds, _DIGITS),
        predict_seconds=round(predicted - fitted, _DIGITS),
        n_predicted=sum(map(len, scored.values())),
        settings=dict(system.settings),
        versions=installed_versions(info.packages),
        machine=describe_machine(),
    )


def _scores(examples: Examples, logits: Logits, calibration: Calibration) -> dict[str, Any]:
    probabilities = calibration.probabilities(logits.domains)
    evaluation = evaluate_tags(
        examples.labels,
        probabilities,
        calibration.tags(probabilities),
        examples.domains,
        groups=examples.groups,
    )
    return kept_scores(evaluation)


def _score_model(model: str, data: BenchmarkData, store: _Store) -> None:
    """Score the tiers of a model that is there already, and its weights in fp32, if not done."""
    folder = find_model(model)
    config = read_model_config(folder)
    sha256 = hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    sets = {"dev": data.dev, **data.tests}
    variants = [tier for tier in TIERS if tier in config.tiers]
    variants += ["fp32"] if config.backend == "onnx" else []
    for variant in variants:
        name = Path(model).name + ("" if variant == "accurate" else f", {variant}")
        if any((done.name, done.sha256) == (name, sha256) for done in store.results.models):
            continue
        tagger = _tagger(model, variant, data.train.domains.names)
        scores = {key: kept_scores(evaluate(tagger, rows)) for key, rows in sets.items()}
        store.add_model(ModelScores(name, sha256, scores))


def _tagger(model: str, variant: str, names: Sequence[str]) -> Tagger:
    if variant == "accurate":
        return Tagger.load(model, domains=names)
    if variant == "fast":
        return Tagger.load(model, tier="fast", domains=names)
    folder = find_model(model)
    config = read_model_config(folder)
    return Tagger(_Float32Backend(folder, config), config, domains=names)


class _Float32Backend:
    """An encoder's weights in torch, to see what int8 costs. It cuts long sentences off."""

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        from diplomacy_nlp.encoders import restore_encoder

        self._encoder = restore_encoder(folder, config)
        self._config = config

    def logits(self, sentences: Sequence[str]) -> Logits:
        from diplomacy_nlp.encoders import torch_logits

        logits = torch_logits(self._encoder, sentences, self._config.max_length_tokens)
        n_domains = len(self._config.domains)
        relations = logits[:, n_domains:] if self._config.has_relation else None
        return Logits(logits[:, :n_domains], relations)
