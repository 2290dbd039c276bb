"""Options that several commands share."""

from typing import Annotated

import typer

__all__ = ["AsJson", "DomainNames", "Encoding", "domain_names"]

DomainNames = Annotated[
    str | None, typer.Option(metavar="NAMES", help="core, wide, or names joined by commas.")
]
Encoding = Annotated[str, typer.Option(metavar="NAME", help="Encoding of what is read.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def domain_names(domains: str | None) -> tuple[str, ...] | None:
    """Return the names that an option of type ``DomainNames`` stands for."""
    from diplomacy_nlp.domains import CORE, WIDE

    if domains is None:
        return None
    named = {"core": CORE.names, "wide": WIDE.names}
    return named.get(domains) or tuple(name.strip() for name in domains.split(","))
