"""Broken FTP commands to the real server, on a connection that is logged in as a machine.

    python -m tests.fuzz.commands [--inputs 20000] [--seed 0]

Whatever is sent, the server answers, nothing but what a machine may change is changed, and the log holds no
error of the server's own.
"""

# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import re
import socket
import ssl
import tempfile
import time
from collections import Counter
from pathlib import Path

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol.account import Account
from tests.fuzz.mutate import broken_bytes, broken_name

__all__ = ["Commands"]

_KEPT = {
    "machines/box/camp/job.json": b"my job",
    "machines/box/camp/results/t1.0.json.gz": b"my result",
    "machines/box/lease.1.json": b"my lease",
    "machines/other/camp/job.json": b"their job",
    "machines/other/camp/results/t1.0.json.gz": b"their result",
    "models/abc/m.bin": b"weights",
}
"""What no machine can change: it was there before."""
_MAY_BE = re.compile(
    r"machines/box/(?:(?:lease\.[1-9][0-9]{0,8}(?:\.renewed)?|clock)\.json"
    r"|[a-z0-9_-]+/(?:status|machine)\.json"
    r"|[a-z0-9_-]+/results/[a-z0-9_-]+\.[0-9]{1,4}\.json\.gz)(?:\.part-[0-9a-f]{16})?"
)
"""What a machine may add, and no other name."""
_PART = ".part-0123456789abcdef"
_NAMES = (
    "/",
    "/machines/box/camp/job.json",
    "/machines/box/camp/status.json",
    f"/machines/box/camp/status.json{_PART}",
    "/machines/box/camp/results",
    "/machines/box/camp/results/t1.0.json.gz",
    "/machines/box/camp/results/t1.1.json.gz",
    f"/machines/box/camp/results/t1.1.json.gz{_PART}",
    f"/machines/box/camp/results/t1.0.json.gz{_PART}",
    "/machines/box/lease.1.json",
    f"/machines/box/lease.2.json{_PART}",
    "/machines/box/../other/camp/job.json",
    "/machines/other",
    "/models/abc/m.bin",
    "t1.0.json.gz",
    "..",
    "",
    "-la",
)
_WORDS = (
    *("ABOR", "ALLO", "APPE", "AUTH", "CDUP", "CWD", "DELE", "EPRT", "EPSV", "FEAT", "HASH", "HELP", "LIST"),
    *("MDTM", "MFMT", "MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS", "PASV", "PBSZ", "PORT", "PROT"),
    *("PWD", "REST", "RETR", "RMD", "RNFR", "RNTO", "SITE", "SIZE", "STAT", "STOR", "STOU", "STRU", "SYST"),
    *("TYPE", "XCUP", "XCWD", "XMKD", "XPWD", "XRMD"),
)
_OTHERS = (
    "I",
    "A",
    "0",
    "-1",
    "9" * 30,
    "P",
    "C",
    "TLS",
    "UTF8 ON",
    "MLST size;",
    "1,2,3,4,5,6",
    "|1|::1|9|",
)
_WITH_DATA = ("APPE", "LIST", "MLSD", "NLST", "RETR", "STOR")
_BATCH = 20
_PATIENCE_S = 20.0


