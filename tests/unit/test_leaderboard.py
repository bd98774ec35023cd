"""Scores, shared ranks and coverage: by hand, and what holds of any campaign."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrator.site.frame import tidy
from integrator.site.leaderboard.best import LATENCY, THROUGHPUT, Measure
from integrator.site.leaderboard.coverage import CoverageCell, coverage
from integrator.site.leaderboard.drawing import board_view, headline
from integrator.site.leaderboard.scores import Leaderboard, leaderboards, ranks_of, shared_ranks
from integrator.site.leaderboard.summary import rejected_of, summary_of
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION, index
from integrator.site.render import Renderer
from tests.site import random_lab, sample, synthetic


def test_row(machine: str, model: str, latency: float, **values: Any) -> dict[str, Any]:
    """A sync test with an interval of 2 % on either side, whose throughput is 1000 ÷ latency."""
    rate = 1000 / latency
    return sample.row(
        **{
            "machine": machine,
            "model": model,
            "latency_ms": latency,
            "latency_low_ms": latency / 1.02,
            "latency_high_ms": latency * 1.02,
            "throughput_fps": rate,
            "throughput_low_fps": rate / 1.02,
            "throughput_high_fps": rate * 1.02,
            "test_id": f"{model}-{latency}",
            **values,
        }
    )


test_row.__test__ = False  # type: ignore[attr-defined]


def board(
    *rows: dict[str, Any], measure: Measure = LATENCY, tasks: dict[str, str] | None = None
) -> Leaderboard:
    found = leaderboards(tidy(sample.table(*rows)), tasks or {})
    return next(each for each in found if each.measure is measure)


def ranks(found: Leaderboard) -> dict[str, str]:
    return {line.machine: line.rank for line in found.ranked}


def test_a_score_is_the_geometric_mean_of_ratios_to_the_best() -> None:
    """a: 10 and 20 ms, b: 5 and 80 ms: relative speeds of ½ and 1, and of 1 and ¼."""
    rows = [test_row("a", "m", 10), test_row("a", "n", 20), test_row("b", "m", 5), test_row("b", "n", 80)]
    for measure in (LATENCY, THROUGHPUT):
        found = board(*rows, measure=measure)
        assert found.models == ("m", "n")
        scores = {line.machine: line.score for line in found.ranked}
        assert scores == pytest.approx({"a": math.sqrt(0.5), "b": math.sqrt(0.25)})
        assert ranks(found) == {"a": "1", "b": "2"}
        first = found.ranked[0]
        assert (first.low, first.high) == pytest.approx((math.sqrt(0.5) / 1.02, math.sqrt(0.5) * 1.02))


def test_two_that_are_twice_as_fast_at_one_model_each_tie() -> None:
    rows = [test_row("a", "m", 10), test_row("a", "n", 20), test_row("b", "m", 5), test_row("b", "n", 40)]
    found = board(*rows)
    assert ranks(found) == {"a": "1–2", "b": "1–2"}
    assert {line.machine for line in found.first} == {"a", "b"}
    shown = headline(found)
    assert (sorted(shown.winners), shown.more) == (["a", "b"], "not told apart")


def test_ranks_are_shared_where_intervals_overlap() -> None:
    """10 and 10.3 overlap by 2 % on either side; 10.3 and 10.6 do; 10 and 10.6 do not."""
    found = board(
        test_row("a", "m", 10), test_row("b", "m", 10.3), test_row("c", "m", 10.6), test_row("d", "m", 20)
    )
    assert ranks(found) == {"a": "1–2", "b": "1–3", "c": "2–3", "d": "4"}


def test_intervals_that_touch_overlap() -> None:
    low, high = np.array([1.0, 2.0, 3.5]), np.array([2.0, 3.0, 4.0])
    assert [each.tolist() for each in shared_ranks(low, high)] == [[2, 2, 1], [3, 3, 1]]


def test_the_best_test_of_a_machine_counts_and_latency_is_that_of_sync() -> None:
    rows = [
        test_row("a", "m", 10),
        test_row("a", "m", 8, precision="INT8"),
        test_row("a", "m", 2, scenario="async"),
        test_row("a", "m", 1, verdict="noisy"),
        test_row("a", "m", 0.5, verdict="invalid"),
    ]
    (line,) = board(*rows).ranked
    assert line.values[0] is not None
    assert (line.values[0].value, line.values[0].label.split(" · ")[0]) == (8, "INT8")
    (line,) = board(*rows, measure=THROUGHPUT).ranked
    assert line.values[0] is not None
    assert line.values[0].value == 500


def test_who_lacks_a_model_is_not_ranked_and_it_is_said_why() -> None:
    rows = [
        test_row("a", "m", 10),
        test_row("a", "n", 10),
        test_row("b", "m", 5),
        sample.failure("out_of_memory", "why", machine="b", model="n", test_id="1"),
        test_row("b", "n", 4, verdict="noisy"),
        test_row("c", "m", 5, scenario="async"),
        test_row("d", "n", 5, latency_low_ms="needs 3 more runs", latency_high_ms="needs 3 more runs"),
        sample.failure("failed", "why", machine="e", model="n", test_id="2"),
        sample.failure("failed", "why", machine="e", model="n", test_id="3"),
    ]
    found = board(*rows)
    assert ranks(found) == {"a": "1"}
    gaps = {line.machine: {gap.model: gap.why for gap in line.gaps} for line in found.unranked}
    assert gaps == {
        "b": {"n": "out of memory, noisy"},
        "c": {"m": "no sync test", "n": "not in this campaign"},
        "d": {"m": "not in this campaign", "n": "needs 3 more runs"},
        "e": {"m": "not in this campaign", "n": "2 failed"},
    }
    kinds = {line.machine: [gap.value.kind for gap in line.gaps if gap.value] for line in found.unranked}
    assert kinds == {"b": ["noisy"], "c": [], "d": ["unsure"], "e": []}
    shown = headline(found)
    assert (shown.winners, shown.more, shown.rivals) == (
        ("a",),
        "the only machine that is ranked",
        ("b", "d"),
    )


def test_a_model_that_nobody_has_counts_for_nobody() -> None:
    rows = [test_row("a", "m", 10), sample.failure("failed", "why", machine="a", model="n")]
    found = board(*rows)
    assert (found.models, found.unscored, ranks(found)) == (("m",), ("n",), {"a": "1"})


def test_only_failures_rank_nobody() -> None:
    found = board(sample.failure("failed", "why", machine="a"), sample.failure("timeout", "why", machine="b"))
    assert found.ranked == ()
    assert [line.machine for line in found.unranked] == ["a", "b"]
    assert headline(found).more == "nothing to rank: failed; timeout"
    assert headline(found).doubtful == ()
    assert board_view(found).unranked[0].bar is None


def test_where_all_is_noisy_the_best_number_of_each_model_is_shown_and_nobody_ranked() -> None:
    found = board(
        test_row("a", "m", 10, verdict="noisy"),
        test_row("b", "m", 9, verdict="noisy"),
        test_row("b", "n", 3, verdict="noisy"),
        test_row("a", "n", 2, verdict="invalid"),
    )
    shown = headline(found)
    assert shown.winners == ()
    assert [(name, value.text, value.kind) for name, value in shown.doubtful] == [
        ("b", "9.00 ms", "noisy"),
        ("b", "3.00 ms", "noisy"),
    ]
    only = headline(board(test_row("a", "m", 10, verdict="noisy")))
    assert only.more == "none is ranked: all are noisy"


def test_numbers_that_are_none_or_not_positive_rank_nobody() -> None:
    rows = [
        test_row("a", "m", 10, latency_ms=0.0),
        test_row("b", "m", 10, latency_low_ms=0.0),
        test_row("c", "m", 10, latency_ms=math.nan),
        test_row("d", "m", 10, latency_low_ms=11.0, latency_high_ms=9.0),
    ]
    assert board(*rows).ranked == ()


def test_tasks_stand_in_the_order_of_the_table_and_other_last() -> None:
    rows = [test_row("a", "x", 1), test_row("a", "m", 1), test_row("a", "n", 1)]
    found = leaderboards(tidy(sample.table(*rows)), {"m": "speech", "n": "text"})
    assert [(each.task, each.measure.word) for each in found] == [
        ("speech", "latency"),
        ("speech", "throughput"),
        ("text", "latency"),
        ("text", "throughput"),
        ("other", "latency"),
        ("other", "throughput"),
    ]
    assert ranks_of(found)["other, latency", "a"] == "1"


def test_an_empty_table_has_no_leaderboard() -> None:
    frame = tidy(sample.table())
    assert leaderboards(frame, {}) == ()
    assert coverage(frame, ["a"], []).troubles == ()


@pytest.mark.parametrize("of", ["the lab", "nobody", "each its own"])
def test_pages_are_small(of: str) -> None:
    """25 machines and 50 models, whatever the tasks: in all 2,500 values with their settings."""
    lab = synthetic.lab(rows=2500)
    models = lab.table["model"].unique()
    tasks = {"the lab": lab.tasks, "nobody": {}, "each its own": {model: f"for {model}" for model in models}}
    site = Site((replace(lab, tasks=tasks[of]),))
    renderer = Renderer(site, NAVIGATION)
    sizes = {page.path: len(gzip.compress(renderer.html(page).encode())) for page in index.pages(site)}
    assert len(sizes) == 1 + len(set(tasks[of].values()) or {"other"})
    assert max(sizes.values()) <= 60_000, sizes


Labs = st.builds(
    lambda seed, machines, models: tidy(random_lab.lab(machines, models, seed=seed, bad=0.15, doubtful=0.2)),
    st.integers(0, 10_000),
    st.integers(1, 7),
    st.integers(1, 4),
)


@settings(max_examples=40, deadline=None)
@given(Labs)
def test_ranks_are_what_they_are_defined_to_be(frame: pd.DataFrame) -> None:
    for found in leaderboards(frame, random_lab.tasks(4)):
        for line in found.ranked:
            better = sum(other.low > line.high for other in found.ranked)
            worse = sum(other.high < line.low for other in found.ranked)
            assert line.ranks == (1 + better, len(found.ranked) - worse)
            assert line.low <= line.score <= line.high
            assert line.ranks[0] <= 1 + found.ranked.index(line) <= line.ranks[1]
            assert None not in line.values
        for line in found.unranked:
            assert line.gaps
            assert all(gap.why for gap in line.gaps)
            assert line.have < len(found.models) or not found.models
        for model, column in zip(
            found.models, zip(*(line.values for line in found.ranked), strict=True), strict=False
        ):
            assert all(value.model == model and value.kind == "ranked" for value in column)


@settings(max_examples=25, deadline=None)
@given(Labs, st.floats(0.01, 100))
def test_the_unit_of_a_model_changes_no_score(frame: pd.DataFrame, factor: float) -> None:
    scaled = frame.copy()
    numbers = [
        key for key in frame if str(key).startswith(("latency", "throughput")) and frame[key].dtype == float
    ]
    scaled.loc[frame["model"] == "model-00", numbers] *= factor
    for before, after in zip(leaderboards(frame, {}), leaderboards(scaled, {}), strict=True):
        assert [line.ranks for line in before.ranked] == [line.ranks for line in after.ranked]
        scores = [[line.score for line in each.ranked] for each in (before, after)]
        assert scores[1] == pytest.approx(scores[0])


@settings(max_examples=25, deadline=None)
@given(Labs)
def test_the_order_does_not_depend_on_who_else_is_there(frame: pd.DataFrame) -> None:
    """Without one machine the quotient of two others' scores is the same."""
    for found in leaderboards(frame, {}):
        if len(found.ranked) < 3:
            continue
        rest = frame[frame["machine"] != found.ranked[0].machine]
        again = next(each for each in leaderboards(rest, {}) if each.measure is found.measure)
        if again.models != found.models:
            continue
        assert [line.machine for line in again.ranked] == [line.machine for line in found.ranked[1:]]
        quotients = [line.score / found.ranked[1].score for line in found.ranked[1:]]
        assert [line.score / again.ranked[0].score for line in again.ranked] == pytest.approx(quotients)


