import numpy as np
import pytest
from fakes import FAKE_POINTS

from diplomacy_nlp.decisions import bands_around, points_for, within
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.operating_points import Band


def test_points_for_a_goal():
    names = ["trade", "energy"]
    assert points_for(names, None, None, None) == {}
    assert points_for(names, 0.75, None, FAKE_POINTS) == FAKE_POINTS.reaching(
        names, "precision", 0.75
    )
    assert points_for(names, None, {"health": 0.75}, FAKE_POINTS) == FAKE_POINTS.reaching(
        ["health"], "recall", 0.75
    )


def test_bands_hold_the_thresholds():
    assert bands_around({"trade": 0.5}, None, None) is None
    assert bands_around({"trade": 0.875, "energy": 0.5}, 0.75, FAKE_POINTS) == {
        "trade": Band(0.25, 0.875),
        "energy": Band(0.25, 0.75),
    }


@pytest.mark.parametrize("goals", [(0.9, 0.9), ({"trade": 0.9}, {"energy": 0.9})])
def test_two_goals(goals):
    with pytest.raises(ConfigError, match="precision and recall are both set"):
        points_for(["trade"], *goals, FAKE_POINTS)


def test_operating_points_are_needed():
    for ask in (
        lambda: points_for(["trade"], 0.9, None, None),
        lambda: points_for(["trade"], None, 0.9, None),
        lambda: bands_around({"trade": 0.5}, 0.9, None),
    ):
        with pytest.raises(ConfigError, match="need the model's operating points"):
            ask()


def test_within_holds_the_ends_as_they_are():
    third = np.float32(1 / 3)
    bands = {"a": Band(float(third), 0.75), "b": Band(float(third) + 1e-12, 0.5), "c": Band(0, 1)}
    inside = within(bands, np.array([[third] * 3, [0.75, 0.5, 1.0]], dtype=np.float32))
    assert inside.tolist() == [[True, False, True], [True, True, True]]
    assert within(bands, np.empty((0, 3), dtype=np.float32)).shape == (0, 3)
