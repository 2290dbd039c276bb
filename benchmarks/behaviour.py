"""Whether tags move when they should and stay when they should: small tests of behaviour.

::

    python benchmarks/behaviour.py                         # writes results/behaviour.json
    python benchmarks/behaviour.py --failures              # and lists the cases that fail
    python benchmarks/behaviour.py DIR [--output FILE]     # another model beside the shipped ones

A case of ``data/behaviour.jsonl`` has a few texts that differ in one respect, its kind. Its test is
``labels``, passed when every text has exactly the right core tags, or ``invariance``, passed when
all texts have the same core tags, right or wrong. The cases follow the minimum functionality and
the invariance tests of CheckList, but were written one by one and not from templates.

References
----------
Ribeiro, M. T., Wu, T., Guestrin, C. and Singh, S. (2020). Beyond Accuracy: Behavioral Testing of
NLP Models with CheckList. Proceedings of the 58th Annual Meeting of the Association for
Computational Linguistics, 4902-4912.
"""

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table
from sentences import wilson

from diplomacy_nlp import DiplomacyError, Tagger, __version__
from diplomacy_nlp.benchmark.machine import describe_machine

__all__ = ["Case", "Outcome", "count_passes", "failures", "read_cases", "run_case"]

_ROOT = Path(__file__).resolve().parent.parent
_CASES = _ROOT / "data" / "behaviour.jsonl"
_RESULTS = _ROOT / "benchmarks" / "results" / "behaviour.json"

_SHIPPED = ("default", "baseline")
_PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "tokenizers")
# These tell of a model and change no tag.
_ABOUT_MODEL = ("README.md", "metrics.json")

Tags: TypeAlias = frozenset[str]


@dataclass(frozen=True, slots=True)
class Case:
    """Texts that differ in one respect, and what their tags must be.

    Parameters
    ----------
    id : str
        Unique in the file.
    kind : str
        The respect in which the texts differ.
    test : {"labels", "invariance"}
        Whether the tags must be right, or the same.
    texts : tuple of str
        One sentence each.
    domains : tuple of frozenset of str
        The right core domains of each text; empty for a test of invariance.
    note : str
        What the case is about.
    """

    id: str
    kind: str
    test: str
    texts: tuple[str, ...]
    domains: tuple[Tags, ...]
    note: str

    def is_passed(self, tags: Sequence[Tags]) -> bool:
        """Whether these tags of the texts, in order, pass the case."""
        if self.test == "labels":
            return tuple(tags) == self.domains
        return len(set(tags)) == 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """The tags that a model gave to the texts of a case."""

    case: Case
    tags: tuple[Tags, ...]

    @property
    def is_passed(self) -> bool:
        """Whether the model passed the case."""
        return self.case.is_passed(self.tags)


