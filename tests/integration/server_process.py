"""The FTP server as its own program, which can be killed and started again."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pydantic import SecretStr

from ftp_server.account_file import AccountFile
from ftp_server.permissions import Role
from ftp_server.private_folder import PrivateFolder
from protocol.account import Account

__all__ = ["ServerProcess", "files", "free_ports", "unfinished"]

_START_S = 30.0
_PASSIVE_PORTS = 24


class ServerProcess:
    """`fleetmark-ftp serve` on a folder, always on the same ports of 127.0.0.1.

    Clients are told 127.0.0.2, where `proxy.Proxy` passes on the same ports: the real client and the real
    server meet without knowing of it.
    """

    def __init__(self, root: Path, *, advertise: str = "127.0.0.2") -> None:
        self._root = root
        self._folder = PrivateFolder(root)
        self._advertise = advertise
        first = free_ports(_PASSIVE_PORTS + 1)
        self.port = first
        self.passive_ports = range(first + 1, first + 1 + _PASSIVE_PORTS)
        self.log = root.with_name(f"{root.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ports(self) -> list[int]:
        """All that it may listen on."""
        return [self.port, *self.passive_ports]

    @property
    def files(self) -> Path:
        """The folder that clients see as /."""
        return self._folder.files

    def start(self) -> None:
        """Start, and come back when it answers."""
        command = [str(Path(sys.executable).with_name("fleetmark-ftp")), "serve", "--root", str(self._root)]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--advertise", self._advertise]
        command += ["--max-connections-per-address", "0"]  # a stalled connection lasts until it is idle
        command += ["--passive-ports", f"{self.passive_ports[0]}-{self.passive_ports[-1]}"]
        if os.geteuid() == 0:
            command += ["--user", "root"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + _START_S
        while not self._greets():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.02)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=_START_S) as client:
                return client.recv(3) == b"220"
        except ConnectionError:
            return False

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as a service manager does; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(_START_S)
        self._process = None
        return code

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def account(self, name: str) -> Account:
        """Make an account: its hand-over file."""
        return self._change(name, "add")

    def rotate(self, name: str) -> Account:
        """Give an account another password."""
        return self._change(name, "rotate")

    def hand_over(self, account: Account) -> Account:
        """The account with the certificate that the server has now."""
        return account.model_copy(update={"ca_certificate": self._folder.endpoint().ca_certificate})

    def replace_authority(self) -> None:
        """Forget the authority; the next start makes another one."""
        self._folder.authority.unlink()

    def _change(self, name: str, what: str) -> Account:
        passwords: list[str] = []
        accounts = AccountFile(self._folder.accounts)
        if what == "rotate":
            accounts.rotate(name, passwords.append)
        else:
            role = Role.INTEGRATOR if name == "integrator" else Role.MACHINE
            accounts.add(name, role, passwords.append)
        endpoint = self._folder.endpoint()
        return Account(
            host=endpoint.host,
            port=endpoint.port,
            user=name,
            password=SecretStr(passwords[0]),
            ca_certificate=endpoint.ca_certificate,
        )

    def disk(self, path: PurePosixPath) -> Path:
        """Where a path of clients is on disk."""
        return self.files / path.relative_to("/")

    def put(self, path: PurePosixPath, data: bytes = b"") -> None:
        """Write a file behind the server's back."""
        self.disk(path).parent.mkdir(parents=True, exist_ok=True)
        self.disk(path).write_bytes(data)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free on both addresses; systems give out higher ones."""
    while True:
        first = random.randrange(11_000, 30_000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    for host in ("127.0.0.1", "127.0.0.2"):
        try:
            socket.create_server((host, port)).close()
        except OSError:
            return False
    return True


def files(folder: Path) -> list[str]:
    """All files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def unfinished(folders: Iterable[Path]) -> list[Path]:
    """Temporary files: of uploads, of downloads, of what is written at once, of runs."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if re.search(r"\.part-|^\.|^tmp", path.name) or path.parent.name == "scratch"
    ]
