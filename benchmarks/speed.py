"""How fast sentences are tagged, and how soon the first answer comes.

::

    python benchmarks/speed.py                             # writes results/speed.json
    python benchmarks/speed.py --model DIR --output FILE   # another model, elsewhere

The model runs against the pipeline of transformers with the same fine-tuned weights in fp32,
against plain torch on batches sorted by length, and against the baseline: in one process, on the
same sentences, in the same batches. Every round runs each of them once, so that whatever else the
machine does is shared out among them, and ratios are taken within a round.
"""

import argparse
import hashlib
import itertools
import json
import os
import platform
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from timing import (
    ProcessCost,
    Spread,
    TagSentences,
    measure_process,
    time_rounds,
)

from diplomacy_nlp import __version__
from diplomacy_nlp.benchmark.machine import describe_machine

__all__ = [
    "Target",
    "Throughput",
    "benchmark_sentences",
    "cold_start",
    "contestants",
    "measure_throughput",
    "targets",
]

_ROOT = Path(__file__).resolve().parent.parent
_SUMMIT = _ROOT / "examples" / "summit.txt"

_BATCH_SIZE = 32
_SEED = 0
_MODEL = "diplomacy_nlp, int8"
_PIPELINE = "transformers pipeline, fp32"
_SORTED_TORCH = "torch, sorted by length, fp32"
_BASELINE = "baseline"

_MIN_RATIO = 5.0
_MAX_TAG_SECONDS, _MAX_TAG_MB = 1.5, 250.0
_MAX_IMPORT_SECONDS, _MAX_HELP_SECONDS = 0.25, 0.5

_PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class Throughput:
    """How fast one of the contestants is, over the rounds."""

    name: str
    sentences_per_second: Spread
    ratio_to_pipeline: Spread
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Target:
    """A limit, and whether what was measured keeps it."""

    name: str
    limit: float
    measured: float
    is_met: bool


def benchmark_sentences(n_sentences: int, seed: int = _SEED) -> list[str]:
    """Return written sentences in a random order, again from the first where they do not suffice.

    Parameters
    ----------
    n_sentences : int
        How many.
    seed : int
        Of the order.
    """
    from diplomacy_nlp import read_examples

    texts = read_examples(_ROOT / "data" / "written.jsonl").texts
    random.Random(seed).shuffle(texts)  # noqa: S311 (no secret)
    return list(itertools.islice(itertools.cycle(texts), n_sentences))


def contestants(model: str) -> dict[str, TagSentences]:
    """Load the model, the two ways to run its weights in torch, and the baseline."""
    from transformers import pipeline

    from diplomacy_nlp import Tagger
    from diplomacy_nlp.encoders import restore_encoder, torch_logits
    from diplomacy_nlp.model_files import find_model, read_model_config

    folder = find_model(model)
    config = read_model_config(folder)
    encoder = restore_encoder(folder, config)
    classify = pipeline(
        "text-classification",
        model=encoder.model,
        tokenizer=encoder.tokenizer,
        top_k=None,
        function_to_apply="sigmoid",
        device="cpu",
        batch_size=_BATCH_SIZE,
        truncation=True,
        max_length=config.max_length_tokens,
    )
    return {
        _MODEL: Tagger.load(model).predict_proba,
        _PIPELINE: classify,
        _SORTED_TORCH: lambda sentences: torch_logits(
            encoder, sentences, config.max_length_tokens, _BATCH_SIZE
        ),
        _BASELINE: Tagger.load("baseline").predict_proba,
    }


def measure_throughput(
    seconds: Mapping[str, Sequence[float]], n_sentences: int
) -> tuple[Throughput, ...]:
    """Turn the seconds of each round into sentences per second and ratios to the pipeline.

    Examples
    --------
    >>> seconds = {"transformers pipeline, fp32": [8.0, 10.0], "baseline": [1.0, 2.0]}
    >>> _, baseline = measure_throughput(seconds, n_sentences=100)
    >>> baseline.sentences_per_second
    Spread(median=75.0, low=50.0, high=100.0)
    >>> baseline.ratio_to_pipeline
    Spread(median=6.5, low=5.0, high=8.0)
    """
    return tuple(
        Throughput(
            name,
            Spread.of([n_sentences / taken for taken in rounds]),
            Spread.of(
                [other / taken for other, taken in zip(seconds[_PIPELINE], rounds, strict=True)]
            ),
            tuple(rounds),
        )
        for name, rounds in seconds.items()
    )


