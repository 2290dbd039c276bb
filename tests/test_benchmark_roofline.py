"""The multiply-adds that an encoder needs, and how many the machine has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diplomacy_nlp.benchmark import roofline
from diplomacy_nlp.benchmark.roofline import MatrixPeaks, Roofline, Work, count_work, measure_peaks

SIZES = {"hidden_size": 8, "intermediate_size": 32, "num_hidden_layers": 3}


def product(*shape: int) -> int:
    """Return the multiply-adds of (a, b) times (b, c)."""
    a, b, c = shape
    return a * b * c


def test_work_is_that_of_the_matrices() -> None:
    n, h, wide = 5, SIZES["hidden_size"], SIZES["intermediate_size"]

    def layer(n_kept: int) -> tuple[int, int]:
        weights = product(n_kept, h, h) + 2 * product(n, h, h)  # queries, keys and values
        attention = product(n_kept, h, n) + product(n_kept, n, h)
        weights += product(n_kept, h, h) + product(n_kept, h, wide) + product(n_kept, wide, h)
        return weights, attention

    weights, attention = np.array([layer(n), layer(n), layer(1)]).sum(axis=0)
    head = product(1, h, h) + product(1, h, 4)
    assert count_work(SIZES, 4, [n]) == Work(float(weights + head), float(attention))


@given(st.lists(st.integers(2, 128), min_size=1, max_size=8))
def test_work_is_the_sum_over_windows(windows: list[int]) -> None:
    whole = count_work(SIZES, 4, windows)
    parts = [count_work(SIZES, 4, [n]) for n in windows]
    assert whole == Work(sum(part.int8 for part in parts), sum(part.fp32 for part in parts))


def test_sizes_of_another_name_are_not_guessed() -> None:
    with pytest.raises(KeyError, match="hidden_size"):
        count_work({"dim": 8}, 4, [5])


def test_share_of_each_kind() -> None:
    peaks = MatrixPeaks(int8=100.0, fp32=10.0, n_threads=2)
    found = Roofline.of(peaks, {"a": Work(50.0, 5.0), "b": Work(10.0, 0.0)}, {"a": 4.0, "b": 0.1})
    assert found.share == {"a": 0.25, "b": 1.0}


def test_peaks_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "_SIDES", (64,))
    monkeypatch.setattr(roofline, "_N_REPEATS", 2)
    peaks = measure_peaks(2)
    assert peaks.n_threads == 2
    assert min(peaks.int8, peaks.fp32) > 1e6
