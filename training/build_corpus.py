"""Rebuild the labelled sentences from clones of the public repositories that hold them.

``data/annotations.jsonl`` has the labels, a pointer to each sentence and the SHA-256 of its text,
and not the sentence itself, which belongs to its source. This script reads every file at the
commit that the pointer names, cuts the sentence out and keeps it where the hash agrees::

    python training/build_corpus.py --clones FOLDER    # FOLDER/owner/name or FOLDER/name
    python training/build_corpus.py --corpus FOLDER    # checks a labelled.jsonl that is ready

The exit status is 0 when every sentence that can be rebuilt was, and 1 otherwise.
"""

import argparse
import hashlib
import html
import io
import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from diplomacy_nlp.errors import DataError

__all__ = ["Sentence", "check", "find_labelled", "main", "read_rows", "rebuild"]

_ROOT = Path(__file__).resolve().parent.parent
_ANNOTATIONS = _ROOT / "data" / "annotations.jsonl"
_BUILT = _ROOT / "build" / "corpus"
#: Where labelled.jsonl is looked for: in a folder beside the repository, then where it is rebuilt.
_CORPUS_FOLDERS = (_ROOT.parent / "shared" / "corpus", _BUILT)

_NO_SPAN = "no span"  # the one problem that no clone can mend

_DECODERS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "html": html.unescape,
    "html2": lambda text: html.unescape(html.unescape(text)),
    "csv": lambda text: text.replace('""', '"'),
}

