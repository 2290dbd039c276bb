import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from diplomacy_nlp.annotators.measure import agreement
from diplomacy_nlp.annotators.results import Agreement
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, RELATIONS, DomainSet
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.labelled_files import RowPlace

DOMAINS = DomainSet.of(["energy", "trade"])


def annotator(seed: int, n: int = 120, source: str = "") -> Examples:
    """Return labels that agree with those of other seeds in most rows."""
    truth, own = np.random.default_rng(99), np.random.default_rng(seed)
    rows = []
    for number in range(n):
        labels = truth.random(2) < 0.4
        relation = truth.integers(3)
        labels ^= own.random(2) < 0.1
        relation = (relation + (own.random() < 0.1)) % 3
        names = {name for name, has in zip(DOMAINS.names, labels, strict=True) if has}
        text, group = f"Sentence {number}.", f"document {number // 4}"
        rows.append(Example(text, names, RELATIONS[relation], group=group, id=f"s{number}"))
    return Examples(DOMAINS, tuple(rows), source)


ANNA, BORIS = annotator(1, source="anna.csv"), annotator(2, source="boris.csv")


@pytest.fixture(scope="module")
def measured() -> Agreement:
    return agreement(ANNA, BORIS, n_bootstrap=200)


def test_scores_of_each_domain(measured):
    assert [row.label for row in measured.domains] == ["energy", "trade"]
    for column, row in enumerate(measured.domains):
        one, other = ANNA.labels[:, column], BORIS.labels[:, column]
        assert row.n_positives == (one.sum(), other.sum())
        assert row.raw.value == (one == other).mean()
        assert row.kappa.value == pytest.approx(cohen_kappa_score(one, other))
        # Alpha corrects for the size of the sample, and pools the annotators.
        assert row.alpha.value == pytest.approx(row.kappa.value, abs=0.02)
        for score in (row.raw, row.kappa, row.alpha):
            assert score.interval.low < score.value < score.interval.high


def test_scores_of_the_set_and_the_relation(measured):
    exact = np.mean([a.domains == b.domains for a, b in zip(ANNA, BORIS, strict=True)])
    assert measured.sets.raw.value == pytest.approx(exact)
    # A set that differs in part counts for less than one that differs.
    assert measured.sets.alpha.value > measured.sets.kappa.value
    assert measured.relation.n_sentences == 120
    assert measured.relation.kappa.value == pytest.approx(
        cohen_kappa_score(ANNA.relations, BORIS.relations)
    )


def test_intervals_respect_documents():
    # Four copies of each sentence in one document are worth no more than one.
    def copies(examples):
        rows = [
            Example(f"{row.text}{n}", row.domains, group=row.text)
            for row in examples
            for n in "abcd"
        ]
        return Examples(DOMAINS, tuple(rows))

    def width(*annotations):
        interval = agreement(*annotations, n_bootstrap=400).domains[0].kappa.interval
        return interval.high - interval.low

    alone = [Examples(DOMAINS, tuple(Example(r.text, r.domains) for r in e)) for e in (ANNA, BORIS)]
    assert width(*map(copies, alone)) == pytest.approx(width(*alone), rel=0.1)


def test_the_same_seed_gives_the_same(measured):
    assert agreement(ANNA, BORIS, n_bootstrap=200) == measured
    other = agreement(ANNA, BORIS, n_bootstrap=200, seed=1)
    assert other.domains[0].kappa.interval != measured.domains[0].kappa.interval
    assert other.domains[0].kappa.value == measured.domains[0].kappa.value


def test_disagreements(measured):
    expected = [
        number
        for number, (a, b) in enumerate(zip(ANNA, BORIS, strict=True))
        if a.domains != b.domains or a.relation != b.relation
    ]
    assert [found.rows for found in measured.disagreements] == [(n, n) for n in expected]
    first = measured.disagreements[0]
    a, b = (examples[expected[0]] for examples in (ANNA, BORIS))
    assert (first.text, first.id) == (a.text, a.id)
    assert first.relations == (a.relation, b.relation)
    assert tuple(map(set, first.domains)) == (a.domains, b.domains)
    differing = set(a.domains ^ b.domains) | ({"relation"} if a.relation != b.relation else set())
    assert set(first.labels) == differing


