import io

from rich.console import Console
from test_annotators_measure import ANNA, BORIS
from test_checks_data_check import ODD

from diplomacy_nlp.annotators.measure import agreement
from diplomacy_nlp.checks.data_check import check
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.display_check import print_agreement, print_check
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.labelled_files import RowPlace

KINDS = ["label-conflict", "leak", "length", "few-positives", "group-across-splits"]


def shown(print_, *arguments, width=80):
    file = io.StringIO()
    print_(*arguments, console=Console(file=file, width=width))
    text = file.getvalue()
    title, *lines = (line.rstrip() for line in text.splitlines())
    assert max(map(len, lines)) <= width
    return [title, *lines]


class TestPrintCheck:
    def test_counts(self):
        lines = shown(print_check, check(ODD, kinds=KINDS))
        assert lines[0] == "odd.csv  13 sentences"
        assert lines[2].split() == ["train", "test"]
        rows = [line.split() for line in lines]
        assert ["energy", "3", "0"] in rows
        assert ["cooperation", "1", "0"] in rows
        assert ["no", "relation", "9", "2"] in rows
        assert lines[-1] == "3 errors, 8 warnings, 1 note"

    def test_findings(self):
        lines = shown(print_check, check(ODD, kinds=KINDS))
        kinds = [line.split()[0] for line in lines if line.startswith(tuple(KINDS))]
        assert kinds[:5] == [
            "label-conflict",
            "leak",
            "group-across-splits",
            "few-positives",
            "length",
        ]
        place = lines.index("label-conflict (1 of 1)")
        assert lines[place + 1 : place + 4] == [
            "  error: the same sentence is labelled energy cooperation and no domain neutral",
            "    example 1, conflict, train, energy, cooperation",
            "    They agreed on gas.",
        ]
        assert "few-positives (3 of 8)" in lines

    def test_more_and_no_findings(self):
        checked = check(ODD, kinds=KINDS)
        assert "few-positives (8 of 8)" in shown(print_check, checked, 10)
        assert not [line for line in shown(print_check, checked, 0) if line.startswith("  error")]

    def test_nothing_found_and_what_was_not_looked_for(self):
        lines = shown(print_check, check(ODD, kinds=["label-error", "near-duplicate"]))
        assert "nothing" in lines
        assert "label-error was not looked for: no domain to judge with 10" in " ".join(lines)

    def test_rows_of_several_files_name_them(self):
        rows = (Example("Gas.", split="a"), Example("Gas.", split="b"))
        places = (RowPlace("a.csv", 2), RowPlace("b.jsonl", 1, "line"))
        checked = check(Examples(CORE, rows), kinds=["leak"], places=places)
        lines = shown(print_check, checked)
        assert "    a.csv row 2, a" in lines
        assert "    b.jsonl line 1, b" in lines

    def test_long_texts_and_many_rows_are_cut(self):
        rows = tuple(Example("They spoke of gas " * 20, split="ab"[n % 2]) for n in range(9))
        lines = shown(print_check, check(Examples(CORE, rows), kinds=["leak"]))
        assert sum(line.endswith("…") for line in lines) == 4
        assert "    and 5 more rows" in lines

    def test_a_text_commands_nothing(self):
        rows = (Example("Gas\x1b[31m [bold]met[/]."), Example("Gas\x1b[31m [bold]met[/]."))
        lines = shown(print_check, check(Examples(CORE, rows, "a[b].csv"), kinds=["duplicate"]))
        assert lines[0] == "a[b].csv  2 sentences"
        assert "    Gas\ufffd[31m [bold]met[/]." in lines


class TestPrintAgreement:
    def test_table(self):
        measured = agreement(ANNA, BORIS, names=["anna", "boris"], n_bootstrap=100)
        lines = shown(print_agreement, measured)
        assert lines[0] == "anna and boris  120 sentences, 30 groups, matched by id"
        energy = next(line for line in lines if line.startswith("energy")).split()
        row = measured.domains[0]
        assert energy[1:3] == list(map(str, row.n_positives))
        assert energy[3:5] == [f"{row.raw.value:.3f}", f"{row.kappa.value:.3f}"]
        interval = row.alpha.interval
        assert energy[-1] == f"{interval.low:.3f}–{interval.high:.3f}"
        assert [line.split()[0] for line in lines if line.startswith(("set", "rel"))] == [
            "set",
            "relation",
        ]
        assert lines[-1] == f"Labelled in different ways: {len(measured.disagreements)} of 120."

    def test_remarks(self):
        one = Examples(
            CORE,
            (
                Example("Gas flows.", {"energy"}, "neutral", id="1"),
                Example("Rain.", id="2"),
                Example("Snow.", id="3"),
            ),
        )
        other = Examples(
            CORE,
            (Example("Gas flowed.", (), "neutral", id="1"), Example("Rain.", id="2")),
        )
        lines = shown(print_agreement, agreement(one, other, names=["a", "b"], n_bootstrap=0))
        assert "A: a; 1 sentence without a counterpart" in lines
        assert "B: b" in lines
        assert lines[-3:] == [
            "–: undefined, since all answers are the same.",
            "The relation is compared over the 1 sentence of which all give it.",
            "Of the same id but of another text: 1 sentence.",
        ]

    def test_three_annotators_fit(self):
        three = [Examples(CORE, tuple(Example(r.text, r.domains) for r in ANNA))] * 3
        lines = shown(print_agreement, agreement(*three, n_bootstrap=10))
        assert any(line.startswith("counter-terrorism") for line in lines)
