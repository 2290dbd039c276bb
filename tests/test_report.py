import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tagged import random_examples, tag_with_noise, tagging

from diplomacy_nlp.assessment import Assessment, Measured
from diplomacy_nlp.breakdown import break_down
from diplomacy_nlp.comparison import compare_tagged
from diplomacy_nlp.curves import log_losses
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import DomainSet
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.evaluation import evaluate_tagged
from diplomacy_nlp.report import check_report_folder, render_report, write_report
from diplomacy_nlp.report.content import data_name, score_rows, worst

EXAMPLES = random_examples()
VOID = {"meta", "br"}


def assessment_of(tagged, other=None, *, name="mine", other_name="theirs", n_bootstrap=30):
    """Return what ``assess`` would, without a tagger."""
    return Assessment(
        tagged.examples,
        Measured(name, tagged, evaluate_tagged(tagged, n_bootstrap=n_bootstrap)),
        None
        if other is None
        else Measured(other_name, other, evaluate_tagged(other, n_bootstrap=n_bootstrap)),
        break_down(tagged, n_bootstrap=n_bootstrap),
        None if other is None else compare_tagged(tagged, other, n_bootstrap=n_bootstrap),
    )


@pytest.fixture(scope="module")
def alone():
    return assessment_of(tag_with_noise(EXAMPLES, 0.4))


@pytest.fixture(scope="module")
def both():
    return assessment_of(tag_with_noise(EXAMPLES, 0.4), tag_with_noise(EXAMPLES, 0.6, seed=2))


@pytest.fixture(scope="module")
def page(both):
    return render_report(both)


