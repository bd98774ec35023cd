"""Campaigns as programs: killed and resumed, interrupted, on a lab's own server, with agents that wait."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integrator.conduct.serving import EmbeddedServer
from integrator.config.server import ServerSection
from protocol.account import Account
from protocol.engine import openvino as ov
from protocol.errors import UserError
from protocol.layout import clock_file
from protocol.result import Result
from protocol.transfer import Digest, TransferClient
from tests.integration.conftest import find_worker, workers
from tests.integration.server_process import ServerProcess
from tests.support import make_tiny_model

pytestmark = pytest.mark.engine

RUNS = 5
TESTS = 4
PATIENCE_S = 120


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a campaign of one model in four settings, and its model."""
    ov.save_model(make_tiny_model(), tmp_path / "tiny.xml", compress_to_fp16=False)
    write(tmp_path, machines=["{name: box}"])
    return tmp_path


def write(
    desk: Path, *, machines: list[str], server: str = "", more: str = "", duration_s: float = 0.2
) -> None:
    """lab.yaml and campaign.yaml."""
    listed = "".join(f"  - {machine}\n" for machine in machines)
    (desk / "lab.yaml").write_text(f"schema_version: 1\nname: lab\n{server}machines:\n{listed}")
    (desk / "campaign.yaml").write_text(
        "schema_version: 1\nname: tiny\nmodels:\n  - {name: tiny, path: tiny.xml}\n"
        f"matrix: {{batch: [1, 4]}}\nruns: {RUNS}\n"
        f"measure: {{duration_s: {duration_s}, warmup_s: 0.01, interval_target: none}}\n{more}"
    )


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("fleetmark")), *arguments]


def environment(desk: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(desk / "cache"), "COLUMNS": "120"}


def fleetmark(desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=desk, env=environment(desk), capture_output=True, text=True, check=False
    )


