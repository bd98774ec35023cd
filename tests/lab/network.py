"""A network of the lab's own: the boxes and the server have fixed addresses, this machine has the first."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.docker_cli import DockerError, docker
from tests.lab.owner import LABEL

__all__ = ["LabNetwork"]

_ROOM = ipaddress.ip_network("10.213.0.0/16")


@dataclass(frozen=True, slots=True)
class LabNetwork:
    """A bridge on this machine."""

    name: str
    subnet: ipaddress.IPv4Network

    @classmethod
    def make(cls, name: str, owner: str) -> LabNetwork:
        """Make it, in a corner of the private addresses that no other lab on this machine has."""
        refusals = []
        for subnet in _corners():
            network = cls(name, subnet)
            try:
                docker(
                    *("network", "create", "--label", f"{LABEL}={owner}"),
                    *("--subnet", str(subnet), "--gateway", network.here, name),
                )
            except DockerError as error:
                refusals.append(str(error))
                continue
            return network
        raise DockerError(f"no network of {_ROOM} is free: {refusals[-1]}")

    @property
    def here(self) -> str:
        """The address of this machine, where boxes reach what listens here."""
        return str(self.subnet[1])

    def address(self, number: int) -> str:
        """The address of box `number`, from 1."""
        return str(self.subnet[10 + number])

    @property
    def server(self) -> str:
        """The address of the FTP server's container."""
        return str(self.subnet[2])

    def remove(self) -> None:
        """Remove it; nothing may be on it any more."""
        docker("network", "rm", self.name)


def _corners() -> Iterator[ipaddress.IPv4Network]:
    for subnet in _ROOM.subnets(new_prefix=24):
        if isinstance(subnet, ipaddress.IPv4Network):
            yield subnet
