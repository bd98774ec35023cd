"""A certificate authority of one's own, and the server certificate that it signs, made on the spot.

An authority that is not kept signs one certificate and its key is forgotten: it is never written anywhere, so
nobody can make a second certificate that the agents would believe. A server that is started again, as that of
a campaign that goes on, keeps its authority, so that the accounts that it handed out stay good.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.atomic import write_atomically

__all__ = ["Authority", "Credentials", "create_certificate"]

_OWNER_ONLY = 0o600
_VALIDITY = timedelta(days=730)
_AUTHORITY_VALIDITY = timedelta(days=3650)
# A target box without a battery-backed clock, or that has not met its time server yet, may be a day behind.
_CLOCK_SKEW = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a server shows to its clients, and what they are told to believe; all of it PEM."""

    key: bytes
    chain: bytes
    """The server's certificate first."""
    authority: str

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, *, validity: timedelta = _VALIDITY) -> Self:
        """Make one, with a name of its own: a client that trusts another one then says "unknown issuer"."""
        name = _common_name(f"fleetmark authority {secrets.token_hex(4)}")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(name, name, key.public_key(), key.public_key(), validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def kept(cls, path: Path) -> Self:
        """Read the authority that `path` holds, or make one and write it there for its owner alone.

        Raises:
            ValueError: the file holds something else.
            OSError: it cannot be read or written.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            made = cls.create(validity=_AUTHORITY_VALIDITY)
            write_atomically(path, _pem(made.key) + made.pem(), mode=_OWNER_ONLY)
            return made
        key = serialization.load_pem_private_key(data, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{path}: not the key of an authority that fleetmark made")  # noqa: TRY004 - it is the file that is wrong
        return cls(key, x509.load_pem_x509_certificate(data))

    def pem(self) -> bytes:
        """The certificate: what clients have to trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: Sequence[str]) -> Credentials:
        """A key and a certificate for a server that is reached under `names`.

        Raises:
            ValueError: no name, or one that is neither an IP address nor an ASCII host name.
        """
        if not names:
            raise ValueError("a server certificate needs at least one name")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(
                _common_name("fleetmark FTP server"),
                self.certificate.subject,
                key.public_key(),
                self.key.public_key(),
                _VALIDITY,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Credentials(
            _pem(key), certificate.public_bytes(serialization.Encoding.PEM), self.pem().decode("ascii")
        )


def create_certificate(names: Sequence[str], path: Path) -> str:
    """Make an authority and a server certificate; write the server's key and chain to `path`.

    `names` are the host names and IP addresses under which clients reach the server. The file holds a private
    key and only its owner can read it.

    Returns:
        The authority's certificate as PEM: what clients have to trust.

    Raises:
        ValueError: no name, or one that is neither an IP address nor an ASCII host name.
        OSError: the file cannot be written.
    """
    made = Authority.create().issue(names)
    write_atomically(path, made.key + made.chain, mode=_OWNER_ONLY)
    return made.authority


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    validity: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
