"""An agent that somebody else starts: the compose file and the unit of examples/waiting, as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.launch.interface import Order, Presence
from integrator.launch.waiting import WaitingLauncher
from protocol.transfer import TransferClient
from tests.integration.conftest import Bench
from tests.integration.proxy import wait_for
from tests.lab.base import PREFIX, Images
from tests.support import make_job, planned_test, reference

FOLDER = Path(__file__).parents[2] / "examples/waiting"
_PATIENCE_S = 120.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with (
        FtpServer(tmp_path / "server") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as operator,
    ):
        yield Bench(operator, server.add_account("box", Role.MACHINE), tmp_path / "work")


def test_the_commands_of_the_compose_file(
    bench: Bench, images: Images, tiny_files: list[Path], tmp_path: Path
) -> None:
    """As its own comment says, line by line; with another name, so that a real one is left alone."""
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed")
    shutil.copy(FOLDER / "docker-compose.yml", tmp_path)
    bench.account.write(tmp_path / "box.account.json")
    comment = re.findall(
        r"^#   (.*?)(?: {4,}\(or.*)?$", (FOLDER / "docker-compose.yml").read_text(), re.MULTILINE
    )
    name = f"fleetmark-test-{uuid.uuid4().hex[:8]}"
    script = "\n".join(comment).replace("fleetmark-agent:/", f"{name}:/")
    environment = {
        **os.environ,
        "FLEETMARK_PREFIX": PREFIX,
        "OPENVINO": images.agent.rpartition(":")[2],
        "FLEETMARK_AGENT": name,
        "COMPOSE_PROJECT_NAME": name,
    }

    def run(text: str) -> None:
        subprocess.run(["sh", "-euc", text], check=True, cwd=tmp_path, env=environment, capture_output=True)

    model = reference(tiny_files)
    folder = bench.deliver(make_job([model], [planned_test(model)]), tiny_files)
    try:
        run(script)
        assert wait_for(lambda: len(bench.results(folder)) == 2, _PATIENCE_S)
    finally:
        run("docker-compose down --volumes --timeout 30")


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    text = (FOLDER / "fleetmark-agent.service").read_text()
    # What it starts has to be there, and its user known.
    text = text.replace("/opt/fleetmark/.venv/bin/fleetmark-agent", "/bin/true").replace(
        "User=fleetmark", "User=root"
    )
    unit = tmp_path / "fleetmark-agent.service"
    unit.write_text(text)
    done = subprocess.run([analyze, "verify", str(unit)], check=False, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "fleetmark-agent" in line] == []
    assert "KillMode=mixed\n" in text


def test_there_is_nothing_to_start_or_to_end() -> None:
    launcher = WaitingLauncher()
    launcher.start(Order("box", "c-1", None))
    launcher.ask_to_stop()
    launcher.remove()
    assert launcher.status().state is Presence.ELSEWHERE
    assert launcher.wait(0.01).state is Presence.ELSEWHERE
    assert launcher.logs() == ""
    ended = threading.Thread(target=launcher.wait, args=(600.0,))
    ended.start()
    launcher.close()
    ended.join(30)
    assert not ended.is_alive()
