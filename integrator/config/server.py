"""The key `server` of lab.yaml: where agents and integrator meet."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from integrator.config.files import ExistingFile
from integrator.config.values import refusal, shown
from protocol.documents import Record

__all__ = ["LOOPBACK", "PortRange", "ServerSection", "is_loopback"]

LOOPBACK = "127.0.0.1"
_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_HIGHEST_PORT = 65535
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")

PortRange = tuple[int, int]
"""The first and the last port."""


def is_loopback(host: str) -> bool:
    """Whether only programs of the same computer reach a server under this name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(value: object) -> object:
    try:
        return str(ip_address(value)) if isinstance(value, str) else _no_address(value)
    except ValueError:
        return _no_address(value)


def _no_address(value: object) -> object:
    raise refusal(f"{shown(value)} is not an address of this computer, such as 0.0.0.0 (all) or 10.0.0.5")


def _name_or_address(value: object) -> object:
    if isinstance(value, str):
        try:
            address = ip_address(value)
        except ValueError:
            if _HOST.fullmatch(value) and not value.replace(".", "").isdigit():
                return value
        else:
            if not address.is_unspecified:
                return str(address)
            raise refusal(f"{shown(value)} is no address that machines could connect to")
    raise refusal(f"{shown(value)} is neither a name nor an address of this computer, such as 10.0.0.5")


def _ports(value: object) -> object:
    if isinstance(value, tuple):
        return value
    if isinstance(value, str) and (match := _RANGE.fullmatch(value)):
        first, last = int(match[1]), int(match[2])
        if 1 <= first <= last <= _HIGHEST_PORT:
            return first, last
    raise refusal(f"{shown(value)} is not a range of ports, such as 50000-50100")


class ServerSection(Record):
    """The FTP server: one inside the integrator, or the lab's own."""

    model_config = ConfigDict(title="Server")

    account: ExistingFile | None = Field(
        default_factory=lambda: None,
        description="Hand-over file of an integrator's account on the lab's own fleetmark-ftp, relative to "
        "lab.yaml. The other keys are for the server inside the integrator. Default: none.",
    )
    listen: Annotated[str, BeforeValidator(_address)] = Field(
        default=LOOPBACK,
        description="Address on which the server inside the integrator listens; 0.0.0.0 is all. "
        f"Default: {LOOPBACK}, for machines that are this computer.",
    )
    port: Annotated[int, Field(strict=True, ge=1, le=_HIGHEST_PORT)] | None = Field(
        default_factory=lambda: None, description="Port of that server. Default: one that is free."
    )
    advertise: Annotated[str, BeforeValidator(_name_or_address, json_schema_input_type=str)] | None = Field(
        default_factory=lambda: None,
        description="Name or address under which machines reach that server; it must be given where listen "
        "is not this computer alone. Default: as listen.",
    )
    passive_ports: Annotated[PortRange | None, BeforeValidator(_ports, json_schema_input_type=str)] = Field(
        default_factory=lambda: None,
        description="Ports for data connections, such as 50000-50100, where a firewall lets only some "
        "through. Default: any that is free.",
    )

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        given = [
            key for key in ("listen", "port", "advertise", "passive_ports") if key in self.model_fields_set
        ]
        if self.account is not None and given:
            sentence = f"{given[0]} is for the server inside the integrator; account names the lab's own"
            raise refusal(sentence, given[0])
        if not is_loopback(self.listen) and self.advertise is None:
            sentence = (
                f"machines have to be told where to find a server that listens on {self.listen}: "
                "give advertise, the name or address of this computer"
            )
            raise refusal(sentence, "listen")
        return self

    @property
    def host(self) -> str:
        """What agents connect to, of the server inside the integrator."""
        return self.advertise or self.listen
