"""What the command ``tag`` does once its options are read, and what it tells of it."""

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from diplomacy_nlp import __version__
from diplomacy_nlp.cli_tag_target import Target
from diplomacy_nlp.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from diplomacy_nlp.documents import DocumentStream, Unreadable
    from diplomacy_nlp.output import TaggedDocument
    from diplomacy_nlp.sentences import Sentence
    from diplomacy_nlp.tagger import Tagger

    _Watch: TypeAlias = Callable[[Iterable[TaggedDocument]], Iterator[TaggedDocument]]

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """Texts, what tags them, and where the result goes.

    Parameters
    ----------
    tagger : Tagger
        What tags them.
    files : sequence of str
        Where they are.
    read : callable
        ``read_documents``, ready but for ``start`` and ``skip``.
    splitter : callable
        As for ``Tagger.tag``.
    relations : sequence of str
        If any, only sentences of these are written.
    target : Target
        Where to.
    """

    tagger: "Tagger"
    files: Sequence[str]
    read: "Callable[..., DocumentStream]"
    splitter: "Callable[[str], list[Sentence]]"
    relations: Sequence[str]
    target: Target

    def tag_into_one(self) -> None:
        """Tag into a file, whole or not at all, or onto standard output."""
        from diplomacy_nlp.archive import tag_documents
        from diplomacy_nlp.output import open_output, write_tagged

        path, format_ = self.target.path, self.target.format_
        with _listing(self.target) as skip:
            stream = self.read(skip=skip)
            documents = tag_documents(self.tagger, stream, splitter=self.splitter)
            with self._watched(stream) as watch:
                if format_ != "table":
                    write_tagged(
                        path, watch(documents), self.tagger, format_, relations=self.relations
                    )
                    return
                from diplomacy_nlp.display import console_on, print_tagged

                with open_output(path, errors="replace") as file:
                    print_tagged(
                        watch(documents),
                        self.tagger,
                        console_on(file),
                        relations=self.relations,
                    )

    def tag_into_parts(self, model: str, options: dict[str, Any]) -> None:
        """Tag into a folder of parts, from where a run there has come to.

        Parameters
        ----------
        model : str
            The tagger's, as it was named.
        options : dict
            The other options that decide what is written.

        Raises
        ------
        ConfigError
            The run there was another one, or another process is at it.
        DataError
            A text cannot be read, or a part not be written.
        """
        from diplomacy_nlp.archive import tag_into_parts
        from diplomacy_nlp.run_folder import RunFolder, locked

        target, format_ = self.target, self.target.format_
        if target.path is None or format_ == "table":
            raise ConfigError("parts need a folder, and a format other than table")
        run = self._description(model) | options
        with locked(target.path):
            folder = RunFolder(target.path, run, f".{format_}", resume=target.resume)
            stream = self.read(
                start=folder.position, skip=folder.pass_over if target.skip_errors else None
            )
            n_done = sum(part.n_sentences for part in folder.parts)
            with self._watched(stream, folder.position.n_files, n_done) as watch:
                tag_into_parts(
                    self.tagger,
                    stream,
                    folder,
                    format_,
                    splitter=self.splitter,
                    part_sentences=target.part_sentences,
                    relations=self.relations,
                    watch=watch,
                )
        n_sentences = sum(part.n_sentences for part in folder.parts)
        n_documents = sum(part.n_documents for part in folder.parts)
        typer.echo(
            f"{target.path}: parts: {len(folder.parts):,}, texts: {n_documents:,}, "
            f"sentences: {n_sentences:,}",
            err=True,
        )
        _tell_skipped(folder.n_unreadable, target)

    def _description(self, model: str) -> dict[str, Any]:
        from diplomacy_nlp.model_files import find_model
        from diplomacy_nlp.run_folder import describe_inputs

        sums = (find_model(model) / "SHA256SUMS").read_bytes()
        return {
            "diplomacy-nlp": __version__,
            "model": f"SHA-256 of SHA256SUMS {hashlib.sha256(sums).hexdigest()}",
            "inputs": describe_inputs(self.files),
            "--format": self.target.format_,
            "--part-sentences": self.target.part_sentences,
        }

    def _watched(
        self, stream: "DocumentStream", n_files_done: int = 0, n_sentences: int = 0
    ) -> "AbstractContextManager[_Watch]":
        from diplomacy_nlp.documents import holds_rows
        from diplomacy_nlp.output import is_terminal
        from diplomacy_nlp.run_folder import total_bytes

        fills_terminal = self.target.path is None and is_terminal(sys.stdout)
        is_one_text = len(self.files) == 1 and not holds_rows(self.files[0])
        if is_one_text or fills_terminal or not is_terminal(sys.stderr):
            return contextlib.nullcontext(iter)
        from diplomacy_nlp.display import tagging_progress

        n_bytes = total_bytes(self.files[n_files_done:])
        return tagging_progress(stream, len(self.files), n_bytes, n_sentences)


@contextlib.contextmanager
def _listing(target: Target) -> "Iterator[Callable[[Unreadable], None] | None]":
    """Give what lists unreadable documents beside a file, where they are to be passed over."""
    if not target.skip_errors:
        yield None
        return
    from diplomacy_nlp.output import open_output

    n_skipped = 0
    with open_output(target.errors_file, errors="backslashreplace") as file:

        def skip(unreadable: "Unreadable") -> None:
            nonlocal n_skipped
            n_skipped += 1
            file.write(unreadable.to_json())

        yield skip
    _tell_skipped(n_skipped, target)


def _tell_skipped(n_skipped: int, target: Target) -> None:
    if n_skipped:
        what = "1 text or file" if n_skipped == 1 else f"{n_skipped:,} texts or files"
        typer.echo(
            f"skipped {what} that could not be read, listed in {target.errors_file}", err=True
        )
