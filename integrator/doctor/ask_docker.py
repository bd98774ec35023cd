"""Asking a machine whose agent runs in a container: over its engine, and over ssh where that leads to it.

Three questions at once, because each costs round trips: the machine's system (over ssh), the engine and its
image, and the way to the FTP server (a connection that sshd makes). Then, where the image is there, a
container of it that lives for a moment: it sees what an agent would see, and answers all of it where there is
no ssh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from integrator.config.docker_start import DockerStart
from integrator.config.lab import LabMachine
from integrator.doctor.answers import (
    Answers,
    Connection,
    EngineAnswer,
    ImageAnswer,
    Inside,
    ServerAnswer,
    Trouble,
)
from integrator.doctor.ask import HostSaid, doors_reached, host_by, host_here, inside_of, script_words
from integrator.doctor.finding import Check
from integrator.doctor.look_inside import look_inside
from integrator.doctor.meeting import KNOCK_TIMEOUT_S, Door, MeetingPoint
from integrator.doctor.within import Question, trouble_of
from integrator.launch.engine import Engine
from integrator.launch.image import image_id
from integrator.launch.ssh import HostKeyError, Ssh
from protocol.errors import FleetmarkError, UnreachableError

__all__ = ["DockerAsk", "Send"]

_CONNECT_TIMEOUT_S = 20.0
_ENGINE_TIMEOUT_S = 35.0
_HOST_TIMEOUT_S = 30.0
_INSIDE_TIMEOUT_S = 90.0
_SEND_TIMEOUT_S = 7200.0

Send = Callable[[Engine, str], float]
"""Sends an image by its name; the seconds that it took."""


@dataclass(frozen=True, slots=True)
class _InsideSaid:
    host: HostSaid
    inside: Inside
    server: ServerAnswer | Trouble


@dataclass(frozen=True)
class DockerAsk:
    """Asks through one engine; `send` is given where a missing image is to be sent."""

    engine: Engine
    start: DockerStart
    image: str
    send: Send | None = None

    def __call__(self, machine: LabMachine, point: MeetingPoint) -> Answers:
        """See `Ask`."""
        connection = Question("connecting", self._connect).within(_CONNECT_TIMEOUT_S)
        if isinstance(connection, Trouble):
            connection = Connection(Check.REACHABLE, connection)
        if connection.broken:
            return Answers(connection)
        ssh = self.engine.ssh
        engine = Question("asking the engine", self._engine)
        host = self._ask_host(ssh)
        server = Question("going to the FTP server", lambda: _server(ssh, machine, point)) if ssh else None
        said = engine.within(_ENGINE_TIMEOUT_S)
        # It is watched before anything is sent or started: that would be the load which is looked for.
        if self.send and host:
            host.within(_HOST_TIMEOUT_S)
        image = self._image_within(said)
        host_said = host.within(_HOST_TIMEOUT_S) if host else None
        inside = None
        if isinstance(image, ImageAnswer) and image.there:
            looking = Question("looking from inside a container", lambda: self._inside(machine, point))
            inside = looking.within(_INSIDE_TIMEOUT_S)
        return _together(
            Answers(connection, engine=said, image=image),
            host_said,
            server.within(_HOST_TIMEOUT_S) if server else None,
            inside,
        )

    def _connect(self) -> Connection:
        try:
            if self.engine.ssh is not None:
                self.engine.ssh.transport()
                return Connection(login=f"as {self.start.address.user}")
            self.engine.client()
        except HostKeyError as error:
            return Connection(Check.HOST_KEY, trouble_of(error))
        except FleetmarkError as error:
            return self._broken(error)
        return Connection()

    def _broken(self, error: FleetmarkError) -> Connection:
        kind = self.start.address.kind
        if kind == "unix":
            return Connection()  # this computer is reached; of its engine is said what is wrong with it
        if isinstance(error, UnreachableError):
            return Connection(Check.REACHABLE, trouble_of(error))
        return Connection(Check.LOGIN, trouble_of(error)) if kind == "ssh" else Connection()

    def _engine(self) -> EngineAnswer:
        with self.engine.asked("asking for its version") as client:
            return EngineAnswer(str(client.version()["Version"]))

    def _image_within(self, engine: EngineAnswer | Trouble) -> ImageAnswer | Trouble | None:
        if isinstance(engine, Trouble):
            return None
        return Question("looking for the image", self._image).within(
            _SEND_TIMEOUT_S if self.send else _ENGINE_TIMEOUT_S
        )

    def _image(self) -> ImageAnswer:
        if image_id(self.engine, self.image) is not None:
            return ImageAnswer(self.image, there=True)
        if self.send is None:
            return ImageAnswer(self.image, there=False)
        try:
            return ImageAnswer(self.image, there=True, sent_s=self.send(self.engine, self.image))
        except FleetmarkError as error:
            return ImageAnswer(self.image, there=False, trouble=trouble_of(error))

    def _ask_host(self, ssh: Ssh | None) -> Question[HostSaid] | None:
        """By ssh, or at once where the engine is this computer's; over TCP only the container tells."""
        if ssh is not None:
            return Question("reading /proc and /sys", lambda: self._host(ssh))
        if self.start.address.kind == "unix":
            return Question("reading /proc and /sys", lambda: host_here(self.start.devices))
        return None

    def _host(self, ssh: Ssh) -> HostSaid:
        words = script_words(self.start.devices)

        def run() -> bytes:
            return ssh.run(words, timeout_s=_HOST_TIMEOUT_S).output.encode()

        return host_by(run)

    def _inside(self, machine: LabMachine, point: MeetingPoint) -> _InsideSaid:
        try:
            doors = () if point.trouble else point.doors_of(machine)
        except FleetmarkError:
            doors = ()  # said where the server is judged
        text = ""

        def run() -> bytes:
            nonlocal text
            text = look_inside(self.engine, self.start, self.image, doors)
            return text.encode()

        host = host_by(run)
        devices = [line.partition(" ")[2] for line in text.splitlines() if line.startswith("openvino ")]
        server = doors_reached(machine, point, lambda door: _heard(text, door), "from inside a container")
        return _InsideSaid(host, inside_of(devices[-1] if devices else ""), server)


