"""Options that several commands share."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diplomacy_nlp.errors import ConfigError, DataWarning

if TYPE_CHECKING:
    from diplomacy_nlp.operating_points import Goal

__all__ = [
    "AsJson",
    "DomainNames",
    "Encoding",
    "PrecisionGoal",
    "RecallGoal",
    "ReviewLevel",
    "Tier",
    "TierName",
    "domain_names",
    "goal",
    "numbers_by_domain",
    "sentences_of",
    "warnings_as_lines",
]


class TierName(StrEnum):
    """The tiers of a model."""

    ACCURATE = "accurate"
    FAST = "fast"


Tier = Annotated[TierName, typer.Option(help="fast: a quick first stage answers where it is sure.")]

DomainNames = Annotated[
    str | None, typer.Option(metavar="NAMES", help="core, wide, or names joined by commas.")
]
Encoding = Annotated[str, typer.Option(metavar="NAME", help="Encoding of what is read.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
PrecisionGoal = Annotated[
    list[str] | None,
    typer.Option(
        "--precision",
        metavar="[DOMAIN=]P",
        help="Tag from where this precision was reached on dev, such as 0.9.",
    ),
]
RecallGoal = Annotated[
    list[str] | None,
    typer.Option(
        "--recall",
        metavar="[DOMAIN=]P",
        help="Tag from where this recall was reached on dev, such as 0.8.",
    ),
]
ReviewLevel = Annotated[
    float | None,
    typer.Option(
        "--review",
        metavar="LEVEL",
        help="Mark what is right less often than this, such as 0.9, for a person.",
    ),
]


def domain_names(domains: str | None) -> tuple[str, ...] | None:
    """Return the names that an option of type ``DomainNames`` stands for."""
    from diplomacy_nlp.domains import CORE, WIDE

    if domains is None:
        return None
    named = {"core": CORE.names, "wide": WIDE.names}
    return named.get(domains) or tuple(name.strip() for name in domains.split(","))


def numbers_by_domain(option: str, values: list[str]) -> dict[str, float]:
    """Return the numbers of a repeated option ``DOMAIN=P``.

    Raises
    ------
    ConfigError
        A value is something else.
    """
    numbers = {}
    for value in values:
        name, equals, number = value.rpartition("=")
        try:
            numbers[name.strip()] = float(number if equals else "")
        except ValueError:
            raise ConfigError(f"{option} {value!r} is not DOMAIN=P, such as trade=0.6") from None
    return numbers


def goal(option: str, values: list[str] | None) -> "Goal | None":
    """Return the goal that options of type ``PrecisionGoal`` or ``RecallGoal`` stand for.

    Raises
    ------
    ConfigError
        There is something other than one number, or one or more ``DOMAIN=P``.
    """
    if not values:
        return None
    if len(values) > 1 or "=" in values[0]:
        return numbers_by_domain(option, values)
    try:
        return float(values[0])
    except ValueError:
        raise ConfigError(
            f"{option} {values[0]!r} is neither a number, such as 0.9, nor DOMAIN=P"
        ) from None


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Write a :class:`DataWarning` as a line on standard error, without the code that gave it."""
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, DataWarning):
                typer.echo(f"warning: {message}", err=True)
            else:
                show_other(message, category, *where, **more)

        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = show
        yield


def sentences_of(inputs: Sequence[str], encoding: str) -> list[str]:
    """Return all the sentences of files and folders."""
    from diplomacy_nlp.documents import find_files, read_documents
    from diplomacy_nlp.sentences import split_sentences

    documents = read_documents(find_files(inputs), encoding=encoding)
    return [s.text for document in documents for s in split_sentences(document.text)]
