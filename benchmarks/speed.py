"""The speed of this library beside that of others, on this project's sentences.

::

    python benchmarks/speed.py --text news.jsonl.gz    # adds to results/speed.json what it lacks
    python benchmarks/speed.py --text news.jsonl.gz --systems setfit  # in SetFit's own environment

Labelled sentences are the written ones, ``data/written.jsonl``. Running text is of whole documents,
which are not part of the repository; only the hash of it is kept. The file of another model or of
other sentences is left alone: move it away to begin anew.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diplomacy_nlp import DiplomacyError, read_examples
from diplomacy_nlp.benchmark.speed import run_speed
from diplomacy_nlp.benchmark.speed_display import print_speed
from diplomacy_nlp.benchmark.speed_results import SpeedResults
from diplomacy_nlp.benchmark.timed_texts import read_sentences

__all__ = ["Goal", "goals"]

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Goal:
    """How many times as fast a system should be as another, and what was measured."""

    system: str
    than: str
    kind: str
    limit: float
    measured: float

    @property
    def is_met(self) -> bool:
        """Whether it is as fast."""
        return self.measured >= self.limit


def goals(results: SpeedResults) -> tuple[Goal, ...]:
    """Return the goals that the project has set itself, those that were measured."""
    wanted = [("accurate", "pipeline", kind, 8.0) for kind in results.kinds]
    wanted += [("fast", "accurate", "running", 5.0)] if "running" in results.kinds else []
    measured = [
        (system, than, kind, limit, ratio)
        for system, than, kind, limit in wanted
        if (ratio := results.ratio(system, than, kind)) is not None
    ]
    return tuple(
        Goal(system, than, kind, limit, ratio.median)
        for system, than, kind, limit, ratio in measured
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a missed goal is reported and no failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--text", type=Path, help="sentences of whole documents, as of the command")
    parser.add_argument(
        "--systems", metavar="NAMES", help="joined by commas; what lacks by default"
    )
    parser.add_argument("--sentences", type=int, default=1000, help="of each kind")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks/results/speed.json")
    options = parser.parse_args(arguments)
    try:
        results = run_speed(
            read_examples(_ROOT / "data" / "written.jsonl"),
            () if options.text is None else read_sentences(options.text),
            systems=None if options.systems is None else options.systems.split(","),
            n_sentences=options.sentences,
            n_rounds=options.rounds,
            output=options.output,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print_speed(results)
    for goal in goals(results):
        verdict = "met" if goal.is_met else "missed"
        print(
            f"{goal.system}, {goal.kind} sentences: {goal.measured:.1f} times {goal.than}, "
            f"at least {goal.limit:g} wanted: {verdict}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