def _together(
    answers: Answers,
    host: HostSaid | Trouble | None,
    server: ServerAnswer | Trouble | None,
    inside: _InsideSaid | Trouble | None,
) -> Answers:
    """What was seen over ssh goes first for the machine, and what was seen from inside for the agent."""
    if isinstance(inside, _InsideSaid):
        host = host if host is not None and not isinstance(host, Trouble) else inside.host
    facts = None if host is None or isinstance(host, Trouble) else host
    return Answers(
        connection=answers.connection,
        engine=answers.engine,
        image=answers.image,
        host=facts[0] if facts else host if isinstance(host, Trouble) else None,
        clock=facts[1] if facts else None,
        inside=Inside(trouble=inside) if isinstance(inside, Trouble) else inside.inside if inside else None,
        server=inside.server if isinstance(inside, _InsideSaid) else server,
    )


class _NotForwardedError(Exception):
    """sshd may not connect for us, which says nothing of the way."""


def _server(ssh: Ssh, machine: LabMachine, point: MeetingPoint) -> ServerAnswer | Trouble:
    try:
        return doors_reached(machine, point, lambda door: _through(ssh, door), "from there")
    except _NotForwardedError:
        return Trouble(
            "not tried: its sshd connects nobody (AllowTcpForwarding), and no container is there to try",
            "Send the image with --send-images, or allow it in /etc/ssh/sshd_config on the machine.",
            sure=False,
        )


def _through(ssh: Ssh, door: Door) -> str:
    """Let the machine's sshd connect: nothing has to be installed there."""
    try:
        channel = ssh.transport().open_channel(
            "direct-tcpip", (door.host, door.port), ("127.0.0.1", 0), timeout=KNOCK_TIMEOUT_S
        )
    except paramiko.ChannelException as error:
        if error.code == paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED:
            raise _NotForwardedError from error
        raise OSError(error.text or "no connection") from error
    except paramiko.SSHException as error:
        raise OSError(str(error)) from error
    with channel:
        channel.settimeout(KNOCK_TIMEOUT_S)
        return channel.recv(200).decode(errors="replace")


def _heard(text: str, door: Door) -> str:
    """What a container heard at a door.

    Raises:
        OSError: it was not let in.
    """
    where = f"{door.host}:{door.port} "
    for line in text.splitlines():
        for word in ("heard ", "missed "):
            if line.startswith(word + where):
                rest = line.removeprefix(word + where)
                if word == "heard ":
                    return rest
                raise OSError(rest)
    raise OSError("the container did not say")
