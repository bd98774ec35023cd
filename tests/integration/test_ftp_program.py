"""`fleetmark-ftp` as its users run it: a process with options, accounts that change, limits, and an end."""

from __future__ import annotations

import contextlib
import ftplib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic import SecretStr

from ftp_server.certificates import Authority
from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from ftp_server.session import Session
from integrator.commands import machine as commands
from protocol.account import Account
from protocol.ftp_connection import FtpConnection
from tests.integration.ftp_program import (
    AS_NOBODY,
    FTP,
    PATIENCE_S,
    Program,
    ended,
    greeting,
    logged_in,
    open_folder,
    running,
)
from tests.integration.proxy import wait_for

FILE_LIMIT, QUOTA = 100 << 10, 300 << 10
BAN_S = 2.0


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """A server with narrow limits; each test comes from an address of its own."""
    with running(
        "--log-json",
        *("--failed-logins", "2", "--ban", str(BAN_S)),
        *("--max-connections", "8", "--max-connections-per-address", "5"),
        *("--max-file-size", f"{FILE_LIMIT >> 10}K", "--quota", f"{QUOTA >> 10}K"),
    ) as program:
        yield program


# --- what it keeps, and as whom it runs


def test_it_runs_as_the_user_that_was_named_and_keeps_its_folder_private(program: Program) -> None:
    private = program.root / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in private.iterdir()} == dict.fromkeys(
        ("accounts.json", "authority.pem", "server.json", "server.lock")
        if (private / "accounts.json").exists()
        else ("authority.pem", "server.json", "server.lock"),
        0o600,
    )
    assert stat.S_IMODE((program.root / "files").stat().st_mode) == 0o700
    if not AS_NOBODY:
        pytest.skip("only root can become another user")
    assert program.process is not None
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    identities = re.findall(r"^[UG]id:\t(.*)$", status, re.MULTILINE)
    assert identities
    assert "0" not in " ".join(identities).replace("\t", " ").split()
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)


def test_root_writes_accounts_that_the_server_can_read_and_others_cannot(program: Program) -> None:
    program.add("owned")
    accounts, folder = program.root / "private/accounts.json", (program.root / "private").stat()
    assert (accounts.stat().st_uid, accounts.stat().st_gid) == (folder.st_uid, folder.st_gid)
    assert stat.S_IMODE(accounts.stat().st_mode) == 0o600


