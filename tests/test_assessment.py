import json
import math

import pytest

from diplomacy_nlp.assessment import assess
from diplomacy_nlp.breakdown import break_down
from diplomacy_nlp.comparison import compare
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import CORE
from diplomacy_nlp.errors import DataError
from diplomacy_nlp.evaluation import evaluate
from diplomacy_nlp.tagger import Tagger

EXAMPLES = Examples(
    CORE,
    (
        Example("They agreed on gas.", {"energy"}, "cooperation", "test", source="wire"),
        Example("Wheat will be sold.", {"trade"}, "neutral", "test", source="wire"),
        Example("It rained.", {"security"}, "neutral", "dev", source="speech"),
    ),
    "folder/some.csv",
)


def test_one_tagger(fake_tagger):
    assessment = assess(fake_tagger, EXAMPLES, name="keywords", n_bootstrap=20, seed=3)
    alone = evaluate(fake_tagger, EXAMPLES, n_bootstrap=20, seed=3)
    assert assessment.tagger.evaluation.to_dict() == alone.to_dict()
    assert assessment.measured == (assessment.tagger,)
    assert assessment.other is None
    assert assessment.comparison is None
    tagged = assessment.tagger.tagged
    assert str(assessment.breakdown) == str(break_down(tagged, n_bootstrap=20, seed=3))


def test_two_taggers_on_what_both_know(fake_tagger):
    other = Tagger.load(domains=["trade", "health", "energy"], thresholds={"energy": 0.99})
    assessment = assess(
        fake_tagger, EXAMPLES, name="one", other=other, other_name="two", n_bootstrap=20
    )
    assert [measured.name for measured in assessment.measured] == ["one", "two"]
    for measured in assessment.measured:
        assert [scores.domain for scores in measured.evaluation.domains] == ["energy", "trade"]
    assert assessment.comparison == compare(fake_tagger, other, EXAMPLES, n_bootstrap=20)
    assert assessment.comparison.domains["energy"].value == 1


def test_json(fake_tagger):
    other = Tagger.load(domains=["trade"])
    assessment = assess(
        fake_tagger, EXAMPLES, name="one", other=other, other_name="two", n_bootstrap=0
    )
    plain = assessment.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["model"] == "one"
    assert plain["data"] == {
        "source": "folder/some.csv",
        "splits": ["dev", "test"],
        "sha256": EXAMPLES.sha256,
    }
    assert plain["domains"]["trade"]["f1"] == 1
    assert plain["against"]["model"] == "two"
    assert plain["against"]["scores"]["macro_f1"]["value"] == 1
    assert plain["against"]["comparison"]["macro_f1"]["value"] == 0
    sources = [(s["name"], s["n_sentences"]) for s in plain["breakdown"]["source"]]
    assert sources == [("wire", 2), ("speech", 1)]
    assert math.isnan(assessment.breakdown["source"][1].macro_f1.value)
    assert plain["breakdown"]["source"][1]["macro_f1"]["value"] is None
    assert "against" not in assess(fake_tagger, EXAMPLES, n_bootstrap=0).to_dict()


def test_nothing_in_common(fake_tagger):
    with pytest.raises(DataError, match="no domain in common"):
        assess(Tagger.load(domains=["trade"]), EXAMPLES, other=Tagger.load(domains=["energy"]))
