"""The agent as process 1 of a PID namespace, as it is in a container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol.job import Measure
from protocol.status import AgentState
from tests.integration.conftest import Bench, find_worker, workers
from tests.integration.proxy import wait_for
from tests.support import make_job, planned_test, reference

pytestmark = pytest.mark.engine

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@contextmanager
def process_1(bench: Bench, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`fleetmark-agent` in a namespace of its own: what started it, and its id as seen from here."""
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no PID namespace can be made here")
    hand_over = bench.work.with_name("account.json")
    bench.account.write(hand_over)
    command = [sys.executable, "-m", "agent.cli", "--account", str(hand_over), "--work", str(bench.work)]
    with subprocess.Popen([*NAMESPACE, *command, *options], stderr=subprocess.DEVNULL) as starter:
        try:
            assert wait_for(lambda: bool(children(starter.pid)))
            (agent,) = children(starter.pid)
            assert wait_for((bench.work / "alive").exists)
            yield starter, agent
        finally:
            starter.kill()


def children(parent: int) -> dict[int, str]:
    """The children of a process and their states."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found[int(entry.name)] = fields[0]
    return found


def leave_an_orphan(agent: int, lives_s: float) -> int:
    """Somebody starts a process in the agent's namespace, as `docker exec` does, and leaves; its id."""
    enter = ["nsenter", "--target", str(agent), "--pid", "sh", "-c", f"sleep {lives_s} >/dev/null 2>&1 &"]
    before = set(children(agent))
    subprocess.run(enter, check=True, capture_output=True)
    (orphan,) = set(children(agent)) - before
    return orphan


def test_it_reaps_the_orphans_of_others_and_lets_the_living_be(bench: Bench) -> None:
    with process_1(bench, "--every", "0.2") as (starter, agent):
        lives = leave_an_orphan(agent, 600)
        ends = leave_an_orphan(agent, 0.5)
        assert wait_for(lambda: ends not in children(agent))
        assert children(agent) == {lives: "S"}
        os.kill(agent, signal.SIGTERM)
        assert starter.wait(30) == 130


def test_it_is_told_to_stop_in_two_steps(bench: Bench, tiny_files: list[Path]) -> None:
    model = reference(tiny_files)
    measure = Measure(duration_s=60, interval_target=None, min_iterations=1, warmup_s=0)
    job = make_job([model], [planned_test(model)], measure=measure)
    folder = bench.deliver(job, tiny_files)
    with process_1(bench, "--once") as (starter, agent):
        find_worker(bench.work, "measure")
        ended = leave_an_orphan(agent, 0.1)
        os.kill(agent, signal.SIGTERM)
        assert wait_for(lambda: children(agent).get(ended) == "Z")
        assert starter.poll() is None  # the run goes on
        assert len(workers(bench.work)) == 1
        os.kill(agent, signal.SIGTERM)
        assert starter.wait(30) == 130
    assert bench.heartbeat(folder).state is AgentState.STOPPED
    assert workers(bench.work) == set()
