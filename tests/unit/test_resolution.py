"""The smallest difference that can be resolved: tested by what it promises, on simulated runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from integrator.statistics.resolution import (
    MIN_RUNS,
    resolution,
    runs_needed,
    smallest_difference,
    t_quantile,
)
from integrator.statistics.resolution import _chi_square_quantile as chi_square_quantile

TRIALS = 2000


def simulated(random: np.random.Generator, *, runs: int, scatter: float, ratio: float = 1.0) -> list[float]:
    return list(5.0 * ratio * np.exp(random.normal(0, scatter, runs)))


@pytest.mark.parametrize(
    ("p", "freedom", "tabled"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 8, 2.306),
        (0.975, 30, 2.042),
        (0.975, 1998, 1.961),
        (0.90, 4, 1.533),
        (0.90, 18, 1.330),
        (0.5, 5, 0.0),
    ],
)
def test_students_t_as_in_the_tables(p: float, freedom: int, tabled: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(tabled, abs=6e-4)


@pytest.mark.parametrize(
    ("freedom", "tabled"), [(1, 0.00393), (2, 0.1026), (4, 0.711), (10, 3.940), (30, 18.493), (100, 77.929)]
)
def test_chi_square_as_in_the_tables(freedom: int, tabled: float) -> None:
    assert chi_square_quantile(0.05, freedom) == pytest.approx(tabled, rel=2e-3)


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_a_test_agrees_with_itself_in_95_percent(runs: int) -> None:
    random = np.random.default_rng(runs)
    agree = sum(
        resolution(
            simulated(random, runs=runs, scatter=0.01), simulated(random, runs=runs, scatter=0.01)
        ).sides_agree
        for _ in range(TRIALS)
    )
    assert 0.93 <= agree / TRIALS <= 0.97


@pytest.mark.parametrize("runs", [4, 5, 10, 20])
def test_a_difference_of_the_smallest_size_is_found_in_90_percent(runs: int) -> None:
    random = np.random.default_rng(runs)
    scatter = 0.01
    ratio = 1 + smallest_difference(scatter, runs)
    found = 0
    for _ in range(TRIALS):
        a = simulated(random, runs=runs, scatter=scatter)
        b = simulated(random, runs=runs, scatter=scatter, ratio=ratio)
        found += not resolution(a, b).sides_agree
    assert 0.88 <= found / TRIALS <= 0.95


@pytest.mark.parametrize("runs", [4, 6, 12])
def test_the_scatter_is_rarely_larger_than_its_bound(runs: int) -> None:
    random = np.random.default_rng(runs)
    truth = resolution(
        [1.0, math.exp(0.02)] * runs, [1.0, math.exp(0.02)] * runs
    )  # only for the formula below
    assert truth.scatter > 0
    scatter = 0.01
    exact = smallest_difference(scatter, runs)
    covered = 0
    for _ in range(TRIALS):
        sides = [simulated(random, runs=runs, scatter=scatter) for _ in "ab"]
        covered += resolution(*sides).smallest_at_most >= exact
    assert 0.93 <= covered / TRIALS <= 0.97


def test_the_numbers_of_a_worked_example() -> None:
    # logs: A 0, 0.02; B 0.01, 0.03: each side scatters by 0.02/√2, the sides differ by 0.01.
    a, b = [1.0, math.exp(0.02)], [math.exp(0.01), math.exp(0.03)]
    shown = resolution(a, b)
    assert shown.scatter == pytest.approx(0.02 / math.sqrt(2))
    half = 4.3027 * 0.02 / math.sqrt(2)
    assert shown.low == pytest.approx(math.exp(0.01 - half), rel=1e-4)
    assert shown.high == pytest.approx(math.exp(0.01 + half), rel=1e-4)
    assert shown.smallest == pytest.approx(math.expm1((4.3027 + 1.8856) * 0.02 / math.sqrt(2)), rel=1e-3)
    assert shown.ratio == pytest.approx((math.exp(0.01) + math.exp(0.03)) / (1 + math.exp(0.02)))
    assert not shown.sufficient


def test_the_unit_does_not_matter() -> None:
    random = np.random.default_rng(1)
    a, b = (simulated(random, runs=6, scatter=0.02) for _ in "ab")
    shown, scaled = resolution(a, b), resolution([1e3 * x for x in a], [1e3 * x for x in b])
    assert scaled.smallest == pytest.approx(shown.smallest)
    assert scaled.ratio == pytest.approx(shown.ratio)


def test_as_many_runs_as_are_needed_suffice_and_one_less_does_not() -> None:
    runs = runs_needed(0.01, 0.02)
    assert runs is not None
    assert smallest_difference(0.01, runs) <= 0.02 < smallest_difference(0.01, runs - 1)
    assert runs_needed(0.5, 0.001) is None


def test_values_without_scatter_do_not_suffice() -> None:
    same = resolution([2.0] * 6, [2.0] * 6)
    assert same.sides_agree
    assert not same.sufficient
    assert resolution([2.0, 2.1] * MIN_RUNS, [2.0, 2.1] * MIN_RUNS).sufficient


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 0.0], [1.0, 2.0])])
def test_what_cannot_be_compared_is_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match=r"runs|positive"):
        resolution(a, b)


def test_no_difference_at_all_needs_no_number_of_runs() -> None:
    with pytest.raises(ValueError, match="positive"):
        runs_needed(0.01, 0.0)
