"""The speed benchmark: the tiers of a model beside other systems, on the same sentences.

Every system runs in a process of its own with its default threads. In each round all of them take
their turns, so that whatever else the machine does is shared out among them, and ratios are taken
within a round. Others are trained on a few rows first, which makes no difference to their speed.
"""

import hashlib
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diplomacy_nlp.benchmark.contestants import PIPELINE, Job, find_contestants
from diplomacy_nlp.benchmark.results_file import read_speed, write_results
from diplomacy_nlp.benchmark.roofline import Roofline, count_work, measure_peaks
from diplomacy_nlp.benchmark.session import Session
from diplomacy_nlp.benchmark.speed_results import SpeedResults, SpeedRun
from diplomacy_nlp.benchmark.timed_texts import describe_texts, draw_sentences, window_tokens
from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.errors import ConfigError, DataError, MissingExtraError
from diplomacy_nlp.model_files import ModelConfig, find_model, read_model_config

__all__ = ["LABELLED", "RUNNING", "run_speed"]

#: The kinds of sentences: those of labelled data, and those of whole documents.
LABELLED, RUNNING = "labelled", "running"

_ACCURATE = "accurate"
_N_TRAIN, _N_DEV = 300, 100


def run_speed(
    labelled: Examples | None = None,
    running: Sequence[str] = (),
    *,
    model: str = "default",
    systems: Sequence[str] | None = None,
    n_sentences: int = 1000,
    n_rounds: int = 5,
    output: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> SpeedResults:
    """Time every system on the same sentences, in turns.

    A system whose packages are missing, or that fails, is passed over and the reason kept. Several
    environments fill one file in turn, each with the systems that it has; the pipeline is timed in
    each of them, and ratios are to that one.

    Parameters
    ----------
    labelled : Examples, optional
        Sentences to time, and rows on which the systems that need it are trained.
    running : sequence of str
        Sentences of whole documents to time as well, or instead.
    model : str
        A model folder of an encoder, or a shipped model, whose tiers are timed.
    systems : sequence of str, optional
        Names from :data:`diplomacy_nlp.benchmark.contestants.CONTESTANTS`, which are timed anew;
        by default all that ``output`` lacks.
    n_sentences : int
        Of each kind.
    n_rounds : int
        Timed rounds.
    output : Path, optional
        The file of results, which are added to those that it holds.
    progress : callable
        Called with a line for the user before each step.

    Raises
    ------
    ConfigError
        A system is unknown, there are no sentences, rounds or systems, or the model is no encoder.
    DataError
        ``output`` is something else, or of another model or other sentences.
    ModelError
        There is no such model.
    """
    if min(n_sentences, n_rounds) < 1:
        raise ConfigError(f"n_sentences is {n_sentences} and n_rounds {n_rounds}; 1 is the least")
    chosen = find_contestants(systems)
    folder = find_model(model)
    config = read_model_config(folder)
    if config.backend != "onnx":
        raise ConfigError(f"{model} is a baseline; name a model with an encoder")
    kinds = {LABELLED: [] if labelled is None else labelled.texts, RUNNING: running}
    texts = {kind: draw_sentences(of, n_sentences) for kind, of in kinds.items() if of}
    if not texts:
        raise ConfigError("there are no sentences to time")
    windows = {kind: window_tokens(folder, config, of) for kind, of in texts.items()}
    described = {"name": Path(model).name, "sha256": _weights_sha256(folder)}
    empty = SpeedResults(described, describe_texts(texts, windows))
    results = _known(output, empty)
    if systems is None:
        chosen = tuple(c for c in chosen if c.name == PIPELINE or results.find(c.name) is None)
    if any(c.name != PIPELINE for c in chosen) or results.find(PIPELINE) is None:
        with tempfile.TemporaryDirectory() as work:
            session = Session(Path(work), texts, progress)
            job = Job(str(folder), _few_rows(labelled), Path(work))
            run = session.run(chosen, job, results.texts, n_rounds)
        run = replace(run, roofline=_roofline(run, config, windows, progress))
        # As it is now: another process may have added to it.
        results = _known(output, empty).with_run(run, session.not_run)
    if output is not None:
        write_results(output, results)
    return results


def _weights_sha256(folder: Path) -> str:
    """Return the hash of all that bears on a model's speed, which its card does not."""
    digest = hashlib.sha256()
    for file in (*sorted(folder.glob("*.onnx")), folder / "config.json"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _known(path: Path | None, empty: SpeedResults) -> SpeedResults:
    if path is None or not path.exists():
        return empty
    found = read_speed(path)
    for what, there, here in (
        ("another model", found.model["sha256"], empty.model["sha256"]),
        ("other sentences", found.texts, empty.texts),
    ):
        if there != here:
            raise DataError(f"{path}: holds the results of {what}; name another file")
    return found


def _few_rows(labelled: Examples | None) -> tuple[Examples, Examples] | None:
    """Draw rows to train on and some of dev, with the domains that occur in both."""
    if labelled is None or len(labelled) < 2:
        return None
    order = np.random.default_rng(0).permutation(len(labelled))
    n_train = min(_N_TRAIN, len(labelled) * 3 // 4)
    train, dev = (
        labelled.select(np.sort(rows))
        for rows in (order[:n_train], order[n_train : n_train + _N_DEV])
    )
    occur = train.labels.any(axis=0) & dev.labels.any(axis=0)
    domains = labelled.domains.select([labelled.domains.names[i] for i in np.flatnonzero(occur)])
    return train.with_domains(domains), dev.with_domains(domains)


def _roofline(
    run: SpeedRun,
    config: ModelConfig,
    windows: Mapping[str, Sequence[int]],
    progress: Callable[[str], None],
) -> Roofline | None:
    accurate = run.find(_ACCURATE)
    if accurate is None:
        return None
    n_outputs = len(config.domains) + 3 * config.has_relation
    seconds = {kind: statistics.median(of.seconds) for kind, of in accurate.timings.items()}
    progress("measuring the machine's peak …")
    try:
        work = {kind: count_work(config.encoder, n_outputs, of) for kind, of in windows.items()}
        return Roofline.of(measure_peaks(run.machine["n_cores"]), work, seconds)
    except MissingExtraError as error:
        progress(f"no roofline: {error}")
    except KeyError as error:
        progress(f"no roofline: the encoder's configuration has no {error}")
    return None
