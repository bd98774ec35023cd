"""The account file, replaced under a running agent."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.login import Login
from protocol.account import Account
from protocol.errors import UserError


def account(user: str, password: str) -> Account:
    return Account(host="ftp", port=21, user=user, password=SecretStr(password), ca_certificate="")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    account("box", "first").write(tmp_path / "account.json")
    return tmp_path / "account.json"


def test_a_newer_account_is_taken_once(file: Path) -> None:
    login = Login(file)
    assert login.renewed() is None
    account("box", "first").write(file)
    assert login.renewed() is None
    newer = account("box", "second")
    newer.write(file)
    assert login.renewed() == newer
    assert login.account == newer
    assert login.renewed() is None


def test_one_that_others_can_read_waits_until_they_cannot(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    login = Login(file)
    newer = account("box", "second")
    newer.write(file)
    file.chmod(0o644)
    assert login.renewed() is None
    assert "others can read it (mode 644)" in caplog.text
    assert "chmod 600" in caplog.text
    file.chmod(0o600)
    assert login.renewed() == newer
    assert "second" not in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema_version": 99}'])
def test_a_broken_one_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    login = Login(file)
    file.write_bytes(content)
    assert login.renewed() is None
    assert login.account == account("box", "first")
    assert "The account stays as it was" in caplog.text


def test_one_of_another_machine_is_not_taken(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    login = Login(file)
    account("other", "theirs").write(file)
    assert login.renewed() is None
    assert login.account.user == "box"
    assert "is the account of other now, and this agent works for box" in caplog.text


def test_one_that_is_gone_changes_nothing(file: Path) -> None:
    login = Login(file)
    file.unlink()
    assert login.renewed() is None
    assert login.account == account("box", "first")
    with pytest.raises(UserError, match="cannot be read"):
        Login(file)
