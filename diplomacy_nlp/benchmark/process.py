"""The process of a system that is timed, seen from the one that started it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from diplomacy_nlp.benchmark.timing import Measurement

__all__ = ["SystemProcess"]


class SystemProcess:
    """A system in a process of its own, loaded and warm.

    Parameters
    ----------
    name : str
        A key of :data:`diplomacy_nlp.benchmark.loading.LOADERS`.
    source : str
        What it loads.
    sentences : Path
        A JSON file of lists of sentences by kind.

    Attributes
    ----------
    start_up_seconds : float
        From the start of Python to the first sentence tagged.

    Raises
    ------
    RuntimeError
        It cannot be loaded, with what it said.
    """

    def __init__(self, name: str, source: str, sentences: Path) -> None:
        command = [sys.executable, "-m", "diplomacy_nlp.benchmark.worker", name, source]
        # What is installed has its bytecode; the first start writes that of a checkout.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed at the end)
        started = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [*command, str(sentences)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        try:
            self._answer()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.start_up_seconds = time.perf_counter() - started

    def measure(self, kind: str, number: int) -> Measurement:
        """Tag the sentences of a kind, in the round with this number.

        Raises
        ------
        RuntimeError
            It failed.
        """
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        # Where the process has ended, its answer says why.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"kind": kind, "number": number}) + "\n")
            self._process.stdin.flush()
        answer = self._answer()
        return Measurement(answer["seconds"], tuple(answer["latencies"]))

    def finish(self) -> float | None:
        """End the process and return its peak memory in 10^6 bytes, where that is known."""
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        self._process.stdin.close()
        peak_mb: float | None = self._answer()["peak_mb"]
        return peak_mb

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 (for the type checker)
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            *_, last = ["nothing said", *self._errors.read().split("\n")[:-1]]
            raise RuntimeError(f"its process ended with {code}: {last.strip()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file is not None:
                # What was on its way to a process that has ended is lost.
                with contextlib.suppress(BrokenPipeError):
                    file.close()
