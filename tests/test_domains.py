import dataclasses

import pytest

from diplomacy_nlp.domains import CORE, RELATIONS, WIDE, Domain, DomainSet
from diplomacy_nlp.errors import ConfigError


class TestDomain:
    @pytest.mark.parametrize("name", ["", "  ", " trade", "trade\n", "a;b", "a\tb", "a\rb"])
    def test_names_that_files_cannot_carry(self, name):
        with pytest.raises(ConfigError, match="domain name"):
            Domain(name)

    def test_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            CORE["trade"].name = "commerce"


class TestDomainSet:
    def test_shipped_sets(self):
        assert CORE.names == ("energy", "trade", "security", "counter-terrorism")
        assert WIDE.domains[:4] == CORE.domains
        assert len(WIDE) == 13
        assert all(domain.definition for domain in WIDE)
        assert all(domain.references for domain in CORE)
        assert RELATIONS == ("cooperation", "conflict", "neutral")

    def test_is_in_column_order(self):
        domains = DomainSet.of(["trade", "fisheries", "energy"])
        assert [domain.name for domain in domains] == ["trade", "fisheries", "energy"]
        assert [domains.index(name) for name in domains.names] == [0, 1, 2]
        assert "fisheries" in domains
        assert "security" not in domains

    def test_names_of_the_codebook_bring_their_definitions(self):
        domains = DomainSet.of(["health", "fisheries"])
        assert domains["health"] == WIDE["health"]
        assert domains["fisheries"] == Domain("fisheries")

    def test_select(self):
        assert WIDE.select(["health", "trade"]) == DomainSet((WIDE["health"], WIDE["trade"]))

    def test_equal_sets_have_equal_hashes(self):
        assert DomainSet.of(CORE.names) == CORE
        assert hash(DomainSet.of(CORE.names)) == hash(CORE)

    def test_empty(self):
        with pytest.raises(ConfigError, match="at least one"):
            DomainSet(())

    def test_twice(self):
        with pytest.raises(ConfigError, match="'trade' stands twice"):
            DomainSet.of(["trade", "energy", "trade"])

    @pytest.mark.parametrize("look_up", [CORE.index, CORE.__getitem__, lambda n: CORE.select([n])])
    def test_unknown_name(self, look_up):
        with pytest.raises(ConfigError) as caught:
            look_up("tarde")
        assert str(caught.value) == (
            "unknown domain 'tarde'. Valid: energy, trade, security, counter-terrorism"
        )