class Checker(HTMLParser):
    """Notes the tags of a page and fails where they do not close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def checked(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def shown(page):
    return " ".join(" ".join(checked(page).text).split())


class TestPage:
    def test_is_well_formed_and_whole(self, page, both):
        text = shown(page)
        assert "mine on sentences.jsonl" in text
        assert "folder/" not in text  # no local path
        assert both.examples.sha256 in text
        assert "180 from 60 documents" in text
        for heading in (
            "Scores",
            "Against theirs",
            "By source",
            "By length",
            "By relation",
            "The sentences most wrong",
        ):
            assert heading in text
        assert checked(page).seen.count("svg") == 4 + 3
        assert "nan" not in text

    def test_needs_no_network_and_no_scripts(self, page):
        checker = checked(page)
        assert not {"script", "link", "img", "image", "iframe", "object"} & set(checker.seen)
        for name, value in checker.attributes:
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value.startswith("#")
        assert "@import" not in page
        assert set(re.findall(r"url\((.)", page)) <= {"#"}
        assert "default-src 'none'" in page

    def test_same_numbers_same_page(self, page, both):
        assert render_report(both) == page

    def test_ids_are_unique(self, page):
        ids = [value for name, value in checked(page).attributes if name == "id"]
        assert len(ids) == len(set(ids))

    def test_every_score_is_there(self, page, both):
        text = shown(page)
        for scores in both.tagger.evaluation.domains:
            interval = scores.precision_interval
            assert (
                f"{scores.domain} {scores.support} {scores.precision:.3f} "
                f"{interval.low:.3f}–{interval.high:.3f} {scores.recall:.3f}"
            ) in text
        difference = both.comparison.macro_f1
        assert f"{difference.value:+.3f} against theirs" in text
        assert (
            f"macro-F1 {difference.score:.3f} {difference.other_score:.3f} {difference.value:+.3f}"
        ) in text
        for subset in both.breakdown["source"]:
            assert f"{subset.name} {subset.n_sentences} {subset.n_groups} {subset.n_labels}" in text

    def test_dark_light_and_print(self, page):
        assert page.count("@media screen and (prefers-color-scheme: dark)") == 2
        assert "@media print" in page

    def test_alone(self, alone):
        text = shown(render_report(alone))
        assert "against" not in text.lower()
        assert "theirs" not in text

    def test_of_little(self):
        tagged = tagging([[1, 0]], [[1, 0]])
        text = shown(render_report(assessment_of(tagged, n_bootstrap=0)))
        assert "Every sentence has exactly the right tags." in text
        assert "intervals none" in text
        assert "Where it is better and worse" not in text
        assert "trade 0 – – – – 0.100" in text

    def test_markup_in_the_data_is_text(self):
        domains = DomainSet.of(["<b>oil</b>", "a & b"])
        rows = tuple(
            Example(f"<script>alert({i})</script> &amp;", {"a & b"}, source=source, group="<i>")
            for i, source in enumerate(["<img src=x>", "ok"])
        )
        tagged = tag_with_noise(Examples(domains, rows, "<u>.csv"), 0)
        wrong = tagged.select(np.array([0, 1])).with_domains(domains.names)
        wrong.tags[:] = ~wrong.tags
        checker = checked(render_report(assessment_of(wrong, name="<em>", n_bootstrap=0)))
        assert not {"script", "img", "u", "i", "em"} & set(checker.seen)
        text = " ".join(checker.text)
        for literal in ("<script>alert(0)</script> &amp;", "<b>oil</b>", "<img src=x>", "<u>.csv"):
            assert literal in text


class TestWorst:
    def test_largest_log_loss_first(self, both):
        tagged = both.tagger.tagged
        sentences = worst(both, 10)
        losses = [sentence.log_loss for sentence in sentences]
        assert losses == sorted(losses, reverse=True)
        wrong = log_losses(tagged.labels, tagged.probabilities)[tagged.is_wrong]
        assert losses == pytest.approx(np.sort(wrong)[::-1][:10])
        assert len(worst(both, 10_000)) == len(wrong)

    def test_says_what_is_wrong(self, both):
        tagged, other = both.tagger.tagged, both.other.tagged
        row_of = {example.text: row for row, example in enumerate(EXAMPLES)}
        for sentence in worst(both, 20):
            row = row_of[sentence.text]
            example = EXAMPLES[row]
            verdicts = {decision.domain: decision.verdict for decision in sentence.decisions}
            assert {d for d, v in verdicts.items() if v in ("right", "missed")} == example.domains
            names = tagged.examples.domains.names
            said = {d for d, v in verdicts.items() if v in ("right", "false alarm")}
            assert said == {name for name, tag in zip(names, tagged.tags[row], strict=True) if tag}
            assert said != example.domains
            assert sentence.relation == example.relation
            assert sentence.origin == f"{example.source}, {example.group}"
            assert sentence.other_tags == tuple(np.array(names)[other.tags[row]])
            assert [d.probability for d in sentence.decisions] == pytest.approx(
                tagged.probabilities[row].tolist()
            )

    def test_fifty_at_most_are_shown(self, both, page):
        n_wrong = both.tagger.tagged.is_wrong.sum()
        assert n_wrong > 50
        assert checked(page).seen.count("li") == 4 + 50
        assert (
            f"{n_wrong} of 180 sentences have a wrong tag or lack a right one. These 50"
            in shown(page)
        )

    def test_unknown_relations(self):
        [sentence] = worst(assessment_of(tagging([[1]], [[0]]), n_bootstrap=0), 5)
        assert (sentence.relation, sentence.told_relation, sentence.other_tags) == (None,) * 3
        assert sentence.origin == ""


def test_rows_of_scores(both, alone):
    rows = score_rows(both)
    names = ["macro-F1", "micro-F1", "exact match", "relation macro-F1"]
    assert [row.name for row in rows] == [*names, *(f"F1 of {n}" for n in EXAMPLES.domains.names)]
    assert rows[0].scores == (both.tagger.evaluation.macro_f1, both.other.evaluation.macro_f1)
    assert rows[-1].difference == both.comparison.domains["counter-terrorism"]
    assert all(row.difference is None for row in score_rows(alone))


def test_data_without_a_name(both):
    nameless = Examples(EXAMPLES.domains, EXAMPLES.rows)
    assessment = Assessment(nameless, both.tagger, None, {}, None)
    assert data_name(assessment) == "labelled sentences"


class TestWriting:
    @pytest.fixture(autouse=True)
    def drawn(self, monkeypatch):
        monkeypatch.setattr("diplomacy_nlp.report.render_report", lambda _: "<p>é\n")

    def test_replaces_an_older_page(self, alone, tmp_path):
        folder = tmp_path / "new" / "report"
        path = write_report(alone, folder)
        assert path == folder / "index.html"
        path.write_text("old", encoding="utf-8")
        assert write_report(alone, str(folder)) == path
        assert path.read_bytes().decode() == "<p>é\n"
        assert list(folder.iterdir()) == [path]

    def test_a_file_is_no_folder(self, alone, tmp_path):
        file = tmp_path / "report"
        file.write_text("mine")
        for call in (lambda: check_report_folder(file), lambda: write_report(alone, file)):
            with pytest.raises(DataError, match="is a file; a report needs a folder"):
                call()
        assert file.read_text() == "mine"

    def test_what_the_system_refuses(self, alone, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="cannot be made: Not a directory"):
            write_report(alone, tmp_path / "file" / "report")
