"""The comparison of two tests: by hand, and by what it promises: false alarms, and slow-downs found."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import exp, log, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.config.campaign import Campaign
from integrator.statistics.compare import (
    Comparison,
    Outcome,
    _mann_whitney,
    compare,
    geometric_mean,
    mean_by_group,
    rank,
    student,
)
from integrator.statistics.interval import Interval
from tests.traces.replay import recorded

TRIALS = 2000
DEFAULT_RUNS = Campaign.model_fields["runs"].default
FAST = [10.0, 10.1, 10.2, 10.3]
SLOW = [11.0, 11.1, 11.2, 11.3]

_runs = st.lists(st.floats(1.0, 2.0), min_size=4, max_size=12)


class TestByHand:
    def test_four_against_four(self) -> None:
        """Of 16 ratios, 4 against 4 runs need the smallest and the largest: 11.0 ÷ 10.3, 11.3 ÷ 10.0."""
        result = compare(FAST, SLOW)
        assert result.outcome is Outcome.SLOWER
        assert result.interval is not None
        assert list(result.interval) == pytest.approx([11.0 / 10.3, 11.3 / 10.0])
        assert result.ratio == pytest.approx(np.median(np.divide.outer(SLOW, FAST)), rel=1e-4)

    def test_of_rates_the_higher_is_the_faster(self) -> None:
        assert compare(FAST, SLOW, higher_is_faster=True).outcome is Outcome.FASTER
        assert compare(SLOW, FAST, higher_is_faster=True).outcome is Outcome.SLOWER
        assert compare(SLOW, FAST).outcome is Outcome.FASTER

    def test_a_certain_difference_within_the_band_is_none_that_matters(self) -> None:
        slightly = [each * 1.01 for each in [10.0, 10.001, 10.002, 10.003]]
        result = compare([10.0, 10.001, 10.002, 10.003], slightly)
        assert result.interval is not None
        assert result.interval.low > 1
        assert (result.outcome, result.reason) == (
            Outcome.EQUIVALENT,
            "the ratio is between 1.010 and 1.010, less than 2 % apart",
        )
        assert compare([10.0, 10.001, 10.002, 10.003], slightly, band=0.005).outcome is Outcome.SLOWER

    def test_what_reaches_out_of_the_band_and_over_1_is_open(self) -> None:
        result = compare([10.0, 10.2, 10.4, 10.6], [10.1, 10.3, 10.5, 10.7])
        assert result.outcome is Outcome.INCONCLUSIVE
        assert result.reason == "the ratio is between 0.953 and 1.070: more runs may tell"

    def test_an_interval_that_ends_at_1_does_not_exclude_it(self) -> None:
        tied = [10.3, 11.0, 11.5, 12.0]
        assert compare(FAST, tied).outcome is Outcome.INCONCLUSIVE

    def test_equal_values_are_equivalent(self) -> None:
        assert compare([10.0] * 10, [10.0] * 10) == Comparison(
            Outcome.EQUIVALENT,
            "the ratio is between 1.000 and 1.000, less than 2 % apart",
            1.0,
            Interval(1.0, 1.0),
        )

    @pytest.mark.parametrize(
        ("first", "second", "reason", "known"),
        [
            ([], [], "needs 4 more runs of each", False),
            (FAST, [], "needs 3 more runs of each", False),
            (FAST[:3], SLOW[:3], "needs 1 more run of each", True),
            (FAST[:1], SLOW[:1], "needs 3 more runs of each", True),
            ([*FAST, float("nan")], SLOW, "a run of the first test has no positive finite value", False),
            (FAST, [*SLOW, 0.0], "a run of the second test has no positive finite value", False),
            (FAST, [*SLOW, float("inf")], "a run of the second test has no positive finite value", False),
        ],
    )
    def test_what_is_unknown_is_inconclusive(
        self, first: list[float], second: list[float], reason: str, known: bool
    ) -> None:
        result = compare(first, second)
        assert (result.outcome, result.reason, result.interval) == (Outcome.INCONCLUSIVE, reason, None)
        assert (result.ratio is not None) is known

    def test_few_runs_against_many_can_be_told(self) -> None:
        assert compare(FAST[:3], SLOW + SLOW).outcome is Outcome.SLOWER

    @given(_runs, _runs)
    def test_turned_round_it_says_the_opposite(self, first: list[float], second: list[float]) -> None:
        forth, back = compare(first, second), compare(second, first)
        opposite = {Outcome.SLOWER: Outcome.FASTER, Outcome.FASTER: Outcome.SLOWER}
        assert back.outcome is opposite.get(forth.outcome, forth.outcome)
        assert forth.ratio is not None
        assert forth.interval is not None
        assert back.interval is not None
        assert back.ratio == pytest.approx(1 / forth.ratio)
        assert list(back.interval) == pytest.approx([1 / forth.interval.high, 1 / forth.interval.low])
        assert forth.interval.low <= forth.ratio <= forth.interval.high


class TestExactness:
    @pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 4), (5, 2), (1, 6), (5, 5)])
    def test_the_null_distribution_is_that_of_all_orders(self, n: int, m: int) -> None:
        counts = np.zeros(n * m + 1)
        for ranks in combinations(range(n + m), n):
            counts[sum(ranks) - n * (n - 1) // 2] += 1
        assert _mann_whitney(n, m) == pytest.approx(np.cumsum(counts) / counts.sum())

    def test_ranks_are_those_of_the_published_tables(self) -> None:
        """Critical values of U, two-sided 5 %; the rank is one more."""
        published = {4: 0, 5: 2, 6: 5, 7: 8, 8: 13, 9: 17, 10: 23, 12: 37, 15: 64, 20: 127}
        assert {n: rank(n, n, 0.95) - 1 for n in published} == published

    def test_the_approximation_goes_on_where_the_exact_one_ends(self) -> None:
        assert rank(31, 31, 0.95) == 342
        exact = {33: 392, 34: 419, 40: 597, 50: 966}  # by whole numbers of any size
        assert all(exact[n] - 1 <= rank(n, n, 0.95) <= exact[n] for n in exact)

    def test_students_t_is_that_of_the_published_table(self) -> None:
        published = {1: 12.7062, 2: 4.3027, 5: 2.5706, 15: 2.1314, 30: 2.0423}
        assert {v: round(student(v, 0.95), 4) for v in published} == published


class TestGeometricMean:
    @staticmethod
    def of(*ratios: float | None) -> list[Comparison]:
        return [Comparison(Outcome.INCONCLUSIVE, "", ratio, None) for ratio in ratios]

    def test_three_configurations(self) -> None:
        """Logarithms of 2, 4 and 8 are 1, 2 and 3 times that of 2: mean 2, standard deviation 1, t 4.3027."""
        mean = geometric_mean(self.of(2.0, 4.0, 8.0))
        assert mean.ratio == pytest.approx(4.0)
        half = 4.3027 * log(2) / sqrt(3)
        assert mean.interval is not None
        assert list(mean.interval) == pytest.approx([4 * exp(-half), 4 * exp(half)], rel=1e-4)
        assert (mean.coverage, mean.reason) == ("3/3", "")

    def test_what_is_unknown_is_counted_and_not_averaged(self) -> None:
        mean = geometric_mean([*self.of(0.5, None, 2.0), None])
        assert mean.ratio == pytest.approx(1.0)
        assert mean.coverage == "2/4"

    def test_one_configuration_has_no_interval(self) -> None:
        mean = geometric_mean(self.of(1.5, None))
        assert mean.ratio == pytest.approx(1.5)
        assert (mean.interval, mean.reason) == (None, "needs 1 more configuration")

    @pytest.mark.parametrize("nothing", [[], [None]])
    def test_none_has_no_mean(self, nothing: list[None]) -> None:
        mean = geometric_mean(nothing)
        assert (mean.ratio, mean.interval, mean.coverage) == (None, None, f"0/{len(nothing)}")
        assert mean.reason == "no configuration has a ratio"

    def test_its_interval_holds_the_truth(self) -> None:
        random = np.random.default_rng(21)
        means = [geometric_mean(self.of(*np.exp(0.1 * row))) for row in random.standard_normal((TRIALS, 5))]
        held = [mean.interval is not None and mean.interval.low <= 1 <= mean.interval.high for mean in means]
        assert 0.93 <= np.mean(held) <= 0.97


def outcomes(
    drawn: npt.NDArray[np.float64] | tuple[npt.NDArray[np.float64], ...], factor: float = 1.0
) -> Counter[Outcome]:
    """Of all trials; the second of the two tests is slowed down by the factor."""
    first, second = drawn
    return Counter(compare(a, b).outcome for a, b in zip(first, second * factor, strict=True))


def alarms(counted: Counter[Outcome]) -> float:
    return (counted[Outcome.FASTER] + counted[Outcome.SLOWER]) / counted.total()


class TestMeanByGroup:
    def test_a_model_with_many_configurations_weighs_no_more(self) -> None:
        mean = mean_by_group([2.0, 8.0, 16.0, None, 16.0], ["a", "a", "b", "b", "b"])
        assert mean.ratio == pytest.approx(8.0)  # of 4 and 16
        assert mean.coverage == "4/5"
        half = student(1) * log(2.0)  # ln 4 and ln 16 scatter by ln 4 ÷ √2, and √2 groups divide it
        assert mean.interval == pytest.approx((8.0 * exp(-half), 8.0 * exp(half)))

    def test_of_one_model_the_interval_is_over_its_configurations(self) -> None:
        assert mean_by_group([2.0, None, 8.0], ["a", "b", "a"]) == mean_by_group([2.0, None, 8.0], "aaa")
        assert mean_by_group([2.0, 8.0], "aa").interval is not None

    def test_nothing_known(self) -> None:
        assert mean_by_group([None], ["a"]).ratio is None
        assert mean_by_group([2.0], ["a"]).reason == "needs 1 more configuration"


class TestPromise:
    @pytest.mark.parametrize("runs", [4, 6, 7, DEFAULT_RUNS, 15])
    @pytest.mark.parametrize("noise", [0.01, 0.03, 0.2])
    @pytest.mark.parametrize("kind", ["normal", "heavy-tailed"])
    def test_false_alarms_of_equal_tests(self, kind: str, noise: float, runs: int) -> None:
        random = np.random.default_rng([31, runs])
        shape = (2, TRIALS, runs)
        draws = random.standard_normal(shape) if kind == "normal" else random.standard_t(2, shape)
        assert alarms(outcomes(np.exp(noise * draws))) < 0.05

    @pytest.mark.parametrize("runs", [6, DEFAULT_RUNS])
    @pytest.mark.parametrize("quiet", [True, False])
    def test_false_alarms_on_recorded_runs(self, quiet: bool, runs: int) -> None:
        """Both tests are runs drawn from the recorded ones, on a quiet machine and on one with other load."""
        medians = recorded().medians_ms(quiet=quiet)
        drawn = np.random.default_rng([32, runs]).choice(medians, (2, TRIALS, runs))
        assert alarms(outcomes(drawn)) < 0.05

    def test_false_alarms_on_recorded_runs_in_their_order(self) -> None:
        """As a campaign has them: neighbours in time are a round, and which test comes first is drawn."""
        medians = recorded().medians_ms(quiet=False)
        random = np.random.default_rng(33)
        begins = random.integers(0, medians.size - 2 * DEFAULT_RUNS + 1, TRIALS)
        rounds = medians[begins[:, None] + np.arange(2 * DEFAULT_RUNS)].reshape(TRIALS, DEFAULT_RUNS, 2)
        drawn = random.permuted(rounds, axis=2)
        assert alarms(outcomes((drawn[..., 0], drawn[..., 1]))) < 0.05

    def test_a_slow_down_of_3_percent_is_found_on_recorded_runs(self) -> None:
        """At the default number of runs, on a machine without other load, although runs spread by 3 %."""
        medians = recorded().medians_ms(quiet=True)
        assert np.log(medians).std() > 0.03
        drawn = np.random.default_rng(34).choice(medians, (2, TRIALS, DEFAULT_RUNS))
        found = outcomes(drawn, factor=1.03)
        assert found[Outcome.SLOWER] / TRIALS >= 0.90
        assert found[Outcome.FASTER] == 0

    def test_latencies_of_other_runs_slowed_down_are_found_too(self) -> None:
        """From the latencies on: each is slowed down, and the runs' medians are taken anew."""
        trace = recorded()
        quiet = [run for run, load in zip(trace.latencies_ms, trace.other_load, strict=True) if load < 0.1]
        medians = np.array([np.median(run) for run in quiet])
        slowed = np.array([np.median(run * 1.03) for run in quiet])
        random = np.random.default_rng(35)
        first, second = (random.choice(pool, (TRIALS, DEFAULT_RUNS)) for pool in (medians, slowed))
        assert outcomes((first, second))[Outcome.SLOWER] / TRIALS >= 0.90

    @pytest.mark.parametrize("kind", ["normal", "heavy-tailed"])
    def test_a_slow_down_of_3_percent_is_found_in_simulated_runs(self, kind: str) -> None:
        random = np.random.default_rng(36)
        shape = (2, TRIALS, DEFAULT_RUNS)
        draws = random.standard_normal(shape) if kind == "normal" else random.standard_t(2, shape) / 1.5
        assert outcomes(np.exp(0.015 * draws), factor=1.03)[Outcome.SLOWER] / TRIALS >= 0.90

    def test_equal_tests_on_a_quiet_machine_are_called_equivalent(self) -> None:
        drawn = np.exp(0.01 * np.random.default_rng(37).standard_normal((2, TRIALS, DEFAULT_RUNS)))
        assert outcomes(drawn)[Outcome.EQUIVALENT] / TRIALS >= 0.90

    def test_tests_that_differ_by_the_band_are_seldom_called_equivalent(self) -> None:
        drawn = np.exp(0.01 * np.random.default_rng(38).standard_normal((2, TRIALS, DEFAULT_RUNS)))
        assert outcomes(drawn, factor=1.02)[Outcome.EQUIVALENT] / TRIALS <= 0.05
