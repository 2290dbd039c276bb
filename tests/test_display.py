import io
import math
import re
from pathlib import Path

import fakes
import pytest
from rich.console import Console

from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.display import (
    console_on,
    print_domains,
    print_tagged,
    print_thresholds,
    tagging_progress,
    training_progress,
)
from diplomacy_nlp.documents import read_documents
from diplomacy_nlp.domains import WIDE, DomainSet
from diplomacy_nlp.operating_points import Band, OperatingPoint
from diplomacy_nlp.tagger import Tagger


class Progress:
    """What a training run reports, without the module that needs torch."""

    def __init__(self, step: int, epoch: float, dev_macro_f1: float | None) -> None:
        self.step, self.n_steps = step, 30
        self.epoch, self.dev_macro_f1 = epoch, dev_macro_f1


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


def test_what_to_review_ends_in_a_question_mark() -> None:
    tagger = fakes.load_fake_tagger(review=0.9, thresholds={"trade": 0.96, "security": 0.04})
    documents = [("a.txt", tagger.tag("They agreed on gas and on wheat. It rained."))]
    there = console(70)
    print_tagged(documents, tagger, there)
    assert "\n".join(lines_of(there)) == (
        "a.txt\n"
        "\n"
        "+  They agreed on gas and on wheat.          energy             0.95\n"
        "                                             trade              0.95 ?\n"
        "                                             security           0.05 ?\n"
        "\n"
        "   It rained.                                security           0.05 ?\n"
        "\n"
        "2 of 2 sentences tagged, 2 to review\n"
        "security 2   energy 1   + cooperation   − conflict   ? to review"
    )


def test_what_is_not_tagged_is_dim_where_it_is_to_review() -> None:
    tagger = fakes.load_fake_tagger(review=0.9, thresholds={"trade": 0.96})
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    print_tagged([("a.txt", tagger.tag("Gas and wheat."))], tagger, terminal)
    shown = "\n".join(lines_of(terminal))
    assert "\x1b[1;33menergy" in shown
    assert "\x1b[2mtrade" in shown


def test_only_sentences_of_a_relation_are_shown(fake_tagger: Tagger) -> None:
    texts = {"a.txt": "They agreed. Rome accused us. It rained.", "b.txt": "It rained."}
    documents = [(name, fake_tagger.tag(text)) for name, text in texts.items()]
    there = console(70)
    print_tagged(documents, fake_tagger, there, relations=["conflict"])
    shown = "\n".join(lines_of(there))
    assert "−  Rome accused us.\n" in shown
    assert "0 of 1 sentence tagged" in shown
    for absent in ("They agreed", "It rained", "b.txt"):
        assert absent not in shown


def test_thresholds_with_and_without_bands() -> None:
    points = {name: fakes.FAKE_POINTS.domains[name].default for name in ("trade", "energy")}
    unknown = Interval(math.nan, math.nan)
    points["counter-terrorism"] = OperatingPoint(0.5, math.nan, math.nan, unknown)
    plain, with_bands = console(80), console(80)
    print_thresholds(points, console=plain)
    print_thresholds(points, dict.fromkeys(points, Band(0.125, 1.0)), with_bands)
    assert [line.split() for line in lines_of(plain)[2:]] == [
        ["trade", "0.500", "0.438–0.531", "0.875", "0.750"],
        ["energy", "0.500", "0.438–0.531", "0.875", "0.750"],
        ["counter-terrorism", "0.500", "–", "–", "–"],
    ]
    assert lines_of(with_bands)[2].split()[-1] == "0.125–1.000"
    assert all(len(line) <= 80 for line in lines_of(with_bands))


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


def test_tagging_shows_how_many_sentences_have_passed_and_how_fast(
    monkeypatch: pytest.MonkeyPatch, fake_tagger: Tagger, tmp_path: Path
) -> None:
    terminal = stderr_as_terminal(monkeypatch)
    seconds = iter(range(1, 100))
    monkeypatch.setattr("diplomacy_nlp.display.time.monotonic", lambda: float(next(seconds)))
    files = [str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")]
    Path(files[0]).write_text("Gas. Oil.")
    Path(files[1]).write_text('{"text": "One. Two. Three."}\n' * 2)
    stream = read_documents(files)
    with tagging_progress(stream, 2, 67, 1000) as watch:
        passed = watch((d.name, fake_tagger.tag(d.text)) for d in stream)
        assert [len(sentences) for _, sentences in passed] == [2, 3, 3]
    shown = terminal.getvalue()
    assert "1,008 sentences, 3 a second, file 2 of 2" in shown
    assert "0:00:00" in shown


def test_tagging_shows_no_more_than_a_person_can_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = stderr_as_terminal(monkeypatch)
    monkeypatch.setattr("diplomacy_nlp.display.time.monotonic", lambda: 1.0)
    with tagging_progress(read_documents([]), 1, None) as watch:
        assert len(list(watch((str(n), []) for n in range(1000)))) == 1000
    assert terminal.getvalue().count("a second") <= 2
