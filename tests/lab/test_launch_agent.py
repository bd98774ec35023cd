"""The real agent's image on this machine's engine: it pulls its job from a real FTP server, and pushes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.config.docker_start import DockerStart
from integrator.launch.container import DockerLauncher
from integrator.launch.engine import Engine
from integrator.launch.interface import Order, Presence
from protocol.errors import EXIT_INTERRUPTED
from protocol.job import Measure
from protocol.layout import CampaignFolder
from protocol.result import Status
from protocol.status import AgentState
from protocol.transfer import TransferClient
from tests.integration.conftest import Bench
from tests.integration.proxy import wait_for
from tests.lab.base import Images
from tests.lab.docker_cli import docker, docker_ok
from tests.support import CAMPAIGN, make_job, planned_test, reference

_PATIENCE_S = 120.0


@pytest.fixture
def machine(engine: None) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    docker_ok("rm", "-f", f"fleetmark-agent-{name}")
    docker_ok("volume", "rm", f"fleetmark-{name}")


@pytest.fixture
def bench(tmp_path: Path, machine: str) -> Iterator[Bench]:
    with (
        FtpServer(tmp_path / "server") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as operator,
    ):
        yield Bench(operator, server.add_account(machine, Role.MACHINE), tmp_path / "work")


@pytest.fixture
def launcher(machine: str, images: Images) -> Iterator[DockerLauncher]:
    start = DockerStart(image=images.agent)
    launcher = DockerLauncher(machine, start, Engine(start), default_openvino="2026.4")
    yield launcher
    launcher.close()


def deliver(bench: Bench, machine: str, files: list[Path], *, runs: int, seconds: float) -> CampaignFolder:
    model = reference(files)
    tests = [planned_test(model), planned_test(model, scenario="async")]
    measure = Measure(duration_s=seconds, min_iterations=20, warmup_s=0.01, interval_target=None)
    return bench.deliver(make_job([model], tests, runs=runs, machine=machine, measure=measure), files)


def test_an_agent_in_a_container_carries_out_its_job(
    bench: Bench, machine: str, launcher: DockerLauncher, tiny_files: list[Path]
) -> None:
    folder = deliver(bench, machine, tiny_files, runs=2, seconds=0.1)
    launcher.start(Order(machine, CAMPAIGN, bench.account))
    status = launcher.wait(_PATIENCE_S)
    assert (status.state, status.exit_code) == (Presence.EXITED, 0), launcher.logs(50)
    results = bench.results(folder)
    assert len(results) == 4
    assert {(result.status, result.reason) for result in results.values()} == {(Status.OK, "")}
    assert bench.heartbeat(folder).state is AgentState.FINISHED
    description = bench.description(folder)
    assert description.configuration is not None
    # Where it works, nobody else reads; and the password is nowhere but there.
    password = bench.account.password.get_secret_value()
    assert password not in docker("inspect", f"fleetmark-agent-{machine}")
    assert password not in launcher.logs(1000)


def test_asked_to_stop_it_finishes_its_run_and_goes_on_after_the_next_start(
    bench: Bench, machine: str, launcher: DockerLauncher, tiny_files: list[Path]
) -> None:
    folder = deliver(bench, machine, tiny_files, runs=3, seconds=1.0)
    launcher.start(Order(machine, CAMPAIGN, bench.account))
    assert wait_for(lambda: len(bench.results(folder)) >= 1, _PATIENCE_S)
    launcher.ask_to_stop()
    assert launcher.wait(_PATIENCE_S).exit_code == EXIT_INTERRUPTED
    before = bench.results(folder)
    assert 1 <= len(before) < 6
    assert {result.status for result in before.values()} == {Status.OK}
    launcher.start(Order(machine, CAMPAIGN, bench.account, number=2))
    assert launcher.wait(_PATIENCE_S).exit_code == 0
    after = bench.results(folder)
    assert len(after) == 6
    assert all(after[key] == before[key] for key in before)  # nothing was measured again
    launcher.remove()
    assert launcher.status().state is Presence.ABSENT