def test_a_second_start_keeps_the_authority_and_the_accounts() -> None:
    with running() as program:
        account = program.add("box")
        with logged_in(account) as client:
            first = client.sock.getpeercert()  # type: ignore[union-attr]
            assert program.stop() == 0
        with socket.create_server(program.address):
            pass  # nothing holds the port
        assert program.said().rstrip().endswith("stopped")
        program.start(port=account.port)
        with logged_in(account) as client:  # with the hand-over file of before
            second = client.sock.getpeercert()  # type: ignore[union-attr]
        assert first["issuer"] == second["issuer"]
        assert first["serialNumber"] != second["serialNumber"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_stop_it_too(number: signal.Signals) -> None:
    with running() as program:
        assert program.process is not None
        program.process.send_signal(number)
        assert program.process.wait(PATIENCE_S) == 0


def test_a_server_with_work_under_way_stops() -> None:
    with running() as other:
        account = other.add("box")
        results = other.campaign("box")
        with logged_in(account) as client, contextlib.ExitStack() as stack:
            channel = stack.enter_context(client.transfercmd(f"STOR {results}/t1.0.json.gz.part-{'0' * 16}"))
            channel.sendall(bytes(1000))
            waiting = ftplib.FTP_TLS(context=ssl.create_default_context(cadata=account.ca_certificate))
            waiting.connect(*other.address, timeout=PATIENCE_S)
            stack.callback(waiting.close)
            waiting.auth()
            waiting.sendcmd("USER box")
            waiting.putcmd("PASS wrong")
            assert other.stop() == 0
        assert "Traceback" not in other.said()
        assert list(other.disk(results).iterdir()) == []


def test_two_servers_do_not_share_a_folder(program: Program) -> None:
    second = subprocess.run(
        [FTP, "serve", "--root", program.root, "--port", "0", *AS_NOBODY],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode == 1
    assert program.process is not None
    assert f"another server runs on this folder (process {program.process.pid})" in second.stderr
    assert program.endpoint()["port"] == program.address[1]
    greeting(program.address, "127.0.1.1")[0].close()


# --- TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_connections_speak_new_tls_and_share_a_session(
    program: Program, version: ssl.TLSVersion
) -> None:
    account = program.add(f"tls-{version.name.lower().replace('_', '-')}")
    with logged_in(account, address="127.0.1.2", minimum_version=version, maximum_version=version) as client:
        with client.transfercmd("NLST /machines") as channel:
            assert isinstance(channel, ssl.SSLSocket)
            assert isinstance(client.sock, ssl.SSLSocket)
            assert channel.version() == client.sock.version() == version.name.replace("_", ".")
            assert channel.session_reused
            assert channel.recv(1000) == f"{account.user}\r\n".encode()
        client.voidresp()


@pytest.mark.parametrize("on_data", [False, True])
def test_old_tls_is_refused(program: Program, on_data: bool) -> None:
    account = program.add(f"old-tls-{on_data}".lower())
    old = ssl.create_default_context(cadata=account.ca_certificate)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    if on_data:
        with logged_in(account, address="127.0.1.3") as client:
            host, port = client.makepasv()
            client.putcmd("NLST /machines")
            with (
                socket.create_connection((host, port), source_address=("127.0.1.3", 0)) as channel,
                pytest.raises((ssl.SSLError, OSError)),
            ):
                old.wrap_socket(channel, server_hostname=host).recv(1)
            assert client.getmultiline().startswith(("150", "125"))
            assert client.getmultiline().startswith("425 The data connection failed")
        return
    client_in_clear, _ = greeting(program.address, "127.0.1.3")
    with client_in_clear:
        client_in_clear.sendall(b"AUTH TLS\r\n")
        assert client_in_clear.recv(100).startswith(b"234")
        with pytest.raises((ssl.SSLError, OSError)):
            old.wrap_socket(client_in_clear, server_hostname="127.0.0.1")


def test_without_tls_nothing_is_let_in(program: Program) -> None:
    account = program.add("in-clear")
    with ftplib.FTP(timeout=PATIENCE_S, source_address=("127.0.1.4", 0)) as client:
        client.connect(*program.address)
        with pytest.raises(ftplib.error_perm, match="550 SSL/TLS required on the control channel"):
            client.login(account.user, account.password.get_secret_value())
    with (
        logged_in(account, address="127.0.1.4") as protected,
        pytest.raises(ftplib.error_perm, match="534"),
    ):
        protected.prot_c()


def test_plain_ftp_where_it_was_asked_for() -> None:
    with running("--plain") as program:
        account = program.add("box")
        with ftplib.FTP(timeout=PATIENCE_S) as client:
            client.connect(*program.address)
            assert "not required" in client.getwelcome()
            client.login(account.user, account.password.get_secret_value())
            program.disk("/models/m.bin").write_bytes(b"weights")
            got = BytesIO()
            client.retrbinary("RETR /models/m.bin", got.write)
            assert got.getvalue() == b"weights"
        with logged_in(account) as protected:
            assert isinstance(protected.sock, ssl.SSLSocket)
        assert "--plain: clients without TLS are let in" in program.said()
        assert account.password.get_secret_value() not in program.said()


def test_a_certificate_of_ones_own() -> None:
    authority = Authority.create()
    with open_folder() as folder:
        made = authority.issue(["localhost"])
        paths = {"certificate": made.chain, "key": made.key, "ca": made.authority.encode()}
        for name, content in paths.items():
            (folder / name).write_bytes(content)
        (folder / "key").chmod(0o600)
        options = [text for name in paths for text in (f"--{name}", str(folder / name))]
        with running("--advertise", "localhost", *options) as program:
            account = program.add("box")
            assert (account.host, account.ca_certificate) == ("localhost", made.authority)
            with logged_in(account) as client:
                assert client.voidcmd("NOOP").startswith("200")
            assert not (program.root / "private/authority.pem").exists()


# --- accounts


def test_accounts_are_taken_up_while_it_runs(program: Program) -> None:
    here = "127.0.2.1"
    first = program.add("changing")
    out = program.folder / "changing.account.json"
    with logged_in(first, address=here) as client:
        commands.rotate("changing", program.root, out, force=True)
        assert ended(client)
    second = Account.read(out)
    assert second.password != first.password
    with pytest.raises(ftplib.error_perm, match="530"), logged_in(first, address=here):
        pass
    with logged_in(second, address=here) as client:
        commands.remove("changing", program.root)
        assert ended(client)
    with pytest.raises(ftplib.error_perm, match="530"), logged_in(second, address="127.0.2.2"):
        pass


def test_the_commands_for_accounts(program: Program) -> None:
    def fleetmark(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("fleetmark"), "machine", *words, "--server-root", program.root],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=program.folder,
        )

    added = fleetmark("add", "by-command")
    out = program.folder / "by-command.account.json"
    assert added.returncode == 0, added.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    password = Account.read(out).password.get_secret_value()
    listed = fleetmark("list", "--json")
    entry = next(each for each in json.loads(listed.stdout)["accounts"] if each["name"] == "by-command")
    assert entry.keys() == {"name", "role", "created_at"}
    assert entry["role"] == "machine"
    assert password not in listed.stdout + added.stdout + added.stderr
    assert password not in (program.root / "private/accounts.json").read_text()
    again = fleetmark("add", "by-command", "--force")
    assert (again.returncode, again.stderr.count("\n")) == (1, 2)
    assert "there is an account 'by-command' already" in again.stderr
    assert Account.read(out).password.get_secret_value() == password


