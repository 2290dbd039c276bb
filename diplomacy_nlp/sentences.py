"""Text in, sentences with exact offsets out.

sentencex finds the stops of ordinary prose. What it misjudges in diplomatic news is mended here, in
three steps:

1. The text is cut into blocks (paragraphs, headlines, items of lists); inside one, a line break is
   a blank.
2. Stops inside an aside are veiled: "The accord (see Art. 7. It is short) was signed."
3. At every other stop the first of the rules with an opinion decides, and sentencex where none
   has one. It is shown the block without quotation marks and brackets: a pair of them makes it
   pass over everything between, and unpaired ones make its time grow with the square of the length.

Conventions, for whoever compares splits: a stop inside a quotation ends a sentence as it does
outside, and the words that say who spoke belong to the last sentence quoted. Footnote marks and
closing quotation marks stay with the sentence before them, datelines and list marks with the one
after them.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import sentencex

from diplomacy_nlp.sentence_rules import RULES, Stop

__all__ = ["Sentence", "split_lines", "split_sentences"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A span of a text.

    Parameters
    ----------
    text : str
        The span itself, without blanks around it.
    start, end : int
        Where it stands, in characters: ``source[start:end] == text``.
    """

    text: str
    start: int
    end: int


def split_sentences(text: str) -> list[Sentence]:
    r"""Split a text into sentences.

    A blank line ends a sentence; a single line break does so only before an item of a list or
    after a headline. Every character but white space, to which spaces of no width and byte-order
    marks are counted, is part of exactly one sentence. Time is linear in the length of the text.

    Parameters
    ----------
    text : str
        Any text, also with lone surrogates and the line ends of any system.

    Returns
    -------
    list of Sentence
        In the order of the text, never blank, never overlapping.

    Examples
    --------
    >>> for sentence in split_sentences("Gen. Silva flew to the U.S. on Monday. He is back."):
    ...     print(sentence)
    Sentence(text='Gen. Silva flew to the U.S. on Monday.', start=0, end=38)
    Sentence(text='He is back.', start=39, end=50)
    >>> [s.text for s in split_sentences('Trade grows\n\n"Will it last?" he asked. (It may.)')]
    ['Trade grows', '"Will it last?" he asked.', '(It may.)']

    References
    ----------
    sentencex, https://github.com/wikimedia/sentencex
    """
    return [
        Sentence(text[start:end], start, end)
        for block_start, block_end in _blocks(text)
        for start, end in _split_block(text[block_start:block_end], block_start)
    ]


def split_lines(text: str) -> list[Sentence]:
    r"""Take each line that is not blank as one sentence.

    Parameters
    ----------
    text : str
        Any text; its lines end where :meth:`str.splitlines` ends them.

    Returns
    -------
    list of Sentence
        One a line, without the blanks around it.

    Examples
    --------
    >>> split_lines("One. Two.\r\n\r\n  Three")
    [Sentence(text='One. Two.', start=0, end=9), Sentence(text='Three', start=15, end=20)]
    """
    return [Sentence(text[start:end], start, end) for start, end in _lines(text) if start < end]


# What str.isspace() holds for white space, and the characters that are spaces of no width.
_BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff"
)
_STOPS = ".!?…‽؟۔।॥։።፧။"
_WIDE_STOPS = "。！？｡"  # no blank follows them
_OPENERS = "\"'“‘„«‹([{「『《（¿¡"
_CLOSERS = "\"'”’“»›)]}」』》）"
# Every mark that sentencex pairs; an apostrophe inside a word is none.
_PAIRED = '"`“”‘‚‛„‟«»‹›《》「」『』()（）<>[]{}'


def _any_of(characters: str) -> str:
    return f"[{re.escape(characters)}]"


