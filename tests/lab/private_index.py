"""A package index as a company has one: HTTPS with a certificate of its own CA, and a name and password."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.server
import ipaddress
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["MARK", "PrivateIndex", "private_index"]

MARK = "password-of-the-index"


@dataclass(frozen=True, slots=True)
class PrivateIndex:
    """Where it is, and what one has to have to use it."""

    address: str
    ca: Path
    ca_text: bytes
    pip_conf: Path
    wheelhouse: Path
    """One with Debian's packages in it, and none of Python's."""
    asked: set[str]
    """The paths that were asked for with the password."""


@contextmanager
def private_index(filled: Path, image: str, folder: Path) -> Iterator[PrivateIndex]:
    """Serve the packages of an image out of a wheelhouse that is filled, on the loopback interface."""
    simple, wheelhouse = folder / "index" / "simple", folder / "wheelhouse"
    for packages in filled.glob(f"{image}-*"):
        _offer(packages, simple)
    for packages in filled.glob("debian-*"):
        shutil.copytree(packages, wheelhouse / packages.name)
    asked: set[str] = set()
    ca, chain = _certificates(folder)
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Handler, asked, directory=str(folder / "index"))
    ) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        address = f"127.0.0.1:{server.server_address[1]}"
        pip_conf = folder / "pip.conf"
        pip_conf.write_text(f"[global]\nindex-url = https://somebody:{MARK}@{address}/simple/\n")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            text = ca.read_bytes().splitlines()[3]
            yield PrivateIndex(address, ca, text, pip_conf, wheelhouse, asked)
        finally:
            server.shutdown()
            thread.join()


def _offer(packages: Path, simple: Path) -> None:
    for file in packages.iterdir():
        if file.suffix in {".whl", ".gz"}:
            name = file.name.split("-", maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")
            folder = simple / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            with (folder / "index.html").open("a") as page:
                page.write(f'<a href="{file.name}#sha256={digest}">{file.name}</a>\n')


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, asked: set[str], *args: object, directory: str) -> None:
        self._asked = asked
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        expected = base64.b64encode(f"somebody:{MARK}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {expected}":
            self._asked.add(self.path)
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is for the tests."""


def _certificates(folder: Path) -> tuple[Path, Path]:
    """A CA, and a certificate with its key that it has signed."""
    now = dt.datetime.now(dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("A company", "Its index")
    ]
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = [
        x509.CertificateBuilder()
        .subject_name(names[number])
        .issuer_name(names[0])
        .public_key(keys[number].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
        .add_extension(addresses, critical=False)
        .sign(keys[0], hashes.SHA256())
        for number in range(2)
    ]
    pem = serialization.Encoding.PEM
    ca, chain = folder / "company-ca.pem", folder / "chain.pem"
    ca.write_bytes(made[0].public_bytes(pem))
    private = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(made[1].public_bytes(pem) + private)
    return ca, chain
