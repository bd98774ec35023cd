"""Tests as texts of a table, and what a machine's runs say of its noise."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from integrator.site.frame import tidy
from integrator.site.noise import noise
from integrator.site.result_rows import doubts_of, test_texts
from integrator.site.source import RUN_COLUMNS, no_runs
from integrator.statistics.resolution import smallest_difference
from tests.site import sample

test_texts.__test__ = False  # type: ignore[attr-defined]  # it is no test


def runs(*tests: tuple[str, str, list[float]], status: str = "ok") -> pd.DataFrame:
    """Of each test, its machine, its id and the latencies of its runs."""
    rows = [
        (machine, test, run, status, latency, 1000 / latency)
        for machine, test, latencies in tests
        for run, latency in enumerate(latencies)
    ]
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def test_noise_is_what_a_repetition_of_the_tests_would_find() -> None:
    random = np.random.default_rng(1)
    scatters = (0.002, 0.01, 0.03)
    tests = [("box", f"t{n}", list(10 * np.exp(random.normal(0, s, 8)))) for n, s in enumerate(scatters)]
    found = noise(runs(*tests, ("other", "t0", [1.0, 1.0, 1.0, 1.0])))
    expected = sorted(smallest_difference(float(np.std(np.log(each), ddof=1)), 8) for _, _, each in tests)
    assert found["box"].tests == 3
    assert found["box"].half == pytest.approx(expected[1])
    assert expected[1] < found["box"].most < expected[2]
    assert "half of its 3 tests" in found["box"].words
    assert found["other"].half == 0
    assert "its one test" in found["other"].words


def test_few_runs_and_failed_ones_say_nothing_of_noise() -> None:
    assert noise(no_runs()) == {}
    assert noise(runs(("box", "t", [1.0, 1.1, 1.2]))) == {}
    assert noise(runs(("box", "t", [1.0, 1.1, 1.2, 1.3]), status="failed")) == {}
    assert noise(runs(("box", "t", [1.0, 1.1, 1.2, math.nan]))) == {}


def test_numbers_notes_and_reasons_read_as_they_should() -> None:
    long = "Exception from core.cpp\n" + "line of the reason\n" * 500
    frame = tidy(
        sample.table(
            sample.row(latency_ms=14.2345678, latency_low_ms=14.1, latency_high_ms=14.4, test_id="a"),
            sample.failure("out_of_memory", long, test_id="b"),
            sample.row(
                verdict="noisy",
                verdict_reasons="runs_differ other_load",
                effective_precision="bf16",
                test_id="c",
            ),
            sample.row(verdict="invalid", verdict_reasons="throttled", test_id="d"),
        )
    )
    ok, failed, noisy, invalid = test_texts(frame)
    assert (ok.latency, ok.latency_exact, ok.latency_interval) == ("14.2", "14.2345678", "14.1–14.4")
    assert (ok.p99, ok.kind, ok.status, ok.ran_in) == ("needs 512 more", "valid", "", "")
    assert (failed.kind, failed.status, failed.latency, failed.ran_in) == ("failed", "out of memory", "", "")
    assert failed.reason == "Exception from core.cpp …"
    assert failed.reason_full.endswith("(the rest is in results.csv)")
    assert len(failed.reason_full) < 2100
    assert (noisy.kind, noisy.doubts, noisy.ran_in) == ("noisy", "runs differ, other load", "BF16")
    assert invalid.kind == "invalid"
    assert ok.href == f"{ok.machine_href}#{ok.row}"
    assert [name for name, _ in doubts_of(frame["verdict_reasons"])] == [
        "runs differ",
        "other load",
        "throttled",
    ]


def test_a_table_without_rows_has_none() -> None:
    assert test_texts(tidy(sample.table())) == []
