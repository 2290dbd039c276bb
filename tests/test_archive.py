from collections.abc import Iterator
from pathlib import Path

from diplomacy_nlp.archive import tag_documents, tag_into_parts
from diplomacy_nlp.documents import Document, Position, read_documents
from diplomacy_nlp.output import TaggedDocument
from diplomacy_nlp.run_folder import RunFolder
from diplomacy_nlp.sentences import split_lines
from diplomacy_nlp.tagger import Tagger


def test_documents_are_tagged_in_order(fake_tagger: Tagger) -> None:
    documents = [Document(f"{n}.txt", "Gas rose. " * (n % 4)) for n in range(2000)]
    tagged = list(tag_documents(fake_tagger, iter(documents)))
    assert [name for name, _ in tagged] == [document.name for document in documents]
    assert [len(sentences) for _, sentences in tagged] == [n % 4 for n in range(2000)]


def test_documents_stop_with_the_one_that_fills_a_part(fake_tagger: Tagger) -> None:
    documents = iter([Document(str(n), "One.\nTwo.\nThree.") for n in range(2000)])
    for n_sentences, n_documents in ((1, 1), (3, 1), (4, 2), (3000, 1000)):
        part = tag_documents(fake_tagger, documents, splitter=split_lines, n_sentences=n_sentences)
        assert len(list(part)) == n_documents
    assert next(documents).name == "1004"


def test_no_more_is_read_than_a_pass_needs(fake_tagger: Tagger) -> None:
    n_read = 0

    def endless() -> Iterator[Document]:
        nonlocal n_read
        while True:
            n_read += 1
            yield Document(str(n_read), "One. Two.")

    tagged = tag_documents(fake_tagger, endless())
    for _ in range(1500):
        next(tagged)
    assert n_read <= 1500 + 1024


def test_parts_begin_where_the_folder_is(fake_tagger: Tagger, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "Gas rose. Oil fell."}\n' * 5)
    seen: list[int] = []

    def watch(documents: Iterator[TaggedDocument]) -> Iterator[TaggedDocument]:
        for document in documents:
            seen.append(len(document[1]))
            yield document

    folder = RunFolder(tmp_path / "run", {}, ".csv", resume=False)
    stream = read_documents([str(rows)], start=Position(0, 1))
    tag_into_parts(fake_tagger, stream, folder, "csv", part_sentences=3, watch=watch)

    assert [(part.n_documents, part.n_sentences) for part in folder.parts] == [(2, 4), (2, 4)]
    assert folder.is_finished
    assert folder.position == Position(1)
    assert seen == [2] * 4
    first = (tmp_path / "run" / "part-00000.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in first[1::2]] == [f"{rows}:2", f"{rows}:3"]
    # A run that is finished reads nothing.
    tag_into_parts(fake_tagger, iter([]), folder, "csv")  # type: ignore[arg-type]
