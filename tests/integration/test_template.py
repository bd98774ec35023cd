"""The process that runs are forked from."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.execute import Ending, execute
from agent.outcome import judge
from agent.stop import Stop
from agent.template import Template
from agent.worker.spec import InputSpec, RunSpec
from protocol.result import Status
from tests.integration.conftest import find_worker, workers

pytestmark = pytest.mark.engine

Run = Callable[..., Ending]


@pytest.fixture
def template() -> Iterator[Template]:
    """A template that ends with the test."""
    with Template() as forks:
        yield forks


@pytest.fixture
def run(tiny_files: list[Path], tmp_path: Path, template: Template) -> Run:
    """Carries out a short run of the tiny model from the one template."""
    numbers = iter(range(1000))

    def carry_out(*, duration_s: float = 0.01, timeout_s: float = 60, memory_mb: int | None = None) -> Ending:
        folder = tmp_path / f"run {next(numbers)}"
        folder.mkdir()
        spec = RunSpec(
            model=str(tiny_files[0]),
            inputs=(InputSpec("image", (1, 3, 32, 32), "f32", 0.0, 1.0),),
            device="CPU",
            scenario="sync",
            hint="latency",
            streams=None,
            threads=None,
            requests=None,
            duration_s=duration_s,
            min_iterations=1,
            max_iterations=10_000_000,
            warmup_s=0.0,
            memory_mb=memory_mb,
            seed=1,
        )
        with Stop() as stop:
            return execute(spec, folder, timeout_s=timeout_s, stop=stop, template=template)

    return carry_out


def status(ending: Ending) -> Status:
    return judge(ending, timeout_s=1).status


def kill_when_measuring(work: Path, number: signal.Signals) -> threading.Thread:
    def kill() -> None:
        os.kill(find_worker(work, "measure"), number)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_one_run_after_another_each_in_a_process_of_its_own(run: Run) -> None:
    assert [status(run()) for _ in range(12)] == [Status.OK] * 12  # more than one template forks


def test_what_a_run_is_limited_to_does_not_reach_the_next(run: Run) -> None:
    assert status(run(memory_mb=64)) is not Status.OK
    assert status(run()) is Status.OK


def test_a_killed_run_leaves_the_template(run: Run, tmp_path: Path) -> None:
    thread = kill_when_measuring(tmp_path, signal.SIGSEGV)
    ending = run(duration_s=60)
    thread.join()
    assert ending.exit_code == -signal.SIGSEGV
    assert status(run()) is Status.OK


def test_a_run_that_ignores_sigterm_ends_in_time(run: Run, tmp_path: Path) -> None:
    began = time.monotonic()
    ending = run(duration_s=60, timeout_s=1)
    assert ending.timed_out
    assert time.monotonic() - began < 30
    assert workers(tmp_path) == set()


def test_a_killed_template_takes_its_run_with_it_and_is_replaced(run: Run, tmp_path: Path) -> None:
    def kill() -> None:
        process = find_worker(tmp_path, "measure")
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        os.kill(int(fields[1]), signal.SIGKILL)  # its parent

    thread = threading.Thread(target=kill)
    thread.start()
    ending = run(duration_s=60)
    thread.join()
    assert ending.exit_code == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while workers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers(tmp_path) == set()
    assert status(run()) is Status.OK


def test_runs_lie_at_different_places_in_memory(run: Run, tmp_path: Path) -> None:
    """Otherwise an unlucky placement would be every run's, and the interval between runs too narrow."""
    places = []

    def look() -> None:
        maps = Path(f"/proc/{find_worker(tmp_path, 'measure')}/maps").read_text()
        places.append(next(line for line in maps.splitlines() if "intel_cpu_plugin" in line).split("-")[0])

    for _ in range(3):
        thread = threading.Thread(target=look)
        thread.start()
        run(duration_s=0.5)
        thread.join()
    assert len(set(places)) > 1
