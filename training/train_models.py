"""Make the shipped models, ``models/default`` and ``models/baseline``, from their recipes.

::

    python training/train_models.py                       # both
    python training/train_models.py baseline              # one
    python training/train_models.py fast                  # the fast tier of default alone
    python training/train_models.py default --output DIR  # elsewhere, to try a recipe

The default model is a student of students: teachers trained with three seeds label sentences that
nobody has, ``unlabelled.jsonl.gz`` beside the labelled corpus; three students learn from them, and
the default model, which goes on from the best student, from the students. Both generations are made
first, in ``build/``, unless they stand there already. From the same sentences the first stage of
the fast tier learns.
"""

import argparse
import contextlib
import gzip
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from build_corpus import find_labelled
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from diplomacy_nlp import (
    WIDE,
    DataError,
    DiplomacyError,
    Evaluation,
    Example,
    Examples,
    Progress,
    Tagger,
    TrainConfig,
    distil,
    read_examples,
    read_recipe,
    train,
)

_ROOT = Path(__file__).resolve().parent.parent
_RECIPES = Path(__file__).resolve().parent / "recipes"
_BUILD = _ROOT / "build"
_CARD_NOTES = Path(__file__).resolve().parent / "card_notes.md"
_CORRECTIONS = _ROOT / "data" / "corrections.jsonl"
_DOUBTED = _ROOT / "data" / "doubted.jsonl"
_MODELS = ("default", "baseline")
_FAST = "fast"
_N_SEEDS = 3
_LESSON_WORDS = range(6, 46)


@dataclass(frozen=True)
class Corpus:
    """The sentences that the shipped models are trained and scored on."""

    training: Examples
    evaluation_sets: dict[str, Examples]
    unlabelled: Sequence[str]


def read_corpus(labelled_path: Path) -> Corpus:
    """Read the labelled sentences with their corrections, the written and the unlabelled ones.

    Parameters
    ----------
    labelled_path : Path
        ``labelled.jsonl``, with ``unlabelled.jsonl.gz`` beside it or not; the written sentences
        and reports come from ``data/``.
    """
    labelled = _corrected(read_examples(labelled_path, domains=WIDE))
    written = read_examples(_ROOT / "data" / "written.jsonl", domains=WIDE)
    reports = read_examples(_ROOT / "data" / "reports.jsonl", domains=WIDE)
    unlabelled = _read_unlabelled(labelled_path.with_name("unlabelled.jsonl.gz"))
    doubted, unlabelled = _labelled_since(unlabelled)
    # The test sets stay apart: one has the sources of train, the others are of another style.
    rows = (*labelled.rows, *doubted, *written.where_split("train"), *written.where_split("dev"))
    return Corpus(
        training=Examples(WIDE, rows, "labelled.jsonl, doubted.jsonl, written.jsonl"),
        evaluation_sets={
            "test_source": labelled.where_split("test_source"),
            "written": written.where_split("test"),
            "reports": reports,
        },
        unlabelled=unlabelled,
    )


def _corrected(labelled: Examples) -> Examples:
    """Apply ``data/corrections.jsonl``, which may speak of training rows alone."""
    lines = _CORRECTIONS.read_text(encoding="utf-8").splitlines()
    corrections = {row["id"]: row for row in map(json.loads, lines)}

    def corrected(example: Example) -> Example:
        row = corrections.pop(example.id, None)
        if row is None:
            return example
        if example.split != "train":
            raise DataError(f"{_CORRECTIONS.name}: {example.id} is not of train")
        return replace(example, domains=frozenset(row["domains"]), relation=row["relation"])

    rows = tuple(corrected(example) for example in labelled)
    if corrections:
        raise DataError(f"{_CORRECTIONS.name}: no sentence {', '.join(sorted(corrections))}")
    return Examples(labelled.domains, rows, labelled.source)


def _labelled_since(unlabelled: Sequence[str]) -> tuple[list[Example], list[str]]:
    """Part the unlabelled sentences that ``data/doubted.jsonl`` has labels of from the others."""
    lines = _DOUBTED.read_text(encoding="utf-8").splitlines()
    labels = {row["sha256"]: row for row in map(json.loads, lines)}
    examples, others = [], []
    for text in unlabelled:
        row = labels.get(hashlib.sha256(text.encode()).hexdigest())
        if row is None:
            others.append(text)
        else:
            examples.append(
                Example(
                    text,
                    frozenset(row["domains"]),
                    relation=row["relation"],
                    split=row["split"],
                    group=row["doc"],
                    source=row["source"],
                )
            )
    return examples, others


def _read_unlabelled(path: Path) -> list[str]:
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


