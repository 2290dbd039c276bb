import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from diplomacy_nlp.checks.findings import Finding
from diplomacy_nlp.checks.text_oddities import (
    find_headings,
    find_lengths,
    find_markup,
    find_other_languages,
    find_several_sentences,
)
from diplomacy_nlp.errors import MissingExtraError

WRITTEN = Path(__file__).parents[1] / "data" / "written.jsonl"
TEXTS = [
    json.loads(line)["text"] for line in WRITTEN.read_text(encoding="utf-8").splitlines()[:400]
]

FOREIGN = {
    "fr": "Les deux ministres sont convenus de renforcer la coopération énergétique.",
    "de": "Der Bundeskanzler traf den Präsidenten in Paris.",
    "es": "El presidente firmó un acuerdo comercial con Brasil.",
    "pt": "O ministro assinou um acordo de gás com a Rússia.",
    "ru": "Министры договорились о поставках газа.",
    "zh": "两国签署了能源合作协议。",
    "ar": "وقع الوزيران اتفاقا للتعاون في مجال الطاقة.",
    "tr": "İki bakan enerji işbirliği anlaşması imzaladı.",
    "pl": "Ministrowie podpisali umowę o współpracy gazowej.",
    "vi": "Hai bộ trưởng đã ký một thỏa thuận thương mại.",
    "sw": "Mawaziri walitia saini mkataba wa biashara.",
    "ja": "両国はエネルギー協力で合意した。",
}
NAMES = (
    "Met with President Tsakhiagiin Elbegdorj and Prime Minister Sukhbaatar Batbold.",
    "Met with Israeli Prime Minister Benjamin Netanyahu.",
    "Met with Foreign Minister van den Broek.",
    "Emmanuel Macron received Ursula von der Leyen and Giorgia Meloni in Paris.",
)


def rows(findings: Iterable[Finding]) -> list[int]:
    return [row for finding in findings for row in finding.rows]


class TestOtherLanguages:
    def test_of_the_world(self):
        found = list(find_other_languages(list(FOREIGN.values())))
        assert rows(found) == list(range(len(FOREIGN)))
        assert [finding.details["language"] for finding in found] == list(FOREIGN)

    @pytest.mark.parametrize("texts", [NAMES, TEXTS, ["Fine.", "???", "Oui.", "Dushanbe"]])
    def test_english_names_and_what_is_too_short_to_tell(self, texts):
        assert rows(find_other_languages(texts)) == []

    def test_needs_an_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "py3langid.langid", None)
        with pytest.raises(MissingExtraError, match=r"diplomacy-nlp\[check\]"):
            list(find_other_languages(TEXTS))


class TestLengths:
    @pytest.mark.parametrize(
        ("text", "message", "severity"),
        [
            ("— !", "no word", "warning"),
            ("Agreed.", "1 word", "note"),
            ("U.S.-led co-operation, today’s", "3 words", "note"),
        ],
    )
    def test_short(self, text, message, severity):
        [found] = find_lengths([text])
        assert (found.message, found.severity) == (message, severity)

    def test_longer_than_the_window(self):
        # Each "gas" is a token, and there are two special ones.
        fits, exceeds = "gas " * 126, "gas " * 127
        [found] = find_lengths([fits, exceeds])
        assert (found.rows, found.details) == ((1,), {"n_tokens": 129})

    def test_plain_sentences(self):
        assert rows(find_lengths(TEXTS)) == []


def test_several_sentences():
    texts = ["He left. She stayed.", "The U.S. and Dr. Li met.", "They met."]
    [found] = find_several_sentences(texts)
    assert (found.rows, found.details) == ((0,), {"n_sentences": 2})


class TestHeadings:
    @pytest.mark.parametrize(
        "text",
        [
            "Joint Statement on Energy Cooperation",
            "PRESS RELEASE",
            "Remarks by President Biden at the Signing of the Agreement",
        ],
    )
    def test_found(self, text):
        assert rows(find_headings([text])) == [0]

    @pytest.mark.parametrize(
        "text",
        [
            "The ministers agreed to build a pipeline",
            "Remarks by President Biden.",
            "“We Stand With Ukraine!”",
            "123 — 456",
        ],
    )
    def test_not_found(self, text):
        assert rows(find_headings([text])) == []

    def test_plain_sentences(self):
        assert rows(find_headings(TEXTS)) == []


class TestMarkup:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("<p>They met.</p>", ["an HTML or XML tag"]),
            ("They met <!-- twice -->.", ["an HTML or XML tag"]),
            ("Trade &amp; gas, &#8220;both&#x201d;.", ["an HTML entity"]),
            ("See [the text](note.html).", ["a link"]),
            ("See https://example.org for more.", ["a link"]),
            ("[[Category:Trade]] rose.", ["wiki markup"]),
            ("They **agreed** on gas.", ["Markdown emphasis"]),
            ("## Trade rose.", ["Markdown emphasis"]),
            ("They\nmet.", ["a line break or tab"]),
            ("The minister�s gas.", ["broken encoding"]),
            ("FranceÃ©", ["broken encoding"]),
            ("Brazilâ€™s gas", ["broken encoding"]),
            ("co\u00adoperation", ["the invisible character U+00AD"]),
            (
                "\ufeffThey met\u200b.",
                ["the invisible character U+200B", "the invisible character U+FEFF"],
            ),
        ],
    )
    def test_found(self, text, found):
        [finding] = find_markup([text])
        assert finding.details == {"found": found}
        assert finding.message == ", ".join(found)

    @pytest.mark.parametrize(
        "text",
        [
            "Section 202(d) of the Act (50 U.S.C. 1622(d)) provides for it.",
            "Growth was < 3 % and > 1 %.",
            "AT&T and R&D; both grew.",
            "Ângela met Ã, São Tomé and Côte d’Ivoire — “twice”.",
        ],
    )
    def test_not_found(self, text):
        assert rows(find_markup([text])) == []

    def test_plain_sentences(self):
        assert rows(find_markup(TEXTS)) == []


FINDERS: Sequence[Callable[[Sequence[str]], Iterable[Finding]]] = (
    find_headings,
    find_lengths,
    find_markup,
    find_other_languages,
    find_several_sentences,
)


@pytest.mark.parametrize("find", FINDERS)
def test_nothing_in_nothing(find):
    assert list(find([])) == []
