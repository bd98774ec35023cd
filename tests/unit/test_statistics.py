"""A test for each formula, with numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.statistics.harness import harness_share
from integrator.statistics.percentiles import _rank_from_top, percentile, percentile_bound, samples_needed
from integrator.statistics.summary import RunSummary, summarise_run, summarise_test
from integrator.statistics.verdict import Evidence, Verdict, judge
from protocol.job import Scenario
from protocol.result import CompiledSettings
from tests.support import make_samples


def run_of(latencies_ms: list[float]) -> RunSummary:
    starts = np.concatenate([[0.0], np.cumsum(latencies_ms)[:-1]])
    return summarise_run(make_samples(list(starts), latencies_ms))


class TestPercentiles:
    def test_sample_sizes_are_those_of_loadgen(self) -> None:
        sizes = {p: samples_needed(p) for p in (0.90, 0.95, 0.97, 0.99, 0.999)}
        assert sizes == {0.90: 64, 0.95: 130, 0.97: 219, 0.99: 662, 0.999: 6636}

    @given(st.sampled_from([0.5, 0.9, 0.95, 0.99]))
    def test_the_size_is_the_smallest_that_the_bound_allows(self, p: float) -> None:
        def chance_of_at_most_one_beyond(n: int) -> float:
            return sum(math.comb(n, k) * (1 - p) ** k * p ** (n - k) for k in (0, 1))

        n = samples_needed(p)
        assert chance_of_at_most_one_beyond(n) <= 0.01 < chance_of_at_most_one_beyond(n - 1)

    def test_too_small_a_sample_says_what_is_missing(self) -> None:
        assert percentile(np.arange(150.0), 0.99) == "needs 512 more"
        assert percentile(np.arange(661.0), 0.99) == "needs 1 more"
        assert isinstance(percentile(np.arange(662.0), 0.99), float)

    def test_it_is_a_value_that_was_measured(self) -> None:
        values = np.random.default_rng(1).permutation(np.arange(1.0, 101.0))
        assert percentile(values, 0.90) == 90.0
        assert percentile(values, 0.95) == "needs 30 more"


class TestPercentileBound:
    """How high a percentile may be."""

    @given(st.integers(2, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
    def test_the_rank_is_the_binomial_one(self, n: int, p: float) -> None:
        def at_least(j: int) -> float:
            return 1 - sum(math.comb(n, k) * (1 - p) ** k * p ** (n - k) for k in range(j))

        j = _rank_from_top(n, p, 0.975)
        assert j == 0 or at_least(j) >= 0.975 - 1e-12
        assert at_least(j + 1) < 0.975 + 1e-12

    def test_equal_runs_leave_the_binomial_rank(self) -> None:
        """7 runs of 1 … 100: of 700 values, 24 and more lie beyond p95 with 97.5 %."""
        runs = [np.arange(1.0, 101.0)] * 7
        assert percentile(np.concatenate(runs), 0.95) == 95.0
        j = _rank_from_top(700, 0.95, 0.975)
        assert j == 24
        assert percentile_bound(runs, 0.95) == 100 - (j - 1) // 7

    def test_a_tail_that_is_one_runs_raises_it(self) -> None:
        tail = np.random.default_rng(1).permutation(np.linspace(20.0, 30.0, 120))

        def runs(*slow: int) -> list[Any]:
            parts = np.split(tail, np.cumsum(slow)[:-1])
            return [np.concatenate([np.full(200 - part.size, 10.0), part]) for part in parts]

        alike, one = (
            percentile_bound(runs(*6 * [20]), 0.95),
            percentile_bound(runs(35, 30, 25, 15, 10, 5), 0.95),
        )
        assert isinstance(alike, float)
        assert isinstance(one, float)
        assert one > alike

    def test_what_is_missing_is_said(self) -> None:
        assert percentile_bound([np.arange(100.0)] * 6, 0.99) == "needs 62 more"
        assert percentile_bound([np.arange(400.0)] * 4, 0.99) == "needs 2 more runs"
        assert percentile_bound([], 0.99) == "needs 662 more"
        slow = [np.full(100, 1.0)] * 5 + [np.concatenate([np.full(180, 1.0), np.arange(2.0, 22.0)])]
        assert percentile_bound(slow, 0.99) == "needs more runs: their slowest inferences differ too much"

    @pytest.mark.parametrize(("scatter", "covered"), [(0.0, 0.96), (0.05, 0.90)])
    def test_it_lies_above_the_true_percentile(self, scatter: float, covered: float) -> None:
        """Seeded, so the figures are the same each time: 0.985 and 0.95 in long simulations."""
        generator = np.random.default_rng(6)

        def run(size: int) -> Any:
            return generator.normal(1.0, scatter) * generator.lognormal(0.0, 0.2, size)

        truth = float(np.quantile(np.concatenate([run(500) for _ in range(2000)]), 0.95))
        bounds = [percentile_bound([run(200) for _ in range(6)], 0.95) for _ in range(400)]
        assert np.mean([isinstance(bound, float) and bound >= truth for bound in bounds]) > covered

    @given(
        st.lists(st.lists(st.floats(0.1, 1e6), min_size=25, max_size=60), min_size=6, max_size=9),
    )
    def test_it_is_measured_and_no_less_than_the_percentile(self, values: list[list[float]]) -> None:
        runs = [np.array(run) for run in values]
        pooled = np.concatenate(runs)
        bound = percentile_bound(runs, 0.95)
        if isinstance(bound, float):
            assert bound in pooled
            assert bound >= percentile(pooled, 0.95)  # type: ignore[operator]


class TestSummary:
    def test_sync(self) -> None:
        """4 batches of 8 in 10, 10, 12 and 20 ms with 1 ms between them."""
        run = summarise_run(make_samples([0, 11, 22, 35], [10, 10, 12, 20]))
        summary = summarise_test([run], scenario=Scenario.SYNC, batch=8)
        assert summary.latency_ms == 11.0
        assert summary.single_pass_ms == 52 / 4
        assert summary.fps == pytest.approx(8 / 0.011)
        assert summary.throughput_fps == pytest.approx(8 * 4 / 0.055)
        assert (summary.latency_min_ms, summary.latency_max_ms) == (10.0, 20.0)
        assert (summary.runs, summary.iterations) == (1, 4)

    def test_async(self) -> None:
        """Two requests at a time, 6 inferences of 20 ms in pairs, each pair after the other."""
        run = summarise_run(make_samples([0, 0, 20, 20, 40, 40], [20] * 6))
        summary = summarise_test([run], scenario=Scenario.ASYNC, batch=4)
        assert summary.latency_ms == 20.0
        assert summary.single_pass_ms == pytest.approx(60 / 6)
        assert summary.fps == pytest.approx(4 * 6 / 0.060)
        assert summary.fps == summary.throughput_fps

    def test_the_last_completion_counts_not_the_last_start(self) -> None:
        run = summarise_run(make_samples([0, 1], [100, 5]))
        assert run.wall_s == 0.1

    def test_a_test_is_the_median_of_its_runs_not_of_all_inferences(self) -> None:
        """A slow run with many inferences does not outvote two fast runs."""
        runs = [run_of([10.0] * 10), run_of([11.0] * 10), run_of([50.0] * 1000)]
        summary = summarise_test(runs, scenario=Scenario.SYNC, batch=1)
        assert summary.latency_ms == 11.0
        assert summary.iterations == 1020
        assert summary.latency_max_ms == 50.0

    def test_no_outlier_is_removed(self) -> None:
        """Dropping what lies beyond three standard deviations would report more FPS than there were."""
        latencies = [10.0] * 99 + [1000.0]
        summary = summarise_test([run_of(latencies)], scenario=Scenario.SYNC, batch=1)
        assert summary.latency_max_ms == 1000.0
        assert summary.throughput_fps == pytest.approx(100 / 1.99)
        assert summary.single_pass_ms == pytest.approx(19.9)

    @given(
        st.lists(st.integers(1_000, 10**9), min_size=1, max_size=50),
        st.sampled_from(list(Scenario)),
        st.integers(1, 64),
    )
    def test_the_columns_agree_with_each_other(
        self, latencies_ns: list[int], scenario: Scenario, batch: int
    ) -> None:
        summary = summarise_test([run_of([n / 1e6 for n in latencies_ns])], scenario=scenario, batch=batch)
        assert summary.latency_min_ms <= summary.latency_ms <= summary.latency_max_ms
        if scenario is Scenario.SYNC:
            assert summary.fps == pytest.approx(1e3 * batch / summary.latency_ms)
        else:
            assert summary.fps == pytest.approx(1e3 * batch / summary.single_pass_ms)


class TestHarness:
    """100 inferences of 10 ms in a second, each with 50 µs of the harness's own."""

    RUN = run_of([10.0] * 100)

    def share(self, scenario: Scenario, **compiled: Any) -> float | None:
        samples = make_samples([0.0], [10.0], harness_ns=50_000.0)
        settings = CompiledSettings(**compiled)
        return harness_share(self.RUN, samples, scenario=scenario, compiled=settings)

    def test_sync(self) -> None:
        assert self.share(Scenario.SYNC) == pytest.approx(0.005)

    @pytest.mark.parametrize(("streams", "requests", "threads"), [(4, 8, 4), (8, 4, 4), (1, 4, 1)])
    def test_async_costs_are_borne_side_by_side(self, streams: int, requests: int, threads: int) -> None:
        share = self.share(Scenario.ASYNC, streams=streams, requests=requests)
        assert share == pytest.approx(0.005 / threads)

    @pytest.mark.parametrize("compiled", [{"streams": 2}, {"requests": 2}, {}])
    def test_async_on_unknown_streams_is_unknown(self, compiled: dict[str, int]) -> None:
        assert self.share(Scenario.ASYNC, **compiled) is None
        samples = make_samples([0.0], [10.0], harness_ns=50_000.0)
        assert harness_share(self.RUN, samples, scenario=Scenario.ASYNC, compiled=None) is None


