"""Where agents and integrator meet: a server inside the integrator, or the lab's own.

Both give the integrator a client, the machines their accounts, and news of each heartbeat.
"""

from __future__ import annotations

import resource
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, Protocol, Self

from pydantic import Field

from ftp_server.certificates import Authority
from ftp_server.options import masquerade, names
from ftp_server.permissions import Role
from ftp_server.private_folder import Endpoint, PrivateFolder
from ftp_server.server import FtpServer
from integrator.conduct.news import News
from integrator.conduct.polling import Poller
from integrator.config.server import ServerSection
from protocol.account import Account
from protocol.atomic import write_atomically
from protocol.documents import Document
from protocol.errors import UserError
from protocol.layout import CampaignFolder, MachineName
from protocol.transfer import TransferClient

__all__ = ["EmbeddedServer", "LabServer", "Serving"]

_INTEGRATOR = "integrator"
_OWNER_ONLY = 0o600
_MOST_CLIENTS = 256
_OTHER_CLIENTS = 32
_FILES_PER_CLIENT = 3


class Serving(Protocol):
    """What a campaign needs of a server; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def client(self) -> TransferClient:
        """A new client as the integrator, for one thread."""

    def account(self, machine: str) -> Account | None:
        """What the agent of a machine logs in with; None: it has its account already."""

    def subscribe(self, machine: str, campaign: str) -> News:
        """Where the heartbeats of a machine arrive from now on."""

    def hears_since(self) -> float | None:
        """Since when heartbeats would have arrived, by the monotonic clock; None: the server is away."""

    def forget(self) -> None:
        """The campaign is over: nothing of it is needed on this computer's side of the server."""


class _Passwords(Document):
    """passwords.json of a server inside the integrator: its accounts stay good when it is started again."""

    kind: ClassVar[str] = "passwords"

    passwords: dict[MachineName, str] = Field(default_factory=dict)


class EmbeddedServer:
    """A server in this process, over a folder that a later process can go on with.

    Authority, passwords and port are kept in the folder's private part. So agents that run meanwhile, and
    find nobody, find the server of the integrator that goes on. Where `movable`, another port does as well.

    Raises:
        UserError: nobody can listen there, or the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        machines: Collection[str],
        section: ServerSection,
        *,
        movable: bool,
    ) -> None:
        self._folder = PrivateFolder(folder)
        self._root = folder
        self._machines = machines
        self._section = section
        self._movable = movable
        self._accounts: dict[str, Account] = {}
        self._news: dict[PurePosixPath, News] = {}
        self._since: float | None = None
        self._server: FtpServer | None = None

    def __enter__(self) -> Self:
        self._folder.make()
        ports = [self._section.port or self._port_before() or 0]
        if self._movable and self._section.port is None and ports[0]:
            ports.append(0)
        for port in ports:
            server = self._made(port)
            try:
                server.start()
            except OSError as error:
                if port != ports[-1]:
                    continue
                raise UserError(
                    f"{self._section.listen}:{port}: nobody can listen there: {error.strerror}",
                    advice="`ss -ltnp` shows who does already. Agents of this campaign know this port: it "
                    "has to be free. Another one for new campaigns: server.port in lab.yaml.",
                ) from error
            break
        self._server = server
        self._make_accounts(server)
        self._since = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop()
        self._since = None

    def client(self) -> TransferClient:
        """A new client as the integrator, for one thread."""
        return TransferClient(self._accounts[_INTEGRATOR])

    def account(self, machine: str) -> Account:
        """What the agent of a machine logs in with."""
        return self._accounts[machine]

    def subscribe(self, machine: str, campaign: str) -> News:
        """Where the heartbeats of a machine arrive from now on; first the one that is there."""
        news = News(self._folder.files)
        path = CampaignFolder(machine, campaign).status
        self._news[path] = news
        news.stored(path)
        return news

    def hears_since(self) -> float | None:
        """Since when it serves."""
        return self._since

    def forget(self) -> None:
        """Delete the folder: everything in it has been collected."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _stored(self, path: PurePosixPath) -> None:
        if news := self._news.get(path):
            news.stored(path)

    def _made(self, port: int) -> FtpServer:
        section = self._section
        clients = max(_MOST_CLIENTS, 2 * len(self._machines) + _OTHER_CLIENTS)
        _allow_open_files(clients * _FILES_PER_CLIENT + _MOST_CLIENTS)
        served_as = names(section.listen, section.host)
        ports = section.passive_ports
        return FtpServer(
            self._folder.files,
            host=section.listen,
            port=port,
            advertised=section.host,
            max_connections=clients,
            credentials=Authority.kept(self._folder.authority).issue(served_as),
            passive_ports=range(ports[0], ports[1] + 1) if ports else (),
            masquerade=masquerade(section.advertise),
            on_stored=self._stored,
        )

    def _make_accounts(self, server: FtpServer) -> None:
        file = self._folder.path / "passwords.json"
        known = _Passwords()
        if file.exists():
            known = _Passwords.from_bytes(file.read_bytes(), source=str(file))
        users = dict.fromkeys(self._machines, Role.MACHINE) | {_INTEGRATOR: Role.INTEGRATOR}
        passwords = {name: known.passwords.get(name) or secrets.token_urlsafe(32) for name in users}
        if passwords != known.passwords:
            write_atomically(file, _Passwords(passwords=passwords).to_bytes(), mode=_OWNER_ONLY)
        for name, role in users.items():
            self._accounts[name] = server.add_account(name, role, password=passwords[name])
        account = self._accounts[_INTEGRATOR]
        self._folder.write_endpoint(
            Endpoint(
                host=account.host,
                port=account.port,
                listens_on=server.address[0],
                ca_certificate=account.ca_certificate,
            )
        )

    def _port_before(self) -> int | None:
        try:
            return self._folder.endpoint().port
        except UserError:
            return None  # it is started for the first time


class LabServer:
    """The lab's own server, by the hand-over file of an integrator's account.

    Its heartbeats are asked for every `every_s` seconds: the server is no machine that is measured.

    Raises:
        UserError: the hand-over file, or that of a machine, cannot be used.
    """

    def __init__(
        self,
        account: Path,
        machines: Mapping[str, Path | None],
        *,
        say: Callable[[str], None],
        every_s: float = 3.0,
    ) -> None:
        self._account = Account.read(account)
        self._accounts = {name: Account.read(path) if path else None for name, path in machines.items()}
        for name, found in self._accounts.items():
            if found is not None and found.user != name:
                raise UserError(
                    f"{machines[name]}: is the account of {found.user}, and lab.yaml names it for {name}",
                    advice="Name the hand-over file that `fleetmark machine add` wrote for this machine.",
                )
        self._poller = Poller(self._account, say=say, every_s=every_s)

    def __enter__(self) -> Self:
        self._poller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._poller.stop()

    def client(self) -> TransferClient:
        """A new client as the integrator, for one thread."""
        return TransferClient(self._account)

    def account(self, machine: str) -> Account | None:
        """What the agent of a machine logs in with, if lab.yaml says."""
        return self._accounts.get(machine)

    def subscribe(self, machine: str, campaign: str) -> News:
        """Where the heartbeats of a machine arrive from now on; first the one that is there."""
        return self._poller.subscribe(CampaignFolder(machine, campaign).status)

    def hears_since(self) -> float | None:
        """Since when the server has answered each time."""
        return self._poller.hears_since

    def forget(self) -> None:
        """The server is the lab's, and keeps what it has."""


def _allow_open_files(needed: int) -> None:
    """As many as may be open at a time, where the system lets this process."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        wanted = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
