"""Which files are to be tagged, on disks and in object stores, and how they are dealt out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diplomacy_nlp.compressed_files import without_compression
from diplomacy_nlp.documents import STDIN, find_files, holds_rows
from diplomacy_nlp.errors import ConfigError, DataError

__all__ = ["Source", "find_sources", "in_shards", "is_uri", "open_uri"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to tag.

    Parameters
    ----------
    name : str
        What its documents are called by.
    location : str
        Where every node finds it: an absolute path, or a URI.
    n_bytes : int
        Its size.
    """

    name: str
    location: str
    n_bytes: int


def is_uri(name: str) -> bool:
    """Say whether a name is a URI, such as ``s3://bucket/articles/``, and no path."""
    return "://" in name


def open_uri(uri: str) -> tuple[Any, str]:
    """Return the filesystem of pyarrow that a URI leads to, and the path in it.

    Raises
    ------
    ConfigError
        pyarrow knows no such filesystem.
    """
    import pyarrow as pa
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"{uri}: {error}") from error
    return filesystem, path


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """Return the files that names stand for, in the order in which one process reads them.

    Parameters
    ----------
    inputs : sequence of str
        As of :func:`diplomacy_nlp.documents.find_files`, but for standard input; and URIs of
        files and folders.

    Raises
    ------
    ConfigError
        Standard input is among them, or a URI that pyarrow does not know.
    DataError
        There is no such file, or a folder holds none that is read or cannot be listed.
    """
    if STDIN in inputs:
        raise ConfigError("what is piped in cannot be dealt out to workers; name files")
    sources = []
    for name in inputs:
        sources += _sources_at(name) if is_uri(name) else _local_sources(name)
    return sources


def _local_sources(name: str) -> list[Source]:
    paths = [Path(file) for file in find_files([name])]
    return [Source(str(path), str(path.absolute()), path.stat().st_size) for path in paths]


def _sources_at(uri: str) -> list[Source]:
    from pyarrow import fs

    filesystem, root = open_uri(uri)
    base, question_mark, query = uri.partition("?")
    base, root = base.rstrip("/"), root.rstrip("/")
    try:
        [info] = filesystem.get_file_info([root])
        if info.type == fs.FileType.Directory:
            found = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
        else:
            found = [info]
    except OSError as error:
        raise DataError(f"{uri}: cannot be listed: {error}") from error
    if info.type == fs.FileType.NotFound:
        raise DataError(f"{uri}: no such file")
    names = {
        base + file.path.removeprefix(root): file.size
        for file in sorted(found, key=lambda file: Path(file.path))
        if file is info or _is_text(file, root)
    }
    if not names:
        raise DataError(f"{uri}: no text in this folder")
    return [Source(name, name + question_mark + query, size) for name, size in names.items()]


def _is_text(file: Any, root: str) -> bool:
    """Say whether a file below a folder is read, as :func:`find_files` decides it."""
    parts = Path(file.path.removeprefix(root)).parts
    is_hidden = any(part.startswith(".") for part in parts)
    is_read = holds_rows(file.path) or without_compression(file.path).endswith(".txt")
    return file.is_file and is_read and not is_hidden


def in_shards(sources: Sequence[Source], n_bytes: int) -> Iterator[list[Source]]:
    """Gather neighbouring files into shards of at least so many bytes, but for the last one.

    Examples
    --------
    >>> sources = [Source(name, name, 4) for name in "abcde"]
    >>> [[source.name for source in shard] for shard in in_shards(sources, 8)]
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    shard: list[Source] = []
    for source in sources:
        shard.append(source)
        if sum(source.n_bytes for source in shard) >= n_bytes:
            yield shard
            shard = []
    if shard:
        yield shard
