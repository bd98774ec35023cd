"""Asking a machine whose agent runs in a container: over its engine, and over ssh where that leads to it.

Three questions at once, because each costs round trips: the machine's system (over ssh), the engine and its image, and
the way to the FTP server (a connection that sshd makes). Then, where the image is there, a container of it that lives
for a moment: it sees what an agent would see, and answers all of it where there is no ssh.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from integrator.doctor.ask import HostSaid, doors_reached, host_by, inside_of, script_words
from integrator.doctor.finding import Check
from integrator.doctor.meeting import KNOCK_TIMEOUT_S, Door, MeetingPoint
from integrator.doctor.script import MAX_ANSWER_BYTES, SCRIPT, HostAnswer
from integrator.doctor.within import Question, trouble_of
from integrator.launch.engine import Engine
from integrator.launch.hardware import cpus_of_node, groups_of_devices
from integrator.launch.image import image_id
from integrator.launch.ssh import HostKeyError, Ssh
from protocol.errors import FleetmarkError, LaunchError, UnreachableError

__all__ = ["DockerAsk", "Send"]

_CONNECT_TIMEOUT_S = 20.0
_ENGINE_TIMEOUT_S = 35.0
_HOST_TIMEOUT_S = 30.0
_INSIDE_TIMEOUT_S = 90.0
_SEND_TIMEOUT_S = 7200.0
_LABEL = "fleetmark.doctor"

Send = Callable[[Engine, str], float]
"""Sends an image by its name; the seconds that it took."""

_INSIDE = r"""
echo "openvino $(python -I -m agent.machine.devices 2>&1 | tail -n 1)"
python -I -c '
import socket, sys
for door in sys.argv[1:]:
    host, _, port = door.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.settimeout(10)
            print("heard", door, connection.recv(200).decode("ascii", "replace").splitlines()[:1])
    except OSError as error:
        print("missed", door, error.strerror or error)
' $DOORS
"""


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
        return self._ask_connected(machine, point, connection)

    def _connect(self) -> Connection:
        ssh = self.engine.ssh
        try:
            if ssh is not None:
                ssh.transport()
                return Connection(login=f"as {self.start.address.user}")
            self.engine.client()
        except HostKeyError as error:
            return Connection(Check.HOST_KEY, trouble_of(error))
        except UnreachableError as error:
            # An engine of this computer that is down is no machine that is out of reach.
            return self._reached_or_not(error) if ssh is None else Connection(Check.REACHABLE, trouble_of(error))
        except FleetmarkError as error:
            return Connection() if ssh is None else Connection(Check.LOGIN, trouble_of(error))
        return Connection()

    def _reached_or_not(self, error: FleetmarkError) -> Connection:
        if self.start.address.kind == "unix":
            return Connection()
        return Connection(Check.REACHABLE, trouble_of(error))

    def _ask_connected(self, machine: LabMachine, point: MeetingPoint, connection: Connection) -> Answers:
        ssh = self.engine.ssh
        engine = Question("asking the engine", self._engine)
        host = Question("reading /proc and /sys", lambda: self._host(ssh)) if ssh else None
        server = (
            Question("connecting to the FTP server", lambda: self._server(ssh, machine, point)) if ssh else None
        )
        engine_said = engine.within(_ENGINE_TIMEOUT_S)
        image: ImageAnswer | Trouble | None = None
        inside: _InsideSaid | Trouble | None = None
        if isinstance(engine_said, EngineAnswer):
            image = Question("looking for the image", self._image).within(
                _SEND_TIMEOUT_S if self.send else _ENGINE_TIMEOUT_S
            )
            if isinstance(image, ImageAnswer) and image.there:
                inside = Question("looking from inside a container", lambda: self._inside(machine, point)).within(
                    _INSIDE_TIMEOUT_S
                )
        return _together(
            connection,
            engine_said,
            image,
            host.within(_HOST_TIMEOUT_S) if host else None,
            server.within(_HOST_TIMEOUT_S) if server else None,
            inside,
        )

    def _engine(self) -> EngineAnswer:
        with self.engine.asked("asking for its version") as client:
            return EngineAnswer(str(client.version()["Version"]))

    def _image(self) -> ImageAnswer:
        there = image_id(self.engine, self.image) is not None
        if there or self.send is None:
            return ImageAnswer(self.image, there)
        try:
            return ImageAnswer(self.image, there=True, sent_s=self.send(self.engine, self.image))
        except FleetmarkError as error:
            return ImageAnswer(self.image, there=False, trouble=trouble_of(error))

    def _host(self, ssh: Ssh) -> HostSaid:
        words = script_words(self.start.devices)
        return host_by(lambda: ssh.run(words, timeout_s=_HOST_TIMEOUT_S).output.encode())

    def _server(self, ssh: Ssh, machine: LabMachine, point: MeetingPoint) -> ServerAnswer | Trouble | None:
        try:
            return doors_reached(machine, point, lambda door: _through(ssh, door), "from there")
        except _NotForwardedError:
            return Trouble(
                "its sshd makes no connections for others (AllowTcpForwarding)",
                "Send the image (--send-images): then the way to the server is tried from inside a container.",
                sure=False,
            )

    def _inside(self, machine: LabMachine, point: MeetingPoint) -> _InsideSaid:
        doors = () if point.trouble else point.doors_of(machine)
        asked = time.time()
        text = self._in_container(doors)
        answered = time.time()
        lines = text.splitlines()
        answers = {
            (words[1], words[0]): words[2] if len(words) > _PARTS - 1 else ""
            for line in lines
            if line.startswith(("heard ", "missed ")) and len(words := line.split(" ", _PARTS - 1)) >= _PARTS - 1
        }
        del asked, answered
        return _InsideSaid(
            host=host_by(lambda: text.encode()),
            inside=inside_of(next((line[9:] for line in lines if line.startswith("openvino ")), "")),
            server=doors_reached(machine, point, lambda door: _heard(door, answers), "from inside a container"),
        )
