"""Make the shipped models, ``models/default`` and ``models/baseline``, from their recipes.

::

    python training/train_models.py                       # both
    python training/train_models.py baseline              # one
    python training/train_models.py default --output DIR  # elsewhere, to try a recipe
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from build_corpus import find_labelled
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from diplomacy_nlp import WIDE, DiplomacyError, Examples, read_examples, read_recipe, train
from diplomacy_nlp.finetune import Progress as TrainingProgress

_ROOT = Path(__file__).resolve().parent.parent
_RECIPES = Path(__file__).resolve().parent / "recipes"


@dataclass(frozen=True)
class Corpus:
    """The sentences that the shipped models are trained and scored on."""

    training: Examples
    evaluation_sets: dict[str, Examples]


def read_corpus(labelled_path: Path) -> Corpus:
    """Read the labelled and the written sentences.

    Parameters
    ----------
    labelled_path : Path
        ``labelled.jsonl``; the written sentences come from ``data/``.
    """
    labelled = read_examples(labelled_path, domains=WIDE)
    written = read_examples(_ROOT / "data" / "written.jsonl", domains=WIDE)
    # The test sets stay apart: one has the sources of train, the other is of another style.
    rows = (*labelled.rows, *written.where_split("train"), *written.where_split("dev"))
    return Corpus(
        training=Examples(WIDE, rows, "labelled.jsonl, written.jsonl"),
        evaluation_sets={
            "test_source": labelled.where_split("test_source"),
            "written": written.where_split("test"),
        },
    )


def make(name: str, corpus: Corpus, output: Path) -> None:
    """Train one model and print its scores."""
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=None)

        def show(progress: TrainingProgress) -> None:
            dev = (
                "" if progress.dev_macro_f1 is None else f"dev macro-F1 {progress.dev_macro_f1:.3f}"
            )
            bar.update(
                task,
                total=progress.n_steps,
                completed=progress.step,
                description=f"{name}, epoch {progress.epoch:.1f} {dev}",
            )

        model = train(
            corpus.training,
            read_recipe(_RECIPES / f"{name}.toml"),
            output,
            evaluation_sets=corpus.evaluation_sets,
            progress=show,
        )
    for split, scores in model.evaluations.items():
        f1 = scores.macro_f1
        print(f"{name} {split}: {f1.value:.3f} [{f1.interval.low:.3f}, {f1.interval.high:.3f}]")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = sorted(path.stem for path in _RECIPES.glob("*.toml"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument("--corpus", type=Path, help="a folder with labelled.jsonl")
    parser.add_argument("--output", type=Path, default=_ROOT / "models", help="where to")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"no recipe {', '.join(sorted(unknown))}")
    try:
        corpus = read_corpus(find_labelled(options.corpus))
        for name in options.names or names:
            make(name, corpus, options.output / name)
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
