"""A real sshd on the loopback interface, for the user who runs the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class OpenSsh:
    """Where it listens, and what a client has to know."""

    port: int
    key_file: Path
    known_hosts: Path

    @property
    def user(self) -> str:
        return pwd.getpwuid(os.geteuid()).pw_name

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    def start(self, **more: str) -> dict[str, str]:
        """The mapping `docker` of lab.yaml for a machine behind it."""
        return {
            "host": f"{self.url}/nowhere/docker.sock",
            "key_file": str(self.key_file),
            "known_hosts": str(self.known_hosts),
            **more,
        }


@contextmanager
def openssh(folder: Path, *lines: str) -> Iterator[OpenSsh]:
    """Run sshd with a host key of its own; `lines` are added to its configuration."""
    assert SSHD, "sshd is not installed (apt install openssh-server)"
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host_key", "id_ed25519"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True
        )
    shutil.copy(folder / "id_ed25519.pub", folder / "authorized_keys")
    port = free_port()
    configuration = folder / "sshd_config"
    configuration.write_text(
        "\n".join(
            [
                *lines,
                f"Port {port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {folder / 'host_key'}",
                f"AuthorizedKeysFile {folder / 'authorized_keys'}",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "UsePAM no",
                "StrictModes no",
                "PidFile none",
                "MaxStartups 200:30:400",
                "PermitRootLogin prohibit-password",
                *([] if any("Subsystem" in line for line in lines) else ["Subsystem sftp internal-sftp"]),
                "",
            ]
        )
    )
    key = (folder / "host_key.pub").read_text().rpartition(" ")[0]
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {key}\n")
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(configuration)], stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "sshd.log")
        yield OpenSsh(port, folder / "id_ed25519", known_hosts)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return
