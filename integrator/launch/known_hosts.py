"""Host keys that are believed: files in the format of OpenSSH's known_hosts. Pure but for reading them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from protocol.errors import UserError

__all__ = ["HostKey", "KnownHosts", "default_files", "host_name"]

_SSH_PORT = 22
_HASHED = "|1|"
_FIELDS = 3
_SYSTEM_WIDE = Path("/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's public key."""

    kind: str
    """Such as `ssh-ed25519`."""
    blob: str
    """base64, as files have it."""

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def short_kind(self) -> str:
        """As `ssh-keyscan -t` and the names of key files have it: `ed25519`, `ecdsa`, `rsa`."""
        return "ecdsa" if self.kind.startswith("ecdsa-") else self.kind.removeprefix("ssh-")


@dataclass(frozen=True, slots=True)
class _Line:
    revoked: bool
    patterns: tuple[str, ...]
    key: HostKey
    file: Path
    number: int


def default_files() -> tuple[Path, ...]:
    """Where OpenSSH looks: the user's file, to which keys are added, and the computer's."""
    return Path.home() / ".ssh/known_hosts", _SYSTEM_WIDE


def host_name(host: str, port: int) -> str:
    """How known_hosts names a host: with its port where that is not 22."""
    return host if port == _SSH_PORT else f"[{host}]:{port}"


class KnownHosts:
    """What some known_hosts files say. Lines of certificate authorities are not read."""

    def __init__(self, lines: Iterable[_Line], files: tuple[Path, ...]) -> None:
        self._lines = tuple(lines)
        self._file = files[0]

    @classmethod
    def read(cls, files: tuple[Path, ...]) -> KnownHosts:
        """Read files; one that is missing is empty.

        Raises:
            UserError: one is there and cannot be read.
        """
        return cls([line for file in files for line in _lines_of(file)], files)

    def keys_of(self, name: str) -> list[HostKey]:
        """The keys that a host may have, without those that were revoked."""
        found = (line.key for line in self._lines if not line.revoked and _matches(name, line.patterns))
        return [key for key in found if not self.is_revoked(name, key)]

    def is_revoked(self, name: str, key: HostKey) -> bool:
        """Whether a line says of a key that it must not be believed any more."""
        return any(line.revoked and line.key == key and _matches(name, line.patterns) for line in self._lines)

    def how_to_add(self, name: str, host: str, port: int, key: HostKey) -> str:
        """The commands that show a host's key, and add it."""
        file = shlex.quote(str(self._file))
        scan = f"ssh-keyscan -p {port} -t {key.short_kind} {shlex.quote(host)}"
        line = shlex.quote(f"{name} {key.kind} {key.blob}")
        return (
            f"on {host} itself, show its key's fingerprint: ssh-keygen -lf "
            f"/etc/ssh/ssh_host_{key.short_kind}_key.pub; from here it is {key.fingerprint} "
            f"({scan} | ssh-keygen -lf -). If the two are the same, add the key: "
            f"mkdir -p -m 700 {shlex.quote(str(self._file.parent))} && echo {line} >> {file}"
        )

    def how_to_replace(self, name: str, host: str, port: int, key: HostKey) -> str:
        """The commands that put a host's new key in the place of the known one, where that is right."""
        lines = [line for line in self._lines if _matches(name, line.patterns)]
        where = ", ".join(f"{line.file}:{line.number}" for line in lines)
        file = shlex.quote(str(lines[0].file if lines else self._file))
        return (
            "somebody may be listening in: do not go on before you know why the key changed. If the machine "
            f"was installed anew, forget the old one ({where}): ssh-keygen -f {file} -R {shlex.quote(name)}; "
            f"then, {self.how_to_add(name, host, port, key)}"
        )


def _lines_of(file: Path) -> Iterator[_Line]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(f"{file}: the known host keys cannot be read: {error.strerror}") from error
    for number, raw in enumerate(text.splitlines(), 1):
        fields = raw.split()
        revoked = bool(fields) and fields[0] == "@revoked"
        if revoked:
            fields = fields[1:]
        if len(fields) < _FIELDS or fields[0].startswith(("#", "@")):
            continue
        try:
            base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        yield _Line(revoked, tuple(fields[0].split(",")), HostKey(fields[1], fields[2]), file, number)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    found = False
    for pattern in patterns:
        if pattern.startswith(_HASHED):
            found = found or _is_hash_of(name, pattern)
        elif pattern.startswith("!"):
            if fnmatchcase(name.lower(), _glob(pattern[1:])):
                return False
        else:
            found = found or fnmatchcase(name.lower(), _glob(pattern))
    return found


def _glob(pattern: str) -> str:
    """OpenSSH knows `*` and `?` only; the brackets are those of `[host]:port`."""
    return pattern.lower().replace("[", "[[]")


def _is_hash_of(name: str, pattern: str) -> bool:
    try:
        salt, expected = (base64.b64decode(part, validate=True) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    # OpenSSH's format prescribes SHA-1, which hides names here and vouches for nothing.
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), expected)