_TAG = re.compile(r"<[^<>]*>")
# A Markdown link keeps its words and loses "[", "](address)" and any "{attributes}".
_LINK = re.compile(r"(?<!\\)!?\[|(?<!\\)\](?:\((?:[^()]|\([^()]*\))*\))?(?:\{[^{}]*\})?")
_EMPHASIS = re.compile(r"(?<!\\)[*_]+")
_ESCAPE = re.compile(r"\\([^\w\s])")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the corpus, or what keeps it from being had.

    Parameters
    ----------
    annotation : dict
        Its row of ``data/annotations.jsonl``.
    text : str, optional
        The sentence, its hash checked; empty where there is a problem.
    problem : str, optional
        What is wrong: "no clone", "no such commit", "no such file", "no span", "not there" or
        "differs"; empty where the sentence was found.
    """

    annotation: Row
    text: str = ""
    problem: str = ""

    @property
    def row(self) -> Row:
        """The row of ``labelled.jsonl``: the id, the text, then the other keys in their order."""
        rest = {key: value for key, value in self.annotation.items() if key != "sha256"}
        return {"id": rest.pop("id"), "text": self.text, **rest}


def read_rows(path: Path) -> list[Row]:
    """Read a JSON Lines file.

    Raises
    ------
    DataError
        The file cannot be read, or a line is not JSON.
    """
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8") as lines:
            rows.extend(json.loads(line) for line in lines)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} line {len(rows) + 1}: not JSON in UTF-8, {error}") from error
    return rows


def rebuild(annotations: Sequence[Row], clones: Path) -> tuple[Sentence, ...]:
    """Cut the sentences out of clones, which are read and never changed.

    Parameters
    ----------
    annotations : sequence of dict
        Rows of ``data/annotations.jsonl``.
    clones : Path
        Folder with the clones, each at ``owner/name`` or ``name``, bare or with a work tree.

    Raises
    ------
    DataError
        git is not installed, or cannot read a clone.
    """
    by_repository: dict[str, list[Row]] = defaultdict(list)
    for row in annotations:
        by_repository[row["repo"]].append(row)
    sentences: dict[str, Sentence] = {}
    for repository, rows in by_repository.items():
        git_folder = _git_folder(clones, repository)
        objects = None if git_folder is None else _read_objects(git_folder, rows)
        sentences |= {row["id"]: _cut(row, objects) for row in rows}
    return tuple(sentences[row["id"]] for row in annotations)


def check(annotations: Sequence[Row], path: Path) -> tuple[Sentence, ...]:
    """Check a ready ``labelled.jsonl``: each text against its hash, the labels against ours.

    Raises
    ------
    DataError
        The file cannot be read, or has sentences that the annotations do not name.
    """
    ready = {row.get("id"): row for row in read_rows(path)}
    if unknown := ready.keys() - {row["id"] for row in annotations}:
        raise DataError(f"{path}: {len(unknown):,} sentences are not in the annotations")
    sentences = []
    for row in annotations:
        found = ready.get(row["id"], {})
        sentence = Sentence(row, text=str(found.get("text")))
        if not found:
            sentence = Sentence(row, problem="not there" if "start" in row else _NO_SPAN)
        elif found != sentence.row or _sha256(sentence.text) != row["sha256"]:
            sentence = Sentence(row, problem="differs")
        sentences.append(sentence)
    return tuple(sentences)


def find_labelled(folder: Path | None = None) -> Path:
    """Return the path of the labelled corpus, after checking every sentence of it.

    Parameters
    ----------
    folder : Path, optional
        A folder with ``labelled.jsonl``. By default ``shared/corpus`` beside the repository, then
        ``build/corpus``, where this script puts what it rebuilds.

    Raises
    ------
    DataError
        There is none, or it is not the corpus of ``data/annotations.jsonl``. The message says
        how to get it.
    """
    path = _ready_file(folder)
    sentences = check(read_rows(_ANNOTATIONS), path)
    if not _complete(sentences):
        raise DataError(
            f"{path} is not the corpus of data/annotations.jsonl: {_problems(sentences)}. "
            "Rebuild it with `python training/build_corpus.py --clones FOLDER`."
        )
    return path


def _ready_file(folder: Path | None) -> Path:
    folders = _CORPUS_FOLDERS if folder is None else (folder,)
    for place in folders:
        if (place / "labelled.jsonl").is_file():
            return place / "labelled.jsonl"
    raise DataError(
        f"There is no labelled.jsonl in {' or '.join(map(str, folders))}. Clone the repositories "
        "that data/README.md lists and run `python training/build_corpus.py --clones FOLDER`, or "
        "name a folder with labelled.jsonl by --corpus."
    )


def _git_folder(clones: Path, repository: str) -> Path | None:
    for folder in (clones / repository, clones / repository.partition("/")[2]):
        if (folder / ".git").exists():
            return folder / ".git"
        if (folder / "HEAD").is_file():
            return folder
    return None


def _read_objects(git_folder: Path, rows: Iterable[Row]) -> dict[str, bytes | None]:
    """Return the content of every ``COMMIT`` and ``COMMIT:path``, None where there is none."""
    names = dict.fromkeys(name for row in rows for name in (row["commit"], _file(row)))
    command = ["git", f"--git-dir={git_folder}", "cat-file", "--batch"]
    request = "".join(f"{name}\n" for name in names).encode()
    try:
        answer = subprocess.run(command, input=request, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise DataError("Rebuilding the corpus needs git, which is not installed.") from error
    except subprocess.CalledProcessError as error:
        message = error.stderr.decode(errors="replace").strip()
        raise DataError(f"git cannot read {git_folder}: {message}") from error
    stream = io.BytesIO(answer.stdout)
    objects: dict[str, bytes | None] = {}
    for name in names:
        header = stream.readline()
        if header.endswith(b" missing\n"):
            objects[name] = None
        else:
            objects[name] = stream.read(int(header.split()[-1]))
            stream.readline()  # git ends every object with a line break
    return objects


def _file(row: Row) -> str:
    return f"{row['commit']}:{row['path']}"


def _cut(row: Row, objects: Mapping[str, bytes | None] | None) -> Sentence:
    """Return the sentence at a row's span, where a reading of it has the row's hash."""
    if objects is None:
        return Sentence(row, problem="no clone")
    if objects[row["commit"]] is None:
        return Sentence(row, problem="no such commit")
    data = objects[_file(row)]
    if data is None:
        return Sentence(row, problem="no such file")
    if "start" not in row:
        return Sentence(row, problem=_NO_SPAN)
    for view in _views(data, row["variant"]):
        for reading in _readings(view[row["start"] : row["end"]]):
            text = unicodedata.normalize("NFC", " ".join(reading.strip("\ufeff").split()))
            if _sha256(text) == row["sha256"]:
                return Sentence(row, text)
    return Sentence(row, problem="differs")


@lru_cache(maxsize=8)  # the tables hold hundreds of sentences each
def _views(data: bytes, variant: str) -> tuple[str, ...]:
    """Return the decoded file: exactly, then as programs that read text files see it."""
    text = data.decode("utf-8", errors="replace")
    as_text_file = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return tuple(_DECODERS[variant](view) for view in dict.fromkeys((text, as_text_file)))


def _readings(span: str) -> Iterator[str]:
    """Yield what a reader may see of a span: as it is, without HTML, without Markdown."""
    yield span
    for blank in (" ", ""):  # some sources part words by tags alone, some tag inside a word
        untagged = _TAG.sub(blank, span)
        yield untagged
        yield html.unescape(untagged)
        yield _ESCAPE.sub(r"\1", _EMPHASIS.sub("", _LINK.sub("", untagged)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _complete(sentences: Iterable[Sentence]) -> bool:
    return all(sentence.problem in ("", _NO_SPAN) for sentence in sentences)


def _problems(sentences: Iterable[Sentence]) -> str:
    counts = Counter(sentence.problem for sentence in sentences if sentence.problem)
    return ", ".join(f"{count:,} {problem}" for problem, count in counts.most_common())


def _print_report(sentences: Sequence[Sentence], clones: Path | None) -> None:
    found = sum(not sentence.problem for sentence in sentences)
    print(f"{found:,} of {len(sentences):,} sentences found and checked.")
    missing: dict[str, list[Sentence]] = defaultdict(list)
    for sentence in sentences:
        if sentence.problem:
            missing[sentence.annotation["repo"]].append(sentence)
    for repository, of_repository in missing.items():
        print(f"{repository}: {_problems(of_repository)}")
        address, folder = f"https://github.com/{repository}", f"{clones}/{repository}"
        commits = {sentence.problem: sentence.annotation["commit"] for sentence in of_repository}
        if "no clone" in commits:
            print(f"  git clone --no-checkout {address} {folder}")
        if "no such commit" in commits:
            print(f"  git -C {folder} fetch {address} {commits['no such commit']}")


def _write_rows(rows: Iterable[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    partial.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild or check the corpus, say what is missing and return the exit status."""
    parser = argparse.ArgumentParser(description="Rebuild or check the labelled sentences.")
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--clones", type=Path, help="folder with clones of the repositories")
    origin.add_argument("--corpus", type=Path, help="folder with a labelled.jsonl to check")
    parser.add_argument("--output", type=Path, help="the .jsonl file that --clones writes")
    parser.add_argument("--annotations", type=Path, default=_ANNOTATIONS)
    options = parser.parse_args(arguments)
    try:
        annotations = read_rows(options.annotations)
        if options.clones is None:
            sentences = check(annotations, _ready_file(options.corpus))
        else:
            sentences = rebuild(annotations, options.clones)
            rows = (sentence.row for sentence in sentences if not sentence.problem)
            _write_rows(rows, options.output or _BUILT / "labelled.jsonl")
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    _print_report(sentences, options.clones)
    return 0 if _complete(sentences) else 1


if __name__ == "__main__":
    sys.exit(main())