RUN = ("run", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--out", "out")
RESUME = ("run", "--resume", "out")


class Running:
    """A `fleetmark` under way."""

    def __init__(self, desk: Path, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        """Its standard error so far."""
        return self._log.read_text()

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running(desk: Path, *arguments: str) -> Iterator[Running]:
    """Ended for certain."""
    log = desk / f"stderr-{time.monotonic_ns()}"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command(*arguments),
            cwd=desk,
            env=environment(desk),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    with process:
        try:
            yield Running(desk, process, log)
        finally:
            process.kill()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def on_server(desk: Path) -> dict[str, bytes]:
    """The results that lie on the server inside the integrator, by machine and name."""
    found = (desk / "out/.work/server/files/machines").glob("*/*/results/*.gz")
    return {f"{path.parts[-4]}/{path.name}": path.read_bytes() for path in found}


def collected(desk: Path) -> dict[str, bytes]:
    """The results that have been collected, by machine and name."""
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in (desk / "out/raw").glob("*/*.gz")}


def table(desk: Path) -> list[dict[str, str]]:
    with (desk / "out/results.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def agents(desk: Path) -> set[int]:
    """The agents that work somewhere below `desk`."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        if "agent.cli" in words and where.is_relative_to(desk):
            found.add(int(entry.name))
    return found


def planned(desk: Path, *machines: str) -> set[str]:
    names = set()
    for machine in machines:
        job = json.loads((desk / f"out/jobs/{machine}.json").read_text())
        names |= {f"{machine}/{run['test']}.{run['run']}.json.gz" for run in job["schedule"]}
    assert len(names) == RUNS * TESTS * len(machines)
    return names


@contextlib.contextmanager
def waiting_agent(desk: Path, account: Path, work: str = "elsewhere") -> Iterator[subprocess.Popen[bytes]]:
    """An agent that somebody started by hand."""
    program = str(Path(sys.executable).with_name("fleetmark-agent"))
    options = ["--account", str(account), "--work", str(desk / work), "--every", "0.2"]
    with (desk / f"{work}.log").open("ab") as log:
        process = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class TestResuming:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_a_killed_integrator_goes_on_and_repeats_nothing(self, desk: Path, seed: int) -> None:
        """Killed again and again at moments that are drawn; at last it is let through."""
        write(desk, machines=["{name: box}", "{name: bay}"], duration_s=0.1)
        luck = random.Random(seed)
        there: dict[str, bytes] = {}
        arguments: tuple[str, ...] = RUN
        for _ in range(4):
            with running(desk, *arguments) as program:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.process.wait(luck.uniform(0.5, 7))
                program.process.kill()
                program.process.wait()
            there = {**on_server(desk), **there}
            assert there.items() <= {**on_server(desk), **collected(desk)}.items()
            if (desk / "out/campaign.json").exists():
                arguments = RESUME
        with running(desk, *arguments) as program:
            assert program.wait() == 0, program.said
        assert set(collected(desk)) == planned(desk, "box", "bay")
        assert there.items() <= collected(desk).items()
        for name, data in collected(desk).items():
            Result.from_gzip(data, source=name)
        assert {(row["status"], row["runs"]) for row in table(desk)} == {("ok", str(RUNS))}
        wait_for(lambda: not agents(desk))

    def test_what_is_complete_is_left_alone(self, desk: Path) -> None:
        assert fleetmark(desk, *RUN).returncode == 0
        before = collected(desk)
        done = fleetmark(desk, *RESUME)
        assert done.returncode == 0, done.stderr
        assert collected(desk) == before
        assert "box: finished, 20 runs" in done.stderr

    def test_results_that_the_server_lost_are_not_measured_again(self, desk: Path) -> None:
        """They were collected; of what was not, the server is the only one that knew."""
        with running(desk, *RUN) as program:
            wait_for(lambda: len(on_server(desk)) >= 3)
            program.process.kill()
        wait_for(lambda: not agents(desk))
        assert fleetmark(desk, "collect", "out").returncode == 0
        before = collected(desk)
        assert 3 <= len(before) < RUNS * TESTS
        files = desk / "out/.work/server/files"
        files.rename(desk / "lost")
        done = fleetmark(desk, *RESUME)
        assert done.returncode == 0, done.stderr
        assert before.items() <= collected(desk).items()
        assert set(collected(desk)) == planned(desk, "box")

    def test_one_conductor_at_a_time_and_anybody_may_look(self, desk: Path) -> None:
        write(desk, machines=["{name: box}"], duration_s=1)
        with running(desk, *RUN) as program:
            wait_for(lambda: len(on_server(desk)) >= 2)
            for arguments in (RESUME, (*RUN, "--replace")):
                second = fleetmark(desk, *arguments)
                assert second.returncode == 1
                assert f"this campaign is under way (process {program.process.pid})" in second.stderr
            plain = fleetmark(desk, "status", "out").stdout
            assert re.search(r"^box: running \d+ of 20, tiny-\S+ run \d+, at most about", plain, re.MULTILINE)
            (machine,) = json.loads(fleetmark(desk, "status", "out", "--json").stdout)["machines"]
            assert (machine["state"], machine["total"]) == ("running", 20)
            assert fleetmark(desk, "publish", "out").returncode == 0
            page = (desk / "out/site/index.html").read_text()
            assert re.search(r"partial: \d of 4 tests, \d+ of 20 runs", page)
            assert program.process.poll() is None
            assert program.wait() == 0, program.said
        assert set(collected(desk)) == planned(desk, "box")
        assert "partial" not in (desk / "out/site/index.html").read_text()
        assert "tiny" in fleetmark(desk, "status", "out", "--watch").stdout

    def test_a_new_run_says_how_to_go_on_with_an_unfinished_one(self, desk: Path) -> None:
        with running(desk, *RUN) as program:
            wait_for(lambda: on_server(desk))
            program.process.kill()
        refused = fleetmark(desk, *RUN)
        assert refused.returncode == 1
        assert "fleetmark run --resume out" in refused.stderr
        state = json.loads(fleetmark(desk, "status", "out", "--json").stdout)
        assert (state["state"], state["conductor"]) == ("interrupted", None)


class TestTrouble:
    def test_an_agent_that_is_killed_is_started_again(self, desk: Path) -> None:
        with running(desk, *RUN) as program:
            wait_for(lambda: len(on_server(desk)) >= 3)
            before = on_server(desk)
            (agent,) = agents(desk)
            os.kill(agent, signal.SIGKILL)
            assert program.wait() == 0, program.said
        assert before.items() <= collected(desk).items()
        assert set(collected(desk)) == planned(desk, "box")
        assert "box: started again" in program.said
        assert "tried again: the agent ended with code -9" in program.said

    def test_a_machine_that_is_off_stops_nobody(self, desk: Path) -> None:
        off = (
            "{name: bay, start: {docker: {host: 'tcp://127.0.0.1:9', tls: {ca: x, certificate: x, key: x}}}}"
        )
        (desk / "x").write_text("")
        off = "{name: bay, start: {docker: {host: 'ssh://fleet@127.0.0.1:9'}}}"
        write(desk, machines=["{name: box}", off], more="limits: {restarts: 0}\n")
        done = fleetmark(desk, *RUN)
        assert done.returncode == 1, done.stderr
        rows = table(desk)
        assert {row["status"] for row in rows if row["machine"] == "box"} == {"ok"}
        lost = {row["reason"] for row in rows if row["machine"] == "bay"}
        assert len(lost) == 1
        assert "127.0.0.1" in lost.pop()
        assert {row["status"] for row in rows if row["machine"] == "bay"} == {"not_run"}
        assert "fleetmark run --resume out" in done.stderr

    def test_a_machine_that_takes_too_long(self, desk: Path) -> None:
        write(desk, machines=["{name: box}"], more="limits: {machine_deadline: 15 s}\n", duration_s=1)
        done = fleetmark(desk, *RUN)
        assert done.returncode == 1
        reasons = {row["reason"] for row in table(desk) if row["status"] == "not_run"}
        assert reasons <= {"the machine's deadline (15 s) passed before this test was run"}
        assert "box: failed: the machine's deadline (15 s) passed" in done.stderr
        assert 0 < len(collected(desk)) < RUNS * TESTS


class TestStopping:
    def test_twice_ends_the_run_under_way(self, desk: Path) -> None:
        write(desk, machines=["{name: box}", "{name: bay}"], duration_s=60)
        with running(desk, *RUN) as program:
            find_worker(desk, "measure")
            program.process.send_signal(signal.SIGINT)
            wait_for(lambda: "each machine finishes the run under way" in program.said)
            assert workers(desk)
            program.process.send_signal(signal.SIGINT)
            assert program.wait() == 130
        assert workers(desk) == set()
        assert agents(desk) == set()
        assert "Stopping now" in program.said
        assert "To go on: fleetmark run --resume out" in program.said
        assert "Traceback" not in program.said
        assert {row["status"] for row in table(desk)} == {"not_run"}

    def test_once_keeps_the_run_under_way_and_resuming_completes(self, desk: Path) -> None:
        write(desk, machines=["{name: box}"], duration_s=0.5)
        with running(desk, *RUN) as program:
            wait_for(lambda: len(on_server(desk)) >= 2)
            find_worker(desk, "measure")
            before = len(on_server(desk))
            program.process.send_signal(signal.SIGTERM)
            assert program.wait() == 130
        stopped = collected(desk)
        assert len(stopped) > before
        assert fleetmark(desk, *RESUME).returncode == 0
        assert stopped.items() <= collected(desk).items()
        assert set(collected(desk)) == planned(desk, "box")


class TestTheServerInside:
    def test_a_later_integrator_is_found_by_the_same_agents(self, tmp_path: Path) -> None:
        """Port, authority and passwords stay."""
        accounts = []
        for _ in range(2):
            with EmbeddedServer(tmp_path, ["box"], ServerSection(), movable=False) as server:
                accounts.append(server.account("box"))
                with TransferClient(accounts[0]) as client:
                    client.write(clock_file("box"), b"{}")
                with server.client() as operator:
                    assert operator.digest(clock_file("box")) == Digest.of(b"{}")
        assert accounts[0] == accounts[1]
        private = tmp_path / "private"
        assert oct(private.stat().st_mode & 0o777) == "0o700"
        assert {oct(path.stat().st_mode & 0o777) for path in private.iterdir()} == {"0o600"}

    def test_a_port_that_is_taken_is_named_unless_it_may_move(self, tmp_path: Path) -> None:
        with EmbeddedServer(tmp_path, ["box"], ServerSection(), movable=False) as server:
            port = server.account("box").port
        with socket.create_server(("127.0.0.1", port)):
            with (
                pytest.raises(UserError, match=f"127.0.0.1:{port}: nobody can listen there"),
                EmbeddedServer(tmp_path, ["box"], ServerSection(), movable=False),
            ):
                pass
            with EmbeddedServer(tmp_path, ["box"], ServerSection(), movable=True) as server:
                assert server.account("box").port != port


class TestALabsOwnServer:
    @pytest.fixture
    def server(self, desk: Path) -> Iterator[ServerProcess]:
        server = ServerProcess(desk / "srv", advertise="127.0.0.1")
        server.start()
        try:
            yield server
        finally:
            server.kill()

    def hand_over(self, desk: Path, server: ServerProcess, *names: str) -> None:
        for name in names:
            account: Account = server.account(name)
            account.write(desk / f"{name}.account.json")

    def test_it_is_killed_in_between_and_the_campaign_completes(
        self, desk: Path, server: ServerProcess
    ) -> None:
        self.hand_over(desk, server, "integrator", "box", "bay")
        machines = ["{name: box, account: box.account.json}", "{name: bay, start: waiting}"]
        write(desk, machines=machines, server="server: {account: integrator.account.json}\n", duration_s=0.5)
        with waiting_agent(desk, desk / "bay.account.json"), running(desk, *RUN) as program:
            wait_for(lambda: len(list(server.files.glob("machines/*/*/results/*.gz"))) >= 4)
            partial = fleetmark(desk, "collect", "out")
            assert partial.returncode == 0, partial.stderr
            before = collected(desk)
            assert before
            server.kill()
            time.sleep(2)
            server.start()
            assert program.wait() == 0, program.said
        assert before.items() <= collected(desk).items()
        assert set(collected(desk)) == planned(desk, "box", "bay")
        assert "bay: finished, 20 runs" in program.said
        state = json.loads(fleetmark(desk, "status", "out", "--json").stdout)
        assert [machine["done"] for machine in state["machines"]] == [20, 20]

    def test_an_agent_that_never_comes_is_a_reason(self, desk: Path, server: ServerProcess) -> None:
        self.hand_over(desk, server, "integrator")
        write(
            desk,
            machines=["{name: box, start: waiting}"],
            server="server: {account: integrator.account.json}\n",
            more="limits: {machine_deadline: 2 s}\n",
        )
        done = fleetmark(desk, *RUN)
        assert done.returncode == 1
        (reason,) = {row["reason"] for row in table(desk)}
        assert reason.startswith("no agent of box has asked for its job; the machine's deadline (2 s) passed")

    def test_what_an_agent_finished_while_nobody_conducted_is_taken(
        self, desk: Path, server: ServerProcess
    ) -> None:
        self.hand_over(desk, server, "integrator", "box")
        write(
            desk,
            machines=["{name: box, start: waiting}"],
            server="server: {account: integrator.account.json}\n",
        )
        with waiting_agent(desk, desk / "box.account.json"), running(desk, *RUN) as program:
            wait_for(lambda: list(server.files.glob("machines/*/*/results/*.gz")))
            program.process.kill()
            program.process.wait()
            wait_for(lambda: len(list(server.files.glob("machines/*/*/results/*.gz"))) == RUNS * TESTS)
        done = fleetmark(desk, *RESUME)
        assert done.returncode == 0, done.stderr
        assert set(collected(desk)) == planned(desk, "box")
