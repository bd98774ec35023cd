"""Tests that ask for a release of OpenVINO, and agents that have one or another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integrator.merge import merge
from integrator.schedule import schedule
from protocol.engine import openvino
from protocol.job import Job
from protocol.release import short_version
from protocol.result import Result, Status
from protocol.status import AgentState
from tests.integration.conftest import Bench
from tests.support import make_job, planned_test, reference

pytestmark = pytest.mark.engine

OLDEST = Path(__file__).parents[2] / ".venv-oldest/bin/python"
HERE = short_version(openvino.__version__)
RELEASE = ".".join(HERE.split(".")[:2])
ELSEWHERE = "2024.6"


def job_of(tiny_files: list[Path], *releases: str, runs: int = 2) -> Job:
    """A test for each release, named by it."""
    model = reference(tiny_files)
    names = {release: f"of-{release.replace('.', '-')}" for release in releases}
    tests = [planned_test(model, id=name, openvino=release) for release, name in names.items()]
    asked = {test.id: test.openvino for test in tests}
    return make_job([model], tests, schedule=schedule(asked, runs, 1))


def statuses(results: dict[tuple[str, int], Result]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (test, _), result in sorted(results.items()):
        found.setdefault(test, []).append(str(result.status))
    return found


def test_what_asks_for_the_release_that_is_here_is_measured(bench: Bench, tiny_files: list[Path]) -> None:
    job = job_of(tiny_files, RELEASE, HERE)
    folder = bench.deliver(job, tiny_files)
    assert bench.end_of_agent(hand_over=True) is AgentState.FINISHED
    results = bench.results(folder)
    assert {result.status for result in results.values()} == {Status.OK}
    table = merge([job], {"box": results.values()}, {})
    assert list(table["openvino"]) == [RELEASE, HERE]
    assert {short_version(version) for version in table["openvino_version"]} == {HERE}


def test_an_agent_that_stays_alone_says_what_it_does_not_have(bench: Bench, tiny_files: list[Path]) -> None:
    job = job_of(tiny_files, ELSEWHERE, RELEASE)
    folder = bench.deliver(job, tiny_files)
    assert bench.end_of_agent() is AgentState.FINISHED
    results = bench.results(folder)
    assert statuses(results) == {
        "of-2024-6": ["unsupported", "not_run"],
        f"of-{RELEASE.replace('.', '-')}": ["ok", "ok"],
    }
    reason = f"this machine's agent has OpenVINO {HERE}; the test asks for 2024.6"
    assert results["of-2024-6", 0].reason == reason
    row = merge([job], {"box": results.values()}, {}).iloc[0]
    assert (row["status"], row["reason"]) == ("unsupported", f"run 1 of 2: {reason}")


def test_no_model_is_fetched_for_another_release(bench: Bench, tiny_files: list[Path]) -> None:
    folder = bench.deliver(job_of(tiny_files, ELSEWHERE), tiny_files)
    assert bench.end_of_agent(hand_over=True) is AgentState.HANDED_OVER
    assert bench.end_of_agent() is AgentState.FINISHED
    assert statuses(bench.results(folder)) == {"of-2024-6": ["unsupported", "not_run"]}
    assert not (bench.work / "models").exists()


def test_one_campaigns_agent_lets_another_campaign_be(bench: Bench, tiny_files: list[Path]) -> None:
    mine = bench.deliver(job_of(tiny_files, "auto"), tiny_files)
    model = reference(tiny_files)
    other = bench.deliver(make_job([model], [planned_test(model)], campaign="another"), tiny_files)
    assert bench.end_of_agent(campaign=mine.root.name) is AgentState.FINISHED
    assert len(bench.results(mine)) == 2
    assert bench.results(other) == {}


class Agents:
    """`fleetmark-agent` of two releases, each from an interpreter that has it, on one work folder."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._hand_over = bench.work.with_name("account.json")
        bench.account.write(self._hand_over)

    def run(self, release: str, *options: str) -> tuple[int, str]:
        """Its exit code and its log."""
        python = {ELSEWHERE: str(OLDEST), RELEASE: sys.executable}[release]
        command = [python, "-m", "agent.cli", "--account", str(self._hand_over), *options]
        done = subprocess.run(
            [*command, "--work", str(self._bench.work), "--hand-over"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return done.returncode, done.stderr


@pytest.mark.parametrize("options", [["--once"], ["--every", "0.2"]], ids=["once", "polling"])
def test_two_agents_take_turns(bench: Bench, tiny_files: list[Path], options: list[str]) -> None:
    """Each release's agent is started when the heartbeat names it, until the job is finished."""
    if not OLDEST.exists():
        pytest.skip(f"{OLDEST} is missing; make oldest makes it")
    job = job_of(tiny_files, ELSEWHERE, RELEASE, runs=4)
    folder = bench.deliver(job, tiny_files)
    agents = Agents(bench)
    asked = {test.id: test.openvino for test in job.tests}
    order = [asked[entry.test] for entry in job.schedule]
    assert order == [order[0]] * 2 + [order[2]] * 4 + [order[0]] * 2
    assert order[0] != order[2]
    turns = [order[0], order[2], order[0]]
    for number, release in enumerate(turns):
        last = number == len(turns) - 1
        code, said = agents.run(release, *(["--once"] if last else options))
        assert code == 0, said
        heartbeat = bench.heartbeat(folder)
        state = (AgentState.FINISHED, "") if last else (AgentState.HANDED_OVER, turns[number + 1])
        assert (heartbeat.state, heartbeat.detail) == state
        assert short_version(heartbeat.openvino_version or "").startswith(release)
    results = bench.results(folder)
    assert {result.status for result in results.values()} == {Status.OK}
    for (test, _), result in results.items():
        assert short_version(result.openvino_version or "").startswith(asked[test])
    began = sorted(results, key=lambda key: results[key].started_at)
    assert began == [(entry.test, entry.run) for entry in job.schedule]


def test_an_agent_of_the_wrong_release_hands_over_at_once(bench: Bench, tiny_files: list[Path]) -> None:
    folder = bench.deliver(job_of(tiny_files, ELSEWHERE), tiny_files)
    code, said = Agents(bench).run(RELEASE, "--once")
    assert code == 0, said
    heartbeat = bench.heartbeat(folder)
    assert (heartbeat.state, heartbeat.detail, heartbeat.done) == (AgentState.HANDED_OVER, ELSEWHERE, 0)
