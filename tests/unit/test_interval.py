"""The interval of the median: by hand, and by what it promises: 95 of 100 intervals hold the truth."""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.statistics.interval import median_interval, runs_needed
from tests.traces.replay import recorded

TRIALS = 2000
RUNS = (6, 7, 8, 10, 15)


def coverage(values: npt.NDArray[np.float64], truth: float) -> float:
    """The share of rows whose interval holds the truth."""
    intervals = np.array([median_interval(row) for row in values])
    return float(((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean())


class TestByHand:
    def test_six_runs(self) -> None:
        """Depth 1 covers 1 - 2/64, depth 2 covers 1 - 14/64; the step towards depth 2 is 0.01875 ÷ 0.1875."""
        step = (62 / 64 - 0.95) / (62 / 64 - 50 / 64)
        share = 5 * step / (1 + 4 * step)
        interval = median_interval([60.0, 10.0, 20.0, 50.0, 40.0, 30.0])
        assert list(interval) == pytest.approx([10 + 10 * share, 60 - 10 * share])

    def test_a_confidence_that_is_a_step_takes_the_order_statistics_themselves(self) -> None:
        assert median_interval(range(1, 7), 1 - 2 / 64) == (1.0, 6.0)
        assert median_interval(range(1, 9), 1 - 2 * (1 + 8) / 256) == (2.0, 7.0)

    @pytest.mark.parametrize(
        ("n", "says"), [(0, "needs 6 more runs"), (3, "needs 3 more runs"), (5, "needs 1 more run")]
    )
    def test_too_few_runs_say_what_is_missing(self, n: int, says: str) -> None:
        assert median_interval([10.0] * n) == says

    def test_runs_needed(self) -> None:
        assert {c: runs_needed(c) for c in (0.5, 0.9, 0.95, 0.99)} == {0.5: 2, 0.9: 5, 0.95: 6, 0.99: 8}

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_a_value_that_cannot_be_makes_no_interval(self, bad: float) -> None:
        assert median_interval([1.0] * 9 + [bad]) == "a run has no finite value"

    @pytest.mark.parametrize("confidence", [0.0, 0.49, 1.0, 95.0])
    def test_a_confidence_out_of_range_is_refused(self, confidence: float) -> None:
        with pytest.raises(ValueError, match=r"is not from 0\.5 to below 1"):
            median_interval([1.0] * 10, confidence)

    def test_ten_thousand_runs_are_no_trouble(self) -> None:
        values = np.random.default_rng(1).normal(0, 1, 10_000)
        interval = median_interval(values)
        assert isinstance(interval, tuple)
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * 1.2533 / 100, rel=0.1)

    @given(st.lists(st.floats(0.1, 1e6), min_size=6, max_size=60))
    def test_it_lies_between_the_order_statistics_that_are_too_wide_and_too_narrow(
        self, values: list[float]
    ) -> None:
        interval = median_interval(values)
        assert isinstance(interval, tuple)
        ordered, n = np.sort(values), len(values)
        covered = [1 - 2 * sum(comb(n, k) for k in range(d)) / 2**n for d in range(1, n // 2 + 1)]
        depth = sum(each >= 0.95 for each in covered)
        slack = 1e-9 * ordered[-1]
        assert ordered[depth - 1] - slack <= interval.low <= ordered[depth] + slack
        assert ordered[n - depth - 1] - slack <= interval.high <= ordered[n - depth] + slack
        assert interval.low - slack <= np.median(values) <= interval.high + slack


class TestPromise:
    """Run effects: each run's median is off by its own luck. Truth: the median of all runs there could be."""

    @pytest.mark.parametrize("runs", RUNS)
    @pytest.mark.parametrize("effect", ["normal", "lognormal", "heavy-tailed"])
    def test_coverage_over_kinds_of_runs(self, effect: str, runs: int) -> None:
        random = np.random.default_rng([11, runs])
        size = (TRIALS, runs)
        match effect:
            case "normal":
                offsets = random.standard_normal(size)
            case "lognormal":
                offsets = np.expm1(random.standard_normal(size))
            case _:
                offsets = random.standard_t(1.5, size)
        assert 0.93 <= coverage(10 + offsets, truth=10.0) <= 0.97

    @pytest.mark.parametrize("runs", RUNS)
    @pytest.mark.parametrize("correlation", [0.0, 0.95])
    def test_coverage_where_latencies_of_a_run_are_alike(self, correlation: float, runs: int) -> None:
        """200 latencies a run, AR(1), on top of the run's own offset; the truth is 10 ms by symmetry."""
        medians = run_medians(np.random.default_rng([12, runs]), runs, correlation)
        assert 0.93 <= coverage(medians, truth=10.0) <= 0.97

    def test_an_interval_over_all_latencies_would_not_hold_it(self) -> None:
        """Why runs are counted and not latencies: the same data, each latency taken for an observation."""
        random = np.random.default_rng(13)
        latencies = ar1(random, (200, 10, 100), 0.95) + random.standard_normal((200, 10, 1)) * 0.2 + 10
        assert coverage(latencies.reshape(200, -1), truth=10.0) < 0.5

    @pytest.mark.parametrize("runs", RUNS)
    @pytest.mark.parametrize("quiet", [True, False])
    def test_coverage_on_recorded_runs(self, quiet: bool, runs: int) -> None:
        """Campaigns of runs drawn from the recorded ones; truth: the median of all that were recorded."""
        medians = recorded().medians_ms(quiet=quiet)
        drawn = np.random.default_rng([14, runs]).choice(medians, (TRIALS, runs))
        assert 0.93 <= coverage(drawn, truth=float(np.median(medians))) <= 0.97


def ar1(random: np.random.Generator, shape: tuple[int, ...], correlation: float) -> npt.NDArray[np.float64]:
    """Series along the last axis with standard deviation 1, each value correlated with the one before."""
    series = random.standard_normal(shape)
    fresh = np.sqrt(1 - correlation**2)
    for at in range(1, shape[-1]):
        series[..., at] = correlation * series[..., at - 1] + fresh * series[..., at]
    return series


def run_medians(random: np.random.Generator, runs: int, correlation: float) -> npt.NDArray[np.float64]:
    blocks = [
        np.median(
            ar1(random, (500, runs, 200), correlation) * 0.5
            + random.standard_normal((500, runs, 1)) * 0.2
            + 10,
            axis=2,
        )
        for _ in range(TRIALS // 500)
    ]
    return np.concatenate(blocks)
