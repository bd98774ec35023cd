"""From what a machine answered to what is wrong with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from integrator.config.lab import LabMachine
from integrator.doctor.answers import Answers, Connection, Inside, ServerAnswer, Trouble
from integrator.doctor.finding import Check, Finding, Health
from integrator.doctor.judge_noise import NOISE, Placement, judge_noise
from integrator.doctor.script import HostAnswer
from integrator.tune_host.knobs import processors

__all__ = ["judge"]

_GIB = 1 << 30
_MIN_DISK_BYTES, _GOOD_DISK_BYTES = 2 * _GIB, 10 * _GIB
"""An image takes about 1 GiB, unpacked beside its archive twice that; models and results come on top."""
_MIN_MEMORY_BYTES = _GIB
_MAX_OFFSET_S = 5.0
_MAX_BELIEVED_S = 86_400.0
"""Certificates are good from two days before they are made."""
_MIN_DOCKER = (20, 10)
_WAY = (Check.REACHABLE, Check.HOST_KEY, Check.LOGIN)


def judge(machine: LabMachine, answers: Answers) -> tuple[Finding, ...]:
    """All checks of one machine, in the order of `Check`."""
    found = [
        *_connection(machine, answers.connection),
        *([] if machine.docker is None else [_docker(answers), _image(machine, answers)]),
        _disk(answers),
        _memory(machine, answers),
        _devices(machine, answers),
        _clock(answers),
        _server(answers),
        *_noise(machine, answers),
    ]
    order = list(Check)
    return tuple(sorted(found, key=lambda finding: order.index(finding.check)))


def _connection(machine: LabMachine, connection: Connection) -> Iterator[Finding]:
    docker = machine.docker
    way = _WAY if docker and docker.address.kind == "ssh" else (Check.REACHABLE,)
    for check in way:
        if check is connection.broken:
            yield _of(check, connection.trouble or Trouble("does not answer"))
            return
        said = connection.login if check is Check.LOGIN else "yes"
        if check is Check.HOST_KEY:
            said = "as in known_hosts"
        yield Finding(check=check, health=Health.OK, said=said)


def _of(check: Check, trouble: Trouble) -> Finding:
    health = Health.FAIL if trouble.sure else Health.UNKNOWN
    return Finding(check=check, health=health, said=trouble.said, remedy=trouble.remedy)


def _not_asked(check: Check, answers: Answers) -> Finding:
    broken = answers.connection.broken
    if broken:
        why = f"not asked: {broken} failed"
    elif isinstance(answers.host, Trouble):
        why = answers.host.said
    else:
        why = "can only be seen from inside a container, once the image is there"
    return Finding(check=check, health=Health.UNKNOWN, said=why)


def _docker(answers: Answers) -> Finding:
    engine = answers.engine
    if engine is None:
        return _not_asked(Check.DOCKER, answers)
    if isinstance(engine, Trouble):
        return _of(Check.DOCKER, engine)
    numbers = tuple(map(int, re.findall(r"\d+", engine.version)[:2]))
    if numbers and numbers < _MIN_DOCKER:
        return Finding(
            check=Check.DOCKER,
            health=Health.WARN,
            said=f"{engine.version}: older than fleetmark was tried with",
            remedy="Update Docker on the machine to 20.10 or newer.",
        )
    return Finding(check=Check.DOCKER, health=Health.OK, said=engine.version)


def _image(machine: LabMachine, answers: Answers) -> Finding:
    image = answers.image
    if image is None:
        return _not_asked(Check.IMAGE, answers)
    if isinstance(image, Trouble):
        return _of(Check.IMAGE, image)
    if image.trouble:
        return _of(Check.IMAGE, image.trouble)
    if not image.there:
        return Finding(
            check=Check.IMAGE,
            health=Health.FAIL,
            said=f"{image.name} is not on the machine",
            remedy="Send it from this computer: fleetmark doctor --lab … --send-images"
            f" --machine {machine.name}",
        )
    sent = "" if image.sent_s is None else f", sent in {image.sent_s:.0f} s"
    return Finding(check=Check.IMAGE, health=Health.OK, said=f"{image.name}{sent}")


def _disk(answers: Answers) -> Finding:
    if not isinstance(answers.host, HostAnswer):
        return _not_asked(Check.DISK, answers)
    free = answers.host.disk_free_bytes
    where = "/var/lib/docker" if "/var/lib/docker" in free and not answers.host.in_container else "/"
    if where not in free:
        return Finding(check=Check.DISK, health=Health.UNKNOWN, said="the machine did not tell")
    said = f"{free[where] / _GIB:.1f} GiB free below {where}"
    if free[where] >= _GOOD_DISK_BYTES:
        return Finding(check=Check.DISK, health=Health.OK, said=said)
    return Finding(
        check=Check.DISK,
        health=Health.FAIL if free[where] < _MIN_DISK_BYTES else Health.WARN,
        said=said,
        remedy="Make room; `docker system df` on the machine shows what images and volumes take.",
    )


def _memory(machine: LabMachine, answers: Answers) -> Finding:
    if not isinstance(answers.host, HostAnswer):
        return _not_asked(Check.MEMORY, answers)
    text = answers.host.files.text("proc/meminfo") or ""
    found = re.search(r"^MemAvailable:\s*(\d{1,15}) kB", text, re.MULTILINE)
    if not found:
        return Finding(check=Check.MEMORY, health=Health.UNKNOWN, said="the machine did not tell")
    free = int(found[1]) << 10
    wanted = machine.docker.memory if machine.docker and machine.docker.memory else 0
    said = f"{free / _GIB:.1f} GiB can be had"
    if wanted and free < wanted:
        return Finding(
            check=Check.MEMORY,
            health=Health.WARN,
            said=f"{said}, and lab.yaml gives the agent {wanted / _GIB:.1f} GiB",
            remedy="End other programs on the machine, or give less memory in lab.yaml.",
        )
    if free < _MIN_MEMORY_BYTES:
        return Finding(
            check=Check.MEMORY, health=Health.WARN, said=said, remedy="End other programs on the machine."
        )
    return Finding(check=Check.MEMORY, health=Health.OK, said=said)


def _devices(machine: LabMachine, answers: Answers) -> Finding:
    """First the files that the container gets, then what OpenVINO sees of them."""
    host = answers.host if isinstance(answers.host, HostAnswer) else None
    wanted = machine.docker.devices if machine.docker else ()
    missing = [path for path in wanted if host and path not in host.devices]
    if missing:
        return Finding(
            check=Check.DEVICES,
            health=Health.FAIL,
            said=f"{', '.join(missing)}: not there",
            remedy="Install the kernel's driver on the machine, or take it out of devices in lab.yaml.",
        )
    names = ", ".join(machine.devices)
    if answers.inside is None:
        return _not_asked(Check.DEVICES, answers)
    if answers.inside.devices is None:
        return _of(Check.DEVICES, answers.inside.trouble or Trouble("it was not asked", sure=False))
    return _seen(names, machine, answers.inside, answers.inside.devices)


def _seen(names: str, machine: LabMachine, inside: Inside, seen: tuple[str, ...]) -> Finding:
    absent = [name for name in machine.devices if not _is_seen(name, seen)]
    said = f"OpenVINO {inside.openvino or 'of an unknown version'} sees {', '.join(seen) or 'no device'}"
    if not absent:
        return Finding(check=Check.DEVICES, health=Health.OK, said=f"{said}; lab.yaml names {names}")
    return Finding(
        check=Check.DEVICES,
        health=Health.FAIL,
        said=f"{said}, and not {', '.join(absent)}",
        remedy="Give the container its files (devices: [/dev/dri, /dev/accel]) and an image with their "
        "drivers, or take the device out of lab.yaml; its tests would be `unsupported`.",
    )


def _is_seen(name: str, seen: tuple[str, ...]) -> bool:
    """`GPU` and `GPU.0` are the same."""
    plain = name.removesuffix(".0")
    return any(device.removesuffix(".0") == plain for device in seen)


def _clock(answers: Answers) -> Finding:
    clock = answers.clock
    if clock is None:
        return _not_asked(Check.CLOCK, answers)
    offset, about = clock.offset_s, clock.uncertainty_s
    said = f"{abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}, ± {about:.1f} s"
    if abs(offset) <= _MAX_OFFSET_S + about:
        return Finding(check=Check.CLOCK, health=Health.OK, said=said)
    return Finding(
        check=Check.CLOCK,
        health=Health.FAIL if abs(offset) > _MAX_BELIEVED_S else Health.WARN,
        said=said,
        remedy="Set the machine's clock and keep it right: timedatectl set-ntp true",
    )


def _server(answers: Answers) -> Finding:
    server = answers.server
    if server is None:
        return _not_asked(Check.SERVER, answers)
    if isinstance(server, Trouble):
        return _of(Check.SERVER, server)
    if server.trouble:
        return _of(Check.SERVER, server.trouble)
    return Finding(check=Check.SERVER, health=Health.OK, said=_met(server))


def _met(server: ServerAnswer) -> str:
    return f"{server.address} answers {server.seen_from}"


def _noise(machine: LabMachine, answers: Answers) -> list[Finding]:
    if not isinstance(answers.host, HostAnswer):
        return [_not_asked(check, answers) for check in NOISE]
    docker = machine.docker
    cpuset = frozenset(processors(docker.cpuset or "")) if docker else frozenset()
    return judge_noise(answers.host, Placement(cpuset, docker.numa_node if docker else None))