# Nothing here gives back what it took, and only the first of several stops in a row can begin a
# match: time stays linear in a million full stops.
_STOP = re.compile(
    rf"(?:(?<!{_any_of(_STOPS)})(?P<signs>{_any_of(_STOPS)}++)"
    rf"(?P<closers>(?:{_any_of(_CLOSERS)}|[ \xa0\u202f]»)*+)"
    # marks of footnotes, and emoji
    r"(?P<marks>(?:[ \xa0]?\[\d{1,3}\]|[¹²³⁰-⁹†‡]|(?<=[a-z)”\"]\.)\d{1,3}"
    r"|[ \xa0]?[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d])*+)"
    rf"(?={_any_of(_BLANKS)})"
    rf"|(?P<wide>{_any_of(_WIDE_STOPS)}++){_any_of(_CLOSERS)}*+)"
    rf"(?P<gap>{_any_of(_BLANKS)}*+)(?P<openers>(?:{_any_of(_OPENERS)}[ \xa0\u202f]?)*+)"
)
# A bracket or quotation that begins inside a sentence which goes on after it.
_ASIDE = re.compile(
    r"[(\[“\"](?<=\w [(\[“\"])"
    r"(?:(?<=\()[^()]*+\)|(?<=\[)[^\[\]]*+\]|(?<=“)[^“”]*+”|(?<=\")[^\"]*+\")"
    r"(?=[,;:.]|\s++[a-z–—])"
)
_HIDDEN = re.compile(
    rf"{_any_of(_PAIRED)}|(?<!\w)['’]|['’](?!\w)|{_any_of(_BLANKS)}|[\ud800-\udfff]"
)
_ITEM = re.compile(
    r"(?:(?P<bullet>[•‣▪●◦○■□➢►▶✓✔→*·])|(?P<first>-|1[.)]|a[.)]|\((?:1|a|i)\)|i\)|I\.)|[–—]"
    r"|\d{1,2}[.)]|[a-z][.)]|\((?:\d{1,2}|[a-z]|[ivx]{1,5})\)|[ivx]{1,5}\)|[IVX]{2,5}\.)\s"
)
_DATELINE = re.compile(
    r"[A-Z][A-Z.'’ -]{2,30}(?:, [^()–—]{2,30})?(?: ?\([^()]{2,30}\))?"
    r" ?(?:—|–|--| -|(?<=[)\d]):)\s"
)
_UNFINISHED = frozenset(
    "of the and to in for with a an by on at from as that or is are was were its".split()
)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each line starts and ends without the blanks around it."""
    offset = 0
    for line in text.splitlines(keepends=True):
        body = line.lstrip(_BLANKS)
        start = offset + len(line) - len(body)
        yield start, start + len(body.rstrip(_BLANKS))
        offset += len(line)


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans inside which a line break is a blank."""
    start = end = 0  # of the block so far, empty when they are equal
    listed = fresh = False  # it began with an item; its last line began a sentence
    previous = ""
    for line_start, line_end in _lines(text):
        line = text[line_start:line_end]
        item = _ITEM.match(line + " ")
        if start == end or not line or _parts(previous, line, item, listed, fresh):
            if start < end:
                yield start, end
            start, listed, fresh = line_start, item is not None, True
        else:
            fresh = previous[-1] in _STOPS
        previous, end = line, line_end
    if start < end:
        yield start, end


def _parts(previous: str, line: str, item: re.Match[str] | None, listed: bool, fresh: bool) -> bool:
    """Whether the break between two lines without a blank one between parts them."""
    if item and (item["bullet"] or listed or previous[-1] in ".:;" or (item["first"] and fresh)):
        return True  # anything less may be "3." or a dash where a long line happened to break
    return fresh and _is_headline(previous, line)


def _is_headline(line: str, below: str) -> bool:
    """Whether a line stands above the text below rather than being a part of it."""
    last_word = line.rsplit(None, 1)[-1]
    if line[-1] in _STOPS + ",;:-–—" or line[0].islower() or last_word in _UNFINISHED:
        return False
    if not (below[0].isalnum() or below[0] in _OPENERS) or below[0].islower():
        return False
    if _DATELINE.match(below):
        return True
    if line.isupper():
        return not (below[:2].isupper() and below[1:2].isalpha())
    return 2 * len(line) <= len(below)


def _split_block(block: str, offset: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of a block's sentences, counted from the start of the text."""
    view = _ASIDE.sub(lambda aside: re.sub(r"[.!?…]", ",", aside[0]), block)
    hidden = _HIDDEN.sub(" ", view)
    boundaries = sentencex.get_sentence_boundaries("en", hidden)
    proposed: list[int] = [boundary["end_index"] for boundary in boundaries]
    last = len(view)  # where the last word ends; signs after it are no sentence
    while last and not view[last - 1].isalnum():
        last -= 1
    start = 0
    for match in _STOP.finditer(view):
        if match.end() >= last:
            break
        if _ends_sentence(view, match, start, proposed):
            yield offset + start, offset + match.start("gap")
            start = match.start("openers")
    yield offset + start, offset + len(block)


def _ends_sentence(view: str, match: re.Match[str], start: int, proposed: list[int]) -> bool:
    if match["wide"]:
        return True
    before = view[max(start, match.start() - 60) : match.start()]
    words = before.split()
    if not any(character.isalnum() for character in before):
        return False
    stop = Stop(
        signs=match["signs"],
        closers=match["closers"],
        marks=match["marks"],
        word=words[-1].lstrip(_OPENERS),
        word_before=words[-2] if len(words) > 1 else "",
        begins=len(words) == 1,
        free=before[-1] in _BLANKS,
        spaced=before.rstrip(_BLANKS)[-1] in _STOPS,
        following=view[match.end() : match.end() + 60],
    )
    for rule in RULES:
        verdict = rule(stop)
        if verdict is not None:
            return verdict
    nearest = bisect_left(proposed, match.end("signs"))
    return nearest < len(proposed) and proposed[nearest] <= match.end()
