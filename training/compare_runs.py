"""Score training runs on dev, for the table of what was tried.

::

    python training/compare_runs.py self-training build/s0 build/s1 build/s2

puts the dev scores of these model folders, all runs of one idea, into
``benchmarks/results/experiments.json``, from which ``benchmarks/render.py`` makes
``docs/experiments.md``. What the idea was and whether it stayed is written there by hand. Each run
gets its calibration and thresholds anew on the dev of today, so that runs made before dev grew
stand beside later ones; the relation is that of the largest logit, without biases.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from build_corpus import find_labelled
from train_models import read_corpus

from diplomacy_nlp import CORE, WIDE, DiplomacyError, Examples
from diplomacy_nlp.calibration import fit_calibration
from diplomacy_nlp.evaluation import evaluate_relations, evaluate_tags
from diplomacy_nlp.model_files import find_model, read_model_config
from diplomacy_nlp.tagger import open_backend

_RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "experiments.json"
_DIGITS = 4


def score(model: str, dev: Examples) -> dict[str, float]:
    """Return the dev scores of a model that knows the thirteen domains and the relation.

    Parameters
    ----------
    model : str
        As of ``Tagger.load``.
    dev : Examples
        Labelled with the thirteen domains.
    """
    folder = find_model(model)
    logits = open_backend(folder, read_model_config(folder)).logits(dev.texts)
    calibration = fit_calibration(logits, dev.labels, dev.relations)
    probabilities = calibration.probabilities(logits.domains)
    tags = calibration.tags(probabilities)
    core = [WIDE.index(name) for name in CORE.names]
    of_core = evaluate_tags(
        dev.labels[:, core], probabilities[:, core], tags[:, core], CORE, n_bootstrap=0
    )
    of_all = evaluate_tags(dev.labels, probabilities, tags, WIDE, n_bootstrap=0)
    assert logits.relations is not None  # noqa: S101 (of this project's own models)
    relation = evaluate_relations(dev.relations, logits.relations.argmax(axis=1), n_bootstrap=0)
    scores = {
        "core_macro_f1": of_core.macro_f1.value,
        "core_average_precision": of_core.macro_average_precision.value,
        "all_macro_f1": of_all.macro_f1.value,
        "relation_macro_f1": relation.value,
    }
    return {name: round(value, _DIGITS) for name, value in scores.items()}


def with_runs(results: Mapping[str, Any], idea: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the results with these runs in the place of the idea's earlier ones."""
    ideas = [dict(known) for known in results["ideas"]]
    names = [known["name"] for known in ideas]
    if idea not in names:
        ideas.append({"name": idea, "what": "", "kept": False, "verdict": ""})
        names.append(idea)
    ideas[names.index(idea)]["runs"] = runs
    return {**results, "ideas": ideas}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("idea", help="a short name, of one already there or a new one")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a model folder, or default")
    parser.add_argument("--corpus", type=Path, help="a folder with labelled.jsonl")
    options = parser.parse_args()
    try:
        dev = read_corpus(find_labelled(options.corpus)).training.where_split("dev")
        runs = [{"run": Path(model).name, **score(model, dev)} for model in options.models]
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    known = json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else {"ideas": []}
    results = {"dev": {"n_sentences": len(dev), "sha256": dev.sha256}, "ideas": known["ideas"]}
    text = json.dumps(with_runs(results, options.idea, runs), indent=2, ensure_ascii=False)
    _RESULTS.write_text(text + "\n", encoding="utf-8")
    for run in runs:
        print(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
