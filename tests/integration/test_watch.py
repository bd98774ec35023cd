"""Watching a machine on a real server."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.standing import MachineState
from integrator.watch import Watch
from protocol.job import ModelFile, ModelRef
from protocol.layout import CampaignFolder
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient
from tests.support import CAMPAIGN, make_job, planned_test

FILE = ModelFile(name="tiny.onnx", size=1, sha256="a" * 64)
MODEL = ModelRef(name="tiny", precision="FP32", sha256="a" * 64, entry="tiny.onnx", files=(FILE,))


def test_a_machine_is_waiting_running_silent_and_finished(tmp_path: Path) -> None:
    """The agent's clock is a day ahead; only the server's counts."""
    job = make_job([MODEL], [planned_test(MODEL)])
    folder = CampaignFolder("box", CAMPAIGN)
    ahead = datetime.now(UTC) + timedelta(days=1)

    def heartbeat(state: AgentState, done: int) -> bytes:
        return Heartbeat(
            campaign=CAMPAIGN,
            machine="box",
            state=state,
            done=done,
            total=2,
            updated_at=ahead,
            silent_until=ahead + timedelta(seconds=300),
            fleetmark_version="1",
        ).to_bytes()

    with (
        FtpServer(tmp_path / "server") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as client,
    ):
        watch = Watch(job, client)
        assert watch.listen() is None
        assert watch.standing().state is MachineState.WAITING
        client.make_folder(folder.root)
        client.write(folder.status, heartbeat(AgentState.RUNNING, 0))
        assert watch.listen()
        assert str(watch.standing()) == "running 0 of 2"

        client.write(folder.status, heartbeat(AgentState.RUNNING, 1))
        status = tmp_path / "server" / folder.status.relative_to("/")
        then = status.stat().st_mtime - 400
        os.utime(status, (then, then))
        assert watch.listen()
        assert watch.standing().state is MachineState.SILENT

        client.write(folder.status, heartbeat(AgentState.FINISHED, 2))
        assert watch.listen()
        assert str(watch.standing()) == "finished, 2 runs"
