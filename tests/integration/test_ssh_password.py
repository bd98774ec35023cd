"""Logging in with a password: from a file or a prompt, and never in sight. The server is paramiko's."""

from __future__ import annotations

import getpass
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest

from integrator.config.docker_start import DockerStart
from integrator.launch.logins import Passwords
from integrator.launch.ssh import Ssh
from protocol.errors import UserError

WORD = "the right word"


class _Door(paramiko.ServerInterface):
    def __init__(self, tried: list[str]) -> None:
        self._tried = tried

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._tried.append("a key")
        return paramiko.common.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self._tried.append(password)
        right = (username, password) == ("me", WORD)
        return paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED


@dataclass
class House:
    port: int
    known_hosts: Path
    tried: list[str] = field(default_factory=list)

    def start(self, **login: object) -> DockerStart:
        fields = {"host": f"ssh://me@127.0.0.1:{self.port}", "known_hosts": self.known_hosts, **login}
        return DockerStart.model_validate(fields)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        house = House(listener.getsockname()[1], tmp_path / "known_hosts")
        house.known_hosts.write_text(f"[127.0.0.1]:{house.port} {key.get_name()} {key.get_base64()}\n")
        open_now: list[paramiko.Transport] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(connection)
                transport.add_server_key(key)
                open_now.append(transport)
                transport.start_server(threading.Event(), _Door(house.tried))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield house
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in open_now:
                transport.close()


def word_file(tmp_path: Path, text: str = WORD + "\n", mode: int = 0o600) -> Path:
    path = tmp_path / "word"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_from_a_file(house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ssh = Ssh(house.start(password_file=word_file(tmp_path)), Passwords())
    assert ssh.transport().is_authenticated()
    ssh.close()
    assert house.tried == [WORD]  # and no key was offered before
    assert WORD not in caplog.text


def test_a_file_that_others_can_read(house: House, tmp_path: Path) -> None:
    path = word_file(tmp_path, mode=0o640)
    with pytest.raises(UserError) as caught:
        Ssh(house.start(password_file=path), Passwords()).transport()
    assert str(caught.value) == f"{path}: holds a password, and others can read it (mode 640)"
    assert caught.value.advice == f"chmod 600 {path}"
    assert house.tried == []


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n", "x" * 2000])
def test_a_file_that_holds_no_password(text: str, house: House, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a password in one line"):
        Ssh(house.start(password_file=word_file(tmp_path, text)), Passwords()).transport()


def test_a_wrong_one(house: House, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        Ssh(house.start(password_file=word_file(tmp_path, "a wrong word")), Passwords()).transport()
    assert str(caught.value) == f"me@[127.0.0.1]:{house.port}: the password was refused"
    assert "wrong word" not in repr(caught.value)


def test_asked_for_once_and_again_after_it_was_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["a wrong word", WORD])
    questions = []

    def ask(question: str) -> str:
        questions.append(question)
        return next(answers)

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", ask)
    passwords = Passwords()
    with pytest.raises(UserError, match="the password was refused"):
        Ssh(house.start(prompt=True), passwords).transport()
    for _ in range(2):  # two machines, or one that was connected anew
        ssh = Ssh(house.start(prompt=True), passwords)
        assert ssh.transport().is_authenticated()
        ssh.close()
    assert questions == ["Password of me@127.0.0.1: "] * 2
    assert house.tried == ["a wrong word", WORD, WORD]
    assert WORD not in repr(passwords)


def test_no_terminal_to_ask_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(UserError, match="the password is to be asked for, and there is no terminal"):
        Ssh(house.start(prompt=True), Passwords()).transport()


def test_the_word_is_not_sent_to_a_host_that_is_not_known(house: House, tmp_path: Path) -> None:
    house.known_hosts.write_text("")
    with pytest.raises(UserError, match="the host key is not known"):
        Ssh(house.start(password_file=word_file(tmp_path)), Passwords()).transport()
    assert house.tried == []
