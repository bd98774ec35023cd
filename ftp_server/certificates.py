"""A certificate authority of one's own, and the server certificate that it signs, made on the spot.

The authority signs one certificate and its key is forgotten: it is never written anywhere, so nobody can make
a second certificate that the agents would believe.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.atomic import write_atomically

__all__ = ["create_certificate"]

_OWNER_ONLY = 0o600
_VALIDITY = timedelta(days=730)
# A target box without a battery-backed clock, or one that has not met its time server yet, is hours behind.
_CLOCK_SKEW = timedelta(days=1)


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
    if not names:
        raise ValueError("a server certificate needs at least one name")
    now = datetime.now(UTC)
    # A name of its own for each authority: a client that trusts another one then says "unknown issuer".
    authority_name = _common_name(f"fleetmark authority {secrets.token_hex(4)}")
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(
            _common_name("fleetmark FTP server"),
            authority_name,
            key.public_key(),
            authority_key.public_key(),
            now,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomically(path, private + certificate.public_bytes(serialization.Encoding.PEM), mode=_OWNER_ONLY)
    return authority.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALIDITY)
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
