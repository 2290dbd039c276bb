import io
import math

import pytest
from rich.console import Console
from tagged import random_examples, tag_with_noise

from diplomacy_nlp.bootstrap import Interval, Score
from diplomacy_nlp.breakdown import SubsetScores, break_down
from diplomacy_nlp.comparison import compare_tagged
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.display_scores import print_breakdown, print_comparison, print_evaluation
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.evaluation import Evaluation, evaluate
from diplomacy_nlp.tagger import Tagger


@pytest.fixture
def evaluation(fake_tagger: Tagger) -> Evaluation:
    texts = ["They agreed on gas.", "It rained.", "They met.", "Oil and wheat."]
    labels = [{"energy"}, set[str](), {"trade"}, {"energy", "trade"}]
    rows = tuple(
        Example(text, frozenset(names), relation="neutral")
        for text, names in zip(texts, labels, strict=True)
    )
    return evaluate(fake_tagger, Examples(CORE, rows), n_bootstrap=20)


def lines_of(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def console(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def line_of(lines: list[str], start: str) -> list[str]:
    """Return the cells of the one line that starts so, without this start."""
    [line] = [line for line in lines if line.startswith(start)]
    return line.removeprefix(start).split()


@pytest.mark.parametrize("with_baseline", [False, True])
def test_scores_fit_a_terminal(evaluation: Evaluation, with_baseline: bool) -> None:
    there = console(80)
    print_evaluation("labels.csv", evaluation, evaluation if with_baseline else None, there)
    lines = lines_of(there)

    assert lines[0] == "labels.csv  4 sentences, 4 groups"
    heading = next(line for line in lines if line.startswith("domain"))
    energy = next(line for line in lines if line.startswith("energy")).split()
    terrorism = next(line for line in lines if line.startswith("counter-terrorism")).split()
    overall = next(line for line in lines if line.startswith("macro F1")).split()
    assert heading.split()[1:4] == ["precision", "recall", "F1"]
    assert energy[1:4] == ["1.000", "1.000", "1.000"]
    assert energy[-1] == "2"
    assert terrorism[1:4] == ["–", "–", "–"]
    assert overall[2] == "0.833"
    assert ("baseline" in "".join(lines)) == with_baseline
    assert any(line.startswith("relation macro F1") for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_a_comparison_fits_a_terminal() -> None:
    examples = random_examples()
    comparison = compare_tagged(tag_with_noise(examples, 0.3), tag_with_noise(examples, 0.7))
    there = console()
    print_comparison("mine", "an \x1b[2Jother", comparison, there)
    lines = lines_of(there)
    assert lines[0] == "mine against an \ufffd[2Jother"
    macro, low = comparison.macro_f1, comparison.macro_f1.interval.low
    cells = line_of(lines, "macro F1 ")
    assert cells[:4] == [
        f"{macro.score:.3f}",
        f"{macro.other_score:.3f}",
        f"{macro.value:+.3f}",
        f"{low:+.3f}",
    ]
    assert cells[-2:] == ["100.0", "%"]
    assert line_of(lines, "F1 of counter-terrorism")
    assert line_of(lines, "relation macro F1")
    assert all(len(line) <= 80 for line in lines)


def test_a_loss_has_a_minus_and_what_is_unknown_a_dash() -> None:
    examples = random_examples()
    worse = compare_tagged(
        tag_with_noise(examples, 0.7), tag_with_noise(examples, 0.3), n_bootstrap=0
    )
    there = console()
    print_comparison("a", "b", worse, there)
    cells = line_of(lines_of(there), "micro F1")
    assert cells[2].startswith("−0.")
    assert cells[3:] == ["–"]


def test_parts_fit_a_terminal() -> None:
    there = console()
    breakdown = break_down(tag_with_noise(random_examples(n_documents=120), 0.3), n_bootstrap=20)
    print_breakdown(breakdown, there)
    lines = lines_of(there)
    [wires] = [subset for subset in breakdown["source"] if subset.name == "wires"]
    interval = wires.macro_f1.interval
    assert line_of(lines, "wires")[:4] == [
        "120",
        str(wires.n_labels),
        f"{wires.macro_f1.value:.3f}",
        f"{interval.low:.3f}–{interval.high:.3f}",
    ]
    assert line_of(lines, "cooperation")
    assert all(len(line) <= 80 for line in lines)


def test_few_of_many_parts_are_shown() -> None:
    unknown = Score(math.nan, Interval(math.nan, math.nan))
    subsets = [
        SubsetScores(f"source {i}", 9, 9, 0, 0, unknown, unknown, unknown) for i in range(23)
    ]
    there = console()
    print_breakdown({"source": subsets}, there)
    lines = lines_of(there)
    assert line_of(lines, "source 19") == ["9", "0", "–", "–"]
    assert not [line for line in lines if line.startswith("source 20")]
    assert "and 3 smaller ones" in lines
