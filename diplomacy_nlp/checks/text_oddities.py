"""Rows whose text is hardly one English sentence."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from diplomacy_nlp.checks.findings import Finding, Severity
from diplomacy_nlp.errors import MissingExtraError
from diplomacy_nlp.model_files import find_model
from diplomacy_nlp.recipe import TrainConfig
from diplomacy_nlp.sentences import split_sentences

__all__ = [
    "find_headings",
    "find_lengths",
    "find_markup",
    "find_other_languages",
    "find_several_sentences",
]

# Of English sentences of diplomatic text none fell below 0.04, those made of foreign names
# included, and of sentences in 24 other languages none rose above 0.002. With fewer letters, here
# counted in bytes since a Chinese one says more, the identifier guesses.
_ENGLISH_PROBABILITY = 0.003
_FEWEST_LETTER_BYTES = 20
_FEW_WORDS = 3
_CAPITALS_SHARE = 0.6
_DIGITS = 3

_WORD = re.compile(r"\w\S*")
_MARKUP = {
    "an HTML or XML tag": re.compile(r"</?[A-Za-z][^<>]*>|<!--"),
    "an HTML entity": re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,7}|#x[0-9A-Fa-f]{1,6});"),
    "a link": re.compile(r"\]\(\s*\S+\s*\)|\bhttps?://|\bwww\.\w"),
    "wiki markup": re.compile(r"\[\[|\{\{|\(\(|'''|=="),
    "Markdown emphasis": re.compile(r"\*\*\w|\b__\w|^#{1,6} |^[*-] "),
    "a line break or tab": re.compile(r"[\n\r\t\v\f\x85\u2028\u2029]"),
    # UTF-8 read as Windows-1252 or Latin-1: é as Ã©, ’ as â€™.
    "broken encoding": re.compile("\ufffd|[\u00c2\u00c3][\u0080-\u00bf\u201a-\u2122]|\u00e2\u20ac"),
}
# Control, format, private and unassigned characters; \n and the like are named above.
_HIDDEN_CATEGORIES = ("Cc", "Cf", "Co", "Cn")
_NAMED_CONTROLS = "\n\r\t\v\f\x85"
_SENTENCE_END = re.compile(r"[.!?…:;]['\"’”»)\]]*$")


def find_other_languages(texts: Sequence[str]) -> Iterator[Finding]:
    """Find sentences that are confidently not English.

    Raises
    ------
    MissingExtraError
        py3langid is not installed.

    References
    ----------
    Lui, M. and Baldwin, T. (2012). langid.py: an off-the-shelf language identification tool.
    ACL system demonstrations, 25-30.
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingExtraError("Telling languages apart", "check") from None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    for row, text in enumerate(texts):
        letters = "".join(filter(str.isalpha, text))
        if len(letters.encode()) < _FEWEST_LETTER_BYTES:
            continue
        language, _ = identifier.classify(text)
        if language == "en":
            continue
        probability = dict(identifier.rank(text))["en"]
        if probability < _ENGLISH_PROBABILITY:
            yield Finding(
                "language",
                "warning",
                f"not English; the likeliest language is {language!r}",
                (row,),
                {"language": language, "english_probability": round(probability, _DIGITS)},
            )


def find_lengths(texts: Sequence[str]) -> Iterator[Finding]:
    """Find sentences of hardly a word, and those longer than the default encoder's window."""
    window = TrainConfig().max_length_tokens
    count_tokens = _token_counter()
    for row, text in enumerate(texts):
        n_words = len(_WORD.findall(text))
        if n_words <= _FEW_WORDS:
            severity: Severity = "note" if n_words else "warning"
            message = f"{n_words or 'no'} word{'' if n_words <= 1 else 's'}"
            yield Finding("length", severity, message, (row,), {"n_words": n_words})
        # A token is at least a character.
        elif len(text) > window - 2 and (n_tokens := count_tokens(text)) > window:
            message = f"{n_tokens} tokens; an encoder is trained on the first {window}"
            yield Finding("length", "warning", message, (row,), {"n_tokens": n_tokens})


def _token_counter() -> Callable[[str], int]:
    """Return what counts tokens as the default model does, special ones included."""
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(find_model("default") / "tokenizer.json"))
    tokenizer.no_truncation()
    return lambda text: len(tokenizer.encode(text).ids)


def find_several_sentences(texts: Sequence[str]) -> Iterator[Finding]:
    """Find rows that the library's splitter would divide."""
    for row, text in enumerate(texts):
        n_sentences = len(split_sentences(text))
        if n_sentences > 1:
            yield Finding(
                "several-sentences",
                "note",
                f"{n_sentences} sentences in one row",
                (row,),
                {"n_sentences": n_sentences},
            )


def find_headings(texts: Sequence[str]) -> Iterator[Finding]:
    """Find rows without a closing mark whose words are mostly capitalised."""
    for row, text in enumerate(texts):
        if _SENTENCE_END.search(text.rstrip()):
            continue
        words = [word for word in _WORD.findall(text) if len(word) > 3 and word[0].isalpha()]
        n_capitals = sum(word[0].isupper() for word in words)
        if words and n_capitals >= _CAPITALS_SHARE * len(words):
            yield Finding("heading", "note", "looks like a heading", (row,))


def find_markup(texts: Sequence[str]) -> Iterator[Finding]:
    """Find markup, control and invisible characters, and text decoded in a wrong encoding."""
    for row, text in enumerate(texts):
        found = [name for name, pattern in _MARKUP.items() if pattern.search(text)]
        hidden = {
            character
            for character in text
            if unicodedata.category(character) in _HIDDEN_CATEGORIES
            and character not in _NAMED_CONTROLS
        }
        found += [f"the invisible character U+{ord(character):04X}" for character in sorted(hidden)]
        if found:
            yield Finding("markup", "warning", ", ".join(found), (row,), {"found": found})
