"""One run of the speed benchmark."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diplomacy_nlp.benchmark.contestants import PIPELINE, Contestant, Job
from diplomacy_nlp.benchmark.machine import describe_machine, installed_versions
from diplomacy_nlp.benchmark.process import SystemProcess
from diplomacy_nlp.benchmark.speed_results import SpeedRun, SystemSpeed, Timing
from diplomacy_nlp.benchmark.timing import Measurement, Spread, take_turns
from diplomacy_nlp.errors import ConfigError

__all__ = ["Session"]

_N_STARTS = 3
# Numbers of threads, which change what is measured.
_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM")


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that is warm, and how long its start took, each time."""

    process: SystemProcess
    start_up_seconds: tuple[float, ...]


class Session:
    """Makes systems ready, starts them, times them in turns and ends them.

    Parameters
    ----------
    work : Path
        A folder to write to.
    texts : mapping of str to list of str
        The sentences of each kind.
    progress : callable
        Called with a line for the user before each step.

    Attributes
    ----------
    not_run : dict of str to str
        Why systems were not timed.
    """

    def __init__(
        self, work: Path, texts: Mapping[str, list[str]], progress: Callable[[str], None]
    ) -> None:
        self._sentences = work / "sentences.json"
        self._sentences.write_text(json.dumps(texts), encoding="utf-8")
        self._progress = progress
        self.not_run: dict[str, str] = {}

    def run(
        self,
        contestants: Iterable[Contestant],
        job: Job,
        texts: Mapping[str, Mapping[str, int]],
        n_rounds: int,
    ) -> SpeedRun:
        """Time systems in turns.

        Parameters
        ----------
        contestants : iterable of Contestant
            Those to time.
        job : Job
            What they are made from; its folder holds one for each.
        texts : mapping of str to mapping
            ``n_sentences`` and ``n_tokens`` of each kind.
        n_rounds : int
            At least 1.
        """
        load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        ready = {c: source for c in contestants if (source := self._prepare(c, job)) is not None}
        with contextlib.ExitStack() as stack:
            started = {
                c.name: warm
                for c, source in ready.items()
                if (warm := self._start(c, source, list(texts), stack)) is not None
            }
            processes = {name: warm.process for name, warm in started.items()}
            self._progress(f"timing {', '.join(processes)}: {n_rounds} rounds …")
            measured = take_turns(processes, list(texts), n_rounds, self._skip)
            peaks = {name: processes[name].finish() for name in measured}
        return SpeedRun(
            systems=tuple(
                SystemSpeed(
                    name,
                    _timings(of, measured, texts),
                    Spread.of(started[name].start_up_seconds),
                    peaks[name],
                )
                for name, of in measured.items()
            ),
            n_rounds=n_rounds,
            machine=describe_machine(),
            versions=installed_versions(
                dict.fromkeys(p for c in ready if c.name in measured for p in c.packages)
            ),
            settings={name: os.environ[name] for name in _SETTINGS if name in os.environ},
            load_average=load_average,
        )

    def _prepare(self, contestant: Contestant, job: Job) -> str | None:
        """Return what to load, or None where there is nothing, with the reason kept."""
        if contestant.missing_modules:
            self._skip(contestant.name, f"not installed: {', '.join(contestant.missing_modules)}")
            return None
        self._progress(f"{contestant.name}: making ready …")
        folder = job.folder / contestant.name
        folder.mkdir()
        try:
            # What systems print must not come among this library's own output.
            with contextlib.redirect_stdout(sys.stderr):
                return contestant.prepare(replace(job, folder=folder))
        except ConfigError as error:
            self._skip(contestant.name, error)
        except Exception as error:  # whatever another library raises must not end the others' runs
            message = str(error).partition("\n")[0]
            self._skip(contestant.name, f"{type(error).__name__}: {message}")
        return None

    def _start(
        self,
        contestant: Contestant,
        source: str,
        kinds: Sequence[str],
        stack: contextlib.ExitStack,
    ) -> "_Started | None":
        """Start a system, once uncounted, and keep the last of the processes."""
        name = contestant.name
        self._progress(f"{name}: starting …")
        seconds = []
        try:
            for _ in range(_N_STARTS):
                with SystemProcess(name, source, self._sentences) as process:
                    seconds.append(process.start_up_seconds)
            process = stack.enter_context(SystemProcess(name, source, self._sentences))
            for kind in kinds:
                process.measure(kind, 0)
        except RuntimeError as error:
            self._skip(name, error)
            return None
        return _Started(process, (*seconds[1:], process.start_up_seconds))

    def _skip(self, name: str, reason: str | Exception) -> None:
        self.not_run[name] = str(reason)
        self._progress(f"{name}: skipped, {reason}")


def _timings(
    rounds: Mapping[str, Sequence[Measurement]],
    measured: Mapping[str, Mapping[str, Sequence[Measurement]]],
    texts: Mapping[str, Mapping[str, int]],
) -> dict[str, Timing]:
    return {
        kind: Timing.of(
            of_kind,
            measured[PIPELINE][kind] if PIPELINE in measured else None,
            texts[kind]["n_sentences"],
            texts[kind]["n_tokens"],
        )
        for kind, of_kind in rounds.items()
    }
