"""The quality of this library beside that of others, on this project's corpus.

::

    python benchmarks/quality.py                     # all that is installed here; hours
    python benchmarks/quality.py --systems setfit    # in an environment of SetFit's own
    python benchmarks/quality.py --systems setfit --sizes all --not-run "hours on 2 cores"

Every system learns from the labelled corpus and the first 4,712 written sentences, with the labels
of the four core domains alone, and is scored on the same test sets. What was labelled and written
later the shipped models alone have learned from, so that runs of different days can be compared.
Results are kept run by run in ``results/quality.json``; the same command goes on where it was
stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from diplomacy_nlp import CORE, DiplomacyError, read_recipe
from diplomacy_nlp.benchmark.display import print_quality
from diplomacy_nlp.benchmark.quality import run_quality
from diplomacy_nlp.benchmark.rows import BenchmarkData, parse_sizes

_ROOT = Path(__file__).resolve().parent.parent
_MODELS = ("default", "baseline")
# The sets of the first results, beside test.
_SETS = ("test_source", "written")
# Written after the first results; rows of data/doubted.jsonl, which are later too, have no id.
_LATER = {f"w{number}" for number in range(4712, 10_000)}

sys.path.insert(0, str(_ROOT / "training"))
from build_corpus import find_labelled  # noqa: E402
from train_models import Corpus, read_corpus  # noqa: E402

__all__ = ["benchmark_data"]


def benchmark_data(corpus: Corpus) -> BenchmarkData:
    """Return the corpus, without its later rows, with the labels of the core domains."""
    first = tuple(row for row in corpus.training if row.id and row.id not in _LATER)
    rows = replace(corpus.training, rows=first).with_domains(CORE)
    tests = {"test": rows.where_split("test")}
    tests |= {name: corpus.evaluation_sets[name].with_domains(CORE) for name in _SETS}
    return BenchmarkData(rows.where_split("train"), rows.where_split("dev"), tests)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, help="a folder with labelled.jsonl")
    parser.add_argument("--systems", metavar="NAMES", help="joined by commas; all by default")
    parser.add_argument("--sizes", default="100,300,1000,3000,all", help="training sentences")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--not-run", metavar="REASON", default="", help="only say why not")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks/results/quality.json")
    options = parser.parse_args(arguments)
    try:
        results = run_quality(
            benchmark_data(read_corpus(find_labelled(options.corpus))),
            systems=None if options.systems is None else options.systems.split(","),
            sizes=parse_sizes(options.sizes),
            n_seeds=options.seeds,
            recipe=read_recipe(_ROOT / "training" / "recipes" / "teacher.toml"),
            models=_MODELS,
            output=options.output,
            reason_not_to=options.not_run,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print_quality(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
