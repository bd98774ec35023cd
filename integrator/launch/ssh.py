"""A connection over SSH, to a host whose key is known."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paramiko

from integrator.config.docker_start import DockerStart
from integrator.launch.known_hosts import HostKey, KnownHosts, default_files, host_name
from integrator.launch.logins import Passwords, login_arguments
from protocol.errors import LaunchError, UnreachableError, UserError

__all__ = ["HostKeyError", "Said", "Ssh"]

CONNECT_TIMEOUT_S = 15.0
ANSWER_TIMEOUT_S = 30.0
_KEEPALIVE_S = 15
_DEAD_AFTER_MS = 45_000
"""What was sent and is not acknowledged for so long ends the connection."""
_WAKE_S = 5.0
"""paramiko's reading thread looks up ten times a second by itself, which is other load."""
_MAX_SAID = 1 << 20
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""How hosts sign with a kind of key, where that has another name."""

# What goes wrong is raised, and paramiko's own log would say it again with a traceback.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class HostKeyError(UserError):
    """The host's key is not known, another one than the known one, or revoked."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command on the other side ended."""

    exit_code: int
    output: str
    errors: str


class Ssh:
    """The connection of one machine; connects when it is first needed, and again when it broke."""

    def __init__(self, start: DockerStart, passwords: Passwords) -> None:
        self._start = start
        self._passwords = passwords
        self._address = start.address
        self._name = host_name(self._address.host, self._address.port)
        self._files = (start.known_hosts,) if start.known_hosts else default_files()
        self._lock = threading.Lock()
        self._client: paramiko.SSHClient | None = None
        self._socket: socket.socket | None = None

    def __str__(self) -> str:
        return f"{self._address.user}@{self._name}"

    def transport(self) -> paramiko.Transport:
        """The connection, made if there is none.

        Raises:
            UnreachableError: nobody answers.
            UserError: the host key is not known or another one, or the login was refused.
        """
        with self._lock:
            if self._client is not None:
                transport = self._client.get_transport()
                if transport is not None and transport.is_active():
                    return transport
                self._let_go()
            return self._connect()

    def channel(self, command: str) -> paramiko.Channel:
        """Start a command on the other side.

        Raises:
            UnreachableError, UserError: as `transport`; or the other side starts nothing.
        """
        with self.failing(f"starting {command.split(maxsplit=1)[0]}"):
            channel = self.transport().open_session(timeout=ANSWER_TIMEOUT_S)
            channel.settimeout(ANSWER_TIMEOUT_S)
            channel.exec_command(command)
            return channel

    def run(self, command: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Said:
        """Run a command to its end; at most 1 MiB of what it says is kept.

        Raises:
            UnreachableError: it did not end in time, or the connection broke.
        """
        channel = self.channel(command)
        deadline = time.monotonic() + timeout_s
        said = {"output": bytearray(), "errors": bytearray()}
        with self.failing(f"running {command.split(maxsplit=1)[0]}"), channel:
            channel.settimeout(0.2)
            while not (channel.closed or (channel.exit_status_ready() and channel.eof_received)):
                if time.monotonic() > deadline:
                    raise UnreachableError(
                        f"{self}: {command.split(maxsplit=1)[0]} did not end within {timeout_s:g} s",
                        advice="look at the machine: is its disk full, or is it under heavy load?",
                    )
                _hear(channel, said)
            while channel.recv_ready() or channel.recv_stderr_ready():
                _hear(channel, said)
            code = channel.recv_exit_status()
            if code < 0:
                raise EOFError
        return Said(code, **{name: bytes(data).decode(errors="replace") for name, data in said.items()})

    @contextmanager
    def files(self) -> Iterator[paramiko.SFTPClient]:
        """Files on the other side.

        Raises:
            UnreachableError: the connection broke.
            LaunchError: the other side has no SFTP, or refuses.
        """
        with self.failing("transferring files"):
            client = paramiko.SFTPClient.from_transport(self.transport())
            if client is None:
                raise LaunchError(f"{self}: the server offers no SFTP")
            channel = client.get_channel()
            if channel is not None:
                channel.settimeout(ANSWER_TIMEOUT_S)
            with client:
                yield client

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._let_go()

    @contextmanager
    def failing(self, doing: str) -> Iterator[None]:
        """Raise what paramiko raises as what it means."""
        try:
            yield
        except TimeoutError as error:
            raise UnreachableError(f"{self}: no answer within {ANSWER_TIMEOUT_S:g} s, {doing}") from error
        except (paramiko.SSHException, EOFError, ConnectionError) as error:
            raise UnreachableError(f"{self}: the connection broke, {doing}: {_words(error)}") from error
        except OSError as error:  # SFTP's own answers
            raise LaunchError(f"{self}: {doing} failed: {error.strerror or error}") from error

    def _connect(self) -> paramiko.Transport:
        known = KnownHosts.read(self._files)
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(
            _Check(known, self._name)
        )  # asked each time: paramiko knows no key
        arguments = login_arguments(self._start, self._passwords)
        connection = self._dial()
        try:
            self._log_in(client, known, connection, arguments)
        except BaseException:
            client.close()
            connection.close()
            raise
        self._client, self._socket = client, connection
        transport = client.get_transport()
        assert transport is not None  # noqa: S101 - it has just logged in
        transport.set_keepalive(_KEEPALIVE_S)
        connection.settimeout(_WAKE_S)
        return transport

    def _dial(self) -> socket.socket:
        host, port = self._address.host, self._address.port
        try:
            connection = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        except socket.gaierror as error:
            raise UnreachableError(
                f"{self}: the name {host} is not known: {error.strerror}",
                advice="check the name in lab.yaml, or give an address",
            ) from error
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise UnreachableError(
                f"{self}: cannot connect to {host}, port {port}: {why}",
                advice="is the machine on, in this network, and does its sshd run?",
            ) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)
        return connection

    def _log_in(
        self,
        client: paramiko.SSHClient,
        known: KnownHosts,
        connection: socket.socket,
        arguments: dict[str, Any],
    ) -> None:
        host, port = self._address.host, self._address.port
        try:
            client.connect(
                host,
                port,
                self._address.user,
                sock=connection,
                timeout=CONNECT_TIMEOUT_S,
                banner_timeout=CONNECT_TIMEOUT_S,
                auth_timeout=CONNECT_TIMEOUT_S,
                channel_timeout=ANSWER_TIMEOUT_S,
                transport_factory=_asking_for([key.kind for key in known.keys_of(self._name)]),
                **arguments,
            )
        except _RefusedKeyError as refused:
            raise self._distrust(refused.key, known) from None
        except paramiko.AuthenticationException as error:
            raise self._refused(error) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise UnreachableError(
                f"{self}: connected, and then no SSH login was possible: {_words(error)}",
                advice=f"does an SSH server listen on port {port} there? try: ssh -p {port} "
                f"{self._address.user}@{host}",
            ) from error

    def _distrust(self, key: HostKey, known: KnownHosts) -> HostKeyError:
        host, port = self._address.host, self._address.port
        what = f"{key.kind} {key.fingerprint}"
        if known.is_revoked(self._name, key):
            return HostKeyError(
                f"{self}: the host key was revoked: {what}",
                advice="give the machine a new host key, or find out who pretends to be it",
            )
        if known.keys_of(self._name):
            return HostKeyError(
                f"{self}: the host key is another one than the known one: {what}",
                advice=known.how_to_replace(self._name, host, port, key),
            )
        return HostKeyError(
            f"{self}: the host key is not known: {what}",
            advice=known.how_to_add(self._name, host, port, key),
        )

    def _refused(self, error: paramiko.AuthenticationException) -> UserError:
        if self._start.prompt:
            self._passwords.forget(f"{self._address.user}@{self._address.host}")
        if isinstance(error, paramiko.PasswordRequiredException):
            return UserError(
                f"{self._start.key_file}: the key is encrypted",
                advice=f"ssh-add {self._start.key_file}, and remove key_file from lab.yaml",
            )
        if self._start.password_file or self._start.prompt:
            return UserError(
                f"{self}: the password was refused", advice="check user and password, with ssh by hand"
            )
        port = f"-p {self._address.port} " if self._address.port != paramiko.config.SSH_PORT else ""
        key = f"-i {self._start.key_file}.pub " if self._start.key_file else ""
        return UserError(
            f"{self}: none of the keys was accepted",
            advice=f"ssh-copy-id {key}{port}{self._address.user}@{self._address.host}",
        )

    def _let_go(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes paramiko's thread, for which close() waits
        if self._client is not None:
            self._client.close()
        self._client = self._socket = None


class _RefusedKeyError(Exception):
    def __init__(self, key: HostKey) -> None:
        super().__init__(key.fingerprint)
        self.key = key


class _Check(paramiko.MissingHostKeyPolicy):
    """Believes a key that is known for this host, and no other; before anybody logs in."""

    def __init__(self, known: KnownHosts, name: str) -> None:
        self._known = known
        self._name = name

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        offered = HostKey(key.get_name(), key.get_base64())
        if offered not in self._known.keys_of(self._name):
            raise _RefusedKeyError(offered)


def _asking_for(kinds: list[str]) -> Callable[..., paramiko.Transport]:
    """Makes transports that ask for the kinds of host key that are known, before others."""
    wanted = [name for kind in kinds for name in _SIGNATURES.get(kind, (kind,))]

    def make(connection: socket.socket, **settings: Any) -> paramiko.Transport:
        transport = paramiko.Transport(connection, **settings)
        options = transport.get_security_options()
        offered = list(options.key_types)
        first = [name for name in wanted if name in offered]
        options.key_types = [*dict.fromkeys(first), *(name for name in offered if name not in first)]
        return transport

    return make


def _words(error: BaseException) -> str:
    return str(error) or "the other side hung up"


def _hear(channel: paramiko.Channel, said: dict[str, bytearray]) -> None:
    heard = False
    if channel.recv_stderr_ready():
        said["errors"] += channel.recv_stderr(65536)
        heard = True
    if channel.recv_ready():
        said["output"] += channel.recv(65536)
        heard = True
    if not heard:
        time.sleep(0.02)
    for data in said.values():
        del data[_MAX_SAID:]
