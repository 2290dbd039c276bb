"""Documents through a tagger, one after the other or part by part into a folder."""

import math
from collections.abc import Callable, Collection, Iterator
from itertools import tee

from diplomacy_nlp.documents import Document, DocumentStream
from diplomacy_nlp.output import Format, TaggedDocument, write_tagged
from diplomacy_nlp.run_folder import RunFolder
from diplomacy_nlp.sentences import Sentence, split_sentences
from diplomacy_nlp.tagger import Tagger

__all__ = ["PART_SENTENCES", "tag_documents", "tag_into_parts"]

#: How many sentences a part has, about, unless someone asks for another number.
PART_SENTENCES = 100_000


def tag_documents(
    tagger: Tagger,
    documents: Iterator[Document],
    *,
    splitter: Callable[[str], list[Sentence]] = split_sentences,
    n_sentences: float = math.inf,
) -> Iterator[TaggedDocument]:
    """Tag documents as they come, in order, with a pass of them in memory at a time.

    Parameters
    ----------
    tagger : Tagger
        What tags them.
    documents : iterator of Document
        Those behind the last one yielded are still in it afterwards.
    splitter : callable
        As for :meth:`Tagger.tag`.
    n_sentences : float
        The document with which there are so many is the last one.

    Yields
    ------
    name, sentences : str, list of TaggedSentence
        Of each document.
    """
    n_split = 0

    def split(text: str) -> list[Sentence]:
        nonlocal n_split
        sentences = splitter(text)
        n_split += len(sentences)
        return sentences

    def enough() -> Iterator[Document]:
        while n_split < n_sentences and (document := next(documents, None)) is not None:
            yield document

    ahead, behind = tee(enough())
    tagged = tagger.tag_texts((document.text for document in ahead), splitter=split)
    for document, sentences in zip(behind, tagged, strict=True):
        yield document.name, sentences


def tag_into_parts(
    tagger: Tagger,
    documents: DocumentStream,
    folder: RunFolder,
    format_: Format,
    *,
    splitter: Callable[[str], list[Sentence]] = split_sentences,
    part_sentences: int = PART_SENTENCES,
    relations: Collection[str] = (),
    watch: Callable[[Iterator[TaggedDocument]], Iterator[TaggedDocument]] = iter,
) -> None:
    """Tag documents into the parts of a folder, from where the folder is to the end.

    Every part is tagged by itself, so that a run that was taken up again computes the same
    batches, and the same digits, as one that never stopped.

    Parameters
    ----------
    tagger : Tagger
        What tags them.
    documents : DocumentStream
        From the position of the folder on.
    folder : RunFolder
        Where to.
    format_ : {"jsonl", "csv", "parquet"}
        Of the parts.
    splitter : callable
        As for :meth:`Tagger.tag`.
    part_sentences : int
        A part ends with the document with which it has so many.
    relations : collection of str
        If any, only sentences of these are written.
    watch : callable
        Is given the documents of a part, and yields them while showing how far they are.

    Raises
    ------
    DataError
        A document cannot be read or a part not be written. What was noted stays.
    MissingExtraError
        A format needs pyarrow, and it is not installed.
    """
    while not folder.is_finished:
        part = tag_documents(tagger, documents, splitter=splitter, n_sentences=part_sentences)
        first = next(part, None)
        if first is None:
            folder.note_end(documents.position)
            return
        counted = _Counted(first, part)
        write_tagged(folder.next_part, watch(counted), tagger, format_, relations=relations)
        folder.note_part(counted.n_documents, counted.n_sentences, documents.position)


class _Counted(Iterator[TaggedDocument]):
    """Tagged documents that are counted as they pass."""

    def __init__(self, first: TaggedDocument, others: Iterator[TaggedDocument]) -> None:
        self._first: TaggedDocument | None = first
        self._others = others
        self.n_documents = self.n_sentences = 0

    def __next__(self) -> TaggedDocument:
        document, self._first = self._first or next(self._others), None
        self.n_documents += 1
        self.n_sentences += len(document[1])
        return document
