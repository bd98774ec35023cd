"""`fleetmark doctor --lab` against a real sshd, this computer, and machines that do not answer."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.cli import app
from integrator.doctor import ask_docker
from integrator.doctor.finding import Finding, Health, LabHealth
from protocol.errors import UserError
from tests.integration.openssh import OpenSsh, openssh


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with openssh(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def examined(tmp_path: Path, machines: list[dict[str, Any]], *arguments: str) -> dict[str, dict[str, Any]]:
    """By machine: its findings by check."""
    lab = {
        "schema_version": 1,
        "name": "a-lab",
        "server": {"listen": "127.0.0.2", "advertise": "127.0.0.2"},
        "machines": machines,
    }
    if all(isinstance(machine.get("start", "local"), str) for machine in machines):
        del lab["server"]
    file = tmp_path / "lab.yaml"
    file.write_text(json.dumps(lab))
    result = CliRunner().invoke(app, ["doctor", "--lab", str(file), "--json", *arguments])
    assert result.stdout, result.output
    report = LabHealth.from_bytes(result.stdout.encode(), source="report")
    assert result.exit_code == (1 if report.health is Health.FAIL else 0)
    return {machine.machine: {str(f.check): f for f in machine.findings} for machine in report.machines}


def behind(box: OpenSsh, name: str = "box", **start: str) -> dict[str, Any]:
    return {"name": name, "start": {"docker": box.start(**start)}}


def test_this_computer_is_ready(tmp_path: Path) -> None:
    found = examined(tmp_path, [{"name": "here"}])["here"]
    assert found["devices"].health is Health.OK
    assert "CPU" in found["devices"].said
    assert found["FTP server"].health is Health.OK
    assert found["clock"].health is Health.OK
    assert "host key" not in found
    assert "Docker" not in found


def test_a_device_that_is_not_there_fails(tmp_path: Path) -> None:
    found = examined(tmp_path, [{"name": "here", "devices": ["CPU", "NPU"]}])["here"]
    assert found["devices"].health is Health.FAIL
    assert "not NPU" in found["devices"].said


def test_a_machine_behind_ssh_is_asked_without_its_engine(box: OpenSsh, tmp_path: Path) -> None:
    found = examined(tmp_path, [behind(box)])["box"]
    assert {found[name].health for name in ("reachable", "host key", "login", "clock")} == {Health.OK}
    assert found["Docker"].health is Health.FAIL
    assert found["Docker"].remedy
    assert found["disk"].said.endswith("free below /") or "docker" in found["disk"].said
    assert found["other load"].health is not Health.UNKNOWN
    assert found["image"].health is Health.UNKNOWN


def test_the_ftp_server_is_knocked_at_from_there(box: OpenSsh, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    # A port of 127.0.0.3, where nobody listens: what machines are told is wrong.
    document = {
        "schema_version": 1,
        "name": "a-lab",
        "server": {"listen": "127.0.0.2", "advertise": "127.0.0.3"},
        "machines": [behind(box)],
    }
    lab.write_text(json.dumps(document))
    for advertise, health in (("127.0.0.3", Health.FAIL), ("127.0.0.2", Health.OK)):
        document["server"]["advertise"] = advertise  # type: ignore[index]
        lab.write_text(json.dumps(document))
        result = CliRunner().invoke(app, ["doctor", "--lab", str(lab), "--json"])
        (machine,) = LabHealth.from_bytes(result.stdout.encode(), source="report").machines
        (server,) = [finding for finding in machine.findings if finding.check == "FTP server"]
        assert server.health is health, server
        assert advertise in server.said


def test_an_unknown_host_key_fails_with_the_commands_that_show_and_add_it(
    box: OpenSsh, tmp_path: Path
) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    found = examined(tmp_path, [behind(box, known_hosts=str(empty))])["box"]
    assert found["reachable"].health is Health.OK
    assert found["host key"].health is Health.FAIL
    assert "ssh-keyscan" in found["host key"].remedy
    assert "login" not in found
    assert found["clock"].health is Health.UNKNOWN


def test_another_host_key_fails(box: OpenSsh, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = tmp_path / "known_hosts"
    key = (tmp_path / "other.pub").read_text()
    other.write_text(f"[127.0.0.1]:{box.port} {key}")
    found = examined(tmp_path, [behind(box, known_hosts=str(other))])["box"]
    assert found["host key"].health is Health.FAIL
    assert "another one" in found["host key"].said


def test_a_key_that_is_not_accepted_fails_at_the_login(box: OpenSsh, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    found = examined(tmp_path, [behind(box, key_file=str(tmp_path / "other"))])["box"]
    assert found["host key"].health is Health.OK
    assert found["login"].health is Health.FAIL
    assert "ssh-copy-id" in found["login"].remedy


def test_an_sshd_that_forwards_nothing_leaves_the_way_to_the_server_open(tmp_path: Path) -> None:
    with openssh(tmp_path / "sshd", "AllowTcpForwarding no") as server:
        found = examined(tmp_path, [behind(server)])["box"]
    assert found["FTP server"].health is Health.UNKNOWN
    assert "AllowTcpForwarding" in found["FTP server"].said
    assert found["clock"].health is Health.OK


@contextmanager
def _silent() -> Iterator[int]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=10) as listening:
        yield listening.getsockname()[1]


def test_machines_that_are_off_or_hang_hold_up_nobody(
    box: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_docker, "_CONNECT_TIMEOUT_S", 3.0)
    with _silent() as port:
        hanging = box.start(host=f"ssh://{box.user}@127.0.0.1:{port}")
        off = box.start(host=f"ssh://{box.user}@127.0.0.1:1")
        found = examined(
            tmp_path,
            [
                {"name": "hangs", "start": {"docker": hanging}},
                {"name": "off", "start": {"docker": off}},
                behind(box),
                {"name": "here"},
            ],
        )
    assert found["hangs"]["reachable"].health is Health.FAIL
    assert "no answer in time" in found["hangs"]["reachable"].said
    assert found["off"]["reachable"].health is Health.FAIL
    assert "refused" in found["off"]["reachable"].said
    assert found["box"]["clock"].health is Health.OK
    assert found["here"]["clock"].health is Health.OK


def test_the_labs_own_server_is_logged_in_to_and_met_from_there(box: OpenSsh, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"

    def health() -> dict[str, Finding]:
        result = CliRunner().invoke(app, ["doctor", "--lab", str(lab), "--json"])
        assert result.stdout, result.output
        report = LabHealth.from_bytes(result.stdout.encode(), source="report")
        return {
            machine.machine: finding
            for machine in report.machines
            for finding in machine.findings
            if finding.check == "FTP server"
        }

    with FtpServer(tmp_path / "server") as server:
        server.add_account("integrator", Role.INTEGRATOR).write(tmp_path / "integrator.json")
        for name in ("box", "here"):
            server.add_account(name, Role.MACHINE).write(tmp_path / f"{name}.json")
        document = {
            "schema_version": 1,
            "name": "a-lab",
            "server": {"account": "integrator.json"},
            "machines": [
                {**behind(box), "account": "box.json"},
                {"name": "here", "account": "here.json"},
                {"name": "far", "start": "waiting"},
            ],
        }
        lab.write_text(json.dumps(document))
        found = health()
        assert found["box"].health is found["here"].health is Health.OK
        assert "from there" in found["box"].said
        assert found["far"].health is Health.UNKNOWN
        shutil.copy(tmp_path / "here.json", tmp_path / "box.json")
        mixed_up = health()["box"]
        assert mixed_up.health is Health.FAIL
        assert "the hand-over file of here" in mixed_up.said
    gone = health()
    assert gone["here"].health is Health.FAIL
    assert gone["here"].said


def test_one_machine_may_be_asked_alone(box: OpenSsh, tmp_path: Path) -> None:
    found = examined(tmp_path, [{"name": "here"}, behind(box)], "--machine", "here")
    assert list(found) == ["here"]


def test_a_machine_that_the_lab_has_not_is_refused(tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(json.dumps({"schema_version": 1, "name": "a", "machines": [{"name": "here"}]}))
    result = CliRunner().invoke(app, ["doctor", "--lab", str(lab), "--machine", "there"])
    assert isinstance(result.exception, UserError)
    assert "no machine there" in str(result.exception)


def test_the_table_names_failures_first_and_what_to_do(box: OpenSsh, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    off = {"name": "off", "start": {"docker": box.start(host=f"ssh://{box.user}@127.0.0.1:1")}}
    server = {"listen": "127.0.0.2", "advertise": "127.0.0.2"}
    lab.write_text(
        json.dumps({"schema_version": 1, "name": "a", "server": server, "machines": [{"name": "here"}, off]})
    )
    result = CliRunner().invoke(app, ["doctor", "--lab", str(lab)])
    assert result.exit_code == 1
    assert result.stdout.index("off  ssh://") < result.stdout.index("here  local")
    assert "→" in result.stdout
