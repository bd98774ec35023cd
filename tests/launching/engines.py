"""A second Docker Engine beside the machine's own: with a socket and a TLS port, and images of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import ipaddress
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab.docker_cli import DockerError, docker
from tests.launching.sshd import free_port

__all__ = ["Authority", "SecondEngine", "make_tiny_image", "run_second_engine"]

_PATIENCE_S = 60.0
_DISK_BYTES = 64 << 20
_PROGRAMS = ("sh", "cat", "sleep", "find", "id", "df", "stat", "kill", "true")


class Authority:
    """A CA, and what it signs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {folder.name}")])
        self.certificate = folder / "ca.pem"
        certificate = self._sign(self._name, self._key.public_key(), authority=True)
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, server: bool = False) -> tuple[Path, Path]:
        """A certificate and its key; a server's is for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), server=server)
        paths = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        paths[1].chmod(0o600)
        return paths

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        authority: bool = False,
        server: bool = False,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


@dataclass
class SecondEngine:
    """An engine that runs."""

    folder: Path
    port: int
    """With TLS, on 127.0.0.1."""
    authority: Authority
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    def docker(self, *words: str) -> str:
        """What a docker command says of this engine."""
        return docker("-H", f"unix://{self.socket}", *words)


@contextlib.contextmanager
def run_second_engine() -> Iterator[SecondEngine]:
    """Start one; it runs no containers with networks, has no images, and a small disk."""
    program = shutil.which("dockerd")
    if program is None or os.geteuid() != 0:
        pytest.skip("a second Docker Engine needs dockerd, and root")
    folder = Path(tempfile.mkdtemp(prefix="fleetmark-engine-"))  # short: a socket's path has a limit
    (folder / "data").mkdir()
    size = f"size={_DISK_BYTES}"
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "fleetmark-test", folder / "data"], check=False
    ).returncode:
        pytest.skip("a second Docker Engine needs a disk of its own, and this may not mount one")
    authority = Authority(folder / "tls")
    certificate, key = authority.issue("engine", server=True)
    port = free_port()
    command = [
        program,
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid"), "--cgroup-parent", f"/{folder.name}"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
        *("-H", f"unix://{folder / 'docker.sock'}", "-H", f"tcp://127.0.0.1:{port}"),
        *("--tlsverify", "--tlscacert", str(authority.certificate)),
        *("--tlscert", str(certificate), "--tlskey", str(key)),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    engine = SecondEngine(folder, port, authority, process)
    try:
        _wait_until_it_answers(engine)
        yield engine
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)
        _remove(folder)


def make_tiny_image(tag: str) -> None:
    """Import an image of a shell and some programs of this machine, whose entry point is a test's script.

    `agent` in it does what the variable SCRIPT says. Its user is the agents', and so is /var/lib/fleetmark.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(_files_of(_PROGRAMS)):
            archive.add(path.resolve(), arcname=str(path).lstrip("/"))
        script = b'#!/bin/sh\neval "$SCRIPT"\n'
        entry = tarfile.TarInfo("bin/agent")
        entry.size, entry.mode = len(script), 0o755
        archive.addfile(entry, io.BytesIO(script))
        for name, mode, owner in (("var/lib/fleetmark", 0o700, 10001), ("tmp", 0o1777, 0)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(entry)
    subprocess.run(
        [
            *("docker", "import", "--change", 'ENTRYPOINT ["/bin/agent"]', "--change", "USER 10001:10001"),
            *("--change", "WORKDIR /var/lib/fleetmark", "--change", "ENV PATH=/bin:/usr/bin", "-", tag),
        ],
        input=buffer.getvalue(), check=True, capture_output=True,
    )  # fmt: skip


def _files_of(programs: tuple[str, ...]) -> set[Path]:
    found: set[Path] = set()
    for name in programs:
        program = shutil.which(name)
        assert program is not None, name
        found.add(Path("/bin") / name if name == "sh" else Path(program))
        listed = subprocess.run(["ldd", program], check=False, capture_output=True, text=True).stdout
        found |= {Path(word) for word in listed.split() if word.startswith("/")}
    return found


def _wait_until_it_answers(engine: SecondEngine) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and engine.process.poll() is None:
        with contextlib.suppress(DockerError):
            engine.docker("version")
            return
        time.sleep(0.1)
    pytest.fail(f"dockerd does not start: {(engine.folder / 'log').read_text()[-1000:]}")


def _remove(folder: Path) -> None:
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if (mounted := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
