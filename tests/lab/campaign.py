"""Campaigns in the lab: the two files as a user writes them, and the command line as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.base import PREFIX
from tests.lab.box import Box, wait_until
from tests.lab.docker_cli import DockerError
from tests.lab.lab import TestLab
from tests.lab.server import LabServer

__all__ = ["Campaign", "Conductor", "fleetmark"]

AGENT_IMAGE = f"{PREFIX}fleetmark-agent:{{openvino}}"
_END_S = 240.0
_PATIENCE_S = 120.0


class Campaign:
    """The two files of a campaign in a folder, and what comes of them."""

    def __init__(self, lab: TestLab, folder: Path, model: Sequence[Path], **changes: Any) -> None:
        """Write campaign.yaml: one tiny model, `changes` on top.

        Args:
            lab: Where it is to run.
            folder: For everything of it.
            model: The files of the model, as IR.
            changes: Keys of campaign.yaml.
        """
        self._lab = lab
        self._folder = folder
        self.out = folder / "out"
        self.lab_file = folder / "lab.yaml"
        self.file = folder / "campaign.yaml"
        self._server: LabServer | None = None
        self._server_key: dict[str, Any] = {}
        self._machines: list[dict[str, Any]] = []
        content: dict[str, Any] = {
            "schema_version": 1,
            "name": "lab",
            "title": "A campaign in the test lab",
            "models": [{"name": "tiny", "path": str(model[0])}],
            "matrix": {"scenarios": ["sync", "async"]},
            "runs": 3,
            "measure": {"duration_s": 0.3, "warmup_s": 0.05},
            "limits": {"run_timeout_s": 20},
        }
        self.file.write_text(json.dumps(content | changes))

    def serve_here(self, port: int) -> None:
        """The server is inside the integrator, on this machine's address in the lab."""
        here = self._lab.network.here
        self._server_key = {"listen": here, "port": port, "advertise": here}

    def serve_there(self, server: LabServer) -> None:
        """The server is the lab's own."""
        self._server = server
        account = self._folder / "integrator.account.json"
        server.account("integrator", account, integrator=True)
        self._server_key = {"account": str(account)}

    def add(self, box: Box, *, name: str = "", **changes: Any) -> str:
        """Take a box into lab.yaml; the name of the machine."""
        machine = name or box.name
        start = {
            "host": self._lab.url(box),
            "key_file": str(self._lab.key_file),
            "known_hosts": str(self._lab.known_hosts),
            "image": AGENT_IMAGE,
        }
        entry: dict[str, Any] = {"name": machine, "start": {"docker": start | changes}}
        if self._server is not None:
            account = self._folder / f"{machine}.account.json"
            self._server.account(machine, account)
            entry["account"] = str(account)
        self._machines.append(entry)
        content = {
            "schema_version": 1,
            "name": "test-lab",
            "server": self._server_key,
            "machines": self._machines,
        }
        self.lab_file.write_text(json.dumps(content))
        return machine

    def start(self, *words: str) -> Conductor:
        """`fleetmark run` with both files."""
        files = ("--lab", str(self.lab_file), "--campaign", str(self.file), "--out", str(self.out))
        return Conductor(self, "run", *files, *words)

    def resume(self, *words: str) -> Conductor:
        """`fleetmark run --resume`."""
        return Conductor(self, "run", "--resume", str(self.out), *words)

    def results(self, machine: str) -> list[str]:
        """The names of a machine's results that are on the server by now."""
        if self._server is not None:
            job = self.out / "jobs" / f"{machine}.json"
            if not job.exists():
                return []
            return self._server.results(machine, json.loads(job.read_text())["campaign"])
        folder = self.out / ".work" / "server"
        return [file.name for file in folder.glob(f"**/machines/{machine}/*/results/*.json.gz")]

    def results_now(self) -> dict[tuple[str, str], bytes]:
        """Machine, name and content of every result on the server inside the integrator."""
        folder = self.out / ".work" / "server"
        found = folder.glob("**/machines/*/*/results/*.json.gz")
        return {(file.parents[2].name, file.name): file.read_bytes() for file in found}


class Conductor:
    """`fleetmark` as a process."""

    def __init__(self, campaign: Campaign, *words: str) -> None:
        self._campaign = campaign
        number = len(list(campaign.out.parent.glob("conductor-*.log")))
        self.log = campaign.out.parent / f"conductor-{number}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                _command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def said(self) -> str:
        """Everything it printed so far."""
        return self.log.read_text(errors="replace")

    def until_results(self, machine: str, count: int) -> None:
        """Wait until so many results of a machine are on the server."""

        def enough() -> bool:
            if self._process.poll() is not None:
                raise DockerError(f"fleetmark has left with {self._process.returncode}:\n{self.said}")
            return len(self._campaign.results(machine)) >= count

        wait_until(enough, f"{count} results of {machine} did not come", within_s=_PATIENCE_S)

    def wait(self, timeout_s: float = _END_S) -> int:
        """Its exit code. Whatever happens is said in words, and never with a traceback."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DockerError(f"fleetmark did not end within {timeout_s:g} s:\n{self.said}") from None
        assert "Traceback" not in self.said, self.said
        return code

    def until_said(self, words: str) -> None:
        """Wait until it has printed this."""
        wait_until(lambda: words in self.said, f"it did not say {words!r}", within_s=_PATIENCE_S)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(_PATIENCE_S)


def fleetmark(*words: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself; it has to end well."""
    done = subprocess.run(_command(*words), check=False, capture_output=True, text=True, timeout=_END_S)
    assert done.returncode == 0, done.stderr
    return done


def _command(*words: str) -> list[str]:
    """`fleetmark` of this environment."""
    return [str(Path(sys.executable).with_name("fleetmark")), *words]
