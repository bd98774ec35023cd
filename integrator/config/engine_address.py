"""Where a Docker Engine is reached: `unix://`, `ssh://`, `tcp://`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from integrator.config.server import is_loopback

__all__ = ["DEFAULT_SOCKET", "EngineAddress", "parse_engine_address"]

DEFAULT_SOCKET = "/var/run/docker.sock"
_SSH_PORT = 22
_TLS_PORT = 2376
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_SOCKET = re.compile(r"/[A-Za-z0-9_./@+-]{1,100}")
_FORM = "unix:///var/run/docker.sock, ssh://user@host or tcp://host:2376"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """A parsed address; `str(address)` is how it is written."""

    kind: Literal["unix", "ssh", "tcp"]
    socket: str = DEFAULT_SOCKET
    """Path of the engine's socket: on this computer, or on the one that ssh leads to."""
    user: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix://{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.kind == "tcp":
            return f"tcp://{host}:{self.port}"
        port = "" if self.port == _SSH_PORT else f":{self.port}"
        socket = "" if self.socket == DEFAULT_SOCKET else self.socket
        return f"ssh://{self.user}@{host}{port}{socket}"

    @property
    def is_here(self) -> bool:
        """Whether the way leads to this computer."""
        return self.kind == "unix" or is_loopback(self.host)


def parse_engine_address(text: str) -> EngineAddress:
    """Read an address.

    Raises:
        ValueError: it is none; the message completes a sentence that begins with the address.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"is not the address of a Docker Engine; expected {_FORM}") from None
    if parts.query or parts.fragment or parts.scheme not in {"unix", "ssh", "tcp"}:
        raise ValueError(f"is not the address of a Docker Engine; expected {_FORM}")
    if parts.password is not None:
        raise ValueError("holds a password; give password_file, prompt or a key instead")
    if parts.scheme == "unix":
        if parts.netloc or not _SOCKET.fullmatch(parts.path):
            raise ValueError("has no path of a socket; expected unix:///var/run/docker.sock")
        return EngineAddress("unix", socket=parts.path)
    if not (_IPV6 if ":" in host else _NAME).fullmatch(host):
        raise ValueError(f"names no host; expected {_FORM}")
    if parts.scheme == "tcp":
        if parts.path not in {"", "/"} or parts.username:
            raise ValueError("holds more than host and port; expected tcp://host:2376")
        return EngineAddress("tcp", socket="", host=host, port=port or _TLS_PORT)
    return _over_ssh(parts.username or "", host, port or _SSH_PORT, parts.path.rstrip("/"))


def _over_ssh(user: str, host: str, port: int, socket: str) -> EngineAddress:
    if not _NAME.fullmatch(user):
        raise ValueError("does not say which user logs in; expected ssh://user@host")
    if socket and not _SOCKET.fullmatch(socket):
        raise ValueError("has no path of a socket after the host; expected ssh://user@host/run/docker.sock")
    return EngineAddress("ssh", socket=socket or DEFAULT_SOCKET, user=user, host=host, port=port)
