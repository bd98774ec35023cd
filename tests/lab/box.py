"""A machine of the lab: a container with its own SSH server, engine and address, and what may befall it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.docker_cli import DockerError, docker, docker_ok, lines_of
from tests.lab.network import LabNetwork
from tests.lab.owner import LABEL, remove_cgroups

__all__ = ["LOGIN", "SMALL_DISK", "Box"]

LOGIN = "fleet"
"""The user of all boxes; a member of the group that may use the engine."""
SMALL_DISK = "/srv/small"
"""A disk of its own in every box, 64 MB: for whoever wants to see a full one."""
_SMALL_DISK_BYTES = 64 << 20
_BOOT_S = 120.0
_MAY = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
"""Enough for an engine in a box, and less than --privileged."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box. All that is done to it is done from outside, as a hand at its plugs would."""

    name: str
    """As lab.yaml calls the machine."""
    container: str
    address: str
    network: LabNetwork

    @classmethod
    def start(cls, number: int, *, image: str, prefix: str, network: LabNetwork, owner: str, key: str) -> Box:
        """Start box `number`; it boots meanwhile, and `booted` waits for that.

        Args:
            number: From 1.
            image: What a box is made of.
            prefix: Begins the names of the container and its volume.
            network: What it is plugged into.
            owner: The session that it belongs to.
            key: The public key that may log in.
        """
        name = f"box-{number}"
        box = cls(name, f"{prefix}-{name}", network.address(number), network)
        docker("volume", "create", "--label", f"{LABEL}={owner}", box.container)
        docker(
            *("run", "-d", "--init", "--name", box.container, "--hostname", name),
            *("--label", f"{LABEL}={owner}"),
            *(word for capability in _MAY for word in ("--cap-add", capability)),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
            *("-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-v", f"{box.container}:/var/lib/docker"),
            *("--tmpfs", f"{SMALL_DISK}:rw,size={_SMALL_DISK_BYTES},mode=755"),
            *("--network", network.name, "--ip", box.address),
            *("-e", f"BOX={box.container}", "-e", f"AUTHORIZED_KEY={key}"),
            image,
        )
        return box

    def booted(self) -> None:
        """Wait until its SSH server and its engine answer."""
        wait_until(
            lambda: docker_ok("exec", self.container, "test", "-e", "/run/booted"),
            f"{self.name} did not boot",
            within_s=_BOOT_S,
        )

    def run(self, *words: str, timeout_s: float = 120.0) -> str:
        """What a command in the box says, as its root."""
        return docker("exec", self.container, *words, timeout_s=timeout_s)

    def docker(self, *words: str, timeout_s: float = 120.0) -> str:
        """What the box's own engine says."""
        return self.run("docker", *words, timeout_s=timeout_s)

    def host_key(self) -> str:
        """Its line in known_hosts, taken from its disk and not from the network."""
        kind, key, *_ = self.run("cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
        return f"{self.address} {kind} {key}"

    # What it has.

    def containers(self, *, every: bool = True) -> list[str]:
        """The names of the containers in it; all of them, or those that run."""
        return list(lines_of(self.docker("ps", *(["-a"] if every else []), "--format", "{{.Names}}")))

    def images(self) -> list[str]:
        """The tags of the images in it."""
        return list(lines_of(self.docker("images", "--format", "{{.Repository}}:{{.Tag}}")))

    def put_aside(self) -> list[str]:
        """Results that its agent measured and the server had already: what should never be."""
        found = self.run("sh", "-c", "find /var/lib/docker/volumes -path '*/refused/*' -type f")
        return list(lines_of(found))

    def load(self, image: str) -> None:
        """Copy an image from this machine's engine to the box's."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "exec", "-i", self.container, "docker", "load", "-q"],
                check=True,
                stdin=saved.stdout,
                stdout=subprocess.DEVNULL,
                timeout=300.0,
            )

    # What may befall it.

    def cut(self) -> None:
        """Take it off the network: every packet is lost, in both directions, and nobody is told."""
        self.run("box", "cut")

    def join(self) -> None:
        """Undo `cut`. Connections from before go on, where both sides still hold them."""
        self.run("box", "join")

    def unplug(self) -> None:
        """Take its network card away: it has no address, and others find no way to it."""
        docker("network", "disconnect", self.network.name, self.container)

    def plug(self) -> None:
        """Undo `unplug`, with the same address."""
        docker("network", "connect", "--ip", self.address, self.network.name, self.container)

    def kill_engine(self) -> None:
        """End its Docker Engine as a crash would."""
        self.run("box", "engine-kill")

    def start_engine(self) -> None:
        """Start the engine again, and wait until it answers."""
        self.run("box", "engine")

    def power_off(self) -> None:
        """End all in it at once; its disk stays."""
        docker("kill", self.container)

    def power_on(self) -> None:
        """Boot it again, and wait for that."""
        docker("start", self.container)
        self.booted()

    def is_on(self) -> bool:
        """Whether it runs."""
        return docker("inspect", "--format", "{{.State.Running}}", self.container).strip() == "true"

    def kill_agent(self, container: str) -> None:
        """End a container in it with SIGKILL, as the kernel does when memory runs out."""
        self.docker("kill", "--signal", "KILL", container)

    def fill_small_disk(self) -> None:
        """Leave no byte free on `SMALL_DISK`."""
        self.run("sh", "-c", f"cat /dev/zero >{SMALL_DISK}/filler 2>/dev/null || true")

    def free_small_disk(self) -> None:
        """Undo `fill_small_disk`."""
        self.run("rm", "-f", f"{SMALL_DISK}/filler")

    # Between tests.

    def tidy(self, *, keep: tuple[str, ...] = ()) -> None:
        """On, joined, its engine up, without containers; volumes but those of `keep` are gone."""
        if not self.is_on():
            self.power_on()
        self.run("sh", "-c", "box join 2>/dev/null || true")
        self.start_engine()
        if found := list(lines_of(self.docker("ps", "-aq"))):
            self.docker("rm", "-f", "-v", *found)
        if found := [each for each in lines_of(self.docker("volume", "ls", "-q")) if each not in keep]:
            self.docker("volume", "rm", "-f", *found)
        self.free_small_disk()

    def remove(self) -> None:
        """Remove it with its disk."""
        docker("rm", "-f", "-v", self.container)
        docker("volume", "rm", self.container)
        remove_cgroups(self.container)


def wait_until(true: Callable[[], bool], otherwise: str, *, within_s: float = 60.0) -> None:
    """Wait until something is so; fail with `otherwise` after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise DockerError(f"{otherwise} within {within_s:g} s")
        time.sleep(0.1)
