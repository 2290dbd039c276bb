import pytest

from diplomacy_nlp.checks.split_counts import (
    FEWEST_POSITIVES,
    _wilson_interval,
    count_splits,
    find_few_positives,
)
from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.domains import DomainSet

DOMAINS = DomainSet.of(["energy", "trade"])


def examples(*rows: Example) -> Examples:
    return Examples(DOMAINS, rows)


def test_counts_of_each_split() -> None:
    counts = count_splits(
        examples(
            Example("1", {"energy", "trade"}, "conflict", split="other", group="a"),
            Example("2", {"energy"}, "conflict", split="train", group="b"),
            Example("3", (), split="train", group="b"),
            Example("4", {"trade"}, "neutral", split="train"),
            Example("5"),
        )
    )
    assert [of_split.split for of_split in counts] == ["train", "other", None]
    train = counts[0]
    assert (train.n_sentences, train.n_groups, train.n_without_domain) == (3, 2, 1)
    assert train.domains == {"energy": 1, "trade": 1}
    assert train.relations == {"cooperation": 0, "conflict": 1, "neutral": 1}
    assert train.n_without_relation == 1
    assert sum(of_split.n_sentences for of_split in counts) == 5


def test_few_positives() -> None:
    enough = [Example(str(n), {"energy"}, split="dev") for n in range(FEWEST_POSITIVES)]
    few = [Example(f"{n}!", {"energy"}, split="train") for n in range(FEWEST_POSITIVES - 1)]
    one = Example("tariffs", {"trade"}, split="dev")
    found = list(find_few_positives(count_splits(examples(*enough, *few, one))))
    assert [finding.message for finding in found] == [
        "energy: 36 sentences of train, few to learn from",
        "trade: no sentence of train, few to learn from",
        "trade: 1 sentence of dev; a recall of 0.9 on them may be 0.17 to 1.00 on others",
    ]
    assert {finding.severity for finding in found} == {"warning"}
    assert found[0].details == {"split": "train", "domain": "energy", "n_positives": 36}


def test_the_whole_is_counted_where_there_are_no_splits() -> None:
    found = list(find_few_positives(count_splits(examples(Example("1", {"trade"})))))
    assert found[0].message == "energy: no sentence without a split"
    assert found[1].message.startswith("trade: 1 sentence without a split; a recall of 0.9")


def test_wilson_interval_of_a_published_example() -> None:
    # Newcombe, R. G. (1998), two-sided confidence intervals for the single proportion, table I.
    interval = _wilson_interval(81 / 263, 263)
    assert (interval.low, interval.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_the_fewest_positives_are_those_of_an_interval_of_a_fifth() -> None:
    widths = [_wilson_interval(0.9, FEWEST_POSITIVES - less) for less in (0, 1)]
    enough, too_few = (interval.high - interval.low for interval in widths)
    assert enough <= 0.2 < too_few