def cold_start(model: str, n_runs: int) -> dict[str, ProcessCost]:
    """Measure a first tagging, ``--help`` and an import, each from the start of the process."""
    commands = {
        "tag": ["-m", "diplomacy_nlp", "tag", str(_SUMMIT), "--model", model],
        "help": ["-m", "diplomacy_nlp", "--help"],
        "import": ["-c", "import diplomacy_nlp"],
    }
    return {name: measure_process(command, n_runs) for name, command in commands.items()}


def targets(
    throughput: Sequence[Throughput], cold: Mapping[str, ProcessCost]
) -> tuple[Target, ...]:
    """Compare medians with the limits that the project has set itself."""
    [model] = [row for row in throughput if row.name == _MODEL]
    ratio = model.ratio_to_pipeline.median
    ceilings = (
        ("seconds of tag, cold", _MAX_TAG_SECONDS, cold["tag"].seconds.median),
        ("MB of tag, cold", _MAX_TAG_MB, cold["tag"].peak_mb.median),
        ("seconds of --help", _MAX_HELP_SECONDS, cold["help"].seconds.median),
        ("seconds of import", _MAX_IMPORT_SECONDS, cold["import"].seconds.median),
    )
    return (
        Target("times the pipeline", _MIN_RATIO, ratio, ratio >= _MIN_RATIO),
        *(Target(name, limit, measured, measured < limit) for name, limit, measured in ceilings),
    )


def _environment(model: str) -> dict[str, Any]:
    import torch

    from diplomacy_nlp.model_files import find_model

    folder = find_model(model)
    machine = describe_machine()
    return {
        "model": {
            "name": model,
            "sha256": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
        },
        "machine": machine,
        # Both at their defaults; the tagger keeps one for each core.
        "threads": {"torch": torch.get_num_threads(), "onnxruntime": machine["n_cores"]},
        "versions": {"python": platform.python_version(), "diplomacy-nlp": __version__}
        | {package: version(package) for package in _PACKAGES},
    }


def _print_report(
    throughput: Sequence[Throughput], cold: Mapping[str, ProcessCost], goals: Sequence[Target]
) -> None:
    speeds = Table("contestant", title="Throughput: median (smallest to largest)")
    for heading in ("sentences per second", "times the pipeline"):
        speeds.add_column(heading, justify="right")
    for row in throughput:
        speeds.add_row(
            row.name, _shown(row.sentences_per_second, 0), _shown(row.ratio_to_pipeline, 2)
        )
    costs = Table("whole process", title="Cold start: median (smallest to largest)")
    for heading in ("seconds", "peak MB"):
        costs.add_column(heading, justify="right")
    for name, cost in cold.items():
        costs.add_row(name, _shown(cost.seconds, 2), _shown(cost.peak_mb, 0))
    verdicts = Table("target", title="Targets")
    for heading in ("limit", "measured", ""):
        verdicts.add_column(heading, justify="right")
    for goal in goals:
        verdict = "[green]pass[/]" if goal.is_met else "[red]miss[/]"
        verdicts.add_row(goal.name, f"{goal.limit:g}", f"{goal.measured:.2f}", verdict)
    Console().print(speeds, costs, verdicts, sep="\n")


def _shown(spread: Spread, n_digits: int) -> str:
    low, median, high = (
        f"{value:,.{n_digits}f}" for value in (spread.low, spread.median, spread.high)
    )
    return f"{median} ({low} to {high})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a missed target is reported and no failure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="default", help="a model folder, or default")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds")
    parser.add_argument("--sentences", type=int, default=1000, help="sentences a round")
    parser.add_argument("--cold-runs", type=int, default=9, help="timed processes a command")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks/results/speed.json")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.sentences, options.cold_runs) < 1:
        parser.error("--rounds, --sentences and --cold-runs must be at least 1")
    load_average = os.getloadavg()[0]
    cold = cold_start(options.model, options.cold_runs)
    # Else the pipeline would turn it off, for all of the process.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    seconds = time_rounds(
        contestants(options.model), benchmark_sentences(options.sentences), options.rounds
    )
    throughput = measure_throughput(seconds, options.sentences)
    goals = targets(throughput, cold)
    _print_report(throughput, cold, goals)
    results = {
        "n_sentences": options.sentences,
        "n_rounds": options.rounds,
        "batch_size": _BATCH_SIZE,
        "seed": _SEED,
        "throughput": [asdict(row) for row in throughput],
        "cold_start": {name: asdict(cost) for name, cost in cold.items()},
        "targets": [asdict(goal) for goal in goals],
        "load_average_before": load_average,
        **_environment(options.model),
    }
    text = json.dumps(_rounded(results), indent=2, ensure_ascii=False)
    options.output.write_text(text + "\n", encoding="utf-8")
    return 0


def _rounded(value: Any) -> Any:
    """Keep four digits after the point, all the way down."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