def test_guesses_lead_to_a_ban_that_ends(program: Program) -> None:
    account = program.add("guessed")
    wrong = account.model_copy(update={"password": SecretStr("wrong")})
    here = "127.0.3.1"
    for _ in range(2):
        with pytest.raises(ftplib.error_perm, match="530"), logged_in(wrong, address=here):
            pass
    connection, line = greeting(program.address, here)
    connection.close()
    wait_s = re.fullmatch(r"421 Too many failed logins from your address; wait ([0-9]+) s\.\r\n", line)
    assert wait_s is not None
    assert int(wait_s[1]) <= BAN_S
    with logged_in(account, address="127.0.3.2"):
        pass  # others are not meant
    assert wait_for(lambda: _greets(program, here), PATIENCE_S)
    with logged_in(account, address=here):
        pass


def _greets(program: Program, address: str) -> bool:
    connection, line = greeting(program.address, address)
    connection.close()
    return line.startswith("220")


def test_guesses_in_one_go_are_one_guess(program: Program) -> None:
    account = program.add("pipelined")
    context = ssl.create_default_context(cadata=account.ca_certificate)
    plain, _ = greeting(program.address, "127.0.3.3")
    plain.sendall(b"AUTH TLS\r\n")
    plain.recv(100)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as attacker:
        attacker.sendall(b"USER pipelined\r\n" + b"PASS guess\r\n" * 50)
        answers = b""
        while answers.count(b"\r\n") < 51 and (more := attacker.recv(10_000)):
            answers += more
        codes = [line[:3] for line in answers.decode().splitlines()]
        assert codes == ["331", *["503"] * 49, "530"]
    with logged_in(account, address="127.0.3.3"):
        pass  # one failure, and two lead to a ban


# --- limits


