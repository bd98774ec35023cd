"""Specifications of charts: what is drawn, what is not, and what is said about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.site.charts.chart import LATENCY, MOST_SERIES, THROUGHPUT, Chart, log_ticks
from integrator.site.charts.dots import Dot, dots
from integrator.site.charts.draw import draw
from integrator.site.charts.history import history
from integrator.site.charts.ladder import ladder
from integrator.site.charts.pareto import front, pareto
from integrator.site.charts.scaling import knee, scaling
from integrator.site.charts.scenarios import scenarios
from integrator.site.frame import tidy


def frame(*rows: Mapping[str, object]) -> pd.DataFrame:
    """Valid tests of one model; each row says in what it differs from the first."""
    base: dict[str, object] = {
        "machine": "nuc",
        "model": "net",
        "precision": "FP32",
        "device": "CPU",
        "scenario": "async",
        "hint": "none",
        "batch": 1,
        "streams": 1,
        "threads": 8,
        "requests": 1,
        "status": "ok",
        "verdict": "valid",
        "latency_ms": 10.0,
        "throughput_fps": 100.0,
        "timed_region": "inference",
        "openvino": "auto",
    }
    full = [{**base, "test_id": f"t{number}", **row} for number, row in enumerate(rows)]
    for row in full:
        if isinstance(fps := row["throughput_fps"], float):
            row.setdefault("throughput_low_fps", fps * 0.98)
            row.setdefault("throughput_high_fps", fps * 1.03)
    return tidy(pd.DataFrame(full))


def made(chart: Chart | str) -> Chart:
    assert isinstance(chart, Chart), chart
    json.dumps(chart.spec, allow_nan=False)
    return chart


def texts(value: object) -> list[str]:
    """Every text of a specification."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in texts(each)]
    return [text for each in value for text in texts(each)] if isinstance(value, list | tuple) else []


def values(chart: Chart) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart.spec["data"]["values"]
    return found


@pytest.mark.parametrize(
    ("counts", "throughputs", "place"),
    [
        ([1, 2, 4, 8, 16], [1, 1.9, 3.4, 4.0, 4.1], 2),  # bends at 4
        ([1, 2, 4, 8], [1, 2, 4, 8], None),  # in proportion: more may pay still
        ([1, 2, 4, 8], [1, 2, 4, 3.5], 2),  # in proportion, then it falls
        ([1, 2, 4, 8], [5, 4, 3, 2], 0),  # one is the best
        ([1, 2, 4], [5, 6, 3], 1),
        ([1, 2], [1, 1.2], None),  # too few
        ([1], [1], None),
        ([], [], None),
    ],
)
def test_the_knee(counts: list[float], throughputs: list[float], place: int | None) -> None:
    assert knee(counts, throughputs) == place


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=12))
def test_a_knee_is_one_of_the_points_and_never_beyond_the_best(throughputs: list[float]) -> None:
    place = knee([float(2**n) for n in range(len(throughputs))], throughputs)
    assert place is None or 0 <= place <= throughputs.index(max(throughputs))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=40))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    def beaten(x: int, y: int) -> bool:
        return any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)

    found = [points[place] for place in front([(float(x), float(y)) for x, y in points])]
    assert found == sorted({point for point in points if not beaten(*point)})


def test_the_front_is_marked_and_told_in_numbers() -> None:
    chart = made(
        pareto(
            frame(
                {"latency_ms": 5.0, "throughput_fps": 200.0, "machine": "fast"},
                {"latency_ms": 9.0, "throughput_fps": 900.0},
                {"latency_ms": 10.0, "throughput_fps": 400.0},
                {"latency_ms": 1.0, "throughput_fps": 9000.0, "verdict": "noisy"},
                {"latency_ms": 1.0, "throughput_fps": 9000.0, "verdict": "invalid"},
            )
        )
    )
    assert [value["on"] for value in values(chart)] == [True, True, False]
    assert [row[0] for row in chart.rows] == ["fast", "nuc"]
    assert chart.rows[0][3] == "200 (196–206)"
    assert {"median latency, ms (lower is better)", "throughput, FPS (higher is better)"} <= set(
        texts(chart.spec)
    )