@contextlib.contextmanager
def bar(name: str) -> Iterator[Callable[[Progress], None]]:
    """Show how far the making of a model is."""
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with ProgressBar(*columns) as shown:
        task = shown.add_task(name, total=None)

        def show(progress: Progress) -> None:
            dev = (
                "" if progress.dev_macro_f1 is None else f"dev macro-F1 {progress.dev_macro_f1:.3f}"
            )
            shown.update(
                task,
                total=progress.n_steps,
                completed=progress.step,
                description=f"{name}, epoch {progress.epoch:.1f} {dev}",
            )

        yield show


def print_scores(name: str, evaluations: Mapping[str, Evaluation]) -> None:
    """Print the macro-F1 on every set."""
    for split, scores in evaluations.items():
        f1 = scores.macro_f1
        print(f"{name} {split}: {f1.value:.3f} [{f1.interval.low:.3f}, {f1.interval.high:.3f}]")


def make(name: str, recipe: TrainConfig, corpus: Corpus, output: Path, **options: Any) -> None:
    """Train one model and print its scores."""
    with bar(name) as show:
        model = train(
            corpus.training,
            recipe,
            output,
            evaluation_sets=corpus.evaluation_sets,
            card_notes=_CARD_NOTES.read_text(encoding="utf-8"),
            progress=show,
            **options,
        )
    print_scores(name, model.evaluations)


def make_fast(corpus: Corpus, folder: Path) -> None:
    """Give the default model its fast tier and print the scores of that."""
    with bar("fast") as show:
        tier = distil(
            folder,
            corpus.training,
            corpus.unlabelled,
            evaluation_sets=corpus.evaluation_sets,
            progress=show,
        )
    print(f"fast passes on {tier.passed_on_share:.1%} of running text")
    print_scores("fast", tier.evaluations)


def lesson(unlabelled: Sequence[str]) -> list[str]:
    """Return what teachers label: every second sentence, but for headings and very long ones."""
    return [text for text in unlabelled[::2] if len(text.split()) in _LESSON_WORDS]


def make_generation(
    name: str, corpus: Corpus, taught: Callable[[], dict[str, Any]] = dict
) -> list[Path]:
    """Train the models of a generation, one a seed, that are not there yet; return all folders.

    ``taught`` returns what ``train`` needs besides, and is called only where one is missing.
    """
    recipe = read_recipe(_RECIPES / f"{name}.toml")
    rows = tuple(row for row in corpus.training if row.split != "test")
    unseen = replace(corpus, training=replace(corpus.training, rows=rows), evaluation_sets={})
    folders = [_BUILD / f"{name}-{seed}" for seed in range(_N_SEEDS)]
    missing = {seed: folder for seed, folder in enumerate(folders) if not folder.exists()}
    teaching = taught() if missing else {}
    for seed, folder in missing.items():
        make(folder.name, replace(recipe, seed=seed), unseen, folder, **teaching)
    return folders


def taught_by(folders: Sequence[Path], corpus: Corpus) -> dict[str, Any]:
    """Return what ``train`` needs to learn from a generation."""
    return {
        "teachers": [Tagger.load(folder, domains="wide") for folder in folders],
        "unlabelled": lesson(corpus.unlabelled),
    }


def dev_macro_f1(folder: Path) -> float:
    """Return the macro-F1 of a model on dev."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    value: float = metrics["scores"]["dev"]["macro_f1"]["value"]
    return value


def make_default(corpus: Corpus, output: Path) -> None:
    """Train the default model after both generations that it learns from."""
    if not corpus.unlabelled:
        raise DataError(
            "there is no unlabelled.jsonl.gz beside labelled.jsonl for teachers to label; "
            "--without-teachers goes without, and without a fast tier"
        )
    students = make_generation(
        "student", corpus, lambda: taught_by(make_generation("teacher", corpus), corpus)
    )
    best = max(students, key=dev_macro_f1)
    recipe = replace(read_recipe(_RECIPES / "default.toml"), base_model=str(best))
    make("default", recipe, corpus, output, **taught_by(students, corpus))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = (*_MODELS, _FAST)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument("--corpus", type=Path, help="a folder with labelled.jsonl")
    parser.add_argument("--output", type=Path, default=_ROOT / "models", help="where to")
    parser.add_argument(
        "--without-teachers", action="store_true", help="train default on labels alone"
    )
    options = parser.parse_args()
    if unknown := set(options.names).difference(names):
        parser.error(f"no recipe {', '.join(sorted(unknown))}")
    try:
        corpus = read_corpus(find_labelled(options.corpus))
        wanted = options.names or _MODELS
        for name in _MODELS:
            if name not in wanted:
                continue
            if name == "default" and not options.without_teachers:
                make_default(corpus, options.output / name)
            else:
                alone = "teacher" if name == "default" else name
                recipe = read_recipe(_RECIPES / f"{alone}.toml")
                make(name, recipe, corpus, options.output / name)
        if _FAST in wanted or ("default" in wanted and corpus.unlabelled):
            make_fast(corpus, options.output / "default")
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
