"""A real FTPS server on the loopback interface, and a real agent against it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.loop import work_through
from agent.models import ModelCache
from agent.stop import Stop
from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol.account import Account
from protocol.job import Job
from protocol.layout import CampaignFolder, model_folder, split_result_name
from protocol.machine import MachineDescription
from protocol.result import Result
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient

_PATIENCE_S = 60.0


@dataclass
class Bench:
    """One machine, `box`, its server, and the integrator's end of it."""

    operator: TransferClient
    account: Account
    work: Path

    def deliver(self, job: Job, *files: list[Path]) -> CampaignFolder:
        """Put models, given as the files of each in the order of the job, and the job on the server."""
        for model, paths in zip(job.models, files, strict=True):
            self.operator.make_folder(model_folder(model.sha256))
            for file, path in zip(model.files, paths, strict=True):
                self.operator.upload(path, model_folder(model.sha256) / file.name, sha256=file.sha256)
        folder = CampaignFolder(job.machine, job.campaign)
        self.operator.make_folder(folder.results)
        self.operator.write(folder.job, job.to_bytes())
        return folder

    def run_agent(self, *, meanwhile: Callable[[], None] | None = None) -> bool:
        """Let an agent work through its jobs in this process; whether it came to the end of them."""
        return self.end_of_agent(meanwhile=meanwhile) is AgentState.FINISHED

    def end_of_agent(
        self,
        *,
        meanwhile: Callable[[], None] | None = None,
        campaign: str | None = None,
        hand_over: bool = False,
    ) -> AgentState:
        """Let an agent work in this process; how it ended."""
        ended: list[AgentState | BaseException] = []
        models = ModelCache(self.work / "models")
        with Stop() as stop:

            def work() -> None:
                try:
                    ended.append(
                        work_through(
                            self.account,
                            work=self.work,
                            models=models,
                            stop=stop,
                            campaign=campaign,
                            hand_over=hand_over,
                        )
                    )
                except BaseException as error:  # handed to the test
                    ended.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            try:
                if meanwhile:
                    meanwhile()
            finally:
                thread.join(_PATIENCE_S)
                stop.set()
                thread.join(_PATIENCE_S)
        (outcome,) = ended
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def results(self, folder: CampaignFolder) -> dict[tuple[str, int], Result]:
        """What lies on the server."""
        found = {}
        for name in self.operator.list(folder.results):
            data = self.operator.read(folder.results / name, max_bytes=Result.max_bytes)
            key = split_result_name(name)
            assert key is not None
            found[key] = Result.from_gzip(data, source=name)
        return found

    def heartbeat(self, folder: CampaignFolder) -> Heartbeat:
        """The agent's last word."""
        return Heartbeat.from_bytes(self.operator.read(folder.status, max_bytes=1 << 20), source="status")

    def description(self, folder: CampaignFolder) -> MachineDescription:
        """What the agent says the machine is."""
        return MachineDescription.from_bytes(
            self.operator.read(folder.machine, max_bytes=1 << 20), source="m"
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose server stops with the test."""
    with (
        FtpServer(tmp_path / "server") as server,
        TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as operator,
    ):
        yield Bench(operator, server.add_account("box", Role.MACHINE), tmp_path / "work")


def find_worker(work: Path, phase: str, *, beside: frozenset[int] = frozenset()) -> int:
    """The process id of a run of the agent in `work` that is in `phase`; not one of `beside`."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        for process, folder in _workers(work):
            if process not in beside and _phase(folder) == phase:
                return process
        time.sleep(0.01)
    pytest.fail(f"no run entered the phase {phase}")


def workers(work: Path) -> set[int]:
    """The process ids of all runs of the agent in `work`."""
    return {process for process, _ in _workers(work)}


def _workers(work: Path) -> Iterator[tuple[int, Path]]:
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            folder = (entry / "cwd").readlink()
        except OSError:
            continue
        if "agent.worker" in words and folder.is_relative_to(work):
            yield int(entry.name), folder


def _phase(folder: Path) -> str | None:
    try:
        return (folder / "phase").read_text()
    except OSError:
        return None
