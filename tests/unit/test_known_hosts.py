"""known_hosts as OpenSSH reads it: patterns, hashes, revocations, what is no line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from integrator.launch.known_hosts import HostKey, KnownHosts, default_files, host_name

KEY = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIGZha2Vfa2V5X29mX2FfdGVzdF9mb3JfZmxlZXRtYXJr")
OTHER = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIGZha2Vfa2V5X29mX2Ffb3RoZXJfb25lX2ZsZWV0bWE=")


def known(text: str, tmp_path: Path) -> KnownHosts:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return KnownHosts.read((path, tmp_path / "missing"))


@pytest.mark.parametrize(
    ("patterns", "name", "found"),
    [
        ("box", "box", True),
        ("Box", "bOX", True),
        ("box", "boxes", False),
        ("box,10.0.0.1", "10.0.0.1", True),
        ("*.lab", "a.lab", True),
        ("b?x", "box", True),
        ("*.lab,!a.lab", "a.lab", False),
        ("!a.lab,*.lab", "a.lab", False),
        ("[box]:2222", "[box]:2222", True),
        ("[box]:2222", "box", False),
        ("box", "[box]:2222", False),
        ("[*.lab]:2222", "[a.lab]:2222", True),
        ("|1|bad|hash", "box", False),
        ("|1|", "box", False),
    ],
)
def test_which_names_a_line_is_for(patterns: str, name: str, found: bool, tmp_path: Path) -> None:
    text = f"{patterns} {KEY.kind} {KEY.blob} a comment\n"
    assert known(text, tmp_path).keys_of(name) == ([KEY] if found else [])


@pytest.mark.parametrize("port", [22, 2222])
def test_a_name_that_openssh_hashed(port: int, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{host_name('box', port)} {KEY.kind} {KEY.blob}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "box" not in path.read_text()
    hosts = KnownHosts.read((path,))
    assert hosts.keys_of(host_name("box", port)) == [KEY]
    assert hosts.keys_of(host_name("other", port)) == []


def test_a_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    path = tmp_path / "key.pub"
    path.write_text(f"{KEY.kind} {KEY.blob}\n")
    shown = subprocess.run(["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True)
    assert shown.stdout.split()[1] == KEY.fingerprint


def test_a_revoked_key_counts_for_no_line(tmp_path: Path) -> None:
    lines = (
        f"box {KEY.kind} {KEY.blob}\nbox {OTHER.kind} {OTHER.blob}\n@revoked b* {KEY.kind} {KEY.blob}\n"
        f"a {KEY.kind} {KEY.blob}\n"
    )
    hosts = known(lines, tmp_path)
    assert hosts.keys_of("box") == [OTHER]
    assert hosts.is_revoked("box", KEY)
    assert hosts.keys_of("a") == [KEY]


def test_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
    lines = (
        f"# box {KEY.kind} {KEY.blob}\n\nbox\nbox {KEY.kind}\nbox {KEY.kind} not/base64!\n"
        f"@cert-authority box {KEY.kind} {KEY.blob}\n@other box {KEY.kind} {KEY.blob}\n\xff\n"
    )
    assert known(lines, tmp_path).keys_of("box") == []


@pytest.mark.parametrize(
    ("kind", "short"),
    [("ssh-ed25519", "ed25519"), ("ssh-rsa", "rsa"), ("ecdsa-sha2-nistp256", "ecdsa")],
)
def test_the_short_name_of_a_kind(kind: str, short: str) -> None:
    assert HostKey(kind, "").short_kind == short


def test_the_files_are_those_of_openssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_files() == (tmp_path / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts"))
