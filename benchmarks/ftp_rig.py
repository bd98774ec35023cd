"""What the benchmarks of the FTP server share: servers as processes of their own, and a plain client.

`python -m benchmarks.ftp_rig ROOT AGENTS` is fleetmark's server; it prints its accounts and ends with its
stdin. vsftpd is Debian's package, with a configuration of its own on loopback, and no service of the system;
it needs root, and a file in /etc/pam.d while it runs that lets everybody in.
"""

from __future__ import annotations

import contextlib
import ftplib
import hashlib
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ftp_server.certificates import create_certificate
from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from protocol.account import Account

__all__ = ["Client", "Served", "fleetmark", "has_vsftpd", "raise_file_limit", "vsftpd"]

_START_S = 60.0
_TIMEOUT_S = 300.0
_GREETING_S = 5.0
_CHUNK = 256 << 10
_PAM = Path("/etc/pam.d/fleetmark-benchmark")
_VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
guest_enable=YES
guest_username=ftp
virtual_use_local_privs=YES
pam_service_name={pam}
local_root={root}
chroot_local_user=YES
allow_writeable_chroot=YES
secure_chroot_dir={empty}
seccomp_sandbox=NO
session_support=NO
max_clients=0
max_per_ip=0
ssl_enable=YES
force_local_logins_ssl=YES
force_local_data_ssl=YES
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file={certificate}
xferlog_enable=NO
"""


def raise_file_limit() -> None:
    """As many open files as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: its main process, the folder that it serves, and its accounts."""

    name: str
    pid: int
    root: Path
    accounts: tuple[Account, ...]
    has_hash: bool

    def peak_mib(self) -> float:
        """The most memory that the main process ever had (VmHWM)."""
        return _kilobytes(Path(f"/proc/{self.pid}/status"), "VmHWM") / 1024

    def memory_mib(self) -> float:
        """Memory of all its processes now, what they share counted once (PSS)."""
        pids, found = [self.pid], 0
        while pids:
            pid = pids.pop()
            with contextlib.suppress(OSError):  # it may end meanwhile
                found += _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        return found / 1024


def _kilobytes(file: Path, name: str) -> int:
    lines = file.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@contextlib.contextmanager
def fleetmark(folder: Path, agents: int) -> Iterator[Served]:
    """The server of this project."""
    root = folder / "fleetmark"
    command = [sys.executable, "-m", "benchmarks.ftp_rig", str(root), str(agents)]
    here = Path(__file__).parents[1]
    process = subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        accounts = tuple(
            Account.from_bytes(json.dumps(said).encode(), source="the server")
            for said in json.loads(process.stdout.readline())
        )
        yield Served("fleetmark", process.pid, root, accounts, has_hash=True)
    finally:
        process.stdin.close()
        process.wait(_START_S)


def has_vsftpd() -> bool:
    """Whether vsftpd can be started here."""
    return shutil.which("vsftpd", path="/usr/sbin:/usr/bin") is not None and os.geteuid() == 0


@contextlib.contextmanager
def vsftpd(folder: Path, agents: int) -> Iterator[Served]:
    """vsftpd, which knows everybody by any password."""
    root, empty = folder / "vsftpd", folder / "empty"
    for path in (root, empty):
        path.mkdir()
    for path in (folder, root):
        path.chmod(0o777)
    certificate = folder / "vsftpd.pem"
    authority = create_certificate(["127.0.0.1"], certificate)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    configuration = folder / "vsftpd.conf"
    configuration.write_text(
        _VSFTPD.format(port=port, pam=_PAM.name, root=root, empty=empty, certificate=certificate)
    )
    _PAM.write_text("auth required pam_permit.so\naccount required pam_permit.so\n")
    process = subprocess.Popen([shutil.which("vsftpd", path="/usr/sbin:/usr/bin") or "", str(configuration)])
    try:
        _wait_for(port, process)
        common = {
            "schema_version": 1,
            "host": "127.0.0.1",
            "port": port,
            "password": "any",
            "ca_certificate": authority,
        }
        accounts = tuple(Account.model_validate({**common, "user": f"m{n}"}) for n in range(agents))
        yield Served("vsftpd", process.pid, root, accounts, has_hash=False)
    finally:
        process.terminate()
        process.wait(_START_S)
        _PAM.unlink()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("vsftpd did not start")


class Client:
    """An FTP client that any server understands, so that the load is the same for all."""

    def __init__(self, server: Served, account: Account) -> None:
        self._has_hash = server.has_hash
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=account.ca_certificate)
        # A server with a short queue forgets some of many that come at once, and they wait for its greeting.
        self._ftp = ftplib.FTP_TLS(context=context, timeout=_GREETING_S)
        self._ftp.connect(account.host, account.port)
        self._ftp.timeout = _TIMEOUT_S
        if self._ftp.sock:
            self._ftp.sock.settimeout(_TIMEOUT_S)
        self._ftp.login(account.user, account.password.get_secret_value())
        self._ftp.prot_p()
        self._ftp.voidcmd("TYPE I")

    def push(self, path: str, data: bytes) -> None:
        """Store a file as an agent does: under another name, verified as far as the server can, renamed."""
        temporary = f"{path}.part-{os.urandom(8).hex()}"
        channel = self._ftp.transfercmd(f"STOR {temporary}")
        channel.sendall(data)
        self._end(channel)
        if self._has_hash:
            said = self._ftp.voidcmd(f"HASH {temporary}")
            if hashlib.sha256(data).hexdigest() not in said:
                raise ftplib.Error(said)
        elif self._ftp.size(temporary) != len(data):
            raise ftplib.Error("another size")
        self._ftp.rename(temporary, path)

    def fetch(self, path: str, sink: Callable[[bytes], object]) -> None:
        """Read a file."""
        channel = self._ftp.transfercmd(f"RETR {path}")
        while chunk := channel.recv(_CHUNK):
            sink(chunk)
        self._end(channel)

    def close(self) -> None:
        """Hang up."""
        self._ftp.close()

    def _end(self, channel: socket.socket) -> None:
        if isinstance(channel, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                channel.unwrap()
        channel.close()
        self._ftp.voidresp()


def _serve(root: Path, agents: int) -> None:
    raise_file_limit()
    with FtpServer(root, max_connections=4 * agents + 64) as server:
        accounts = [server.add_account(f"m{n}", Role.MACHINE) for n in range(agents)]
        print(json.dumps([json.loads(account.to_bytes()) for account in accounts]), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
