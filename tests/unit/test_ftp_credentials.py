"""Certificates: kept, issued anew, brought along; and each one tried as an agent would."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from ftp_server import certificates
from ftp_server.certificates import Authority, Credentials
from ftp_server.credentials import check_believed, given, own
from protocol.errors import UserError


def server_of(credentials: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificates(credentials.chain)[0]


def test_the_authority_is_kept_and_each_start_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    first, second = own(path, ["ftp.lab"]), own(path, ["ftp.lab", "10.0.0.1"])
    assert first.authority == second.authority
    assert server_of(first).serial_number != server_of(second).serial_number
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for each in (first, second):
        check_believed(each, "ftp.lab")
    check_believed(second, "10.0.0.1")


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_authority_is_said_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "authority.pem"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not an authority that fleetmark made") as raised:
        own(path, ["ftp.lab"])
    assert str(path) in str(raised.value)
    assert "backup" in raised.value.advice
    assert path.read_bytes() == content


def test_another_kind_of_key_is_no_authority(tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(key + Authority.create().pem())
    with pytest.raises(UserError, match="not the key of an authority"):
        own(path, ["ftp.lab"])


@pytest.mark.parametrize("name", ["ftp.lab", "127.0.0.1", "::1", "localhost"])
def test_what_agents_believe(name: str) -> None:
    check_believed(Authority.create().issue([name]), name)


def test_what_agents_do_not_believe(monkeypatch: pytest.MonkeyPatch) -> None:
    authority, other = Authority.create(), Authority.create()
    made = authority.issue(["ftp.lab"])
    with pytest.raises(UserError, match=r"for ftp\.other: Hostname mismatch"):
        check_believed(made, "ftp.other")
    with pytest.raises(UserError, match=r"for 10\.0\.0\.1: IP address mismatch"):
        check_believed(made, "10.0.0.1")
    with pytest.raises(UserError, match="unable to get local issuer"):
        check_believed(Credentials(made.key, made.chain, other.pem().decode()), "ftp.lab")
    monkeypatch.setattr(certificates, "_VALIDITY", -timedelta(hours=1))
    with pytest.raises(UserError, match="certificate has expired") as raised:
        check_believed(authority.issue(["ftp.lab"]), "ftp.lab")
    assert "--advertise" in raised.value.advice


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = Authority.create().issue(["ftp.lab"])
    paths = {name: tmp_path / name for name in ("certificate", "key", "ca")}
    paths["certificate"].write_bytes(made.chain)
    paths["key"].write_bytes(made.key)
    paths["key"].chmod(0o600)
    paths["ca"].write_text(made.authority)
    return paths


def test_ones_own_certificate(files: dict[str, Path]) -> None:
    found = given(**files)
    assert found is not None
    check_believed(found, "ftp.lab")
    assert given(None, None, None) is None


def test_a_key_among_the_cas_certificates_is_not_handed_out(files: dict[str, Path]) -> None:
    certificate = files["ca"].read_bytes()
    files["ca"].write_bytes(files["key"].read_bytes() + certificate)
    found = given(**files)
    assert found is not None
    assert "PRIVATE" not in found.authority
    assert found.authority.encode() == certificate


@pytest.mark.parametrize("left_out", ["certificate", "key", "ca"])
def test_the_three_belong_together(files: dict[str, Path], left_out: str) -> None:
    with pytest.raises(UserError, match="belong together"):
        given(**{**files, left_out: None})


def test_files_that_are_not_what_they_should_be(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing: cannot be read: No such file"):
        given(**{**files, "ca": tmp_path / "missing"})
    with pytest.raises(UserError, match=f"--certificate {files['key']}: holds no certificate in PEM"):
        given(**{**files, "certificate": files["key"]})
    with pytest.raises(UserError, match="the private key cannot be read"):
        given(files["certificate"], _private(tmp_path / "empty", b""), files["ca"])
    stranger = Authority.create().issue(["ftp.lab"]).key
    with pytest.raises(UserError, match="is not that of the certificate"):
        given(files["certificate"], _private(tmp_path / "other", stranger), files["ca"])
    key = serialization.load_pem_private_key(files["key"].read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(UserError, match="the private key cannot be read: Password was not given"):
        given(files["certificate"], _private(tmp_path / "encrypted", encrypted), files["ca"])
    files["key"].chmod(0o644)
    with pytest.raises(UserError, match="a private key that everybody can read"):
        given(**files)


def _private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path
