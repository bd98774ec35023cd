"""The order of the runs: rounds, and releases in alternating blocks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrator.plan import estimate_s
from integrator.schedule import START_S, Block, blocks, next_release, schedule, starts
from protocol.job import Job, ModelFile, ModelRef
from tests.support import make_job, planned_test

MODEL = ModelRef(
    name="tiny",
    precision="FP32",
    sha256="0" * 64,
    entry="tiny.onnx",
    files=(ModelFile(name="tiny.onnx", size=1, sha256="0" * 64),),
)
RELEASES = ["2024.6", "2025.4", "2026.4", "2026.5"]
counts = st.integers(1, 4)


def job_of(asked: dict[str, str], runs: int, *, run_s: float = 1.0) -> Job:
    tests = [planned_test(MODEL, id=name, openvino=release) for name, release in asked.items()]
    return make_job([MODEL], tests, schedule=schedule(asked, runs, 1, run_s=run_s))


def shown(order: tuple[Block, ...]) -> str:
    """As `A0-1 B0-1 B2-3 A2-3`."""
    letters = dict(zip(RELEASES, "ABCD", strict=True))
    return " ".join(f"{letters[block.release]}{block.rounds[0]}-{block.rounds[-1]}" for block in order)


@given(st.integers(0, 30), st.integers(0, 6), st.integers(0, 1 << 53))
def test_each_round_holds_every_test_once(tests: int, runs: int, seed: int) -> None:
    ids = [f"test-{number}" for number in range(tests)]
    order = schedule(dict.fromkeys(ids, "auto"), runs, seed)
    assert len(order) == tests * runs
    for run in range(runs):
        part = order[run * tests : (run + 1) * tests]
        assert {entry.run for entry in part} <= {run}
        assert Counter(entry.test for entry in part) == Counter(ids)
    assert order == schedule(dict.fromkeys(ids, "auto"), runs, seed)


def test_the_order_of_the_runs_does_not_change() -> None:
    asked = dict.fromkeys("abcd", "auto")
    order = schedule(asked, 3, 1)
    assert " ".join(f"{entry.test}{entry.run}" for entry in order) == "c0 a0 b0 d0 b1 c1 a1 d1 d2 c2 b2 a2"
    assert schedule(asked, 3, 2) != order
    assert schedule(dict.fromkeys("abcd", "2026.4"), 3, 1) == order


@pytest.mark.parametrize(
    ("releases", "runs", "round_s", "expected"),
    [
        (1, 10, 1e6, "A0-9"),
        (2, 1, 1e6, "A0-0 B0-0"),
        (2, 2, 0.1, "A0-0 B0-0 B1-1 A1-1"),
        (2, 10, 60, "A0-4 B0-4 B5-9 A5-9"),
        (2, 10, 300, "A0-1 B0-1 B2-4 A2-4 A5-6 B5-6 B7-9 A7-9"),
        (3, 4, 10, "A0-1 B0-1 C0-1 C2-3 B2-3 A2-3"),
        (2, 5, 1e6, "A0-0 B0-0 B1-1 A1-1 A2-2 B2-2 B3-4 A3-4"),
    ],
)
def test_releases_take_turns(releases: int, runs: int, round_s: float, expected: str) -> None:
    assert shown(blocks(RELEASES[:releases], runs, round_s=round_s)) == expected


@given(counts, st.integers(0, 200), st.floats(0, 1e5))
def test_every_release_has_every_round_once(releases: int, runs: int, round_s: float) -> None:
    order = blocks(RELEASES[:releases], runs, round_s=round_s)
    for release in RELEASES[:releases]:
        rounds = [run for block in order if block.release == release for run in block.rounds]
        assert rounds == list(range(runs))


@given(counts.filter(lambda n: n > 1), st.integers(1, 200), st.floats(0, 1e5))
def test_changes_cost_little_or_are_as_few_as_can_be(releases: int, runs: int, round_s: float) -> None:
    order = [block.release for block in blocks(RELEASES[:releases], runs, round_s=round_s)]
    changes = sum(before != after for before, after in pairwise(order))
    assert changes * START_S <= 0.02 * runs * round_s or changes == (releases - 1) * min(runs, 2)


@given(counts.filter(lambda n: n > 1), st.integers(1, 6), st.integers(1, 5), st.floats(0, 1e5))
def test_what_drifts_evenly_falls_on_all_releases_alike(
    releases: int, half: int, each: int, round_s: float
) -> None:
    """Where the rounds can be cut evenly, the mean time of a release's rounds is that of all rounds."""
    order = blocks(RELEASES[:releases], 2 * half * each, round_s=round_s)
    if len({len(block.rounds) for block in order}) > 1:
        return
    rows = [block.release for block in order for _ in block.rounds]
    for release in RELEASES[:releases]:
        places = [place for place, name in enumerate(rows) if name == release]
        assert mean(places) == (len(rows) - 1) / 2


def test_a_job_with_two_releases() -> None:
    asked = {"a4": "2025.4", "a6": "2026.4", "b4": "2025.4", "b6": "2026.4"}
    order = schedule(asked, 4, 7)
    assert Counter((entry.test, entry.run) for entry in order) == Counter(
        (test, run) for test in asked for run in range(4)
    )
    turns = [asked[entry.test] for entry in order]
    first, other = turns[0], ({*asked.values()} - {turns[0]}).pop()
    assert turns == [*4 * [first], *8 * [other], *4 * [first]]
    for part in (order[:4], order[4:8], order[8:12], order[12:]):
        for round_ in (part[:2], part[2:]):
            assert len({entry.run for entry in round_}) == 1
            assert len({entry.test for entry in round_}) == 2
    assert {schedule(asked, 1, seed)[0].test[1] for seed in range(20)} == {"4", "6"}


def test_a_change_of_the_release_takes_time() -> None:
    alone = job_of({"a": "2026.4", "b": "2026.4"}, 4)
    both = job_of({"a": "2025.4", "b": "2026.4"}, 4)
    assert (starts(alone), starts(both)) == (1, 3)
    assert estimate_s(both) == pytest.approx(estimate_s(alone) + 2 * START_S)


def test_the_next_release() -> None:
    job = job_of({"a": "2025.4", "b": "2026.4"}, 2)
    ended: set[tuple[str, int]] = set()
    seen = []
    for entry in job.schedule:
        seen.append(next_release(job, ended))
        ended.add((entry.test, entry.run))
    assert seen == [{"a": "2025.4", "b": "2026.4"}[entry.test] for entry in job.schedule]
    assert next_release(job, ended) is None
    assert next_release(job_of({"a": "auto"}, 2), set()) is None
