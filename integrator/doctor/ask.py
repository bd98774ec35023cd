"""Asking a machine everything, by the way that leads to it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from integrator.config.lab import LabMachine
from integrator.doctor.answers import Answers, ClockReading, Connection, Inside, ServerAnswer, Trouble
from integrator.doctor.finding import Check
from integrator.doctor.meeting import Door, MeetingPoint, from_here, knock
from integrator.doctor.script import SCRIPT, HostAnswer, parse
from integrator.doctor.within import Question, trouble_of
from protocol.errors import FleetmarkError

__all__ = [
    "Ask",
    "HostSaid",
    "ask_here",
    "ask_nobody",
    "doors_reached",
    "host_by",
    "host_here",
    "inside_of",
    "script_command",
]

_T = TypeVar("_T")
_HOST_TIMEOUT_S = 30.0
_DEVICES_TIMEOUT_S = 60.0

HostSaid = tuple[HostAnswer, ClockReading | None]


class Ask(Protocol):
    """Asks one machine; every question has a deadline, and what has no answer is in words in the answers."""

    def __call__(self, machine: LabMachine, point: MeetingPoint) -> Answers:
        """All answers; never raises for what a machine does."""


def script_command(devices: tuple[str, ...]) -> list[str]:
    """The script as a command; the devices' paths are its arguments."""
    return ["sh", "-c", SCRIPT, "sh", *devices]


def script_words(devices: tuple[str, ...]) -> str:
    """The same for a shell on the other side of a connection."""
    return shlex.join(script_command(devices))


def host_by(run: Callable[[], bytes]) -> HostSaid:
    """What a machine's system says, and where its clock was between our two looks at ours."""
    asked = time.time()
    said = run()
    answered = time.time()
    host = parse(said)
    first, last = host.clock_first_s, host.clock_last_s
    return host, None if first is None or last is None else ClockReading(asked, first, last, answered)


def ask_here(machine: LabMachine, point: MeetingPoint) -> Answers:
    """This computer, on which the agent is a process beside the integrator."""
    host = Question("reading /proc and /sys", lambda: host_here(()))
    server = Question(
        "connecting to the FTP server", lambda: doors_reached(machine, point, from_here, "from here")
    )
    said = host.within(_HOST_TIMEOUT_S)
    # Only now: it would be the other load which is looked for.
    inside = Question("listing OpenVINO's devices", _devices_here)
    seen = inside.within(_DEVICES_TIMEOUT_S)
    return Answers(
        connection=Connection(),
        host=said if isinstance(said, Trouble) else said[0],
        clock=None if isinstance(said, Trouble) else said[1],
        inside=Inside(trouble=seen) if isinstance(seen, Trouble) else seen,
        server=server.within(_HOST_TIMEOUT_S),
    )


def ask_nobody(machine: LabMachine, _: MeetingPoint) -> Answers:
    """A machine whose agent somebody else starts: there is no way to it from here."""
    trouble = Trouble(
        "its agent is started by somebody else, and there is no way to it from here",
        f"Run `fleetmark doctor` on {machine.name} itself.",
        sure=False,
    )
    return Answers(connection=Connection(broken=Check.REACHABLE, trouble=trouble))


def doors_reached(
    machine: LabMachine, point: MeetingPoint, connect: Callable[[Door], str], seen_from: str
) -> ServerAnswer | Trouble:
    """Whether all doors are reached; the first that is not, otherwise the server's own."""
    if point.trouble:
        return point.trouble
    try:
        doors = point.doors_of(machine)
    except FleetmarkError as error:
        return trouble_of(error)
    answers = [knock(door, connect, seen_from=seen_from) for door in doors]
    return next((answer for answer in answers if answer.trouble), answers[0])


def inside_of(text: str) -> Inside:
    """What `python -m agent.machine.devices` said."""
    try:
        said = json.loads(text)
        names = tuple(str(device["name"]) for device in said["devices"])
        return Inside(openvino=str(said["version"]).partition("-")[0], devices=names)
    except (ValueError, LookupError, TypeError):
        return Inside(
            trouble=Trouble(f"OpenVINO does not list its devices: {text.strip()[-300:] or 'no word'}")
        )


def host_here(devices: tuple[str, ...]) -> HostSaid:
    """What this computer's own system says. What this process itself uses meanwhile is no other load."""
    began, used = time.monotonic(), time.process_time()
    host, clock = host_by(lambda: _run_here(devices))
    own = (time.process_time() - used) / (time.monotonic() - began)
    if host.busy_share is None or not host.processors:
        return host, clock
    share = max(0.0, host.busy_share - own / host.processors)
    others = tuple((name, cores) for name, cores in host.busy if name != _own_name())
    return replace(host, busy_share=share, busy=others), clock


def _own_name() -> str:
    return Path("/proc/self/comm").read_text().strip()


def _run_here(devices: tuple[str, ...]) -> bytes:
    done = subprocess.run(  # noqa: S603  # our own words
        script_command(devices),
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_HOST_TIMEOUT_S,
    )
    return done.stdout


def _devices_here() -> Inside:
    done = subprocess.run(  # our own interpreter and module
        [sys.executable, "-I", "-m", "agent.machine.devices"],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_DEVICES_TIMEOUT_S,
    )
    words = done.stdout if done.returncode == 0 else done.stderr
    return inside_of(words.decode(errors="replace"))
