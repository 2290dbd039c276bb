import dataclasses
import json
import math

import pytest
from fakes import FAKE_POINTS
from hypothesis import given
from hypothesis import strategies as st

from diplomacy_nlp.bootstrap import Interval
from diplomacy_nlp.errors import ConfigError, ModelError, ModelFormatError
from diplomacy_nlp.operating_points import (
    GOALS,
    OPERATING_POINTS_FILE,
    Band,
    DomainPoints,
    OperatingPoint,
    OperatingPoints,
    read_operating_points,
)

UNKNOWN = Interval(math.nan, math.nan)
# Nothing is known of it but the threshold, as of a domain that dev lacks.
EMPTY = DomainPoints(
    OperatingPoint(0.5, math.nan, math.nan, UNKNOWN),
    (None,) * len(GOALS),
    (None,) * len(GOALS),
    tuple(Band(0.1 + 0.2, 1.0) for _ in GOALS),
)
POINTS = dataclasses.replace(FAKE_POINTS, domains={**FAKE_POINTS.domains, "fisheries “渔”": EMPTY})


class TestJson:
    def test_round_trip(self):
        assert OperatingPoints.from_json(POINTS.to_json()) == POINTS

    def test_is_strict_json(self):
        def refuse(constant):
            pytest.fail(constant)

        fields = json.loads(POINTS.to_json(), parse_constant=refuse)
        assert fields["domains"]["trade"]["precision"]["threshold"][-1] is None
        assert fields["goals"] == list(GOALS)

    def test_written_equals_read(self, tmp_path):
        (tmp_path / OPERATING_POINTS_FILE).write_text(POINTS.to_json(), encoding="utf-8")
        assert read_operating_points(tmp_path) == POINTS

    def test_a_folder_without_them(self, tmp_path):
        with pytest.raises(ModelError) as caught:
            read_operating_points(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path} has no operating_points.json, without which there are no thresholds for "
            "a precision or a recall and no review. Train the model again, or set thresholds "
            "yourself"
        )

    @pytest.mark.parametrize("text", ["", "[]", "null", '{"goals": [0.5]}', "{}", '{"goals": 7}'])
    def test_something_else(self, tmp_path, text):
        (tmp_path / OPERATING_POINTS_FILE).write_text(text)
        with pytest.raises(ModelFormatError, match=r"operating_points\.json: \w+Error: "):
            read_operating_points(tmp_path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda domain: domain["precision"]["threshold"].pop(),
            lambda domain: domain["recall"].pop("high"),
            lambda domain: [column.pop() for column in domain["review"].values()],
            lambda domain: domain["review"].update(low=["0.x"] * len(GOALS)),
            lambda domain: domain["default"].update(threshold=[None]),
        ],
    )
    def test_columns_that_do_not_fit(self, tmp_path, change):
        fields = json.loads(POINTS.to_json())
        change(fields["domains"]["trade"])
        (tmp_path / OPERATING_POINTS_FILE).write_text(json.dumps(fields))
        with pytest.raises(ModelFormatError, match=r"operating_points\.json"):
            read_operating_points(tmp_path)


class TestReaching:
    def test_one_goal_for_all(self):
        found = POINTS.reaching(["trade", "energy"], "precision", 0.75)
        assert {name: point.threshold for name, point in found.items()} == {
            "trade": 0.75,
            "energy": 0.75,
        }

    def test_goals_of_their_own(self):
        found = POINTS.reaching(["trade"], "recall", {"energy": 0.75, "health": 0.9})
        assert {name: point.recall for name, point in found.items()} == {
            "energy": 0.75,
            "health": 0.9,
        }

    def test_a_number_that_was_calculated(self):
        found = POINTS.reaching(["trade"], "precision", 0.7 + 0.1)
        assert found == POINTS.reaching(["trade"], "precision", 0.8)

    def test_what_cannot_be_had_is_said_of_every_domain(self):
        with pytest.raises(ConfigError) as caught:
            POINTS.reaching(["trade", "fisheries “渔”", "energy"], "precision", 0.95)
        assert str(caught.value).splitlines() == [
            "trade: precision 0.95 cannot be had; the best that dev shows is 0.90",
            (
                "fisheries “渔”: precision 0.95 cannot be had; dev has too few sentences of it, or "
                "too many mistakes, for a goal of precision"
            ),
            "energy: precision 0.95 cannot be had; the best that dev shows is 0.90",
        ]

    @pytest.mark.parametrize("goal", [0.49, 1.0, 0.905, 0, -1, math.nan, math.inf, "0.9", True])
    def test_no_goal(self, goal):
        with pytest.raises(ConfigError, match=r"recall is .+, not one of 0\.50, 0\.51 … 0\.99"):
            POINTS.reaching(["trade"], "recall", goal)
        with pytest.raises(ConfigError, match=r"review is .+, not one of"):
            POINTS.band("trade", goal, 0.5)

    def test_unknown_domain(self):
        with pytest.raises(ConfigError, match="no operating points of 'tarde', only of energy, "):
            POINTS.reaching([], "recall", {"tarde": 0.9})


class TestBand:
    @given(st.floats(0, 1), st.sampled_from(GOALS), st.sampled_from(GOALS))
    def test_holds_the_threshold_and_widens_with_the_level(self, threshold, level, other):
        low, high = sorted([level, other])
        narrow = POINTS.band("trade", low, threshold)
        wide = POINTS.band("trade", high, threshold)
        assert wide.low <= narrow.low <= threshold <= narrow.high <= wide.high
