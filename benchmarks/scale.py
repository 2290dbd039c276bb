"""How fast one process tags a folder, and how fast Ray does with some workers on this machine.

::

    python benchmarks/scale.py                    # writes results/scale.json; half an hour
    python benchmarks/scale.py --sentences 3000   # a first look

Each run is the command line as a process of its own, from files to Parquet. Start-up is told apart
by tagging two folders: what the sentences that only the larger one has take is their rate, and what
is left of the smaller one's time is start-up.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diplomacy_nlp import read_examples
from diplomacy_nlp.benchmark.machine import describe_machine, installed_versions
from diplomacy_nlp.benchmark.timing import Spread

__all__ = ["Folder", "Rate", "measure", "measured_rate", "summary", "tag_folder", "write_folder"]

_ROOT = Path(__file__).resolve().parent.parent
_SEED = 0
_ONE_PROCESS = "one process"
_DOCUMENT_SENTENCES = 30
_SMALL_SHARE = 10
_PACKAGES = ("numpy", "onnxruntime", "tokenizers", "pyarrow", "ray")


@dataclass(frozen=True)
class Folder:
    """A folder of documents to tag, and what tagging it gave."""

    path: Path
    n_bytes: int
    seconds: tuple[float, ...] = ()
    n_sentences: int = 0
    n_output_bytes: int = 0


@dataclass(frozen=True)
class Rate:
    """Sentences a second once all is running, and the seconds until then."""

    sentences_per_second: Spread
    start_up_seconds: Spread


def write_folder(path: Path, n_sentences: int, n_files: int = 8) -> Folder:
    """Write sentences of ``data/written.jsonl``, drawn at random, as documents in JSON Lines."""
    texts = read_examples(_ROOT / "data" / "written.jsonl").texts
    random.Random(_SEED).shuffle(texts)  # noqa: S311 (no secret)
    sentences = itertools.islice(itertools.cycle(texts), n_sentences)
    documents = [" ".join(group) for group in _groups(list(sentences), _DOCUMENT_SENTENCES)]
    path.mkdir()
    for number in range(n_files):
        rows = documents[number::n_files]
        lines = "".join(json.dumps({"text": text}) + "\n" for text in rows)
        Path(path, f"{number}.jsonl").write_text(lines, encoding="utf-8")
    return Folder(path, sum(len(text.encode()) for text in documents))


def _groups(sentences: list[str], size: int) -> list[list[str]]:
    return [sentences[start : start + size] for start in range(0, len(sentences), size)]


def tag_folder(folder: Folder, arguments: Sequence[str]) -> Folder:
    """Run the command line on a folder once, and note how long it took and what it gave."""
    from pyarrow import dataset

    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "diplomacy_nlp", "tag", str(folder.path), *arguments]
        started = time.perf_counter()
        subprocess.run(
            [*command, "--format", "parquet", "--output", f"{output}/tagged/"],
            check=True,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        )
        seconds = time.perf_counter() - started
        parts = sorted(Path(output, "tagged").glob("*.parquet"))
        return Folder(
            folder.path,
            folder.n_bytes,
            (*folder.seconds, seconds),
            dataset.dataset([str(part) for part in parts]).count_rows(),
            sum(part.stat().st_size for part in parts),
        )


def measured_rate(small: Folder, large: Folder) -> Rate:
    """Tell the rate from start-up, round by round.

    Examples
    --------
    >>> small = Folder(Path("small"), 0, (5.0, 6.0), n_sentences=100)
    >>> large = Folder(Path("large"), 0, (14.0, 15.0), n_sentences=1000)
    >>> measured_rate(small, large)
    Rate(sentences_per_second=Spread(median=100.0, low=100.0, high=100.0), \
start_up_seconds=Spread(median=4.5, low=4.0, high=5.0))
    """
    n_more = large.n_sentences - small.n_sentences
    rates = [n_more / (b - a) for a, b in zip(small.seconds, large.seconds, strict=True)]
    starts = [a - small.n_sentences / rate for a, rate in zip(small.seconds, rates, strict=True)]
    return Rate(Spread.of(rates), Spread.of(starts))


def measure(
    systems: Mapping[str, Sequence[str]], sizes: Mapping[str, int], n_rounds: int
) -> dict[str, dict[str, Folder]]:
    """Have every system tag folders of some sizes, in turns.

    Parameters
    ----------
    systems : mapping of str to sequence of str
        Options of the command line, by the names of what they stand for.
    sizes : mapping of str to int
        Sentences of each folder.
    n_rounds : int
        How often.
    """
    with tempfile.TemporaryDirectory() as work:
        folders = {size: write_folder(Path(work, size), n) for size, n in sizes.items()}
        runs = {name: dict(folders) for name in systems}
        for _, name, size in itertools.product(range(n_rounds), systems, sizes):
            runs[name][size] = tag_folder(runs[name][size], systems[name])
            print(f"{name}, {size}: {runs[name][size].seconds[-1]:.1f} s", file=sys.stderr)
    return runs


def summary(runs: Mapping[str, Mapping[str, Folder]], n_workers: Sequence[int]) -> dict[str, Any]:
    """Return what ``results/scale.json`` says of the runs."""
    of_size = runs[_ONE_PROCESS]
    large = of_size["large"]
    return {
        "n_sentences": {size: folder.n_sentences for size, folder in of_size.items()},
        "bytes_per_sentence": {
            "text": large.n_bytes / large.n_sentences,
            "parquet": large.n_output_bytes / large.n_sentences,
        },
        "one_process": asdict(measured_rate(**of_size)),
        "ray": [
            {"n_workers": number, **asdict(measured_rate(**runs[_on_ray(number)]))}
            for number in n_workers
        ],
        "seconds": {
            name: {size: folder.seconds for size, folder in of_size.items()}
            for name, of_size in runs.items()
        },
    }


def _on_ray(n_workers: int) -> str:
    return f"Ray, {n_workers} workers"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="default", help="a model folder, or default")
    parser.add_argument("--sentences", type=int, default=60_000, help="in the larger folder")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds")
    parser.add_argument("--workers", default="1,2", help="how many, joined by commas")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks/results/scale.json")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.sentences < 1000:
        parser.error("--rounds must be at least 1, and --sentences 1000")
    n_workers = [int(number) for number in options.workers.split(",")]
    model = ["--model", options.model]
    systems = {_ONE_PROCESS: model} | {
        _on_ray(number): [*model, "--engine", "ray", "--workers", str(number)]
        for number in n_workers
    }
    load_average = os.getloadavg()[0]
    sizes = {"small": options.sentences // _SMALL_SHARE, "large": options.sentences}
    results = {
        "n_rounds": options.rounds,
        **summary(measure(systems, sizes, options.rounds), n_workers),
        "model": options.model,
        "seed": _SEED,
        "load_average": load_average,
        "machine": describe_machine(),
        "versions": installed_versions(_PACKAGES),
    }
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
