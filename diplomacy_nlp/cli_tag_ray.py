"""What the command ``tag`` does with ``--engine ray``."""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from diplomacy_nlp.errors import ConfigError

__all__ = ["refuse_cluster_options", "tag_on_cluster"]


def refuse_cluster_options(address: str | None, n_workers: int | None) -> None:
    """Refuse the options of a cluster where there is none.

    Raises
    ------
    ConfigError
        One of them was given.
    """
    for option, value in (("--address", address), ("--workers", n_workers)):
        if value is not None:
            raise ConfigError(f"{option} needs --engine ray")


def tag_on_cluster(
    inputs: Sequence[str],
    output: str | None,
    output_format: str | None,
    *,
    resume: bool,
    skip_errors: bool,
    part_sentences: int | None,
    **options: Any,
) -> None:
    """Tag on a cluster, and tell how much was written.

    Parameters
    ----------
    inputs : sequence of str
        As of :func:`diplomacy_nlp.distributed.tag_files`.
    output, output_format, resume, skip_errors, part_sentences
        As they were given.
    **options
        Further keyword arguments of :func:`diplomacy_nlp.distributed.tag_files`.

    Raises
    ------
    ConfigError
        The options do not go together.
    DataError
        A text cannot be read, or a part not be written.
    MissingExtraError
        Ray is not installed.
    """
    unfit = {
        "--resume": resume,
        "--skip-errors": skip_errors,
        f"--format {output_format}": output_format not in (None, "parquet"),
    }
    for option, is_given in unfit.items():
        if is_given:
            raise ConfigError(f"{option} does not go with --engine ray")
    if output in (None, "-"):
        raise ConfigError("--engine ray writes Parquet to a folder: --output FOLDER/")
    from diplomacy_nlp.archive import PART_SENTENCES
    from diplomacy_nlp.distributed import tag_files
    from diplomacy_nlp.output import is_terminal

    parts = tag_files(
        inputs,
        str(output),
        part_sentences=part_sentences or PART_SENTENCES,
        progress=is_terminal(sys.stderr),
        **options,
    )
    typer.echo(
        f"{parts.folder}: parts: {parts.n_parts:,}, sentences: {parts.n_sentences:,}", err=True
    )