def test_connections_are_counted(program: Program) -> None:
    assert wait_for(lambda: _nobody_is_connected(program), PATIENCE_S)  # those of other tests are gone
    with contextlib.ExitStack() as stack:

        def connect(address: str) -> str:
            connection, line = greeting(program.address, address)
            stack.enter_context(connection)
            return line

        assert [connect("127.0.4.1")[:3] for _ in range(5)] == ["220"] * 5
        assert connect("127.0.4.1").startswith("421 Too many connections from the same IP address")
        assert wait_for(lambda: program.said().count("Too many connections from the same") == 1, PATIENCE_S)
        assert [connect("127.0.4.2")[:3] for _ in range(3)] == ["220"] * 3
        assert connect("127.0.4.3").startswith("421 Too many connections. Service")
    assert wait_for(lambda: _nobody_is_connected(program), PATIENCE_S)
    connection, line = greeting(program.address, "127.0.4.3")
    connection.close()
    assert line.startswith("220")


def _nobody_is_connected(program: Program) -> bool:
    said = program.said()
    return said.count("FTP session opened") == said.count("FTP session closed")


def test_who_reads_no_answers_is_disconnected(program: Program) -> None:
    connection, _ = greeting(program.address, "127.0.4.4")
    with connection:
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"HELP\r\n" * 100_000)
        assert wait_for(lambda: "reads no answers" in program.said(), PATIENCE_S)


def test_who_does_not_log_in_is_disconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "login_timeout_s", 0.3)
    with FtpServer(tmp_path) as server:
        account = server.add_account("box", Role.MACHINE)
        idle, _ = greeting(server.address, "127.0.0.1")
        with logged_in(account) as client, idle:
            idle.settimeout(PATIENCE_S)
            assert idle.recv(100) == b""
            assert client.voidcmd("NOOP").startswith("200")


def part(results: str, run: int) -> str:
    return f"{results}/t1.{run}.json.gz.part-{run:016x}"


def store(client: FtpConnection, path: str, size: int) -> str:
    """The code that an upload ends with."""
    try:
        client.store(PurePosixPath(path), [bytes(size)])
    except ftplib.Error as error:
        return str(error)[:3]
    return "226"


def test_a_file_over_the_limit_is_refused_and_nothing_is_left(program: Program) -> None:
    account = program.add("large")
    results = program.campaign("large")
    with logged_in(account, address="127.0.5.1") as client:
        assert store(client, part(results, 0), FILE_LIMIT + 1) == "552"
        assert list(program.disk(results).iterdir()) == []
        assert store(client, part(results, 0), FILE_LIMIT) == "226"


def test_a_machine_has_a_quota(program: Program) -> None:
    account, operator = program.add("greedy"), program.add("operator", integrator=True)
    results = program.campaign("greedy")
    with logged_in(account, address="127.0.5.2") as client:
        assert [store(client, part(results, run), 90 << 10) for run in range(4)] == ["226"] * 3 + ["552"]
        assert len(list(program.disk(results).iterdir())) == 3
        empty = [store(client, part(results, 10 + run), 0) for run in range(20)]
        assert "552" in empty  # an empty file takes room, too
        assert empty[empty.index("552") :] == ["552"] * (20 - empty.index("552"))
        with logged_in(operator, address="127.0.5.3") as integrator:
            for run in range(2):
                integrator.delete(part(results, run))
        assert wait_for(lambda: store(client, part(results, 0), 90 << 10) == "226", PATIENCE_S)


