import io
import re

import pytest
from rich.console import Console

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.display import (
    console_on,
    print_domains,
    print_evaluation,
    print_tagged,
    tagging_progress,
    training_progress,
)
from diplomacy_nlp.domains import CORE, WIDE, DomainSet
from diplomacy_nlp.evaluation import Evaluation, evaluate
from diplomacy_nlp.tagger import Tagger


class Progress:
    """What a training run reports, without the module that needs torch."""

    def __init__(self, step: int, epoch: float, dev_macro_f1: float | None) -> None:
        self.step, self.n_steps = step, 30
        self.epoch, self.dev_macro_f1 = epoch, dev_macro_f1


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


def test_tags_stand_beside_their_sentence(fake_tagger: Tagger) -> None:
    there = console(66)
    first = "They agreed on gas and\non wheat for the years to come. It rained."
    documents = [("a.txt", fake_tagger.tag(first)), ("b.txt", fake_tagger.tag("Rome accused us."))]

    print_tagged(documents, fake_tagger, there)

    assert "\n".join(lines_of(there)) == (
        "a.txt\n"
        "\n"
        "+  They agreed on gas and on wheat for     energy             0.95\n"
        "   the years to come.                      trade              0.95\n"
        "\n"
        "   It rained.\n"
        "\n"
        "b.txt\n"
        "\n"
        "−  Rome accused us.\n"
        "\n"
        "1 of 3 sentences tagged\n"
        "energy 1   trade 1   + cooperation   − conflict"
    )


def test_colours_are_for_terminals(fake_tagger: Tagger) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    print_tagged([("a.txt", fake_tagger.tag("Gas."))], fake_tagger, terminal)
    assert "\x1b[1;33menergy" in "\n".join(lines_of(terminal))
    assert console_on(io.StringIO()).color_system is None


def test_a_text_cannot_command_the_terminal(fake_tagger: Tagger) -> None:
    there = console()
    text = "Gas \x1b]0;title\x07 and [bold red]wheat[/] :smile: \x9b31m \\[x]."
    print_tagged([("\x1b[2J[b].txt", fake_tagger.tag(text))], fake_tagger, there)
    shown = "\n".join(lines_of(there))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert "[bold red]wheat[/] :smile:" in shown
    assert "\\[x]" in shown
    assert "\ufffd[2J[b].txt" in shown


def test_long_lines_are_shown_in_full(fake_tagger: Tagger) -> None:
    there = console(60)
    print_tagged([("a.txt", fake_tagger.tag("ab" * 10_000))], fake_tagger, there)
    assert "".join(lines_of(there)).count("ab") == 10_000


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


def test_domains_with_and_without_thresholds() -> None:
    plain, with_thresholds = console(100), console(100)
    print_domains(WIDE, console=plain)
    print_domains(DomainSet.of(["fisheries"]), (0.25,), with_thresholds)
    assert [line.split()[0] for line in lines_of(plain) if line[:1].isalpha()] == [
        "domain",
        *WIDE.names,
    ]
    assert "CAMEO 0311" in "\n".join(lines_of(plain))
    assert lines_of(with_thresholds)[-1].split() == ["fisheries", "0.250"]


def test_a_closed_pipe_reaches_the_caller() -> None:
    class Closed(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        console_on(Closed()).print("x")


def test_training_tells_each_epoch_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = [
        Progress(step, step / 10, None if step <= 10 else step // 10.1 / 10)
        for step in range(1, 31)
    ]
    with training_progress() as show:
        for progress in steps:
            show(progress)  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1: macro F1 on dev 0.100",
        "epoch 2: macro F1 on dev 0.200",
        "30 steps done; calibrating and evaluating",
    ]


def stderr_as_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return stream


def test_training_shows_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_as_terminal(monkeypatch)
    with training_progress() as show:
        show(Progress(12, 1.2, 0.5))  # type: ignore[arg-type]
        show(Progress(30, 3.0, 0.7))  # type: ignore[arg-type]
    shown = terminal.getvalue()
    assert "calibrating, evaluating" in shown
    assert "100%" in shown
    assert "macro F1 on dev 0.700" in shown


def test_tagging_shows_how_many_documents_have_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_as_terminal(monkeypatch)
    with tagging_progress(iter([("a", []), ("b", [])]), 2) as watched:
        assert [name for name, _ in watched] == ["a", "b"]
    assert "2 documents" in terminal.getvalue()
