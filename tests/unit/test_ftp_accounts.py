"""accounts.json: who writes it, who reads it, and what becomes of a broken one."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftp_server.account_file import AccountFile
from ftp_server.permissions import Role
from ftp_server.private_folder import Endpoint, PrivateFolder
from integrator.commands.machine import machine
from protocol.account import Account
from protocol.errors import DocumentError, UserError


class Passwords(dict[str, str]):
    """What was handed over, by name."""

    def add(self, file: AccountFile, name: str, role: Role = Role.MACHINE) -> None:
        file.add(name, role, lambda password: self.__setitem__(name, password))

    def rotate(self, file: AccountFile, name: str) -> None:
        file.rotate(name, lambda password: self.__setitem__(name, password))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.json"


def test_an_account_lasts_and_its_password_is_not_in_the_file(path: Path) -> None:
    given = Passwords()
    given.add(AccountFile(path), "box")
    given.add(AccountFile(path), "boss", Role.INTEGRATOR)
    again = AccountFile(path)
    assert [(entry.name, entry.role) for entry in again.entries()] == [
        ("boss", "integrator"),
        ("box", "machine"),
    ]
    assert again.authenticate("box", given["box"])
    assert not again.authenticate("box", given["boss"])
    assert not again.authenticate("nobody", given["box"])
    assert not again.authenticate("box", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(given["box"]) >= 43  # 256 bits
    assert given["box"] not in path.read_text()
    assert "$argon2id$" in path.read_text()


def test_a_running_server_takes_changes_up_and_tells_each_once(path: Path) -> None:
    given = Passwords()
    command = AccountFile(path)
    for name in ("a", "b", "c"):
        given.add(command, name)
    old = dict(given)
    server = AccountFile(path)
    assert server.refresh() == frozenset()
    given.rotate(command, "a")
    command.remove("b")
    given.add(command, "d")
    # A login is the first to look; those who have to leave are told all the same.
    assert server.stamp("d") is not None
    assert server.authenticate("d", given["d"])
    assert not server.authenticate("a", old["a"])
    assert server.authenticate("a", given["a"])
    assert server.role("b") is None
    assert server.refresh() == {"a", "b"}
    assert server.refresh() == frozenset()


def test_an_account_that_changes_has_another_stamp(path: Path) -> None:
    given = Passwords()
    command = AccountFile(path)
    given.add(command, "box")
    server = AccountFile(path)
    before = server.stamp("box")
    assert server.stamp("box") == before
    given.rotate(command, "box")
    assert server.stamp("box") != before
    command.remove("box")
    assert server.stamp("box") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema_version": 1, "accounts": [{}]}', '{"schema_version": 99}']
)
def test_a_broken_file_changes_nothing_for_a_running_server_and_is_an_error_for_commands(
    path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    given = Passwords()
    given.add(AccountFile(path), "box")
    server = AccountFile(path)
    path.write_text(content)
    with caplog.at_level(logging.INFO, "fleetmark.ftp"):
        assert server.refresh() == frozenset()
        assert server.refresh() == frozenset()
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # once
    assert str(path) in caplog.text
    assert server.authenticate("box", given["box"])
    with pytest.raises(DocumentError, match=str(path)):
        AccountFile(path)
    with pytest.raises(DocumentError):
        given.add(server, "other")
    assert path.read_text() == content


def test_a_hash_that_is_none_lets_nobody_in(path: Path) -> None:
    Passwords().add(AccountFile(path), "box")
    document = json.loads(path.read_text())
    for broken in ("", "secret", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA"):
        document["accounts"][0]["password_argon2id"] = broken
        path.write_text(json.dumps(document))
        assert not AccountFile(path).authenticate("box", broken)


def test_a_failed_hand_over_changes_nothing(path: Path) -> None:
    given = Passwords()
    file = AccountFile(path)
    given.add(file, "box")
    before = path.read_bytes()

    def full(password: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        file.rotate("box", full)
    with pytest.raises(OSError, match="No space"):
        file.add("other", Role.MACHINE, full)
    assert path.read_bytes() == before
    assert file.authenticate("box", given["box"])
    given.add(file, "other")  # the lock is free


def test_names_that_are_there_and_that_are_not(path: Path) -> None:
    file = AccountFile(path)
    Passwords().add(file, "box")
    with pytest.raises(UserError, match="an account 'box' already"):
        Passwords().add(file, "box")
    for change in (file.remove, lambda name: Passwords().rotate(file, name)):
        with pytest.raises(UserError, match="no account 'other'"):
            change("other")


def _add_some(path: Path, first: int) -> None:
    file = AccountFile(path)
    for number in range(first, first + 4):
        Passwords().add(file, f"m{number}")


def test_many_commands_at_once_lose_no_account(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add_some, args=(path, 4 * number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert {entry.name for entry in AccountFile(path).entries()} == {f"m{number}" for number in range(16)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
def test_what_root_writes_follows_no_link_of_the_servers_user(tmp_path: Path) -> None:
    private, victim = tmp_path / "private", tmp_path / "shadow"
    private.mkdir()
    os.chown(private, 65534, 65534)
    victim.write_text("root's")
    (private / "accounts.json").symlink_to(victim)
    with pytest.raises(DocumentError):  # it reads the link, and finds no accounts there
        AccountFile(private / "accounts.json")
    victim.write_text('{"schema_version": 1, "accounts": []}')
    Passwords().add(AccountFile(private / "accounts.json"), "box")
    assert victim.stat().st_uid == 0
    assert victim.read_text() == '{"schema_version": 1, "accounts": []}'
    assert (private / "accounts.json").lstat().st_uid == 65534
    assert not (private / "accounts.json").is_symlink()


# --- the commands


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = PrivateFolder(tmp_path / "server")
    folder.make()
    folder.write_endpoint(
        Endpoint(host="ftp.lab", port=2121, listens_on="127.0.0.1", ca_certificate="-----BEGIN")
    )
    return tmp_path / "server"


def test_a_hand_over_file_is_its_owners_alone_and_is_not_replaced(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    assert run(machine, ["add", "box", "--server-root", str(root)]).exit_code == 0
    out = tmp_path / "box.account.json"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    account = Account.read(out)
    assert (account.host, account.port, account.user) == ("ftp.lab", 2121, "box")
    again = run(machine, ["rotate", "box", "--server-root", str(root)])
    assert isinstance(again.exception, UserError)
    assert "is there already" in str(again.exception)
    assert Account.read(out) == account
    forced = run(machine, ["rotate", "box", "--server-root", str(root), "--force"])
    assert forced.exit_code == 0
    assert Account.read(out).password != account.password
    for name in ("Box", "../x", "", "a" * 65):
        refused = run(machine, ["add", "--server-root", str(root), "--", name])
        assert "not a name for a machine" in str(refused.exception)
    listed = run(machine, ["list", "--server-root", str(root)])
    assert listed.stdout.startswith("box  machine")
    assert account.password.get_secret_value() not in listed.stdout + forced.stdout + forced.stderr


@pytest.mark.parametrize("out", ["", "/proc/x.json", "file/x.json", f"{'x' * 300}.json"])
def test_a_hand_over_file_that_cannot_be_written_is_said_and_makes_no_account(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    where = ["--out", out or str(tmp_path), "--force"]
    ran = CliRunner().invoke(machine, ["add", "box", "--server-root", str(root), *where])
    assert isinstance(ran.exception, UserError)
    assert "the account cannot be written: " in str(ran.exception)
    listed = CliRunner().invoke(machine, ["list", "--server-root", str(root)])
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "No accounts yet" in listed.stderr


def test_a_folder_without_a_server_has_no_accounts(tmp_path: Path) -> None:
    ran = CliRunner().invoke(machine, ["list", "--server-root", str(tmp_path)])
    assert isinstance(ran.exception, UserError)
    assert "no server was started on this folder" in str(ran.exception)
    assert "fleetmark-ftp serve" in ran.exception.advice
