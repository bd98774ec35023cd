"""The certificate that a server shows, its own or its user's; and a proof that agents take it."""

from __future__ import annotations

import contextlib
import ssl
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from pydantic import SecretStr

from ftp_server.certificates import Authority, Credentials
from ftp_server.tls import server_context
from protocol.account import Account
from protocol.errors import UserError
from protocol.ftp_connection import trust

__all__ = ["check_believed", "given", "own"]

_READABLE_BY_OTHERS = 0o007
_MAX_FLIGHTS = 20
_CHUNK = 1 << 16


def own(authority: Path, names: Sequence[str]) -> Credentials:
    """A certificate for `names` by the authority that the file keeps, or that is made and kept there now.

    Raises:
        UserError: the file holds something else.
    """
    try:
        return Authority.kept(authority).issue(names)
    except ValueError as error:
        raise UserError(
            f"{authority}: not an authority that fleetmark made: {error}",
            advice="Restore the file from a backup. Or move it away: the server makes another authority, and "
            "every account needs a new hand-over file (fleetmark machine rotate).",
        ) from error


def given(certificate: Path | None, key: Path | None, ca: Path | None) -> Credentials | None:
    """The user's own certificate, or None where none is named.

    Raises:
        UserError: one of the three is missing, cannot be read, or is not what it should be.
    """
    if certificate is None and key is None and ca is None:
        return None
    if certificate is None or key is None or ca is None:
        raise UserError(
            "--certificate, --key and --ca belong together",
            advice="Leave all three out, and the server makes its own.",
        )
    secret = _read(key)
    if stat.S_IMODE(key.stat().st_mode) & _READABLE_BY_OTHERS:
        raise UserError(f"{key}: a private key that everybody can read", advice=f"chmod o= {key}")
    chain = _certificates("--certificate", certificate)
    # Nothing but certificates goes into hand-over files, whatever else the file holds.
    made = Credentials(secret, chain, _certificates("--ca", ca).decode("ascii"))
    try:
        server_context(made)
    except ValueError as error:
        raise UserError(f"{key}, {certificate}: {error}") from error
    return made


def check_believed(credentials: Credentials, name: str) -> None:
    """See that an agent that connects to `name` and believes the CA accepts the certificate.

    Server and agent shake hands in memory, with the settings that both use on the network.

    Raises:
        UserError: it would refuse the server.
    """
    account = Account(
        host=name,
        port=1,
        user="check",
        password=SecretStr(""),
        ca_certificate=credentials.authority,
    )
    server = SSL.Connection(server_context(credentials), None)
    server.set_accept_state()
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        agent = trust(account).wrap_bio(received, sent, server_hostname=name)
        for _ in range(_MAX_FLIGHTS):
            try:
                agent.do_handshake()
            except ssl.SSLWantReadError:
                _answer(server, sent, received)
            else:
                return
    except (ssl.SSLError, SSL.Error, ValueError) as error:
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
        raise UserError(
            f"agents would not believe the certificate for {name}: {why}",
            advice="It has to be made out to that name or address (--advertise), be valid now, and be signed "
            "by --ca; --certificate holds every certificate between the two, the server's first.",
        ) from error
    raise UserError(f"agents would not believe the certificate for {name}: the handshake does not end")


def _answer(server: SSL.Connection, sent: ssl.MemoryBIO, received: ssl.MemoryBIO) -> None:
    if arrived := sent.read():
        server.bio_write(arrived)
    with contextlib.suppress(SSL.WantReadError):
        server.do_handshake()
    with contextlib.suppress(SSL.WantReadError):
        while True:
            received.write(server.bio_read(_CHUNK))


def _certificates(option: str, path: Path) -> bytes:
    try:
        found = x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise UserError(f"{option} {path}: holds no certificate in PEM: {error}") from error
    return b"".join(each.public_bytes(Encoding.PEM) for each in found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
