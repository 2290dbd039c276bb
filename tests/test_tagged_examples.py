import numpy as np
import pytest
from tagged import random_examples, tag_with_noise, tagging

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE, WIDE, DomainSet
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.tagged_examples import on_shared_domains, tag_examples


def test_tags_the_domains_that_both_know_in_the_order_of_the_tagger(fake_tagger):
    domains = DomainSet.of(["culture", "trade", "energy"])
    examples = Examples(domains, (Example("Gas.", {"energy"}), Example("Wheat.", {"culture"})))
    tagged = tag_examples(fake_tagger, examples)
    assert tagged.examples.domains.names == ("energy", "trade")
    assert len(tagged) == 2
    assert tagged.labels.tolist() == [[True, False], [False, False]]
    assert tagged.tags.tolist() == [[True, False], [False, True]]
    assert tagged.is_wrong.tolist() == [False, True]
    assert tagged.thresholds.tolist() == [0.5, 0.5]
    prediction = fake_tagger.predict_all(examples.texts)
    np.testing.assert_array_equal(tagged.probabilities, prediction.probabilities[:, :2])
    assert tagged.relations.tolist() == [2, 2]
    assert not tagged.knows_relations  # none is labelled


def test_relations(fake_tagger):
    examples = Examples(CORE, (Example("They agreed.", relation="cooperation"), Example("Rain.")))
    assert tag_examples(fake_tagger, examples).knows_relations
    assert not tagging([[1]], [[1]], relation="neutral").knows_relations


def test_what_cannot_be_tagged(fake_tagger):
    with pytest.raises(DataError, match=r"^examples: there is no sentence to evaluate$"):
        tag_examples(fake_tagger, Examples(CORE, ()))
    strangers = Examples(DomainSet.of(["art"]), (Example("A painting.", {"art"}),), "art.csv")
    with pytest.raises(DataError, match=r"^art\.csv: the domains are art; the tagger knows only"):
        tag_examples(fake_tagger, strangers)


def test_select_takes_rows():
    tagged = tag_with_noise(random_examples(), 0.4)
    part = tagged.select(np.array([5, 2]))
    assert part.examples.rows == (tagged.examples[5], tagged.examples[2])
    np.testing.assert_array_equal(part.tags, tagged.tags[[5, 2]])
    np.testing.assert_array_equal(part.probabilities, tagged.probabilities[[5, 2]])
    np.testing.assert_array_equal(part.relations, tagged.relations[[5, 2]])


def test_with_domains_takes_columns():
    tagged = tag_with_noise(random_examples(), 0.4)
    part = tagged.with_domains(["security", "energy"])
    assert part.examples.domains.names == ("security", "energy")
    for of_part, of_all in ((part.labels, tagged.labels), (part.tags, tagged.tags)):
        np.testing.assert_array_equal(of_part, of_all[:, [2, 0]])


def test_shared_domains():
    examples = random_examples(domains=WIDE)
    tagged = tag_with_noise(examples, 0.1).with_domains(["health", "trade", "energy"])
    other = tag_with_noise(examples, 0.3).with_domains(["energy", "culture", "trade"])
    ours, theirs = on_shared_domains(tagged, other)
    assert ours.examples == theirs.examples
    assert ours.examples.domains.names == ("trade", "energy")
    np.testing.assert_array_equal(theirs.tags, other.tags[:, [2, 0]])
    with pytest.raises(DataError) as caught:
        on_shared_domains(tagged.with_domains(["health"]), other)
    assert str(caught.value) == (
        "the taggers have no domain in common: one tells health, the other energy, culture, trade"
    )
