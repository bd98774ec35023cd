"""What the options of `fleetmark-ftp serve` mean."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket

from protocol.errors import UserError

__all__ = ["EVERY_ADDRESS", "advertised_name", "bind", "masquerade", "names", "ports", "size"]

_LOG = logging.getLogger("fleetmark.ftp")
_HIGHEST_PORT = 65535
_LOWEST_PASSIVE_PORT = 1024
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MOST_BYTES = 1 << 60

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
"""What stands for all addresses of a computer, and where it reaches itself then."""


def ports(option: str, text: str) -> range:
    """The ports of `FIRST-LAST`, both of them included.

    Raises:
        UserError: it is not a range of ports that need no root.
    """
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not _LOWEST_PASSIVE_PORT <= first <= last <= _HIGHEST_PORT:
        raise UserError(
            f"{option} {text}: not a range of ports from {_LOWEST_PASSIVE_PORT} to {_HIGHEST_PORT}",
            advice="For example 30000-30100.",
        )
    return range(first, last + 1)


def size(option: str, text: str) -> int:
    """Bytes, of a number with K, M, G or T (of 1024) behind it, or nothing; 0 stands for no limit.

    Raises:
        UserError: it is none of these.
    """
    match = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text.upper())
    found = int(match[1]) * _UNITS[match[2]] if match else _MOST_BYTES + 1
    if found > _MOST_BYTES:
        raise UserError(f"{option} {text}: not a size", advice="For example 500M, 2G, or 0 for no limit.")
    return found


def advertised_name(host: str, advertise: str | None) -> str:
    """The name or address that agents connect to: it is in every hand-over file, and in the certificate.

    Raises:
        UserError: none can be told from `host`, or it is neither an address nor a host name.
    """
    if advertise is None and host in EVERY_ADDRESS:
        raise UserError(
            f"--host {host}: listens on every address, so agents have to be told one",
            advice="Name it with --advertise ADDRESS: what agents connect to.",
        )
    name = host if advertise is None else advertise
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", name) and not _is_address(name):
        raise UserError(
            f"--advertise {name}: neither an address nor the name of a host",
            advice="Without a port, and without ftp:// in front; for example ftp.lab.example.",
        )
    return name


def names(host: str, advertised: str) -> list[str]:
    """What the server's certificate is made out to."""
    return [advertised] if host in EVERY_ADDRESS else [advertised, host]


def masquerade(advertise: str | None) -> str | None:
    """The IPv4 address for the answer to PASV, which has no room for a name; None: the server's own.

    A name that leads back to this computer (Debian's /etc/hosts has the computer's own as 127.0.1.1) would
    send clients to theirs.
    """
    if advertise is None:
        return None
    try:
        found = str(socket.getaddrinfo(advertise, None, socket.AF_INET)[0][4][0])
    except OSError:
        _LOG.warning("--advertise %s: has no IPv4 address here; PASV answers the server's own", advertise)
        return None
    if ipaddress.ip_address(found).is_loopback:
        return None
    return found


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; `::` takes IPv4 too.

    Raises:
        UserError: somebody else listens there, this user may not, or there is no such address here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: cannot listen there: {error.strerror}",
            advice="Ports below 1024 need root; `ss -ltnp` shows who listens already.",
        ) from error


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