class TestVerdict:
    STEADY = run_of([10.0, 10.1] * 20)

    def evidence(self, **changes: object) -> Evidence:
        fields: dict[str, object] = {
            "runs": [self.STEADY] * 6,
            "planned_runs": 6,
            "failed_runs": 0,
            "outputs_finite": True,
        }
        return Evidence(**{**fields, **changes})  # type: ignore[arg-type]

    def test_good_runs_are_valid(self) -> None:
        assert judge(self.evidence()) == (Verdict.VALID, ())

    def test_what_the_harness_costs_is_a_remark(self) -> None:
        assert judge(self.evidence(harness_shares=[0.02, 0.009, 0.009])) == (Verdict.VALID, ())
        costly = self.evidence(harness_shares=[0.0, 0.011, 0.02])
        assert judge(costly) == (Verdict.VALID, ("harness_cost",))
        doubted = self.evidence(harness_shares=[0.011], planned_runs=7)
        assert judge(doubted) == (Verdict.NOISY, ("runs_missing", "harness_cost"))

    def test_one_invalid_reason_decides(self) -> None:
        verdict, reasons = judge(self.evidence(outputs_finite=False, planned_runs=7))
        assert verdict is Verdict.INVALID
        assert reasons == ("non_finite_output", "runs_missing")

    def test_a_short_run_is_not_said_to_drift(self) -> None:
        runs = [run_of([9.0, 11.0])] * 6
        assert "drift" not in judge(self.evidence(runs=runs))[1]
