"""All machines of a lab at once, each asked by its own way and judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from integrator.config.docker_start import DockerStart
from integrator.config.lab import Lab, LabMachine
from integrator.doctor.answers import Answers, Connection, Trouble
from integrator.doctor.ask import ask_here, ask_nobody
from integrator.doctor.ask_docker import DockerAsk, Send
from integrator.doctor.finding import Check, LabHealth, MachineHealth
from integrator.doctor.judge import judge
from integrator.doctor.meeting import MeetingPoint, meeting_point
from integrator.launch.choose import own_openvino
from integrator.launch.engine import Engine
from integrator.launch.image import send_image
from integrator.launch.image_file import ImageFile, save_image
from integrator.launch.logins import Passwords
from protocol.errors import FleetmarkError, UserError

__all__ = ["ImageSender", "ask_passwords", "examine"]

_AT_ONCE = 64
"""Machines that are asked at a time: a lab has seldom more, and each takes some threads and a connection."""
_SENT_AT_ONCE = 3
"""Images that are sent at a time: more share the same line."""

Told = Callable[[str], None]
"""Told what is worth a line while it takes long."""


class ImageSender:
    """Sends images of this computer's engine to machines; each is saved once for all of them."""

    def __init__(self, folder: Path, told: Told) -> None:
        self._folder = folder
        self._told = told
        self._here = Engine(DockerStart())
        self._lock = threading.Lock()
        self._files: dict[str, ImageFile] = {}
        self._places = threading.Semaphore(_SENT_AT_ONCE)

    def __call__(self, engine: Engine, image: str) -> float:
        """Send an image to a machine; the seconds that it took.

        Raises:
            FleetmarkError: it is not here, or does not get there.
        """
        with self._lock:
            if image not in self._files:
                self._told(f"Saving {image}")
                self._files[image] = save_image(self._here, image, self._folder)
        file = self._files[image]
        with self._places:
            self._told(f"Sending {image} to {engine}: {file.size / (1 << 20):.0f} MiB")
            began = time.monotonic()
            send_image(engine, file, _in_quarters(lambda part: self._told(f"{engine}: {part} % of {image}")))
            return time.monotonic() - began

    def close(self) -> None:
        """Let go of this computer's engine."""
        self._here.close()


def _in_quarters(told: Callable[[int], None]) -> Callable[[int, int], None]:
    """Turns bytes into 25, 50 and 75 percent, each told once."""
    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        part = 25 * (4 * done // total) if total else 0
        if said < part < 100:  # noqa: PLR2004  # the end is told by what comes next
            said = part
            told(part)

    return progress


def ask_passwords(machines: Sequence[LabMachine]) -> Passwords:
    """Ask in the terminal for what lab.yaml says is to be asked, before any deadline runs.

    Where there is no terminal, the machine's own login says so.
    """
    passwords = Passwords()
    for machine in machines:
        if machine.docker and machine.docker.prompt:
            with suppress(UserError):
                passwords.ask(f"{machine.docker.address.user}@{machine.docker.address.host}")
    return passwords


def examine(
    lab: Lab,
    machines: Sequence[LabMachine],
    passwords: Passwords,
    *,
    send: Send | None = None,
    done: Told = lambda _: None,
) -> LabHealth:
    """Ask and judge machines of a lab, all at once; in the order of lab.yaml.

    Args:
        lab: The lab.
        machines: Those of its machines that are asked.
        passwords: What was asked for in the terminal.
        send: Sends images that are missing; None: they are only told.
        done: Told the name of each machine that is finished.
    """
    places = threading.Semaphore(_AT_ONCE)
    with meeting_point(lab) as point:
        asked = [_begin(machine, point, passwords, send, places, done) for machine in machines]
        found = tuple(future.result() for future in asked)
    return LabHealth(lab=lab.name, checked_at=datetime.now(UTC), machines=found)


def _begin(
    machine: LabMachine,
    point: MeetingPoint,
    passwords: Passwords,
    send: Send | None,
    places: threading.Semaphore,
    done: Told,
) -> Future[MachineHealth]:
    """One machine in a thread of its own, for which nobody waits at the end where it hangs."""
    future: Future[MachineHealth] = Future()

    def run() -> None:
        with places:
            began = time.monotonic()
            try:
                answers = _ask(machine, point, passwords, send)
                seconds = round(time.monotonic() - began, 1)
                health = MachineHealth(
                    machine=machine.name, way=_way(machine), seconds=seconds, findings=judge(machine, answers)
                )
            except BaseException as error:
                future.set_exception(error)
                return
        done(machine.name)
        future.set_result(health)

    threading.Thread(target=run, name=f"doctor {machine.name}", daemon=True).start()
    return future


def _ask(machine: LabMachine, point: MeetingPoint, passwords: Passwords, send: Send | None) -> Answers:
    if machine.docker is None:
        return ask_nobody(machine, point) if machine.start == "waiting" else ask_here(machine, point)
    try:
        engine = Engine(machine.docker, passwords)
    except FleetmarkError as error:
        return Answers(Connection(Check.REACHABLE, Trouble(str(error), error.advice)))
    ask = DockerAsk(engine, machine.docker, machine.docker.image_for(own_openvino()), send)
    try:
        return ask(machine, point)
    finally:
        threading.Thread(target=_close, args=(engine,), daemon=True).start()


def _close(engine: Engine) -> None:
    """In a thread of its own: to hang up waits for the other side."""
    with suppress(FleetmarkError, OSError):
        engine.close()


def _way(machine: LabMachine) -> str:
    return str(machine.docker.address) if machine.docker else str(machine.start)