def test_passive_ports_the_advertised_address_and_idle_clients() -> None:
    first = _two_free_ports()
    with running(
        *("--passive-ports", f"{first}-{first + 1}", "--advertise", "203.0.113.7"),
        *("--idle-timeout", "3"),
    ) as program:
        account = program.add("box")
        assert account.host == "203.0.113.7"
        local = ssl.create_default_context(cadata=account.ca_certificate)
        clients = []
        for _ in range(3):
            client = ftplib.FTP_TLS(context=local, timeout=PATIENCE_S)
            client.connect(*program.address)
            client.host = "203.0.113.7"  # what its certificate is made out to
            client.login("box", account.password.get_secret_value())
            client.prot_p()
            clients.append(client)
        seen = set()
        for client in clients[:2]:
            said = client.sendcmd("PASV")
            numbers = [int(number) for number in re.findall(r"[0-9]+", said[4:])]
            assert numbers[:4] == [203, 0, 113, 7]
            seen.add(numbers[4] * 256 + numbers[5])
        assert seen == {first, first + 1}
        with pytest.raises(ftplib.error_temp, match="425 All ports"):
            clients[2].sendcmd("EPSV")
        clients[0].close()
        assert wait_for(lambda: _passive(clients[2]), PATIENCE_S)  # the port is free again
        assert clients[1].getmultiline().startswith("421 Control connection timed out")
        for client in clients:
            client.close()


def _passive(client: ftplib.FTP_TLS) -> bool:
    try:
        return client.sendcmd("EPSV").startswith("229")
    except ftplib.error_temp:
        return False


def _two_free_ports() -> int:
    for first in range(20_000, 30_000, 2):
        try:
            with socket.create_server(("127.0.0.1", first)), socket.create_server(("127.0.0.1", first + 1)):
                return first
        except OSError:
            continue
    pytest.fail("no two ports are free")


# --- health, log, options


