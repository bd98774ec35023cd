"""SSH against a real sshd: whose host key is believed, who gets in, what a broken connection means."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrator.launch import ssh as ssh_module
from integrator.launch.logins import Passwords
from integrator.launch.ssh import Ssh
from protocol.errors import FleetmarkError, UnreachableError, UserError
from tests.integration.proxy import Fault, Proxy, wait_for
from tests.launching.sshd import Sshd, free_port, make_key, run_sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with run_sshd(tmp_path / "sshd") as server:
        yield server


def refusal(sshd: Sshd, **settings: object) -> UserError:
    with sshd.connection(**settings) as ssh, pytest.raises(UserError) as caught:
        ssh.transport()
    return caught.value


def test_a_command_runs_and_says_how_it_ended(sshd: Sshd) -> None:
    sshd.know()
    with sshd.connection() as ssh:
        said = ssh.run("pwd; echo trouble >&2; exit 3")
        assert (said.exit_code, said.output, said.errors) == (3, f"{sshd.home}\n", "trouble\n")
        # More than a window of each, at once.
        said = ssh.run("head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero; exit 0")
        assert (said.exit_code, len(said.output), len(said.errors)) == (0, 1 << 20, 1 << 20)


def test_an_unknown_host_is_refused_and_the_advice_adds_its_key(sshd: Sshd) -> None:
    error = refusal(sshd)
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(sshd.folder / "host_ed25519.pub")],
        check=True, capture_output=True, text=True,
    ).stdout.split()[1]  # fmt: skip
    assert str(error) == (
        f"{sshd.user}@[127.0.0.1]:{sshd.port}: the host key is not known: ssh-ed25519 {shown}"
    )
    assert f"ssh-keyscan -p {sshd.port} -t ed25519 127.0.0.1 | ssh-keygen -lf -" in error.advice
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in error.advice
    assert not sshd.known_hosts.exists()
    # The command that shows the key shows this one.
    scan = re.search(r"\((ssh-keyscan .*?)\)", error.advice)
    assert scan
    assert shown in subprocess.run(["sh", "-c", scan[1]], check=True, capture_output=True, text=True).stdout
    # The command that adds it adds this one.
    subprocess.run(["sh", "-c", error.advice.partition("add the key: ")[2]], check=True)
    with sshd.connection() as ssh:
        assert ssh.run("echo in").output == "in\n"


def test_another_host_key_is_refused_and_the_advice_replaces_it(sshd: Sshd) -> None:
    other = make_key(sshd.folder / "other")
    old = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"# a comment\n[127.0.0.1]:{sshd.port} {old}\n")
    error = refusal(sshd)
    assert "the host key is another one than the known one: ssh-ed25519 SHA256:" in str(error)
    assert error.advice.startswith("somebody may be listening in")
    assert f"{sshd.known_hosts}:2" in error.advice
    remove = re.search(r"(ssh-keygen -f .*?); then", error.advice)
    assert remove
    subprocess.run(["sh", "-c", remove[1]], check=True, capture_output=True)
    subprocess.run(["sh", "-c", error.advice.partition("add the key: ")[2]], check=True)
    with sshd.connection() as ssh:
        assert ssh.run("echo in").output == "in\n"


def test_a_host_that_is_known_by_another_kind_of_key_shows_that_one(sshd: Sshd) -> None:
    sshd.know("rsa")
    with sshd.connection() as ssh:
        assert ssh.transport().get_remote_server_key().get_name() == "ssh-rsa"


def test_one_of_two_known_keys_is_enough(sshd: Sshd) -> None:
    other = make_key(sshd.folder / "other").with_suffix(".pub").read_text()
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    sshd.know()
    with sshd.connection() as ssh:
        assert ssh.run("true").exit_code == 0


def test_names_that_are_hashed(sshd: Sshd) -> None:
    sshd.know()
    subprocess.run(["ssh-keygen", "-H", "-f", str(sshd.known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in sshd.known_hosts.read_text()
    with sshd.connection() as ssh:
        assert ssh.run("true").exit_code == 0


def test_a_key_that_was_revoked_is_refused(sshd: Sshd) -> None:
    sshd.know()
    with sshd.known_hosts.open("a") as file:
        file.write(f"@revoked * {sshd.host_key()}\n")
    sshd.know("rsa")
    with sshd.connection() as ssh:  # the other key is a good one
        assert ssh.transport().get_remote_server_key().get_name() == "ssh-rsa"
    sshd.known_hosts.write_text(f"@revoked * {sshd.host_key()}\n")
    assert "the host key was revoked" in str(refusal(sshd))


def test_a_certificate_authority_vouches_for_nothing_here(sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"@cert-authority * {sshd.host_key()}\n")
    assert "the host key is not known" in str(refusal(sshd))


def test_a_key_that_is_not_let_in(sshd: Sshd) -> None:
    sshd.know()
    stranger = make_key(sshd.folder / "stranger")
    error = refusal(sshd, key_file=stranger)
    assert str(error) == f"{sshd.user}@[127.0.0.1]:{sshd.port}: none of the keys was accepted"
    assert error.advice == f"ssh-copy-id -i {stranger}.pub -p {sshd.port} {sshd.user}@127.0.0.1"


def test_a_key_that_others_can_read(sshd: Sshd) -> None:
    sshd.know()
    sshd.key.chmod(0o644)
    error = refusal(sshd)
    assert str(error) == f"{sshd.key}: holds a private key, and others can read it (mode 644)"
    assert error.advice == f"chmod 600 {sshd.key}"


def test_a_key_with_a_passphrase_comes_from_the_agent(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sshd.know()
    locked = make_key(sshd.folder / "locked", passphrase="a long word")
    with (sshd.folder / "authorized").open("a") as file:
        file.write(locked.with_suffix(".pub").read_text())
    error = refusal(sshd, key_file=locked)
    assert str(error) == f"{locked}: the key is encrypted"
    assert error.advice == f"ssh-add {locked}, and remove key_file from lab.yaml"
    # The agent has it, and nothing of ~/.ssh is needed.
    started = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    variables = dict(re.findall(r"(SSH_\w+)=([^;]+);", started))
    try:
        ask = tmp_path / "ask"
        ask.write_text("#!/bin/sh\necho a long word\n")
        ask.chmod(0o700)
        prompt = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":"}
        environment = {**os.environ, **variables, **prompt}
        subprocess.run(
            ["ssh-add", str(locked)],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        monkeypatch.setenv("SSH_AUTH_SOCK", variables["SSH_AUTH_SOCK"])
        with sshd.connection(key_file=None) as ssh:
            assert ssh.run("echo in").output == "in\n"
    finally:
        os.kill(int(variables["SSH_AGENT_PID"]), 15)


def test_nobody_listens(sshd: Sshd) -> None:
    port = free_port()
    with sshd.connection(port=port) as ssh, pytest.raises(UnreachableError) as caught:
        ssh.transport()
    assert str(caught.value) == (
        f"{sshd.user}@[127.0.0.1]:{port}: cannot connect to 127.0.0.1, port {port}: Connection refused"
    )
    assert "does its sshd run?" in caught.value.advice


def test_something_else_listens(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_module, "CONNECT_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with sshd.connection(port=port) as ssh, pytest.raises(UnreachableError) as caught:
            ssh.transport()
    assert f"[127.0.0.1]:{port}: connected, and then no SSH login was possible: " in str(caught.value)


def test_a_name_that_nobody_knows(sshd: Sshd) -> None:
    with sshd.connection(host="no-such-machine.invalid") as ssh, pytest.raises(UnreachableError) as caught:
        ssh.transport()
    assert "the name no-such-machine.invalid is not known" in str(caught.value)


def test_a_command_without_end(sshd: Sshd) -> None:
    sshd.know()
    with sshd.connection() as ssh:
        with pytest.raises(UnreachableError, match=r"sleep did not end within 0\.5 s"):
            ssh.run("sleep 60", timeout_s=0.5)
        assert ssh.run("echo on").output == "on\n"  # the connection is still good


def test_after_a_broken_connection_the_next_command_makes_a_new_one(sshd: Sshd) -> None:
    sshd.know()
    with sshd.connection() as ssh:
        transport = ssh.transport()
        for process in sshd.sessions():
            os.kill(process, 9)
        assert wait_for(lambda: not transport.is_active())
        assert ssh.run("echo two").output == "two\n"


def test_a_connection_that_is_cut_in_a_command(sshd: Sshd) -> None:
    sshd.know(host="127.0.0.2")
    with Proxy([sshd.port]) as proxy, sshd.connection(host="127.0.0.2") as ssh:
        ssh.transport()
        proxy.fault = Fault("cut", after=20_000, upwards=False, control=True)
        with pytest.raises(UnreachableError, match="the connection broke, running head"):
            ssh.run("head -c 1000000 /dev/zero; sleep 60")
        proxy.fault = None
        assert ssh.run("echo on").output == "on\n"


def test_closing_leaves_no_thread(sshd: Sshd) -> None:
    sshd.know()
    ssh = Ssh(sshd.start(), Passwords())
    ssh.transport()
    opened = [thread for thread in threading.enumerate() if "paramiko" in type(thread).__module__]
    assert opened
    ssh.close()
    assert wait_for(lambda: not any(thread.is_alive() for thread in opened))


def test_what_cannot_be_read(sshd: Sshd) -> None:
    sshd.known_hosts.mkdir()
    with sshd.connection() as ssh, pytest.raises(FleetmarkError, match="known host keys cannot be read"):
        ssh.transport()
