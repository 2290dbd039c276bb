import pytest

from diplomacy_nlp.annotators.matching import match_rows
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.errors import DataError


def texts(*given: str, source: str = "") -> Examples:
    return Examples(CORE, tuple(map(Example, given)), source)


def with_ids(*given: tuple[str, str]) -> Examples:
    return Examples(CORE, tuple(Example(text, id=name) for name, text in given))


def test_by_id_in_the_order_of_the_first() -> None:
    one = with_ids(("a", "Gas."), ("b", "Oil."), ("c", "Rain."))
    other = with_ids(("d", "Snow."), ("c", "Rain."), ("a", "Gas  flows."))
    matching = match_rows([one, other])
    assert matching.by == "id"
    assert matching.rows == ((0, 2), (2, 1))
    assert matching.unmatched == ((1,), (0,))
    assert matching.n_texts_differing == 1


def test_by_text_where_an_id_is_missing() -> None:
    one = with_ids(("a", "Gas."), ("b", "Oil."))
    other = Examples(CORE, (Example(" Oil. ", id="a"), Example("Gas.")))
    matching = match_rows([one, other])
    assert (matching.by, matching.rows) == ("text", ((0, 1), (1, 0)))
    assert (matching.unmatched, matching.n_texts_differing) == (((), ()), 0)


def test_repeated_texts_in_their_order() -> None:
    matching = match_rows([texts("Gas.", "Gas.", "Oil."), texts("Oil.", "Gas.", "Gas.", "Gas.")])
    assert matching.rows == ((0, 1, 2), (1, 2, 0))
    assert matching.unmatched == ((), (3,))


def test_only_what_all_have() -> None:
    matching = match_rows([texts("a", "b", "c"), texts("c", "b"), texts("b", "c", "d")])
    assert matching.rows == ((1, 2), (1, 0), (0, 1))
    assert matching.unmatched == ((0,), (), (2,))


def test_nothing_in_common() -> None:
    with pytest.raises(DataError) as caught:
        match_rows([texts("Gas.", source="a.csv"), texts("Oil.", source="b.csv")])
    assert str(caught.value) == "a.csv and b.csv: no sentence in common, matched by text"