def test_many_points_are_thinned_and_that_is_said() -> None:
    rows = [
        {"machine": f"m{n % 20}", "latency_ms": 1.0 + n, "throughput_fps": 1000.0 - n, "batch": n + 1}
        for n in range(400)
    ]
    chart = made(pareto(frame(*rows)))
    assert len(values(chart)) == 20
    assert "380 settings" in chart.caption
    # One machine is on the front: the others share one colour.
    assert {value["series"] for value in values(chart)} == {"m0", "other machines"}


def test_without_a_valid_test_there_is_a_sentence() -> None:
    nothing = frame({"verdict": "noisy"}, {"status": "failed", "verdict": "", "throughput_fps": math.nan})
    for chart in (
        pareto(nothing),
        scaling(nothing, "batch"),
        scaling(nothing, "streams"),
        scaling(nothing, "threads"),
        ladder(nothing),
        scenarios(nothing),
        dots([], LATENCY, what="model"),
    ):
        assert isinstance(chart, str)
        assert chart.endswith(".")


def test_a_sweep_is_of_tests_that_differ_in_nothing_else() -> None:
    sweep = [{"streams": n, "requests": n, "throughput_fps": 100.0 * n**0.5} for n in (1, 2, 4, 8)]
    chart = made(
        scaling(
            frame(
                *sweep,
                {"streams": 16, "precision": "INT8", "throughput_fps": 4000.0},
                {"streams": 32, "throughput_fps": 4000.0, "verdict": "invalid"},
                {
                    "streams": 4,
                    "requests": 9,
                    "throughput_fps": 150.0,
                },  # slower than the same with 4 requests
            ),
            "streams",
        )
    )
    assert [value["n"] for value in values(chart)] == [1, 2, 4, 8]
    assert [value["ideal"] for value in values(chart)] == [100, 200, 400, 800]
    assert [row[3] for row in chart.rows] == ["100 %", "70.7 %", "50.0 %", "35.4 %"]
    knees = [value["n"] for value in values(chart) if value["knee"]]
    # Of √n between 1 and 8, y - x is 0.084 at 2 and 0.118 at 4.
    assert knees == [4]
    assert chart.rows[2][1] == "4 (knee)"


def test_streams_that_a_hint_chose_do_not_split_batches() -> None:
    chosen = [
        {"batch": n, "streams": 9 - n, "hint": "throughput", "throughput_fps": 100.0 + n} for n in (1, 2, 4)
    ]
    asked = [{**row, "hint": "none"} for row in chosen]
    assert len(values(made(scaling(frame(*chosen), "batch")))) == 3
    assert isinstance(scaling(frame(*asked), "batch"), str)


def test_more_machines_than_colours_are_in_the_table() -> None:
    rows = [
        {"machine": f"m{m}", "threads": n, "throughput_fps": float(n * (m + 1))}
        for m in range(9)
        for n in (1, 2)
    ]
    chart = made(scaling(frame(*rows), "threads"))
    assert len({value["series"] for value in values(chart)}) == MOST_SERIES
    assert len({row[0] for row in chart.rows}) == 9
    assert "6 of 9 machines" in chart.caption


def test_the_ladder_compares_equal_settings() -> None:
    chart = made(
        ladder(
            frame(
                {"precision": "INT8", "throughput_fps": 310.0},
                {"precision": "FP32", "throughput_fps": 100.0},
                {"precision": "FP16", "throughput_fps": 120.0},
                {"precision": "INT8", "throughput_fps": 999.0, "batch": 8},
            )
        )
    )
    assert [row[1] for row in chart.rows] == ["FP32", "FP16", "INT8"]
    assert chart.rows[2][3] == "3.10 × FP32"


def test_sync_and_async_have_the_same_precision_device_and_batch() -> None:
    chart = made(
        scenarios(
            frame(
                {"scenario": "sync", "throughput_fps": 100.0, "hint": "latency"},
                {"scenario": "async", "throughput_fps": 250.0, "hint": "throughput", "streams": 4},
                {"scenario": "async", "throughput_fps": 900.0, "batch": 8},
                {"scenario": "async", "throughput_fps": 900.0, "machine": "no-sync"},
            )
        )
    )
    assert [row[:4] for row in chart.rows] == [("nuc", "100 (98.0–103)", "250 (245–258)", "2.50 ×")]


