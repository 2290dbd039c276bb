"""The folder of Parquet that is written, on a disk or in an object store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diplomacy_nlp.distributed.sources import is_uri, open_uri
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.output import write_parquet
from diplomacy_nlp.tagger import Tagger

__all__ = ["TaggedParts", "check_empty", "open_folder", "read_parts", "write_empty_part"]


@dataclass(frozen=True, slots=True)
class TaggedParts:
    """What was written.

    Parameters
    ----------
    folder : str
        A path or URI, as it was named.
    n_parts : int
        How many files there are in it.
    n_sentences : int
        How many rows they have together.
    """

    folder: str
    n_parts: int
    n_sentences: int


def open_folder(folder: str) -> tuple[Any, str]:
    """Return the filesystem of pyarrow that holds a folder, and the path in it."""
    from pyarrow import fs

    if is_uri(folder):
        return open_uri(folder)
    return fs.LocalFileSystem(), str(Path(folder).absolute())


def check_empty(folder: str) -> None:
    """Refuse a folder that holds something, before any work is done.

    Raises
    ------
    ConfigError
        It is a URI that pyarrow does not know.
    DataError
        It holds something, or is a file, or cannot be listed.
    """
    from pyarrow import fs

    filesystem, path = open_folder(folder)
    try:
        found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except OSError as error:
        raise DataError(f"{folder}: cannot be a folder of parts: {error}") from error
    if found:
        raise DataError(
            f"{folder}: holds other files, such as {found[0].base_name}; choose an empty folder"
        )


def read_parts(folder: str) -> TaggedParts:
    """Return what is in a folder, which need not be there."""
    from pyarrow import dataset, fs

    filesystem, path = open_folder(folder)
    if filesystem.get_file_info(path).type == fs.FileType.NotFound:
        return TaggedParts(folder, 0, 0)
    parts = dataset.dataset(path, filesystem=filesystem, format="parquet")
    return TaggedParts(folder, len(parts.files), parts.count_rows())


def write_empty_part(folder: str, tagger: Tagger) -> None:
    """Write a part without rows, so that there are columns to read."""
    filesystem, path = open_folder(folder)
    filesystem.create_dir(path, recursive=True)
    with filesystem.open_output_stream(f"{path}/part-00000.parquet") as file:
        write_parquet(file, [], tagger)
