"""Whether machines reach the FTP server: something that answers, and knocking at it from there."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from integrator.config.lab import Lab, LabMachine
from integrator.config.server import ServerSection
from integrator.doctor.answers import ServerAnswer, Trouble
from protocol.account import Account
from protocol.errors import FleetmarkError, UserError
from protocol.transfer import Deadline, TransferClient

__all__ = ["Door", "MeetingPoint", "knock", "meeting_point", "seen"]

KNOCK_TIMEOUT_S = 10.0
_OWN_SERVER_S = 15.0
_MAX_GREETING = 200
_FTP_GREETING = "220"


@dataclass(frozen=True, slots=True)
class Door:
    """A port that machines have to reach."""

    host: str
    port: int
    greeting: str
    """How its answer begins."""
    purpose: str = ""
    """`for data connections`; nothing for the server's own port."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}, port {self.port}{f' {self.purpose}' if self.purpose else ''}"


@dataclass(frozen=True, slots=True)
class MeetingPoint:
    """Where machines meet the integrator."""

    doors: tuple[Door, ...]
    own: bool = False
    """The lab's own server; its machines may know it by another address."""
    trouble: Trouble | None = None
    """What is wrong with the server itself, seen from here."""

    def doors_of(self, machine: LabMachine) -> tuple[Door, ...]:
        """The doors that this machine has to reach: those that its hand-over file names.

        Raises:
            UserError, DocumentError: its hand-over file is no good.
        """
        if self.own and machine.account is not None:
            account = Account.read(machine.account)
            if account.user != machine.name:
                raise UserError(
                    f"{machine.account}: the hand-over file of {account.user}, and not of {machine.name}",
                    advice="Give each machine its own: fleetmark machine add NAME writes one.",
                )
            return (Door(account.host, account.port, _FTP_GREETING),)
        return self.doors


@contextmanager
def meeting_point(lab: Lab) -> Iterator[MeetingPoint]:
    """The lab's own server, or something that answers where the integrator's would, for the time being."""
    if lab.server.account is not None:
        yield _own(lab.server.account)
        return
    with _stand_in(lab.server) as point:
        yield point


def _own(file: Path) -> MeetingPoint:
    account = Account.read(file)
    try:
        with TransferClient(account) as client:
            client.list(PurePosixPath("/"), deadline=Deadline(_OWN_SERVER_S))
    except FleetmarkError as error:
        return MeetingPoint((), own=True, trouble=Trouble(str(error), error.advice))
    return MeetingPoint((Door(account.host, account.port, _FTP_GREETING),), own=True)


@contextmanager
def _stand_in(server: ServerSection) -> Iterator[MeetingPoint]:
    """Listens where the integrator's server will, and says a word that nobody else can know."""
    word = f"{_FTP_GREETING} fleetmark doctor {secrets.token_hex(8)}"
    ports = [(server.port or 0, "")]
    if server.passive_ports:
        ports.append((server.passive_ports[0], "for data connections"))
    listening: list[socket.socket] = []
    doors: list[Door] = []
    try:
        for port, purpose in ports:
            try:
                one = socket.create_server((server.listen, port), family=_family(server.listen), backlog=128)
            except OSError as error:
                # A campaign under way has the port: its server greets as well.
                if port and _greets(server.host, port):
                    doors.append(Door(server.host, port, _FTP_GREETING, purpose))
                    continue
                yield MeetingPoint((), trouble=_cannot_listen(server, port, error))
                return
            listening.append(one)
            doors.append(Door(server.host, one.getsockname()[1], word, purpose))
            threading.Thread(target=_answer, args=(one, word), daemon=True).start()
        yield MeetingPoint(tuple(doors))
    finally:
        for one in listening:
            _close(one)


def _close(one: socket.socket) -> None:
    """Close a listening socket so that the thread in accept() wakes up."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _greets(host: str, port: int) -> bool:
    return knock(Door(host, port, _FTP_GREETING), from_here).trouble is None


def _cannot_listen(server: ServerSection, port: int, error: OSError) -> Trouble:
    return Trouble(
        f"the integrator's server cannot listen on {server.listen}, port {port}: {error.strerror}",
        "Correct server.listen and server.port in lab.yaml, or end what uses the port (ss -ltnp shows it).",
    )


def _answer(listening: socket.socket, word: str) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            try:
                connection.sendall(f"{word}\r\n".encode())
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue


def from_here(door: Door) -> str:
    """Connect from this computer; what is heard.

    Raises:
        OSError: nobody answers.
    """
    with socket.create_connection((door.host, door.port), KNOCK_TIMEOUT_S) as connection:
        connection.settimeout(KNOCK_TIMEOUT_S)
        return connection.recv(_MAX_GREETING).decode(errors="replace")


def knock(door: Door, connect: Callable[[Door], str], *, seen_from: str = "from here") -> ServerAnswer:
    """Whether the door is reached by `connect`, which raises OSError where it is not."""
    try:
        heard = connect(door)
    except OSError as error:
        return seen(door, "", str(error.strerror or error), seen_from)
    return seen(door, heard, "", seen_from)


def seen(door: Door, heard: str, error: str, seen_from: str) -> ServerAnswer:
    """What to say of a door from which something was heard, or an error came. Pure."""
    if heard.startswith(door.greeting):
        return ServerAnswer(str(door), seen_from)
    if error or not heard:
        return ServerAnswer(
            str(door),
            seen_from,
            Trouble(
                f"{door} is not reached {seen_from}: {error or 'nothing is said'}",
                f"Let the machine through to port {door.port} of {door.host} (firewall, routing), or correct "
                "server in lab.yaml.",
            ),
        )
    return ServerAnswer(
        str(door),
        seen_from,
        Trouble(
            f"{door} is another server {seen_from}: it says {heard.strip()[:60]!r}",
            "Correct server.advertise in lab.yaml: the machine finds somebody else there.",
        ),
    )
