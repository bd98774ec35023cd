"""Whether a run knows its median: by what it promises, asked as the worker asks, again and again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from agent.worker.adaptive import MIN_LATENCIES, Precision, precise_enough

TRIALS = 400
LONGEST = 16_000
Series = npt.NDArray[np.float64]


def ar1(random: np.random.Generator, correlation: float, spread: float) -> Series:
    """TRIALS series whose values have the standard deviation `spread`."""
    series = random.standard_normal((LONGEST, TRIALS))
    fresh = np.sqrt(1 - correlation**2)
    for at in range(1, LONGEST):
        series[at] = correlation * series[at - 1] + fresh * series[at]
    return spread * series.T


def first_yes(latencies: Series, target: float = 0.01) -> int | None:
    """How many latencies there were when it was first said to be enough."""
    n = MIN_LATENCIES
    while n <= latencies.size:
        if precise_enough(latencies[:n], target).enough:
            return n
        n = n * 4 // 3
    return None


class TestPromise:
    """The true median is 10 ms in all of them."""

    @pytest.mark.parametrize(
        "draw",
        [
            pytest.param(lambda r: 0.05 * r.standard_normal((TRIALS, LONGEST)), id="independent"),
            pytest.param(lambda r: 0.25 * r.standard_normal((TRIALS, LONGEST)), id="independent, wide"),
            pytest.param(lambda r: 0.03 * r.standard_t(2, (TRIALS, LONGEST)), id="heavy-tailed"),
            pytest.param(lambda r: ar1(r, 0.5, 0.05), id="AR(1) 0.5"),
            pytest.param(lambda r: ar1(r, 0.9, 0.05), id="AR(1) 0.9"),
            pytest.param(lambda r: ar1(r, 0.97, 0.05), id="AR(1) 0.97"),
        ],
    )
    def test_what_is_called_enough_is(self, draw: Callable[[np.random.Generator], Series]) -> None:
        series = 10 * np.exp(draw(np.random.default_rng(41)))
        stops = [first_yes(row) for row in series]
        held = [abs(np.median(row[:n]) / 10 - 1) <= 0.01 for row, n in zip(series, stops, strict=True) if n]
        assert len(held) >= 0.6 * TRIALS, "it is hardly ever enough"
        assert np.mean(held) >= 0.93

    def test_correlated_latencies_take_longer(self) -> None:
        random = np.random.default_rng(42)
        stops = [
            np.median([first_yes(row) or LONGEST for row in 10 * np.exp(ar1(random, correlation, 0.05))[:50]])
            for correlation in (0.0, 0.9)
        ]
        assert stops[1] > 5 * stops[0]

    def test_steady_latencies_are_soon_enough(self) -> None:
        steady = 10 * np.exp(0.02 * np.random.default_rng(43).standard_normal((TRIALS, 300)))
        assert np.mean([first_yes(row) is not None for row in steady]) > 0.95

    @pytest.mark.parametrize(
        "course",
        [
            pytest.param(np.linspace(1.0, 1.1, 4000), id="slower and slower"),
            pytest.param(np.where(np.arange(4000) < 2500, 1.0, 1.06), id="throttled from some point on"),
            pytest.param(1 + 0.05 * np.sin(np.arange(4000) / 300), id="in slow waves"),
        ],
    )
    def test_a_drift_is_not_enough(self, course: Series) -> None:
        noise = np.exp(0.02 * np.random.default_rng(44).standard_normal((TRIALS, course.size)))
        said = [precise_enough(row, 0.01) for row in 10 * course * noise]
        assert not any(each.enough for each in said)
        assert all("drifts" in each.reason for each in said)

    def test_a_drift_within_the_target_is_enough(self) -> None:
        """A machine that is 0.5 % slower at the end is not measured any better by waiting."""
        noise = np.exp(0.0005 * np.random.default_rng(49).standard_normal((TRIALS, 4000)))
        said = [precise_enough(row) for row in 10 * np.linspace(1.0, 1.005, 4000) * noise]
        assert all(each.enough for each in said)
        assert all(0.001 < each.half_width < 0.004 for each in said)


class TestAnswers:
    def test_too_few(self) -> None:
        said = precise_enough(np.full(31, 10.0))
        assert said == Precision(np.inf, False, "31 latencies are fewer than 32")

    def test_equal_latencies_are_known_at_once(self) -> None:
        said = precise_enough(np.full(MIN_LATENCIES, 10_000_000, dtype=np.uint64))
        assert (said.half_width, said.enough) == (0.0, True)

    def test_a_clock_of_few_ticks_does_not_look_like_a_drift(self) -> None:
        ticks = np.random.default_rng(45).choice([1.0, 2.0], 10_000, p=[0.9, 0.1])
        assert precise_enough(ticks).enough

    def test_two_speeds_by_turns_are_not_known(self) -> None:
        """Between the two modes lies the median, and nothing says where."""
        said = precise_enough(np.random.default_rng(46).choice([10.0, 12.0], 10_000))
        assert not said.enough
        assert said.half_width > 0.05

    def test_the_target_counts(self) -> None:
        values = 10 * np.exp(0.1 * np.random.default_rng(47).standard_normal(2000))
        loose, strict = precise_enough(values, 0.05), precise_enough(values, 0.001)
        assert (loose.enough, strict.enough) == (True, False)
        assert loose.half_width == strict.half_width
        assert strict.reason == f"the median is known to ±{strict.half_width:.2%}, not yet to ±0.10%"

    def test_the_half_width_of_independent_values_is_near_the_formula(self) -> None:
        """Standard error of a median: 1.2533 s ÷ √n; times 2.397, and more for chance correlation."""
        random = np.random.default_rng(48)
        widths = [
            precise_enough(10 * np.exp(0.05 * random.standard_normal(4000)), 1.0).half_width
            for _ in range(300)
        ]
        known = [width for width in widths if np.isfinite(width)]
        assert np.median(known) == pytest.approx(2.397 * 1.2533 * 0.05 / np.sqrt(4000), rel=0.35)

    @pytest.mark.parametrize("bad", [0.0, np.nan])
    def test_a_median_that_cannot_be_is_not_enough(self, bad: float) -> None:
        assert not precise_enough(np.full(1000, bad)).enough

    def test_the_measuring_process_loads_numpy_for_it_and_nothing_of_the_integrator(self) -> None:
        code = (
            "import sys, agent.worker.adaptive;"
            "loaded = {name.partition('.')[0] for name in sys.modules};"
            "print(loaded & {'integrator', 'pandas', 'pydantic', 'openvino'})"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"
