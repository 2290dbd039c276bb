"""From bytes to text, by an encoding that is named; what is no text is told by its name."""

import codecs
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from diplomacy_nlp.errors import ConfigError, DataError

__all__ = ["Decoding"]

# What files that are often taken for text begin with.
_SIGNATURES = (
    (b"%PDF-", "a PDF", "convert it to .txt first"),
    (b"PK\x03\x04", "a ZIP archive or an office document", "convert it to .txt first"),
    (b"\xd0\xcf\x11\xe0", "an office document of an old format", "convert it to .txt first"),
    (b"{\\rtf", "an RTF document", "convert it to .txt first"),
    (b"\x1f\x8b", "a gzip archive", "give it the suffix .gz"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "give it the suffix .zst"),
    (b"PAR1", "a Parquet file", "give it the suffix .parquet"),
    (b"\x89PNG", "an image", "convert it to .txt first"),
    (b"\xff\xd8\xff", "an image", "convert it to .txt first"),
    (b"GIF87a", "an image", "convert it to .txt first"),
    (b"GIF89a", "an image", "convert it to .txt first"),
)
# The longer marks first, since UTF-32's begins with UTF-16's.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_SIGNATURE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Decoding:
    """How bytes become text.

    Parameters
    ----------
    encoding : str
        Such as ``utf-8``.
    errors : {"strict", "replace"}
        Whether bytes that are not of the encoding, and NUL characters, are an error or become
        U+FFFD.

    Raises
    ------
    ConfigError
        There is no such encoding.
    """

    encoding: str = "utf-8"
    errors: Literal["strict", "replace"] = "strict"

    def __post_init__(self) -> None:
        try:
            "a".encode(self.encoding)
        except (LookupError, UnicodeError):
            raise ConfigError(
                f"unknown encoding {self.encoding!r}, such as utf-8 or cp1252"
            ) from None

    def text(self, name: str, data: bytes) -> str:
        """Return the text of a whole file, every character of it.

        Raises
        ------
        DataError
            It is no text or not in the encoding.
        """
        self._check_signature(name, data)
        try:
            text = data.decode(self.encoding, self.errors)
        except UnicodeDecodeError as error:
            raise _not_in_encoding(name, error, error.start) from None
        return self._without_nul(name, text)

    def lines(self, name: str, file: io.BufferedReader, *, newline: str) -> Iterator[str]:
        """Yield the lines of a file, without its byte order mark.

        Parameters
        ----------
        name : str
            The file's.
        file : binary file
            Is closed in the end.
        newline : str
            What ends a line, as for :func:`open`.

        Raises
        ------
        DataError
            While iterating: it is no text or not in the encoding.
        """
        self._check_signature(name, file.peek(_LONGEST_SIGNATURE_BYTES))
        with io.TextIOWrapper(file, self.encoding, self.errors, newline=newline) as lines:
            try:
                yield from self._clean(name, lines)
            except UnicodeDecodeError as error:
                # The error knows the bytes that the decoder was given last.
                offset = file.tell() - len(error.object) + error.start
                raise _not_in_encoding(name, error, offset) from None

    def _clean(self, name: str, lines: Iterable[str]) -> Iterator[str]:
        mark = "\N{BYTE ORDER MARK}"
        for line in lines:
            yield self._without_nul(name, line.removeprefix(mark))
            mark = ""

    def _check_signature(self, name: str, data: bytes) -> None:
        for signature, what, remedy in _SIGNATURES:
            if data.startswith(signature):
                raise DataError(f"{name}: {what}, where plain text is wanted; {remedy}")
        right = next((right for mark, right in _BYTE_ORDER_MARKS if data.startswith(mark)), "")
        if not codecs.lookup(self.encoding).name.startswith(right):
            raise DataError(
                f"{name}: {right} by its first bytes, not {self.encoding}; read it with "
                f"--encoding {right}"
            )

    def _without_nul(self, name: str, text: str) -> str:
        if "\0" not in text:
            return text
        if self.errors == "replace":
            return text.replace("\0", "\ufffd")
        raise DataError(
            f"{name}: a NUL character, so a binary file or another encoding than {self.encoding}. "
            "Plain text is wanted; name its encoding, such as --encoding utf-16, or go on with "
            "--errors replace"
        )


def _not_in_encoding(name: str, error: UnicodeDecodeError, offset: int) -> DataError:
    byte = error.object[error.start]
    return DataError(
        f"{name}: byte 0x{byte:02x} at offset {offset} is not {error.encoding}. Name the right "
        "encoding, such as --encoding cp1252, or go on with --errors replace"
    )
