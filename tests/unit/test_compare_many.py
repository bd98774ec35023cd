"""Many pairs at once come out as each pair alone does."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from integrator.statistics.compare import compare
from integrator.statistics.compare_many import OUTCOMES, RunValues, compare_many

VALUES = st.lists(st.sampled_from([0.0, -1.0, math.nan, math.inf, 1.0, 1.01, 1.5, 2.0, 3.0, 9.9]), max_size=9)


def packed(tests: list[list[float]]) -> RunValues:
    places = np.array([index for index, runs in enumerate(tests) for _ in runs], dtype=np.int64)
    return RunValues.of(np.array([each for runs in tests for each in runs]), places, len(tests))


def same(one: float | None, other: float) -> bool:
    return math.isnan(other) if one is None else math.isclose(one, other, rel_tol=1e-12)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8), st.booleans())
@settings(max_examples=200, deadline=None)
def test_each_pair_is_what_compare_says(pairs: list[tuple[list[float], list[float]]], rate: bool) -> None:
    found = compare_many(
        packed([one for one, _ in pairs]), packed([other for _, other in pairs]), higher_is_faster=rate
    )
    for index, (one, other) in enumerate(pairs):
        alone = compare(one, other, higher_is_faster=rate)
        assert OUTCOMES[found.outcome[index]] is alone.outcome
        assert same(alone.ratio, found.ratio[index])
        assert same(alone.interval.low if alone.interval else None, found.low[index])
        assert same(alone.interval.high if alone.interval else None, found.high[index])


def test_by_hand() -> None:
    """Four runs against four, wholly apart: the interval is all ratios. Three are too few."""
    first = packed([[10.0, 11, 12, 13], [10.0, 11, 12]])
    second = packed([[20.0, 22, 24, 26], [20.0, 22, 24]])
    found = compare_many(first, second)
    assert [OUTCOMES[each] for each in found.outcome] == ["slower", "inconclusive"]
    assert math.isclose(found.low[0], 20 / 13)
    assert math.isclose(found.high[0], 26 / 10)
    assert math.isnan(found.low[1])
    assert math.isclose(found.ratio[1], 2.0)


def test_no_pair() -> None:
    assert compare_many(packed([]), packed([])).outcome.size == 0
