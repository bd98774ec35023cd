"""The FTP server: explicit TLS on both connections, passive mode, an account per machine."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self, cast

from pydantic import SecretStr
from pyftpdlib import ioloop
from pyftpdlib.servers import FTPServer

from ftp_server.accounts import Accounts, AccountStore, Authorizer
from ftp_server.background import Background, Doorbell
from ftp_server.certificates import Authority, Credentials
from ftp_server.leftovers import remove_leftovers
from ftp_server.limits import Bans, Limits
from ftp_server.permissions import Role
from ftp_server.session import DataChannel, Session
from ftp_server.tls import server_context
from ftp_server.usage import Usage
from protocol.account import Account
from protocol.layout import MACHINES, MODELS

__all__ = ["FtpServer"]

_LOG = logging.getLogger("fleetmark.ftp")
_LOG.addHandler(logging.NullHandler())

_MAX_CONNECTIONS = 256
# Agents that start at the same moment. Those beyond it think that they are connected, and wait for nothing.
_BACKLOG = 4096
_ACCEPT_PAUSE_S = 1.0
_JOIN_TIMEOUT_S = 10.0
_LOOK_FOR_CHANGES_S = 1.0
_LOOK_FOR_LEFTOVERS_S = 3600.0
_BACKGROUND_THREADS = 2
_NO_LIMITS = Limits()
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class FtpServer:
    """An FTP server in a thread of its own, over the folder `root`; a context manager.

    `host` and `port` are what it listens on (port 0: any free one). `advertised` is the name or address under
    which the agents reach it: accounts carry it and the certificate is made out to it, together with `names`.
    A client that is silent for `idle_timeout_s` is disconnected.

    The rest is for a server that lasts: `accounts` that others change, `credentials` that are kept, a socket
    that was bound by somebody with more rights (`listening`), `masquerade`, the IPv4 address that clients
    behind a translating router are sent to, and `plain`, which lets clients in that speak no TLS.

    `on_stored` is told each file that got its final name, in the server's thread and before the client hears
    of it: it is quick, and raises nothing.

    Raises:
        ValueError: it listens on every address and nothing says under which name it is reached.
    """

    def __init__(
        self,
        root: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        advertised: str | None = None,
        names: Sequence[str] = (),
        idle_timeout_s: float = 300.0,
        max_connections: int = _MAX_CONNECTIONS,
        limits: Limits = _NO_LIMITS,
        accounts: Accounts | None = None,
        credentials: Credentials | None = None,
        listening: socket.socket | None = None,
        passive_ports: Sequence[int] = (),
        masquerade: str | None = None,
        plain: bool = False,
        on_stored: Callable[[PurePosixPath], None] | None = None,
    ) -> None:
        if advertised is None and host in _EVERY_ADDRESS:
            raise ValueError(
                "a server that listens on every address needs `advertised`, the name agents connect to"
            )
        self._root = root
        self._listen_on = (host, port)
        self._advertised = advertised or host
        self._names = (self._advertised, *names)
        self._idle_timeout_s = idle_timeout_s
        self._max_connections = max_connections
        self._limits = limits
        self._own_accounts = AccountStore()
        self._accounts: Accounts = accounts or self._own_accounts
        self._credentials = credentials
        self._listening = listening
        self._passive_ports = list(passive_ports) or None
        self._masquerade = masquerade
        self._plain = plain
        self._on_stored = on_stored
        self._background: Background | None = None
        self._address: tuple[str, int] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._doorbell: Doorbell | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """The address and port that the server listens on.

        Raises:
            RuntimeError: it was not started.
        """
        if self._address is None:
            raise RuntimeError("the FTP server was not started")
        return self._address

    @property
    def root(self) -> Path:
        """The folder on disk that clients see as `/`."""
        return self._root

    def add_account(self, name: str, role: Role, *, password: str | None = None) -> Account:
        """Make an account and return what its owner needs to log in: the only place where its password is.

        `password` is that of an earlier server, whose accounts are to stay good.

        Raises:
            ValueError: the name is taken, or is not a name.
            RuntimeError: the server was not started, so its port and certificate are not known.
        """
        port = self.address[1]
        password = self._own_accounts.add(name, role, password)
        _LOG.info("account %s added (%s)", name, role)
        return Account(
            host=self._advertised,
            port=port,
            user=name,
            password=SecretStr(password),
            ca_certificate=self._credentials.authority if self._credentials else "",
        )

    def start(self) -> None:
        """Make the certificate, listen, and serve in a thread.

        Raises:
            RuntimeError: it was started before; a server is started once.
            OSError: the port is taken, or the folder cannot be made.
        """
        if self._address is not None:
            raise RuntimeError("the FTP server was started before")
        _route_log()
        for folder in (MODELS, MACHINES):
            (self._root / folder.relative_to("/")).mkdir(parents=True, exist_ok=True)
        loop = ioloop.IOLoop()
        try:
            self._doorbell = Doorbell(loop)
            handler = self._handler(self._doorbell)
            listener = _Listener(self._listening or self._listen_on, handler, ioloop=loop, backlog=_BACKLOG)
            listener.max_cons = self._max_connections
            listener.max_cons_per_ip = self._limits.max_connections_per_address
            if self._background is not None:
                remove = partial(self._background.run, partial(remove_leftovers, self._root))
                loop.call_every(_LOOK_FOR_CHANGES_S, self._take_changes_up, handler.live)
                loop.call_every(_LOOK_FOR_LEFTOVERS_S, remove)
                remove()
            self._address = cast("tuple[str, int]", listener.address)
            self._thread = threading.Thread(
                target=self._serve, args=(loop, listener), name="fleetmark-ftp", daemon=True
            )
            self._thread.start()
        except BaseException:
            loop.close()
            raise
        _LOG.info("listening on %s:%d, as %s", *self._address, self._advertised)

    def stop(self) -> None:
        """Disconnect every client, close every socket and end the thread. May be called again."""
        if self._thread is None or self._doorbell is None:
            return
        self._stopping.set()
        self._doorbell.call(lambda: None)  # wakes the loop
        self._thread.join(_JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            _LOG.error("the FTP server did not stop within %d s", _JOIN_TIMEOUT_S)
            return
        self._thread = None
        if self._background is not None:
            self._background.stop()
        _LOG.info("stopped")

    def is_serving(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def _take_changes_up(self, live: set[Session]) -> None:
        changed = self._accounts.refresh()
        if not changed:
            return
        for session in [session for session in live if session.authenticated and session.username in changed]:
            session.log("the account was removed or has a new password: disconnected", event="revoked")
            session.abandon()

    def _handler(self, doorbell: Doorbell) -> type[Session]:
        if self._credentials is None:
            self._credentials = Authority.create().issue(self._names)
        if self._accounts.slow:
            self._background = Background(doorbell, _BACKGROUND_THREADS)
        root = self._root.resolve(strict=True)
        channel = type("_DataChannel", (DataChannel,), {"timeout": self._idle_timeout_s})
        # pyftpdlib takes its settings from class attributes: a class per server keeps servers apart.
        settings = {
            "authorizer": Authorizer(self._accounts, root),
            "dtp_handler": channel,
            "live": set(),
            "ssl_context": server_context(self._credentials),
            "tls_control_required": not self._plain,
            "tls_data_required": not self._plain,
            "banner": Session.banner if not self._plain else "fleetmark FTP server ready, TLS not required.",
            "limits": self._limits,
            "bans": Bans(self._limits),
            "usage": Usage(root),
            "background": self._background,
            "passive_ports": self._passive_ports,
            "masquerade_address": self._masquerade,
            "timeout": self._idle_timeout_s,
            "on_stored": staticmethod(self._on_stored) if self._on_stored else None,
        }
        return type("_Session", (Session,), settings)

    def _serve(self, loop: Any, listener: _Listener) -> None:
        try:
            timeout: float | None = None
            while not self._stopping.is_set():
                timeout = loop.loop(timeout, blocking=False)
        except Exception:
            _LOG.exception("the FTP server ended on an error")
        finally:
            for channel in list(loop.socket_map.values()):
                if isinstance(channel, DataChannel):
                    channel.abandon()
            for session in list(listener.handler.live):
                session.abandon()
            listener.close()
            loop.close()


class _Listener(FTPServer):
    """The listening socket."""

    def _accept_new_cons(self) -> bool:
        """Whether there is room: pyftpdlib counts sockets, of which a client in a transfer has several."""
        return len(self.handler.live) <= int(self.max_cons)

    def handle_error(self) -> None:
        """Rest for a moment, where pyftpdlib would close: a lack of file descriptors passes."""
        _LOG.exception("a connection could not be accepted")
        self.del_channel()
        self.ioloop.call_later(_ACCEPT_PAUSE_S, self.add_channel)


class _Forwarder(logging.Handler):
    """Hands pyftpdlib's records to `fleetmark.ftp`."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _LOG.isEnabledFor(record.levelno):
            return
        copy = logging.makeLogRecord(record.__dict__)
        copy.name = _LOG.name
        _LOG.handle(copy)


def _route_log() -> None:
    """Give pyftpdlib's logger a handler, without which it would set up one that prints on stderr."""
    logger = logging.getLogger("pyftpdlib")
    if any(isinstance(handler, _Forwarder) for handler in logger.handlers):
        return
    logger.addHandler(_Forwarder())
    logger.propagate = False
    logger.setLevel(logging.INFO)  # at DEBUG it logs each line that a client sends
