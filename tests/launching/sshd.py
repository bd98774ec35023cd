"""A real sshd on the loopback interface, with keys and a home of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integrator.config.docker_start import DockerStart
from integrator.launch.known_hosts import host_name
from integrator.launch.logins import Passwords
from integrator.launch.ssh import Ssh

__all__ = ["Sshd", "free_port", "make_key", "run_sshd"]

_PATIENCE_S = 20.0
_PROGRAM = shutil.which("sshd") or "/usr/sbin/sshd"
_SFTP = "/usr/lib/openssh/sftp-server"


@dataclass
class Sshd:
    """A server that runs; commands and files are in `home`."""

    folder: Path
    port: int
    user: str
    process: subprocess.Popen[bytes]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        """A key that is let in."""
        return self.folder / "client"

    def host_key(self, kind: str = "ed25519") -> str:
        """The public part: its kind, and base64."""
        return " ".join((self.folder / f"host_{kind}.pub").read_text().split()[:2])

    def know(self, kind: str = "ed25519", *, port: int = 0, host: str = "127.0.0.1") -> None:
        """Believe the host's key."""
        with self.known_hosts.open("a") as file:
            file.write(f"{host_name(host, port or self.port)} {self.host_key(kind)}\n")

    def start(
        self, *, port: int = 0, host: str = "127.0.0.1", socket_path: str = "", **more: Any
    ) -> DockerStart:
        """As lab.yaml would have it."""
        login: dict[str, Any] = {"key_file": self.key, "known_hosts": self.known_hosts}
        address = f"ssh://{self.user}@{host}:{port or self.port}{socket_path}"
        return DockerStart(**{"host": address, **login, **more})

    @contextlib.contextmanager
    def connection(self, **settings: Any) -> Iterator[Ssh]:
        """A connection to it, and its end."""
        ssh = Ssh(self.start(**settings), Passwords())
        try:
            yield ssh
        finally:
            ssh.close()

    def sessions(self) -> list[int]:
        """The processes of logins that are open."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == self.process.pid:
                    found.append(int(entry.name))
        return found


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    """A key pair."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path), "-C", "a test"]
    subprocess.run(command, check=True)
    return path


@contextlib.contextmanager
def run_sshd(folder: Path, *, path: str = "", run_as: int | None = None) -> Iterator[Sshd]:
    """Start a server in a folder; commands find programs in `path` and are run by the user `run_as`."""
    if not Path(_PROGRAM).exists():
        pytest.skip("sshd is not installed; on Debian: apt install openssh-server")
    (folder / "home").mkdir(parents=True)
    make_key(folder / "client")
    shutil.copy(folder / "client.pub", folder / "authorized")
    (folder / "authorized").chmod(0o600)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    by = f"setpriv --reuid {run_as} --clear-groups " if run_as is not None else ""
    command = folder / "command"
    command.write_text(
        f"#!/bin/sh\n{f'export PATH={path}' if path else ''}\ncd {folder}/home\n"
        f'exec {by}/bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    command.chmod(0o755)
    keys = [f"HostKey {make_key(folder / f'host_{kind}', kind)}" for kind in ("ed25519", "rsa")]
    config = folder / "config"
    config.write_text(
        "\n".join(
            [
                *keys,
                f"ListenAddress 127.0.0.1:{port}",
                f"AuthorizedKeysFile {folder}/authorized",
                "StrictModes no",
                "UsePAM no",
                "PidFile none",
                "PasswordAuthentication no",
                "PermitRootLogin yes",
                f"ForceCommand {command}",
                f"Subsystem sftp {_SFTP}",
                "",
            ]
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([_PROGRAM, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
    try:
        _wait_until_it_listens(port, process, folder / "log")
        yield Sshd(folder, port, pwd.getpwuid(os.geteuid()).pw_name, process)
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    pytest.fail(f"sshd does not listen: {log.read_text()[-500:]}")
