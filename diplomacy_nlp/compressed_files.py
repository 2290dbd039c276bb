"""Bytes of files that may be compressed, read as a stream."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from diplomacy_nlp.errors import DataError, MissingExtraError

__all__ = ["COMPRESSIONS", "decompressed", "without_compression"]

#: What the name of a compressed file ends in.
COMPRESSIONS = (".gz", ".zst")

_BUFFER_BYTES = 2**17


def without_compression(name: str) -> str:
    """Return a file's name, in lower case, without the suffix of its compression.

    Examples
    --------
    >>> without_compression("news/1991.JSONL.gz")
    'news/1991.jsonl'
    """
    name = name.lower()
    return name.removesuffix(next((end for end in COMPRESSIONS if name.endswith(end)), ""))


def decompressed(name: str, file: io.RawIOBase) -> io.BufferedReader:
    """Return the bytes that a file stands for, to be read a buffer at a time.

    Parameters
    ----------
    name : str
        The file's; its suffix says how it is compressed, if it is.
    file : raw binary file
        Open at its start.

    Raises
    ------
    DataError
        Here or while reading: the archive is empty, damaged or ends too early.
    MissingExtraError
        The file is Zstandard and pyarrow is not installed.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in COMPRESSIONS:
        return io.BufferedReader(file, _BUFFER_BYTES)
    archive: Any = gzip.GzipFile(fileobj=file) if suffix == ".gz" else _zstandard(file)
    reader: io.BufferedReader = io.BufferedReader(_Archive(name, archive), _BUFFER_BYTES)
    # Neither decoder complains of no bytes at all, which is what a full disk leaves behind.
    if not reader.peek(1) and file.seekable() and not file.tell():
        raise DataError(f"{name}: an archive of 0 bytes")
    return reader


def _zstandard(file: io.RawIOBase) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("Reading .zst", "parquet") from None
    return pa.CompressedInputStream(file, "zstd")


class _Archive(io.RawIOBase):
    """Decompresses, and calls damage by the name of the file."""

    def __init__(self, name: str, archive: BinaryIO) -> None:
        self._name = name
        self._archive = archive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._archive.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self._name}: damaged or cut off: {error}") from error
        buffer[: len(data)] = data
        return len(data)