class Commands:
    """A server, and somebody with the account of the machine `box`."""

    def __init__(self, server: FtpServer, seed: int) -> None:
        self._root = server.root
        for name, content in _KEPT.items():
            file = self._root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self._account = server.add_account("box", Role.MACHINE)
        server.add_account("other", Role.MACHINE)
        self._context = ssl.create_default_context(cadata=self._account.ca_certificate)
        self._rng = random.Random(seed)
        self._syncs = 0
        self._line: ssl.SSLSocket | None = None
        self.answers: Counter[str] = Counter()
        """By their first digit."""
        self.logins = 0

    def send(self, count: int) -> None:
        """Send so many commands; what the server answers to each batch is read to its end."""
        for begin in range(0, count, _BATCH):
            line = self._line or self._log_in(self._account)
            some = [self._command() for _ in range(min(_BATCH, count - begin))]
            try:
                if self._rng.random() < 0.5:
                    self._with_data(line)
                line.sendall(b"".join(some))
                self._answers(line)
            except ConnectionError:  # it was told to go, as by a line without an end
                self.close()
        self.check()

    def check(self) -> None:
        """See that nothing was changed that a machine may not change."""
        found = {str(path.relative_to(self._root)) for path in self._root.rglob("*") if path.is_file()}
        for name, content in _KEPT.items():
            assert (self._root / name).read_bytes() == content, name
        for name in found - set(_KEPT):
            assert _MAY_BE.fullmatch(name), name

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _command(self) -> bytes:
        rng = self._rng
        argument = rng.choice(_NAMES if rng.random() < 0.8 else _OTHERS)
        if rng.random() < 0.4:
            argument = broken_name(rng, argument)
        line = f"{rng.choice(_WORDS)} {argument}".encode()
        if rng.random() < 0.2:
            line = broken_bytes(rng, line)
        if rng.random() < 0.01:
            line += b"x" * rng.choice((1000, 3000, 70_000))
        return line + b"\r\n"

    def _log_in(self, account: Account) -> ssl.SSLSocket:
        plain = socket.create_connection((account.host, account.port), timeout=_PATIENCE_S)
        plain.sendall(b"AUTH TLS\r\n")
        while not plain.recv(1000).endswith(b"successful.\r\n"):
            pass
        line = self._context.wrap_socket(plain, server_hostname=account.host)
        password = account.password.get_secret_value()
        line.sendall(f"USER {account.user}\r\nPASS {password}\r\nPBSZ 0\r\nPROT P\r\n".encode())
        self._answers(line)
        self._line = line
        self.logins += 1
        return line

    def _answers(self, line: ssl.SSLSocket) -> str:
        """All up to the answer to a command that does not exist, which repeats it."""
        self._syncs += 1
        line.sendall(f"Z{self._syncs}\r\n".encode())
        said = b""
        while f'"Z{self._syncs}"'.encode() not in said:
            chunk = line.recv(65_536)
            if not chunk:
                raise ConnectionResetError
            said += chunk
        text = said.decode(errors="replace")
        self.answers.update(re.findall(r"^([1-5])[0-9]{2} ", text, re.MULTILINE))
        return text

    def _with_data(self, line: ssl.SSLSocket) -> None:
        """A command that has its data connection, TLS or not, and some bytes on it."""
        rng = self._rng
        line.sendall(b"EPSV\r\n")
        found = re.findall(r"\|\|\|([0-9]+)\|", self._answers(line))
        if not found:
            return
        with socket.create_connection((self._account.host, int(found[-1])), timeout=_PATIENCE_S) as plain:
            line.sendall(f"{rng.choice(_WITH_DATA)} {broken_name(rng, rng.choice(_NAMES))}\r\n".encode())
            with contextlib.suppress(OSError):
                if rng.random() < 0.2:
                    plain.sendall(rng.randbytes(100))
                    return
                plain.settimeout(0.2)  # where the command was refused, nobody shakes hands
                with self._context.wrap_socket(
                    plain, server_hostname=self._account.host, session=line.session
                ) as data:
                    data.sendall(rng.randbytes(rng.choice((0, 1, 5000))))
                    if rng.random() < 0.7:
                        data.unwrap()


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        print(f"LOGGED {self.format(record)}", flush=True)


def main() -> None:
    """Send and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, FtpServer(Path(folder) / "root") as server:
        commands = Commands(server, options.seed)
        commands.send(options.inputs)
        commands.close()
    answers = ", ".join(f"{count:,} × {digit}xx" for digit, count in sorted(commands.answers.items()))
    print(f"seed {options.seed}: {options.inputs:,} commands in {time.monotonic() - began:.0f} s; {answers}")
    print(f"{commands.logins} logins, {errors.count} errors in the log")
    raise SystemExit(1 if errors.count else 0)


if __name__ == "__main__":
    main()
