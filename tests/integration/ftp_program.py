"""`fleetmark-ftp` as a process, and clients from several addresses of this computer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from integrator.commands import machine as commands
from protocol.account import Account
from protocol.deadline import Deadline
from protocol.ftp_connection import FtpConnection, trust

PATIENCE_S = 30.0
AS_NOBODY = ("--user", "nobody") if os.geteuid() == 0 else ()
FTP = Path(sys.executable).with_name("fleetmark-ftp")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that another user can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="fleetmark-test-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


class Program:
    """One server process and what lies in its folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.log = folder / "log"
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, port: int = 0) -> None:
        """Start it and wait until it listens."""
        before = len(self.said())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    FTP,
                    "serve",
                    "--root",
                    self.root,
                    "--port",
                    str(port),
                    *AS_NOBODY,
                    *self._options,
                    *options,
                ],
                stderr=log,
                cwd="/",
            )
        end = time.monotonic() + PATIENCE_S
        while "listening on" not in self.said()[before:]:
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the server did not start:\n{self.said()}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()

    def said(self) -> str:
        """The log."""
        return self.log.read_text() if self.log.exists() else ""

    def endpoint(self) -> dict[str, Any]:
        """server.json."""
        found: dict[str, Any] = json.loads((self.root / "private/server.json").read_text())
        return found

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        endpoint = self.endpoint()
        return endpoint["listens_on"], endpoint["port"]

    def add(self, name: str, *, integrator: bool = False) -> Account:
        """Make an account as `fleetmark machine add` does; what was handed over."""
        out = self.folder / f"{name}.account.json"
        commands.add(name, self.root, out, force=False, integrator=integrator)
        return Account.read(out)

    def disk(self, path: str) -> Path:
        """A path of the server, on disk."""
        return self.root / "files" / path.removeprefix("/")

    def campaign(self, machine: str) -> str:
        """Make the folder of a campaign, as the integrator does; where results go."""
        results = f"/machines/{machine}/camp/results"
        folder = self.disk(results)
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            owner = self.root.stat()
            for each in (folder, *folder.parents[:2]):
                os.chown(each, owner.st_uid, owner.st_gid)
        return results


@contextmanager
def running(*options: str) -> Iterator[Program]:
    """A server in a folder of its own, stopped in the end."""
    with open_folder() as folder:
        program = Program(folder, *options)
        try:
            program.start()
            yield program
        finally:
            if program.process is not None:
                program.process.kill()
                program.process.wait()


@contextmanager
def logged_in(account: Account, *, address: str = "127.0.0.1", **context: Any) -> Iterator[FtpConnection]:
    """A client at an address of the loopback network, with some settings of its TLS context changed."""
    settings = trust(account)
    for name, value in context.items():
        setattr(settings, name, value)
    client = FtpConnection(settings, timeout_s=PATIENCE_S, deadline=Deadline(PATIENCE_S))
    client.source_address = (address, 0)
    client.log_in(account)
    try:
        yield client
    finally:
        client.close()


def greeting(server: tuple[str, int], address: str) -> tuple[socket.socket, str]:
    """A connection without TLS, and the first line that comes."""
    connection = socket.create_connection(server, timeout=PATIENCE_S, source_address=(address, 0))
    return connection, connection.recv(1000).decode()


def ended(client: FtpConnection) -> bool:
    """Whether the server hangs up in time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if client.is_stale():
            return True
        time.sleep(0.02)
    return False
