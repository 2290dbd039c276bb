"""The sentences that are timed: drawn from labelled ones, from running text, or both."""

import gzip
import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diplomacy_nlp.errors import DataError
from diplomacy_nlp.model_files import ModelConfig

__all__ = ["describe_texts", "draw_sentences", "read_sentences", "window_tokens"]

_SEED = 0


def read_sentences(path: Path) -> list[str]:
    """Read sentences, one a line, or the ``text`` of each record of JSON Lines; also with .gz.

    Raises
    ------
    DataError
        The file cannot be read, holds no sentence, or has a line without a text.

    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if Path(path.name.removesuffix(".gz")).suffix in (".jsonl", ".ndjson"):
        sentences = [_text_of(line, f"{path} line {n}") for n, line in lines]
    else:
        sentences = [line.strip() for _, line in lines]
    if not sentences:
        raise DataError(f"{path}: there is no sentence")
    return sentences


def _text_of(line: str, where: str) -> str:
    try:
        text = json.loads(line)["text"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: not a JSON object with a text") from error
    return str(text)


def draw_sentences(sentences: Sequence[str], n_sentences: int) -> list[str]:
    """Draw sentences at random, always the same; again from the first where they do not suffice.

    Examples
    --------
    >>> sorted(draw_sentences(["a", "b"], 4))
    ['a', 'a', 'b', 'b']
    """
    shuffled = random.Random(_SEED).sample(sentences, len(sentences))  # noqa: S311 (no secret)
    return list(itertools.islice(itertools.cycle(shuffled), n_sentences))


def window_tokens(folder: Path, config: ModelConfig, sentences: Sequence[str]) -> list[int]:
    """Return the tokens of each window that an encoder reads, special ones included.

    Parameters
    ----------
    folder : Path
        Of the model.
    config : ModelConfig
        Its configuration.
    sentences : sequence of str
        One of more than ``config.max_length_tokens`` tokens has several windows.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.max_length_tokens)
    clean = [text.encode("utf-8", "replace").decode() for text in sentences]
    encodings = tokenizer.encode_batch(clean)
    return [len(window.ids) for one in encodings for window in (one, *one.overflowing)]


def describe_texts(
    texts: Mapping[str, Sequence[str]], windows: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, Any]]:
    """Return the hash and the size of each kind of sentences."""
    return {
        kind: {
            "sha256": hashlib.sha256("\n".join(sentences).encode("utf-8", "replace")).hexdigest(),
            "n_sentences": len(sentences),
            "n_tokens": sum(windows[kind]),
        }
        for kind, sentences in texts.items()
    }
