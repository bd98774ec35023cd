"""The lab's own FTP server in its container, with accounts that are made as an operator makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agent.lease import newest_term
from tests.lab.box import wait_until
from tests.lab.docker_cli import docker, docker_ok, lines_of
from tests.lab.network import LabNetwork
from tests.lab.owner import LABEL

__all__ = ["LabServer"]

_ROOT = "/var/lib/fleetmark"


@dataclass(frozen=True, slots=True)
class LabServer:
    """`fleetmark-ftp` from its image, at a fixed address, its folder on a volume."""

    container: str
    owner: str
    integrator_image: str
    _made: set[str] = field(default_factory=set)

    @classmethod
    def start(
        cls, *, image: str, integrator_image: str, prefix: str, network: LabNetwork, owner: str
    ) -> LabServer:
        """Start it, and wait until it is well."""
        server = cls(f"{prefix}-ftp", owner, integrator_image)
        docker("volume", "create", "--label", f"{LABEL}={owner}", server.container)
        docker(
            *("run", "-d", "--name", server.container, "--label", f"{LABEL}={owner}"),
            *("--network", network.name, "--ip", network.server, "-v", f"{server.container}:{_ROOT}"),
            *(image, "serve", "--root", _ROOT, "--host", "0.0.0.0", "--advertise", network.server),
            *("--passive-ports", "30000-30099"),
        )
        server.is_well()
        return server

    def is_well(self) -> None:
        """Wait until the image's own check says so."""
        check = ("exec", self.container, "fleetmark-ftp", "check", "--root", _ROOT)
        wait_until(lambda: docker_ok(*check), "the FTP server is not well")

    def account(self, name: str, file: Path, *, integrator: bool = False) -> None:
        """Make an account, or give it a new password; its hand-over file is `file`."""
        known = name in self._made
        kind = ["--integrator"] if integrator and not known else []
        inside = f"{_ROOT}/{file.name}"
        docker(
            *(
                "run",
                "--rm",
                "--network",
                "none",
                "--label",
                f"{LABEL}={self.owner}",
                "-v",
                f"{self.container}:{_ROOT}",
            ),
            *(
                self.integrator_image,
                "machine",
                "rotate" if known else "add",
                name,
                "--server-root",
                _ROOT,
                "--out",
                inside,
            ),
            *kind,
        )
        self._made.add(name)
        docker("cp", "-q", f"{self.container}:{inside}", str(file))
        docker("exec", self.container, "rm", inside)
        file.chmod(0o600)

    def restart(self) -> None:
        """As a crash of its machine would: killed, and started again after a moment."""
        docker("kill", self.container)
        docker("start", self.container)
        self.is_well()

    def results(self, machine: str, campaign: str) -> list[str]:
        """The names of the results that lie on it."""
        find = (
            f"find {_ROOT}/files/machines/{machine}/{campaign}/results -name '*.json.gz' 2>/dev/null || true"
        )
        return [Path(line).name for line in lines_of(docker("exec", self.container, "sh", "-c", find))]

    def terms(self, machine: str) -> int:
        """How often the machine was taken by an agent: the newest term of its lease."""
        names = lines_of(docker("exec", self.container, "ls", f"{_ROOT}/files/machines/{machine}"))
        return newest_term(list(names))