def test_dots_are_sorted_best_first() -> None:
    lines = [Dot("a", 3.0, 2.9, 3.2), Dot("b", 1.0), Dot("none", math.nan), Dot("c", 2.0, 1.9, 2.1)]
    assert [row[0] for row in made(dots(lines, LATENCY, what="model")).rows] == ["b", "c", "a"]
    assert [row[0] for row in made(dots(lines, THROUGHPUT, what="model")).rows] == ["a", "c", "b"]


def test_history_tells_what_is_not_valid() -> None:
    points = pd.DataFrame(
        [("may", "nuc", 10.0, 9.9, 10.2, True, "r1"), ("june", "nuc", 12.0, math.nan, math.nan, False, "r2")],
        columns=["campaign", "series", "value", "low", "high", "valid", "row"],
    )
    chart = made(history(points, LATENCY))
    assert chart.rows == (("may", "nuc", "10.0 (9.90–10.2)"), ("june", "nuc", "12.0 (not valid)"))


def test_names_that_are_long_or_alike_are_told_apart() -> None:
    names = [f"{'x' * 300}{n}" for n in range(3)]
    rows = [{"machine": name, "threads": n, "throughput_fps": 10.0 * n} for name in names for n in (1, 2)]
    chart = made(scaling(frame(*rows), "threads"))
    called = {value["series"] for value in values(chart)}
    assert len(called) == 3
    assert max(map(len, called)) < 60
    assert {value["machine"] for value in values(chart)} == set(names)


def test_colours_are_those_of_the_page() -> None:
    rows = [{"machine": f"m{m}", "threads": n, "throughput_fps": 9.0 * n} for m in range(6) for n in (1, 2)]
    chart = made(scaling(frame(*rows), "threads"))
    assert not [text for text in texts(chart.spec) if text.startswith("#")]
    assert {f"var(--series-{n})" for n in range(1, 7)} <= set(texts(chart.spec))


@pytest.mark.parametrize(
    "name",
    ["</script><b>", "a\u2028b", "\u202eexe", "'\"`\\", "datum.x + 1", "{{ 1 }}", "x" * 10_000, "\ud800"],
)
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    rows = [
        {
            "machine": machine,
            "precision": precision,
            "scenario": scenario,
            "threads": n,
            "throughput_fps": 9.0 * n,
        }
        for machine in (name, "other")
        for precision in (name, "FP32")
        for scenario in ("sync", "async")
        for n in (1, 2)
    ]
    tests = frame(*rows)
    cleaned = tests["machine"].iloc[0]
    points = pd.DataFrame(
        [(cleaned, cleaned, 1.0, 0.9, 1.1, True, "r")],
        columns=["campaign", "series", "value", "low", "high", "valid", "row"],
    )
    charts = {
        "pareto": pareto(tests),
        "threads": scaling(tests, "threads"),
        "ladder": ladder(tests),
        "scenarios": scenarios(tests),
        "dots": dots([Dot(cleaned, 1.0), Dot("other", 2.0)], LATENCY, what="model"),
        "history": history(points, LATENCY),
    }
    drawn = draw({key: made(chart).spec for key, chart in charts.items()}, tmp_path)
    assert {key: each.reason for key, each in drawn.items()} == dict.fromkeys(charts, "")
    for each in drawn.values():
        assert "<script" not in each.svg
        assert "<b>" not in each.svg


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (200, 20_000, [300, 1000, 3000, 10_000]),
        (5500, 19_000, [7000, 10_000, 15_000]),
        (0.09, 12, [0.1, 1, 10]),
        (9.9, 10.1, []),
        (0, 5, []),
        (3, 3, []),
    ],
)
def test_ticks_of_a_logarithm_are_few_and_round(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


@given(low=st.floats(1e-6, 1e9), factor=st.floats(1.001, 1e9))
def test_ticks_of_a_logarithm_lie_in_its_range(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 9
    assert all(low <= tick <= low * factor for tick in ticks)
