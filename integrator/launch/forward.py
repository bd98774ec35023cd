"""A local socket that leads through SSH to the engine's socket on the other side.

docker-py can dial SSH itself, and then decides alone which host keys it believes and how it logs in. Here it
is given a socket in a folder of ours; each connection to it becomes a channel with `docker system
dial-stdio`, which is what the docker program does with `-H ssh://`.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import paramiko

from integrator.config.engine_address import DEFAULT_SOCKET
from integrator.launch.ssh import Ssh
from protocol.errors import FleetmarkError

__all__ = ["SocketForward", "docker_command"]

_CHUNK = 1 << 16
_MAX_WORDS = 2000


def docker_command(engine_socket: str) -> str:
    """How the docker program over there is told to use the engine on this socket, in its shell."""
    here = "" if engine_socket == DEFAULT_SOCKET else f" -H {shlex.quote(f'unix://{engine_socket}')}"
    return f"docker{here}"


class SocketForward:
    """Listens on `path` until it is closed; whoever connects talks to the engine.

    Where a connection ends without an answer, `trouble` says why.
    """

    def __init__(self, ssh: Ssh, engine_socket: str) -> None:
        self._ssh = ssh
        self._command = f"{docker_command(engine_socket)} system dial-stdio"
        self._folder = Path(tempfile.mkdtemp(prefix="fleetmark-"))  # of mode 0700
        self.path = self._folder / "docker.sock"
        self.trouble: FleetmarkError | str = ""
        """What kept the last connection from being made, or what the command there said of it."""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(16)
        self._thread = threading.Thread(target=self._serve, name=f"forward {ssh}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; the folder is removed."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listening.close()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(connection,), daemon=True).start()

    def _lead(self, connection: socket.socket) -> None:
        with connection:
            try:
                channel = self._ssh.channel(self._command)
            except FleetmarkError as error:
                self.trouble = error
                return
            try:
                channel.settimeout(None)
                back = threading.Thread(target=_send_on, args=(connection, channel), daemon=True)
                back.start()
                heard = _bring_back(channel, connection)
                # Said before the connection ends, so that whoever waits for an answer finds it.
                self.trouble = "" if heard else _last_words(channel)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                back.join()
            finally:
                with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                    channel.close()


def _send_on(connection: socket.socket, channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := connection.recv(_CHUNK):
            channel.sendall(data)
        channel.shutdown_write()


def _bring_back(channel: paramiko.Channel, connection: socket.socket) -> bool:
    heard = False
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := channel.recv(_CHUNK):
            heard = True
            connection.sendall(data)
    return heard


def _last_words(channel: paramiko.Channel) -> str:
    said = b""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.settimeout(2.0)
        while len(said) < _MAX_WORDS and (data := channel.recv_stderr(_CHUNK)):
            said += data
    return said.decode(errors="replace").strip()[:_MAX_WORDS]