def read_cases(path: Path = _CASES) -> list[Case]:
    """Read the cases, in the order of the file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    return [
        Case(
            row["id"],
            row["kind"],
            row["test"],
            tuple(row["texts"]),
            tuple(frozenset(domains) for domains in row.get("domains", ())),
            row["note"],
        )
        for row in rows
    ]


def run_case(tagger: Tagger, case: Case) -> Outcome:
    """Tag the texts of a case."""
    names = tagger.domains.names
    # One at a time: in a batch, a text's 8-bit numbers depend on its neighbours.
    columns = [tagger.predict([text])[0] for text in case.texts]
    tags = tuple(
        frozenset(name for name, is_tagged in zip(names, column, strict=True) if is_tagged)
        for column in columns
    )
    return Outcome(case, tags)


def count_passes(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, dict[str, Any]]:
    """Count the cases of each kind and those that each model passes.

    Parameters
    ----------
    outcomes : mapping of str to sequence of Outcome
        Of each model, on the same cases.

    Examples
    --------
    >>> case = Case("b1", "case", "invariance", ("Gas flows.", "GAS FLOWS."), (), "capitals")
    >>> energy = frozenset({"energy"})
    >>> count_passes({"default": [Outcome(case, (energy, energy))]})
    {'case': {'cases': 1, 'pass': {'default': 1}}}
    """
    [cases, *_] = ([outcome.case for outcome in each] for each in outcomes.values())
    return {
        kind: {
            "cases": sum(case.kind == kind for case in cases),
            "pass": {
                model: sum(o.is_passed for o in each if o.case.kind == kind)
                for model, each in outcomes.items()
            },
        }
        for kind in dict.fromkeys(case.kind for case in cases)
    }


def failures(outcomes: Sequence[Outcome]) -> str:
    """Return the cases that a model fails, a line for each case and each of its texts.

    Examples
    --------
    >>> case = Case("b1", "contrast", "labels", ("Trade barbs.",), (frozenset(),), "insults")
    >>> print(failures([Outcome(case, (frozenset({"trade"}),))]), end="")
    b1 contrast, labels: insults
      [trade, not none] Trade barbs.
    """
    lines = []
    for case, tags in ((o.case, o.tags) for o in outcomes if not o.is_passed):
        lines.append(f"{case.id} {case.kind}, {case.test}: {case.note}")
        for number, (text, found) in enumerate(zip(case.texts, tags, strict=True)):
            shown = _shown(found)
            if case.test == "labels" and found != case.domains[number]:
                shown += f", not {_shown(case.domains[number])}"
            lines.append(f"  [{shown}] {text}")
    return "".join(f"{line}\n" for line in lines)


def _shown(tags: Tags) -> str:
    return " + ".join(sorted(tags)) or "none"


def _print_table(kinds: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [*kinds.values()]
    table = Table("kind", title="Cases passed, with 95 % intervals of their share")
    for model in rows[0]["pass"]:
        table.add_column(model, justify="right")
    for name, row in kinds.items():
        table.add_row(name, *_shares([row]))
    table.add_section()
    table.add_row("all", *_shares(rows))
    Console().print(table)


def _shares(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how many of the cases of these kinds each model passes."""
    n_cases = sum(row["cases"] for row in rows)
    shares = [wilson(sum(row["pass"][name] for row in rows), n_cases) for name in rows[0]["pass"]]
    return [
        f"{share.n_solved} of {n_cases} ({100 * share.low:.0f}–{100 * share.high:.0f} %)"
        for share in shares
    ]


def _report(kinds: Mapping[str, Any], models: Sequence[str]) -> dict[str, Any]:
    return {
        "cases": sum(kind["cases"] for kind in kinds.values()),
        "sha256": hashlib.sha256(_CASES.read_bytes()).hexdigest(),
        "kinds": kinds,
        "models": {model: _checksums(model) for model in models},
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), "diplomacy-nlp": __version__}
        | {package: version(package) for package in _PACKAGES},
    }


def _checksums(model: str) -> dict[str, str]:
    """Return the checksum of every file of a model folder on which a tag depends."""
    folder = _ROOT / "models" / model if model in _SHIPPED else Path(model)
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    checksums = (line.split() for line in lines)
    return {name: checksum for checksum, name in checksums if name not in _ABOUT_MODEL}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", help="model folders to run beside the shipped models")
    parser.add_argument("--failures", action="store_true", help="list the cases that fail")
    parser.add_argument(
        "--output", type=Path, help="file for the results; without it, named models write none"
    )
    options = parser.parse_args(arguments)
    models = [*dict.fromkeys((*_SHIPPED, *options.models))]
    cases = read_cases()
    try:
        taggers = {model: Tagger.load(model, domains="core") for model in models}
    except DiplomacyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    outcomes = {
        model: [run_case(tagger, case) for case in cases] for model, tagger in taggers.items()
    }
    kinds = count_passes(outcomes)
    _print_table(kinds)
    if options.failures:
        for model, each in outcomes.items():
            print(f"\n{model} fails\n{failures(each)}", end="")
    output = options.output or (None if options.models else _RESULTS)
    if output:
        text = json.dumps(_report(kinds, models), indent=2, ensure_ascii=False)
        output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
