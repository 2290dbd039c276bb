"""What the processes of a cluster do: read files into documents, and tag these."""

import io
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diplomacy_nlp.archive import tag_documents
from diplomacy_nlp.distributed.sources import is_uri, open_uri
from diplomacy_nlp.documents import Document, read_documents
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.output import write_parquet
from diplomacy_nlp.sentences import Sentence
from diplomacy_nlp.tagger import Tagger

__all__ = ["TagBatch", "documents_of", "read_shard"]


def read_shard(shard: Any, *, batch_bytes: int, reading: Mapping[str, Any]) -> Iterator[Any]:
    """Read the documents of a shard, in order.

    Parameters
    ----------
    shard : pyarrow.Table
        One row with the lists ``name`` and ``location`` of its files, as of ``Source``.
    batch_bytes : int
        A batch ends with the document with which it has so many bytes of text.
    reading : mapping of str to str
        Keyword arguments of :func:`diplomacy_nlp.documents.read_documents`.

    Yields
    ------
    batch : pyarrow.Table
        Binary columns ``document`` and ``text``, a row a document.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    names: list[bytes] = []
    texts: list[bytes] = []
    n_bytes = 0
    [row] = shard.to_pylist()
    for name, location in zip(row["name"], row["location"], strict=True):
        for document in _documents(name, location, reading):
            names.append(_encoded(document.name))
            texts.append(_encoded(document.text))
            n_bytes += len(texts[-1])
            if n_bytes >= batch_bytes:
                yield _batch(names, texts)
                names, texts, n_bytes = [], [], 0
    if names:
        yield _batch(names, texts)


def _batch(names: list[bytes], texts: list[bytes]) -> Any:
    import pyarrow as pa

    # Bytes, not the strings of Arrow, which cannot hold lone surrogates as Python's can.
    columns = {"document": pa.array(names, pa.binary()), "text": pa.array(texts, pa.large_binary())}
    return pa.table(columns)


def _documents(name: str, location: str, reading: Mapping[str, Any]) -> Iterator[Document]:
    with _local_copy(location) as path:
        try:
            for document in read_documents([path], **reading):
                yield Document(name + document.name.removeprefix(path), document.text)
        except DataError as error:
            raise DataError([text.replace(path, name) for text in error.problems]) from None


@contextmanager
def _local_copy(location: str) -> Iterator[str]:
    """Give the path of a file, which is fetched first if it is elsewhere.

    Fetched whole, so that every format is read by the one reader that there is.
    """
    if not is_uri(location):
        yield location
        return
    from pyarrow import fs

    filesystem, path = open_uri(location)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, Path(path).name)
        try:
            fs.copy_files(path, str(copy), filesystem, fs.LocalFileSystem())
        except OSError as error:
            raise DataError(f"{location}: cannot be read: {error}") from error
        yield str(copy)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


class TagBatch:
    """Tags batches of documents, with one model for all of them.

    Parameters
    ----------
    model : str
        As for :meth:`Tagger.load`.
    options : mapping of str to object
        Its keyword arguments.
    splitter : callable
        As for :meth:`Tagger.tag`.
    relations : collection of str
        If any, only sentences of these are kept.
    """

    def __init__(
        self,
        model: str,
        options: Mapping[str, Any],
        splitter: Callable[[str], list[Sentence]],
        relations: Collection[str],
    ) -> None:
        # Ray gives a process one core and says so in OMP_NUM_THREADS, which tokenizers disregards.
        os.environ["RAYON_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
        self._tagger = Tagger.load(model, **options)
        self._splitter = splitter
        self._relations = relations

    def __call__(self, batch: Any) -> Any:
        """Return a ``pyarrow.Table`` of the sentences of a table of documents."""
        return tagged_table(
            self._tagger, documents_of(batch), splitter=self._splitter, relations=self._relations
        )


def documents_of(batch: Any) -> Iterator[Document]:
    """Yield the documents of a batch of :func:`read_shard`."""
    for name, text in zip(batch["document"], batch["text"], strict=True):
        yield Document(_decoded(name.as_py()), _decoded(text.as_py()))


def tagged_table(
    tagger: Tagger,
    documents: Iterable[Document],
    *,
    splitter: Callable[[str], list[Sentence]],
    relations: Collection[str],
) -> Any:
    """Return the table that :func:`diplomacy_nlp.output.write_parquet` writes of documents."""
    from pyarrow import parquet

    tagged = tag_documents(tagger, iter(documents), splitter=splitter)
    file = io.BytesIO()
    write_parquet(file, tagged, tagger, relations=relations)
    file.seek(0)
    return parquet.read_table(file)
