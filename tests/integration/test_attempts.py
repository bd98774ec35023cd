"""Runs in whose course the real agent is killed: tried once more, then given up; but not those of a stop."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol.job import Job, Measure
from protocol.result import Status
from protocol.status import AgentState
from tests.integration.conftest import Bench, find_worker, workers
from tests.integration.proxy import wait_for
from tests.support import CAMPAIGN, make_job, planned_test, reference

pytestmark = pytest.mark.engine

REASON = "the agent ended twice during this run, the machine may have restarted"
SAID = "told to stop; the run under way is finished first"


@contextmanager
def agent(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """`fleetmark-agent --once`, killed at the end if it is still there."""
    hand_over = bench.work.with_name("account.json")
    bench.account.write(hand_over)
    command = [sys.executable, "-m", "agent.cli", "--account", str(hand_over), "--work", str(bench.work)]
    with subprocess.Popen([*command, "--once"], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_in_a_run(bench: Bench) -> None:
    with agent(bench):
        find_worker(bench.work, "measure")
    assert wait_for(lambda: not workers(bench.work))


def kill_after_the_word_to_stop(bench: Bench) -> None:
    with agent(bench) as process:
        find_worker(bench.work, "measure")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert any(SAID in line for line in process.stderr)
    assert wait_for(lambda: not workers(bench.work))


def finish(bench: Bench) -> None:
    with agent(bench) as process:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said


def notes(bench: Bench) -> dict[str, str]:
    folder = bench.work / "attempts"
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def job(tiny_files: list[Path], *, seconds: float) -> Job:
    """Two runs of a first test and of a second, in rounds."""
    model = reference(tiny_files)
    measure = Measure(duration_s=seconds, interval_target=None, min_iterations=1, warmup_s=0)
    return make_job([model], [planned_test(model, id=name) for name in ("first", "second")], measure=measure)


def test_a_run_that_takes_the_agent_along_twice_is_given_up(bench: Bench, tiny_files: list[Path]) -> None:
    folder = bench.deliver(job(tiny_files, seconds=3), tiny_files)
    for deaths in (1, 2):
        kill_in_a_run(bench)
        assert notes(bench) == {CAMPAIGN: f"first 0 {deaths}\n"}
        assert bench.results(folder) == {}
    finish(bench)
    results = bench.results(folder)
    assert {key: (result.status, result.reason) for key, result in results.items()} == {
        ("first", 0): (Status.CRASHED, REASON),
        ("first", 1): (Status.NOT_RUN, "not repeated: run 1 ended as crashed"),
        ("second", 0): (Status.OK, ""),
        ("second", 1): (Status.OK, ""),
    }
    assert bench.heartbeat(folder).state is AgentState.FINISHED
    assert notes(bench) == {}


def test_a_run_that_ends_well_the_second_time_is_as_good_as_any(bench: Bench, tiny_files: list[Path]) -> None:
    """Also when it is another run that the agent dies in next: each has two attempts of its own."""
    folder = bench.deliver(job(tiny_files, seconds=1), tiny_files)
    kill_in_a_run(bench)
    with agent(bench):
        first = find_worker(bench.work, "measure")
        find_worker(bench.work, "measure", beside=frozenset({first}))
        assert notes(bench) == {CAMPAIGN: "second 0 1\n"}
    finish(bench)
    results = bench.results(folder)
    assert len(results) == 4
    assert {result.status for result in results.values()} == {Status.OK}
    assert notes(bench) == {}


def test_to_be_killed_after_the_word_to_stop_is_no_death(bench: Bench, tiny_files: list[Path]) -> None:
    """As `docker stop` does it when a run takes longer than its grace; an earlier death is not forgotten."""
    folder = bench.deliver(job(tiny_files, seconds=3), tiny_files)
    for _ in range(3):
        kill_after_the_word_to_stop(bench)
        assert notes(bench) == {}
    kill_in_a_run(bench)
    kill_after_the_word_to_stop(bench)
    assert notes(bench) == {CAMPAIGN: "first 0 1\n"}
    finish(bench)
    assert {result.status for result in bench.results(folder).values()} == {Status.OK}


def test_notes_do_not_pile_up(bench: Bench, tiny_files: list[Path]) -> None:
    """A campaign that is gone from the server is not taken up again."""
    bench.deliver(job(tiny_files, seconds=0.01), tiny_files)
    (bench.work / "attempts").mkdir(parents=True)
    for name in ("gone", ".gone.x8f3", CAMPAIGN):
        (bench.work / "attempts" / name).write_text("not a note")
    finish(bench)
    assert notes(bench) == {}
