"""What options mean, and lines of the log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pwd
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftp_server import options, privileges
from ftp_server.leftovers import remove_leftovers
from ftp_server.log import JsonLines
from ftp_server.private_folder import PrivateFolder
from protocol.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1", 1), ("64k", 64 << 10), ("500M", 500 << 20), ("2G", 2 << 30), ("1t", 1 << 40)],
)
def test_sizes(text: str, expected: int) -> None:
    assert options.size("--quota", text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1.5G", "10 G", "1KB", "9" * 16, "999999999999999T", "\u0661"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UserError, match=r"^--quota .*not a size") as raised:
        options.size("--quota", text)
    assert "500M" in raised.value.advice


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_an_error(text: str) -> None:
    with contextlib.suppress(UserError):
        assert 0 <= options.size("--quota", text) <= 1 << 60


def test_ports() -> None:
    assert options.ports("--passive-ports", "30000-30002") == range(30000, 30003)
    assert options.ports("--passive-ports", "1024-65535") == range(1024, 65536)
    for text in ("", "30000", "30002-30000", "1023-2000", "60000-65536", "a-b", "30000-30001-2", "-1-2"):
        with pytest.raises(UserError, match="not a range of ports"):
            options.ports("--passive-ports", text)


def test_what_agents_are_told() -> None:
    assert options.advertised_name("10.0.0.1", None) == "10.0.0.1"
    assert options.advertised_name("0.0.0.0", "ftp.lab.example") == "ftp.lab.example"
    assert options.advertised_name("::", "2001:db8::1") == "2001:db8::1"
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UserError, match="told one"):
            options.advertised_name(host, None)
    for name in ("ftp://lab", "lab:21", "lab/", "", "a b", "x" * 254):
        with pytest.raises(UserError, match="neither an address nor the name"):
            options.advertised_name("127.0.0.1", name)
    assert options.names("0.0.0.0", "ftp.lab") == ["ftp.lab"]
    assert options.names("10.0.0.1", "ftp.lab") == ["ftp.lab", "10.0.0.1"]


def test_the_address_in_the_answer_to_pasv(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert options.masquerade(None) is None
    assert options.masquerade("203.0.113.7") == "203.0.113.7"
    assert options.masquerade("127.0.1.1") is None  # as Debian's /etc/hosts has the computer's own name
    assert not caplog.records

    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert options.masquerade("ftp.lab") is None
    assert "has no IPv4 address here" in caplog.text


def test_a_port_that_is_taken() -> None:
    with options.bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match="cannot listen there: Address already in use") as raised:
            options.bind("127.0.0.1", port)
    assert "ss -ltnp" in raised.value.advice


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this computer has no IPv6")
def test_every_ipv6_address_is_every_ipv4_address_too() -> None:
    with options.bind("::", 0) as listening:
        socket.create_connection(("127.0.0.1", listening.getsockname()[1]), timeout=5).close()


def test_whom_the_server_may_become(monkeypatch: pytest.MonkeyPatch) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert privileges.check(me) is None
    with pytest.raises(UserError, match="no such user"):
        privileges.check("no-such-user")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UserError, match="does not run as root unless told"):
        privileges.check(None)
    entry = privileges.check("nobody")
    assert entry is not None
    assert entry.pw_name == "nobody"
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert privileges.check(None) is None
    with pytest.raises(UserError, match="only root can become another user"):
        privileges.check("nobody")


def test_one_server_on_a_folder(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path)
    folder.make()
    with (
        folder.held(),
        pytest.raises(UserError, match=rf"another server .*\(process {os.getpid()}\)"),
        folder.held(),
    ):
        pass
    with folder.held():
        pass  # the first is gone


# --- the log


def line(**changes: Any) -> dict[str, Any]:
    record = logging.LogRecord(
        "fleetmark.ftp", logging.INFO, "f", 1, "%s said %s", ("box", "é\n\x1b[0m"), None
    )
    record.__dict__.update(changes)
    text = JsonLines().format(record)
    assert "\n" not in text
    assert "\x1b" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_of_json() -> None:
    plain = line()
    assert plain.keys() == {"time", "level", "message"}
    assert (plain["level"], plain["message"]) == ("info", "box said é\n\x1b[0m")
    assert plain["time"].endswith("+00:00")
    full = line(event="transfer", user="box", address="::1", bytes=7, completed=False, password="secret")
    assert (
        full | {"event": "transfer", "user": "box", "address": "::1", "bytes": 7, "completed": False} == full
    )
    assert "password" not in full
    assert "user" not in line(user=None)


def test_an_exception_is_in_its_line() -> None:
    try:
        raise ValueError("of old")
    except ValueError:
        found = line(exc_info=sys.exc_info())
    assert found["trace"].endswith("ValueError: of old")


# --- leftovers


def test_what_nobody_went_on_with_for_a_day_goes(tmp_path: Path) -> None:
    old, new = (tmp_path / f"m{number}.bin.part-0123456789abcdef" for number in (1, 2))
    whole = tmp_path / "deep/whole.bin"
    whole.parent.mkdir()
    for path in (old, new, whole):
        path.write_bytes(b"x")
    for path in (old, whole):
        os.utime(path, (0, 0))
    assert remove_leftovers(tmp_path) == 1
    assert (old.exists(), new.exists(), whole.exists()) == (False, True, True)
    assert remove_leftovers(tmp_path, kept_s=-60) == 1