@settings(max_examples=25, deadline=None)
@given(Labs)
def test_what_is_noisy_never_moves_a_rank(frame: pd.DataFrame) -> None:
    faster = frame.assign(verdict="noisy", rank_ok=False, latency_ms=frame["latency_ms"] / 100)
    both = pd.concat([frame, faster], ignore_index=True)
    for before, after in zip(leaderboards(frame, {}), leaderboards(both, {}), strict=True):
        assert ranks(before) == ranks(after)


@settings(max_examples=25, deadline=None)
@given(Labs)
def test_coverage_counts_every_test_once(frame: pd.DataFrame) -> None:
    found = coverage(frame, list(frame["machine"].unique()), list(frame["model"].unique()))
    assert sum(cell.planned for cell in found.cells.values()) == len(frame)
    assert sum(cell.ok for cell in found.cells.values()) == frame["rank_ok"].sum()
    bad = int((frame["status"] != "ok").sum())
    assert sum(cell.failed + cell.not_run for cell in found.cells.values()) == bad
    assert sum(trouble.tests for trouble in found.troubles) == bad
    rows = frame.set_index("row")
    for (model, machine), cell in found.cells.items():
        assert (rows["model"][cell.row], rows["machine"][cell.row]) == (model, machine)
        assert (cell.state == "ok") == bool(rows["rank_ok"][cell.row])


