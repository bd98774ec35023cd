"""Throughput in parts of a run: by hand, and by what it promises: false alarms, and pauses found."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heapreplace

import numpy as np
import numpy.typing as npt
import pytest

from integrator.statistics.evenness import parts_of, unevenness
from integrator.statistics.verdict import MAX_UNEVEN
from tests.traces.replay import recorded

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
TRIALS = 200


def one_after_another(latency_ms: Floats, *, pause: dict[int, float] | None = None) -> Floats:
    """The parts of a sync run; `pause` has milliseconds before the inference of that number."""
    waits = np.zeros(latency_ms.size)
    for number, length in (pause or {}).items():
        waits[number] = length
    return parts_of(np.concatenate([[0.0], np.cumsum(latency_ms)[:-1]]) + np.cumsum(waits), latency_ms)


def several_at_once(latency_ms: Floats, requests: int = 4) -> Floats:
    """The parts of an async run whose requests are always busy."""
    free = [0.0] * requests
    heapify(free)
    starts = []
    for latency in latency_ms:
        starts.append(free[0])
        heapreplace(free, free[0] + latency)
    return parts_of(np.array(starts), latency_ms)


def correlated(random: Random, count: int, *, with_last: float = 0.9, spread: float = 0.05) -> Floats:
    noise = random.standard_normal(count) * np.sqrt(1 - with_last**2)
    level = random.standard_normal()
    levels = np.empty(count)
    for number in range(count):
        levels[number] = level = with_last * level + noise[number]
    return 10 * np.exp(spread * levels)


class TestByHand:
    def test_an_even_run(self) -> None:
        """201 inferences of 10 ms, 10 of them in each of 20 parts."""
        parts = one_after_another(np.full(201, 10.0))
        assert parts == pytest.approx(np.ones(20))
        assert unevenness([parts]) == 0.0

    def test_a_pause_is_a_part_without_work(self) -> None:
        """2000 ms in 20 parts of 100 ms; the machine pauses for the whole of the tenth."""
        parts = one_after_another(np.full(191, 10.0), pause={90: 100.0})
        assert parts == pytest.approx([1.0] * 9 + [0.0] + [1.0] * 10)
        assert unevenness([parts]) == pytest.approx(1 / 20)

    def test_a_slow_inference_is_spread_over_its_time(self) -> None:
        """One of 200 ms instead of 10: half of it in each of two parts, which are 95 % empty."""
        parts = one_after_another(np.concatenate([np.full(90, 10.0), [200.0], np.full(91, 10.0)]))
        assert parts == pytest.approx([1.0] * 9 + [0.05] * 2 + [1.0] * 9)
        assert unevenness([parts]) == pytest.approx(2 * 0.95 / 20)

    def test_requests_that_complete_together_are_even(self) -> None:
        starts = np.repeat(np.arange(101) * 40.0, 4)
        assert parts_of(starts, np.full(starts.size, 40.0)) == pytest.approx(np.ones(10))

    def test_requests_that_run_out_at_the_end_are_not_a_fall(self) -> None:
        assert several_at_once(np.full(400, 40.0)) == pytest.approx(np.ones(9), abs=0.01)

    def test_a_run_of_few_long_inferences_says_nothing(self) -> None:
        assert one_after_another(np.full(80, 10.0)).size == 0
        assert one_after_another(np.full(81, 10.0)).size == 8
        assert unevenness([one_after_another(np.array([500.0, 900.0, 100.0]))]) == 0.0
        assert unevenness([]) == 0.0

    def test_latencies_that_cannot_be_are_survived(self) -> None:
        assert unevenness([one_after_another(np.zeros(100))]) == 0.0
        assert np.isfinite(one_after_another(np.array([10.0] * 100 + [0.0] + [10.0] * 100))).all()


KINDS: dict[str, Callable[[Random, int], Floats]] = {
    "independent": lambda random, count: 10 * np.exp(0.05 * random.standard_normal(count)),
    "wide": lambda random, count: 10 * np.exp(0.3 * random.standard_normal(count)),
    "exponential": lambda random, count: random.exponential(10, count),
    "heavy-tailed": lambda random, count: 10 * np.exp(0.03 * random.standard_t(2, count).clip(-40, 40)),
    "correlated": correlated,
}


class TestPromise:
    @pytest.mark.parametrize("shape", [one_after_another, several_at_once])
    @pytest.mark.parametrize("count", [100, 400])
    @pytest.mark.parametrize("kind", KINDS)
    def test_false_alarms_of_honest_tests_of_six_runs(
        self, kind: str, count: int, shape: Callable[[Floats], Floats]
    ) -> None:
        random = np.random.default_rng([7, count])
        alarms = [
            unevenness([shape(KINDS[kind](random, count)) for _ in range(6)]) > MAX_UNEVEN
            for _ in range(TRIALS)
        ]
        assert np.mean(alarms) < 0.02

    @pytest.mark.parametrize("joined", [2, 5])
    def test_false_alarms_of_recorded_latencies(self, joined: int) -> None:
        """The recorded runs are short; several are laid end to end, each relative to its own median."""
        trace = recorded()
        quiet = [
            each / np.median(each)
            for each, load in zip(trace.latencies_ms, trace.other_load, strict=True)
            if load < 0.1
        ]
        random = np.random.default_rng(3)

        def run() -> Floats:
            parts = one_after_another(
                np.concatenate([quiet[n] for n in random.integers(len(quiet), size=joined)])
            )
            assert parts.size
            return parts

        alarms = [unevenness([run() for _ in range(6)]) > MAX_UNEVEN for _ in range(TRIALS)]
        assert np.mean(alarms) < 0.02

    @pytest.mark.parametrize("shape", [one_after_another, several_at_once])
    @pytest.mark.parametrize("latency_ms", [1.0, 3.0, 10.0])
    def test_a_stall_of_100_ms_in_a_run_of_1_s_is_found(
        self, latency_ms: float, shape: Callable[[Floats], Floats]
    ) -> None:
        """All requests stand still in one of six runs."""
        random = np.random.default_rng(11)
        requests = 4 if shape is several_at_once else 1
        count = int(900 / latency_ms) * requests
        found = []
        for _ in range(TRIALS // 4):
            runs = latency_ms * np.exp(0.05 * random.standard_normal((6, count)))
            at = int(random.integers(requests, count - requests))
            runs[0, at : at + requests] += 100.0
            found.append(unevenness([shape(run) for run in runs]) > MAX_UNEVEN)
        assert np.mean(found) > 0.95

    def test_a_pause_between_inferences_is_found_where_latencies_show_nothing(self) -> None:
        random = np.random.default_rng(5)
        runs = [KINDS["independent"](random, 100) for _ in range(6)]
        paused = [one_after_another(runs[0], pause={50: 100.0}), *map(one_after_another, runs[1:])]
        assert unevenness(paused) > MAX_UNEVEN
        assert unevenness([one_after_another(run) for run in runs]) == 0.0