def test_the_health_check() -> None:
    def check(root: Path) -> tuple[int, str]:
        ran = subprocess.run(
            [FTP, "check", "--root", root], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return ran.returncode, ran.stdout + ran.stderr

    with running() as program:
        code, said = check(program.root)
        assert (code, "well, TLSv1.3" in said) == (0, True), said
        assert program.stop() == 0
        code, said = check(program.root)
        assert (code, "Connection refused" in said) == (1, True), said
        with socket.create_server(program.address) as stranger:
            stranger.listen()
            code, said = check_silent(program)
            assert (code, "timed out" in said) == (1, True), said
        code, said = check(program.folder)
        assert (code, "no server was started on this folder" in said) == (1, True), said


def check_silent(program: Program) -> tuple[int, str]:
    """The health check against somebody who listens and says nothing."""
    ran = subprocess.run(
        [FTP, "check", "--root", program.root, "--timeout", "0.2"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_log_says_who_and_what_and_no_password(program: Program) -> None:
    account = program.add("logged")
    results = program.campaign("logged")
    secret = account.password.get_secret_value()
    with logged_in(account, address="127.0.6.1") as client:
        assert store(client, part(results, 0), 10) == "226"
    with (
        pytest.raises(ftplib.error_perm, match="530"),
        logged_in(
            account.model_copy(update={"user": f"logged {secret}", "password": SecretStr("x")}),
            address="127.0.6.2",
        ),
    ):
        pass
    typed = ftplib.FTP_TLS(context=ssl.create_default_context(cadata=account.ca_certificate))
    typed.connect(*program.address, timeout=PATIENCE_S, source_address=("127.0.6.3", 0))
    typed.auth()
    typed.sendcmd(f"USER {secret}")
    typed.close()
    assert wait_for(lambda: program.said().count("127.0.6.3") >= 2, PATIENCE_S)
    lines = [json.loads(line) for line in program.said().splitlines()]
    (transfer,) = [line for line in lines if line.get("event") == "transfer" and line["user"] == "logged"]
    assert transfer["path"] == part(results, 0)
    assert (transfer["command"], transfer["bytes"], transfer["completed"]) == ("STOR", 10, True)
    assert transfer["address"] == "127.0.6.1"
    for handed_over in program.folder.glob("*.account.json"):
        assert Account.read(handed_over).password.get_secret_value() not in program.said()
    assert [line for line in lines if "trace" in line or "Traceback" in line["message"]] == []


def test_the_log_says_what_was_refused_and_what_was_changed(program: Program) -> None:
    account = program.add("nosy")
    results = program.campaign("nosy")
    program.campaign("quiet")
    asked = {
        "RETR /machines/quiet/camp/job.json": "/machines/quiet/camp/job.json",
        "CWD /machines/quiet": "/machines/quiet",
        "MKD /machines/nosy/mine": "/machines/nosy/mine",
        "STOR /models/x": "/models/x",
        f"DELE {results}/t1.0.json.gz": f"{results}/t1.0.json.gz",
    }
    with logged_in(account, address="127.0.7.1") as client:
        for command in asked:
            with pytest.raises(ftplib.error_perm, match="550"):
                client.sendcmd(command)
        assert store(client, part(results, 0), 10) == "226"
        client.rename(part(results, 0), f"{results}/t1.0.json.gz")
        with pytest.raises(ftplib.error_perm, match="never overwritten"):
            client.sendcmd(f"STOR {part(results, 0)}")
        assert client.digest(PurePosixPath(results, "t2.0.json.gz")) is None  # not there: no refusal
    with socket.create_connection(program.address, PATIENCE_S, source_address=("127.0.7.1", 0)) as clear:
        clear.sendall(b"USER hunter2\r\nQUIT\r\n")
        assert b"550 SSL/TLS required" in b"".join(iter(lambda: clear.recv(1000), b""))

    def lines(event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in program.said().splitlines()]
        return [line for line in found if (line.get("event"), line.get("address")) == (event, "127.0.7.1")]

    assert wait_for(lambda: len(lines("refused")) >= len(asked) + 2, PATIENCE_S)
    refused = [(line["user"], line["command"], line["path"]) for line in lines("refused")[:-1]]
    assert refused == [
        *(("nosy", command.partition(" ")[0], path) for command, path in asked.items()),
        ("nosy", "STOR", part(results, 0)),
    ]
    without_tls = lines("refused")[-1]
    assert (without_tls["command"], without_tls["level"]) == ("USER", "warning")
    assert "hunter2" not in program.said()
    (changed,) = lines("changed")
    assert (changed["command"], changed["path"]) == ("RNTO", f"{results}/t1.0.json.gz")


BAD = {
    "--max-connections 0": "greater than or equal to 1",
    "--passive-ports 30000": "--passive-ports 30000: not a range of ports",
    "--passive-ports 80-90": "--passive-ports 80-90: not a range of ports",
    "--quota much": "--quota much: not a size",
    "--host 0.0.0.0": "agents have to be told one",
    "--host 192.0.2.1": "cannot listen there: Cannot assign requested address",
    "--advertise ftp://lab": "neither an address nor the name of a host",
    "--key k.pem": "--certificate, --key and --ca belong together",
    "--user no-such-user": "no such user",
    "--no-such-option": "No such option",
}


def test_a_wrong_option_is_one_line_and_what_to_do(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        started = {
            options: stack.enter_context(
                subprocess.Popen(
                    [FTP, "serve", "--root", tmp_path / "root", "--port", "0", *AS_NOBODY, *options.split()],
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for options in BAD
        }
        for process in started.values():
            stack.callback(process.kill)
        for options, process in started.items():
            said = process.communicate(timeout=PATIENCE_S)[1]
            assert process.returncode == 1, (options, said)
            assert BAD[options] in said
            assert "Traceback" not in said
            assert said.count("\n") <= 4  # usage and advice
    assert not (tmp_path / "root").exists()


def test_root_has_to_say_whom_to_be(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("this user is not root")
    ran = subprocess.run(
        [FTP, "serve", "--root", tmp_path / "root"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "does not run as root unless told" in ran.stderr
    assert "--user NAME" in ran.stderr


def test_a_folder_of_somebody_else_is_refused_with_what_to_do() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with open_folder() as folder:
        (folder / "root").mkdir(mode=0o755)
        ran = subprocess.run(
            [FTP, "serve", "--root", folder / "root", "--port", "0", *AS_NOBODY],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert ran.returncode == 1
    assert "cannot be made" in ran.stderr
    assert "chown -R" in ran.stderr