def test_coverage_says_what_happened() -> None:
    rows = [
        test_row("a", "m", 1),
        test_row("a", "m", 2, verdict="noisy", verdict_reasons="drift other_load"),
        sample.failure("failed", "run 3 of 6: no", machine="b", model="m", test_id="1"),
        sample.failure("failed", "run 1 of 6: no", machine="a", model="n", test_id="2"),
        sample.failure("not_run", "not yet", machine="a", model="n", test_id="3"),
    ]
    found = coverage(tidy(sample.table(*rows)), ["a", "b", "c"], ["m", "n"])
    cell = found.cell("m", "a")
    assert (cell.ok, cell.noisy, cell.state, cell.words) == (
        1,
        1,
        "noisy",
        "1 ok, 1 noisy: drift, other load",
    )
    assert found.cell("n", "a").words == "1 failed, 1 not run: no"
    assert found.cell("m", "c") == CoverageCell()
    assert found.cell("m", "c").state == "none"
    (failed, not_run) = found.troubles
    assert (failed.status, failed.reason, failed.tests) == ("failed", "no", 2)
    assert (failed.machines, failed.models) == (("b", "a"), ("m", "n"))
    assert not_run.status == "not run"


@pytest.mark.parametrize("complete", [True, False])
def test_the_summary_counts_what_the_table_has(complete: bool) -> None:
    for table in (sample.table(*sample.sample_rows()), random_lab.lab(4, 3, seed=3), sample.table()):
        found = summary_of(tidy(table), sample.campaign(complete=complete), machines=7)
        rows = table.to_dict("records")
        assert (found.machines, found.tests, found.models) == (7, len(rows), len({r["model"] for r in rows}))
        assert (found.ok, found.failures) == (
            sum(row["status"] == "ok" for row in rows),
            sum(row["status"] != "ok" for row in rows),
        )
        assert sum(count for _, count in found.not_ok) == found.failures
        assert (found.noisy, found.invalid) == tuple(
            sum(row["verdict"] == verdict for row in rows) for verdict in ("noisy", "invalid")
        )
        assert (found.partial == "") is complete
    assert rejected_of(sample.results(sample.row())) == ((), 0)