def test_records_of_disagreements():
    places = [[RowPlace("f", 10 * m + n) for n in range(120)] for m in (1, 2)]
    measured = agreement(ANNA, BORIS, names=["a", "b"], n_bootstrap=0, places=places)
    record = measured.disagreement_rows()[0]
    found = measured.disagreements[0]
    assert list(record) == [
        "id",
        "text",
        "differing",
        "row_a",
        "domains_a",
        "relation_a",
        "row_b",
        "domains_b",
        "relation_b",
    ]
    assert (record["row_a"], record["row_b"]) == (10 + found.rows[0], 20 + found.rows[1])
    assert record["domains_b"] == list(found.domains[1])


def test_json(measured):
    plain = measured.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["annotators"] == ["anna.csv", "boris.csv"]
    assert plain["matching"] == {
        "by": "id",
        "n_matched": 120,
        "unmatched": [[], []],
        "n_texts_differing": 0,
    }
    assert plain["disagreements"][0]["rows"] == [n + 1 for n in measured.disagreements[0].rows]
    kappa = plain["domains"][0]["kappa"]
    assert kappa["value"] == round(measured.domains[0].kappa.value, 6)


def test_what_has_no_counterpart_is_told():
    places = [[RowPlace("f", 2 + n) for n in range(length)] for length in (120, 118)]
    measured = agreement(ANNA, BORIS[2:], n_bootstrap=0, places=places)
    assert measured.matching.unmatched == ((0, 1), ())
    assert measured.to_dict()["matching"]["unmatched"] == [[2, 3], []]
    assert measured.domains[0].n_sentences == 118


def test_three_annotators():
    clara = annotator(3)
    measured = agreement(ANNA, BORIS, clara, n_bootstrap=0)
    assert measured.annotators == ("annotator 1", "annotator 2", "annotator 3")
    pairs = [(ANNA, BORIS), (ANNA, clara), (BORIS, clara)]
    kappas = [agreement(*pair, n_bootstrap=0).domains[0].kappa.value for pair in pairs]
    assert measured.domains[0].kappa.value == pytest.approx(np.mean(kappas))
    assert len(measured.domains[0].n_positives) == 3
    assert math.isnan(measured.domains[0].kappa.interval.low)


def test_one_answer_alone_leaves_nothing_to_chance():
    rows = tuple(Example(f"Sentence {n}.", {"trade"} if n else ()) for n in range(4))
    one = Examples(DOMAINS, rows)
    energy, trade = agreement(one, one, n_bootstrap=20).domains
    assert (energy.raw.value, trade.kappa.value, trade.alpha.value) == (1, 1, 1)
    assert math.isnan(energy.kappa.value)
    assert math.isnan(energy.alpha.value)
    assert agreement(one, one, n_bootstrap=0).to_dict()["domains"][0]["kappa"]["value"] is None


def test_relations_where_all_give_one():
    def given(*relations):
        return Examples(
            DOMAINS, tuple(Example(f"{n}", relation=name) for n, name in enumerate(relations))
        )

    one = given("neutral", "conflict", None, "neutral")
    measured = agreement(one, given("neutral", "neutral", "conflict", "neutral"), n_bootstrap=0)
    assert measured.relation.n_sentences == 3
    assert measured.relation.raw.value == pytest.approx(2 / 3)
    assert [found.rows for found in measured.disagreements] == [(1, 1)]
    assert agreement(one, given(None, None, "neutral", None), n_bootstrap=0).relation is None


def test_domains_that_one_annotator_never_gives_count():
    one = Examples(DomainSet.of(["fish"]), (Example("a", {"fish"}), Example("b")))
    other = Examples(CORE, (Example("a"), Example("b", {"trade"})))
    measured = agreement(one, other, n_bootstrap=0)
    assert [row.label for row in measured.domains] == [*CORE.names, "fish"]
    assert measured.domains[-1].n_positives == (1, 0)
    assert measured.domains[-1].kappa.value == 0


def test_groups_of_the_first_annotator_who_names_them():
    alone = Examples(DOMAINS, tuple(Example(row.text, row.domains) for row in ANNA))
    assert agreement(alone, BORIS, n_bootstrap=0).n_groups == 30
    assert agreement(alone, alone, n_bootstrap=0).n_groups == 120


def test_one_annotator():
    with pytest.raises(DataError, match="at least two annotators, not 1"):
        agreement(ANNA)
