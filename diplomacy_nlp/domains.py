"""Domains and sets of domains: what a tag can say.

The order of a :class:`DomainSet` is the order of the columns wherever an array has one column
a domain.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diplomacy_nlp.errors import ConfigError

__all__ = ["CORE", "RELATIONS", "WIDE", "Domain", "DomainSet"]

#: How the international actors of a sentence stand to one another, in column order.
RELATIONS = ("cooperation", "conflict", "neutral")


@dataclass(frozen=True, slots=True)
class Domain:
    """A field in which states cooperate or quarrel.

    Parameters
    ----------
    name : str
        Lower case, as it stands in files and results; without ``;`` or line breaks.
    definition : str
        What the domain covers, in a sentence or two.
    references : tuple of str
        Categories of public codebooks that correspond to it.

    Raises
    ------
    ConfigError
        The name is blank or has a character that files cannot carry.
    """

    name: str
    definition: str = ""
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.strip() or self.name != self.name.strip():
            raise ConfigError(f"domain name {self.name!r} is blank or has blanks around it")
        if any(character in self.name for character in ";\n\r\t"):
            raise ConfigError(f"domain name {self.name!r} may not hold ';', tabs or line breaks")


@dataclass(frozen=True, slots=True)
class DomainSet:
    """Domains in column order.

    Parameters
    ----------
    domains : tuple of Domain
        At least one, each name once.

    Raises
    ------
    ConfigError
        The set is empty or names a domain twice.

    Examples
    --------
    >>> CORE.names
    ('energy', 'trade', 'security', 'counter-terrorism')
    >>> "finance" in CORE, "finance" in WIDE
    (False, True)
    >>> WIDE.select(["trade", "health"]).names
    ('trade', 'health')
    >>> DomainSet.of(["fisheries", "trade"])["trade"].references
    ('CAP 18', 'CAMEO 061', 'CAMEO 0311')
    """

    domains: tuple[Domain, ...]

    def __post_init__(self) -> None:
        if not self.domains:
            raise ConfigError("a domain set needs at least one domain")
        for name in self.names:
            if self.names.count(name) > 1:
                raise ConfigError(f"domain {name!r} stands twice in the set")

    @classmethod
    def of(cls, names: Iterable[str]) -> "DomainSet":
        """Make a set from names; those of the codebook bring their definitions along."""
        known = {domain.name: domain for domain in WIDE}
        return cls(tuple(known.get(name) or Domain(name) for name in names))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in column order."""
        return tuple(domain.name for domain in self.domains)

    def index(self, name: str) -> int:
        """Return the column of a domain.

        Raises
        ------
        ConfigError
            The set has no such domain.
        """
        if name not in self.names:
            raise ConfigError(f"unknown domain {name!r}. Valid: {', '.join(self.names)}")
        return self.names.index(name)

    def select(self, names: Iterable[str]) -> "DomainSet":
        """Return the set of these domains, in the order given.

        Raises
        ------
        ConfigError
            One of the names is unknown or given twice.
        """
        return DomainSet(tuple(self[name] for name in names))

    def __getitem__(self, name: str) -> Domain:
        return self.domains[self.index(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[Domain]:
        return iter(self.domains)

    def __len__(self) -> int:
        return len(self.domains)


#: The four domains that the default model tags unless told otherwise.
CORE = DomainSet(
    (
        Domain(
            "energy",
            "Oil, gas, coal, pipelines, power grids, hydropower, civil nuclear power, renewables "
            "and hydrogen between actors: supply, prices, projects, investment, energy security.",
            ("CAP 8", "PLOVER natural resources", "PLOVER civil nuclear"),
        ),
        Domain(
            "trade",
            "Goods and services crossing borders, tariffs, market access, customs, supply chains, "
            "trade agreements, foreign investment and business ties, and sanctions on any of them.",
            ("CAP 18", "CAMEO 061", "CAMEO 0311"),
        ),
        Domain(
            "security",
            "Defence and military ties, arms, alliances, wars, ceasefires and peace talks, "
            "peacekeeping, border, maritime and cyber security, intelligence and arms control.",
            ("CAP 16", "CAMEO 062", "CAMEO 064", "CAMEO 072", "PLOVER military"),
        ),
        Domain(
            "counter-terrorism",
            "Terrorism and violent extremism as a matter between actors: condemnation, sponsors "
            "and havens, named groups, financing, lists, and operations or talks against them.",
            ("CAP 1927", "PLOVER terrorism"),
        ),
    )
)

#: The core domains and the nine wider ones.
WIDE = DomainSet(
    (
        *CORE.domains,
        Domain("finance", "Loans, aid and development money, debt, currencies and banks."),
        Domain("connectivity", "Transport routes, railways, ports, aviation and infrastructure."),
        Domain("technology", "Science, digital matters, space, telecoms, chips and minerals."),
        Domain("health", "Disease, medicines, vaccines and health systems."),
        Domain("climate", "Climate change, the environment and shared water."),
        Domain("agriculture", "Farming, food supply and fisheries."),
        Domain("culture", "Culture, education, tourism, sport, media and ties between peoples."),
        Domain("humanitarian", "Relief, refugees, migration, disasters, visas and consular help."),
        Domain("governance", "Human rights, democracy, elections, law, crime and corruption."),
    )
)
