from dataclasses import replace

import fakes
import numpy as np
import pytest

from diplomacy_nlp.checks.label_errors import (
    FEWEST_LABELS,
    Opinion,
    ask_tagger,
    cross_validate,
    find_label_errors,
    find_relation_errors,
)
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import RELATIONS, DomainSet
from diplomacy_nlp.errors import DataError

DOMAINS = DomainSet.of(["energy", "trade", "health"])
WORDS = {"energy": "gas oil solar".split(), "trade": "wheat tariff export".split()}
RELATION_WORDS = dict(zip(RELATIONS, ("agreed", "accused", "noted"), strict=True))
# Rows whose labels are turned round.
WRONG_ENERGY, WRONG_RELATION = (5, 60, 120), (30, 90)


def labelled_by_words(n: int = 240, seed: int = 0) -> Examples:
    """Return sentences whose words tell their labels, but for a few that are wrong."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        names = {name for name in WORDS if random.random() < 0.4}
        relation = RELATIONS[random.integers(3)]
        words = [*random.choice(list("abcdefgh"), 4), RELATION_WORDS[relation]]
        words += [random.choice(WORDS[name]) for name in sorted(names)]
        if number in WRONG_ENERGY:
            names ^= {"energy"}
        if number in WRONG_RELATION:
            relation = RELATIONS[(RELATIONS.index(relation) + 1) % 3]
        text = " ".join([f"Sentence{number}", *random.permutation(words)])
        rows.append(Example(text, names, relation, group=f"document {number // 3}"))
    return Examples(DOMAINS, tuple(rows))


EXAMPLES = labelled_by_words()
UNITS = np.arange(len(EXAMPLES)) // 3


@pytest.fixture(scope="module")
def opinion() -> Opinion:
    return cross_validate(EXAMPLES, UNITS, n_folds=4, seed=0)


class TestCrossValidate:
    def test_shapes(self, opinion):
        # No sentence is about health, so it cannot be judged.
        assert opinion.names == ("energy", "trade")
        assert opinion.probabilities.shape == (len(EXAMPLES), 2)
        assert opinion.relation_probabilities.sum(axis=1) == pytest.approx(1)

    def test_tells_what_the_words_say(self, opinion):
        said = opinion.probabilities[:, 0] > 0.5
        wrong = np.flatnonzero(said != EXAMPLES.labels[:, 0])
        assert wrong.tolist() == list(WRONG_ENERGY)

    def test_sentences_of_a_unit_do_not_judge_one_another(self):
        # The word of each unit gives its label away to those in the same unit.
        rows = tuple(
            Example(f"the word{n // 8} stands", {"energy"} if n // 8 % 2 else ())
            for n in range(160)
        )
        examples = Examples(DOMAINS, rows)
        alone = cross_validate(examples, np.arange(160), n_folds=4, seed=0)
        together = cross_validate(examples, np.arange(160) // 8, n_folds=4, seed=0)
        labels = examples.labels[:, 0]
        assert ((alone.probabilities[:, 0] > 0.5) == labels).all()
        spread = np.ptp(together.probabilities[labels, 0]), np.ptp(together.probabilities)
        assert max(spread) < 0.2

    def test_the_same_seed_gives_the_same(self, opinion):
        again = cross_validate(EXAMPLES, UNITS, n_folds=4, seed=0)
        other = cross_validate(EXAMPLES, UNITS, n_folds=4, seed=1)
        assert (again.probabilities == opinion.probabilities).all()
        assert (other.probabilities != opinion.probabilities).any()

    def test_too_few_units(self):
        message = "3 independent documents cannot be divided into 4 folds"
        with pytest.raises(DataError, match=message):
            cross_validate(EXAMPLES, np.arange(len(EXAMPLES)) % 3, n_folds=4, seed=0)

    def test_no_word_that_stands_twice(self):
        rows = tuple(Example(f"w{n}", {"energy"} if n % 2 else ()) for n in range(40))
        with pytest.raises(DataError, match=r"30 sentences are too few: .*no terms"):
            cross_validate(Examples(DOMAINS, rows), np.arange(40), n_folds=4, seed=0)

    def test_too_few_labels(self):
        few = EXAMPLES[: FEWEST_LABELS - 1]
        opinion = cross_validate(few, np.arange(len(few)), n_folds=2, seed=0)
        assert (opinion.names, opinion.relation_probabilities) == ((), None)


class TestFindLabelErrors:
    def test_wrong_labels_come_first(self, opinion):
        found = list(find_label_errors(EXAMPLES, opinion))
        assert {row for finding in found[:3] for row in finding.rows} == set(WRONG_ENERGY)
        qualities = [finding.details["quality"] for finding in found]
        assert qualities == sorted(qualities)

    def test_what_is_said(self, opinion):
        of_row = {finding.rows[0]: finding for finding in find_label_errors(EXAMPLES, opinion)}
        for row in WRONG_ENERGY:
            finding = of_row[row]
            given = "energy" in EXAMPLES[row].domains
            doubted = finding.details["wrong" if given else "missing"]
            probability = finding.details["probabilities"]["energy"]
            assert doubted["energy"] == probability
            assert (probability < 0.5) == given
            verb = "wrong" if given else "missing"
            assert f"energy may be {verb} ({probability:.2f})" in finding.message

    def test_no_domain_to_judge(self):
        opinion = Opinion((), np.empty((len(EXAMPLES), 0)), None)
        with pytest.raises(DataError, match="no domain to judge with 10 sentences"):
            list(find_label_errors(EXAMPLES, opinion))

    def test_of_rare_and_frequent_labels(self):
        # Unsure of rare labels, the model is surer that a frequent one is wrong.
        labels = np.zeros((400, 2), dtype=bool)
        labels[:12, 0] = labels[100:300, 1] = True
        probabilities = np.where(labels, [0.1, 0.9], 0.02)
        probabilities[0, 0], probabilities[100, 1] = 0.005, 0.01
        rows = [
            Example(
                f"{n}", {name for name, has in zip(("energy", "trade"), of_row, strict=True) if has}
            )
            for n, of_row in enumerate(labels)
        ]
        opinion = Opinion(("energy", "trade"), probabilities, None)
        found = list(find_label_errors(Examples(DOMAINS, tuple(rows)), opinion))
        assert [finding.rows for finding in found] == [(100,), (0,)]


class TestFindRelationErrors:
    def test_wrong_relations_come_first(self, opinion):
        found = list(find_relation_errors(EXAMPLES, opinion))
        assert {row for finding in found[:2] for row in finding.rows} == set(WRONG_RELATION)
        first = found[0]
        given = EXAMPLES[first.rows[0]].relation
        likeliest = max(first.details["probabilities"], key=first.details["probabilities"].get)
        assert first.message.startswith(f"may be {likeliest} (")
        assert first.message.endswith(f", not {given}")

    def test_unknown_relations_are_passed_over(self):
        rows = tuple(
            replace(row, relation=None) if n % 7 == 0 else row for n, row in enumerate(EXAMPLES)
        )
        examples = Examples(DOMAINS, rows)
        opinion = cross_validate(examples, UNITS, n_folds=4, seed=0)
        found = list(find_relation_errors(examples, opinion))
        assert found
        assert all(finding.rows[0] % 7 for finding in found)

    def test_a_relation_of_which_there_are_few(self):
        # A single conflict is not judged, nor held against the others.
        rows = [
            replace(row, relation="neutral" if row.relation == "conflict" and n else row.relation)
            for n, row in enumerate(EXAMPLES)
        ]
        rows[0] = replace(rows[0], relation="conflict")
        examples = Examples(DOMAINS, tuple(rows))
        opinion = cross_validate(examples, UNITS, n_folds=4, seed=0)
        for finding in find_relation_errors(examples, opinion):
            assert finding.rows != (0,)
            assert list(finding.details["probabilities"]) == ["cooperation", "neutral"]

    def test_none_to_judge(self):
        rows = tuple(replace(row, relation="neutral") for row in EXAMPLES)
        opinion = Opinion((), np.empty((len(rows), 0)), None)
        with pytest.raises(DataError, match="no two relations to judge with 10 sentences each"):
            list(find_relation_errors(Examples(DOMAINS, rows), opinion))


class TestAskTagger:
    def test_domains_that_both_know(self):
        rows = [Example(f"They agreed on gas {n}.", {"energy"}, "cooperation") for n in range(15)]
        rows += [Example(f"They accused {n}.", {"fish"}, "conflict") for n in range(15)]
        rows[3] = Example("They accused 3 times.", {"energy"}, "cooperation")
        examples = Examples(DomainSet.of(["fish", "energy", "trade"]), tuple(rows))
        opinion = ask_tagger(examples, fakes.load_fake_tagger())
        assert opinion.names == ("energy",)
        [finding] = find_label_errors(examples, opinion)
        assert finding.rows == (3,)
        [finding] = find_relation_errors(examples, opinion)
        assert finding.rows == (3,)
