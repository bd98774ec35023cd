"""A real agent, as a process, and everything that can fail under it.

What is killed is started again; what is full gets room; what was replaced is handed over. Then all results of
the job are on the server, each once and whole, they are merged to a whole row, and nothing half-done is left.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.lease import LeaseKeeper
from agent.stop import Stop
from integrator.collect import collect
from integrator.conduct.news import Stored
from integrator.conduct.standing import MachineState
from integrator.conduct.watch import Watch
from integrator.merge import merge
from integrator.rejected import Rejections
from integrator.store import CampaignRecord, CampaignStore
from protocol.account import Account
from protocol.errors import LeaseError
from protocol.job import Job, Measure
from protocol.layout import CampaignFolder, machine_folder, result_name
from protocol.result import Result, Status
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient
from tests.integration.agent_struck import STEPS
from tests.integration.conftest import Bench
from tests.integration.proxy import Fault, Proxy, wait_for
from tests.integration.server_process import ServerProcess, files, unfinished
from tests.support import make_job, planned_test, reference

pytestmark = pytest.mark.engine

_PATIENCE_S = 60.0


class Agent:
    """`fleetmark-agent` as a process, with its log."""

    def __init__(self, account: Path, work: Path, *options: str, step: str = "-", clock: str = "") -> None:
        self.log = work.with_name(f"{work.name}.log")
        command = [sys.executable, "-m", "tests.integration.agent_struck", step]
        command += ["--account", str(account), "--work", str(work), *options]
        if clock:
            command = ["faketime", "--exclude-monotonic", "-f", clock, *command]
        with self.log.open("a") as log:
            self._before = log.tell()
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self) -> str:
        """What it logged."""
        return self.log.read_text()[self._before :]

    def lives(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait(_PATIENCE_S)

    def end(self) -> None:
        """Tell it to stop; it leaves by itself."""
        if self.lives():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Place:
    """A server, a machine's agent folder, and a job for it."""

    server: ServerProcess
    bench: Bench
    integrator: Account
    hand_over: Path
    job: Job
    folder: CampaignFolder

    @contextmanager
    def agent(
        self, *options: str, step: str = "-", clock: str = "", work: Path | None = None
    ) -> Iterator[Agent]:
        agent = Agent(self.hand_over, work or self.bench.work, *options, step=step, clock=clock)
        try:
            yield agent
        finally:
            agent.end()

    def arrived(self) -> int:
        """How many results have their names on the server's disk."""
        return len(list(self.server.disk(self.folder.results).glob("*.gz")))

    def waiting(self) -> list[str]:
        """What lies in the spool."""
        folder = self.bench.work / "spool" / self.job.campaign
        return sorted(path.name for path in folder.glob("*.gz")) if folder.is_dir() else []

    def check(self) -> None:
        """Every run is there once and whole, and nothing half-done is left, or it is removed after a day."""
        names = sorted(result_name(entry.test, entry.run) for entry in self.job.schedule)
        found = self.server.disk(self.folder.results)
        assert sorted(path.name for path in found.glob("*.gz")) == names
        for name in names:
            result = Result.from_gzip((found / name).read_bytes(), source=name)
            assert result_name(result.test, result.run) == name
            assert (result.status, result.reason) == (Status.OK, "")
        assert unfinished([self.bench.work]) == []
        assert self.waiting() == []
        for path in unfinished([self.server.files]):
            two_days_ago = time.time() - 2 * 86_400
            os.utime(path, (two_days_ago, two_days_ago))
        self.server.restart()
        assert wait_for(lambda: unfinished([self.server.files]) == [])
        self.check_table()

    def check_table(self) -> None:
        """The integrator fetches every run once, and merges them to one row of which nothing is missing."""
        job, runs = self.job, len(self.job.schedule)
        made = datetime(2026, 1, 1, tzinfo=UTC)
        record = CampaignRecord(campaign=job.campaign, title="", lab="", created_at=made, machines=("box",))
        with (
            TemporaryDirectory() as folder,
            TransferClient(self.server.hand_over(self.integrator), timeout_s=5) as client,
        ):
            store = CampaignStore(Path(folder) / "campaign")
            store.write_plan(record, (job,))
            assert collect(record, store, client) == runs
            assert collect(record, store, client) == 0
            rejected = Rejections("folder")
            table = merge((job,), {"box": store.read_results(job, rejected)}, {})
            assert rejected.files == []
        assert table[["status", "reason", "runs"]].to_dict("records") == [
            {"status": "ok", "reason": None, "runs": runs}
        ]


@contextmanager
def place(
    root: Path,
    tmp_path: Path,
    tiny_files: list[Path],
    *,
    runs: int,
    seconds: float,
    advertise: str = "127.0.0.1",
) -> Iterator[Place]:
    server = ServerProcess(root, advertise=advertise)
    server.start()
    try:
        integrator = server.account("integrator")
        with TransferClient(integrator.model_copy(update={"host": "127.0.0.1"}), timeout_s=5) as operator:
            bench = Bench(operator, server.account("box"), tmp_path / "work")
            bench.account.write(tmp_path / "account.json")
            model = reference(tiny_files)
            measure = Measure(duration_s=seconds, min_iterations=1, warmup_s=0)
            job = make_job([model], [planned_test(model)], runs=runs, measure=measure)
            folder = bench.deliver(job, tiny_files)
            yield Place(server, bench, integrator, tmp_path / "account.json", job, folder)
    finally:
        server.kill()


@pytest.fixture
def short(tmp_path: Path, tiny_files: list[Path]) -> Iterator[Place]:
    """As many runs as there are steps."""
    with place(tmp_path / "server", tmp_path, tiny_files, runs=len(STEPS), seconds=0.02) as made:
        yield made


@pytest.fixture
def brief(tmp_path: Path, tiny_files: list[Path]) -> Iterator[Place]:
    """Two runs."""
    with place(tmp_path / "server", tmp_path, tiny_files, runs=2, seconds=0.02) as made:
        yield made


@pytest.fixture
def long(tmp_path: Path, tiny_files: list[Path]) -> Iterator[Place]:
    """Runs that leave time to do something meanwhile."""
    with place(tmp_path / "server", tmp_path, tiny_files, runs=5, seconds=0.3) as made:
        yield made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for very little."""
    with tmpfs(tmp_path / "small", "2m") as disk:
        yield disk


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_an_agent_killed_at_every_step_of_a_results_way(short: Place) -> None:
    for step in STEPS:
        with short.agent("--once", step=step) as agent:
            assert agent.wait() == -signal.SIGKILL, (step, agent.said())
    with short.agent("--once") as agent:
        assert agent.wait() == 0, agent.said()
    assert short.bench.heartbeat(short.folder).state is AgentState.FINISHED
    short.check()


def test_the_server_is_killed_in_a_campaign(long: Place) -> None:
    with long.agent("--every", "0.3") as agent:
        assert wait_for(lambda: long.arrived() > 0, _PATIENCE_S)
        long.server.kill()
        assert wait_for(lambda: bool(long.waiting()), _PATIENCE_S), agent.said()
        assert "results wait on disk" in agent.said() or agent.lives()
        long.server.start()
        assert wait_for(lambda: long.arrived() == len(long.job.schedule), _PATIENCE_S), agent.said()
        assert wait_for(lambda: not long.waiting())
        assert agent.lives()
    long.check()


def test_the_network_fails_in_a_campaign(tmp_path: Path, tiny_files: list[Path]) -> None:
    """Something else after each result; the agent measures on, and whatever was struck arrives later."""
    faults = [
        Fault("cut"),
        Fault("stall", control=True, upwards=False),
        Fault("truncate", after=300),
        Fault("flip", after=600),
        Fault("cut", control=True),
    ]
    runs = len(faults) + 1
    with (
        place(
            tmp_path / "server", tmp_path, tiny_files, runs=runs, seconds=0.05, advertise="127.0.0.2"
        ) as made,
        Proxy(made.server.ports) as proxy,
    ):
        with made.agent("--every", "0.3") as agent:
            for number, fault in enumerate(faults):
                wait_for_results(made, agent, number + 1)
                strike(proxy, fault, agent)
            wait_for_results(made, agent, runs)
            assert wait_for(lambda: not made.waiting(), _PATIENCE_S), agent.said()
            assert agent.lives()
        made.check()


def strike(proxy: Proxy, fault: Fault, agent: Agent) -> None:
    proxy.fault = fault
    assert wait_for(lambda: fault.times == 0, _PATIENCE_S), (fault, agent.said())


def wait_for_results(place: Place, agent: Agent, count: int) -> None:
    assert wait_for(lambda: place.arrived() >= count, _PATIENCE_S), agent.said()


@pytest.mark.parametrize("replaced", ["password", "authority"])
def test_the_account_is_replaced_in_a_campaign(long: Place, replaced: str) -> None:
    """The agent measures on, keeps its results, says why, and goes on with the new hand-over file."""
    with long.agent("--every", "0.3") as agent:
        assert wait_for(lambda: long.arrived() > 0, _PATIENCE_S)
        if replaced == "password":
            account = long.server.rotate("box")
            words = r"530 .*waiting for a newer account in .*account\.json"
        else:
            long.server.kill()
            long.server.replace_authority()
            long.server.start()
            account = long.server.hand_over(long.bench.account)
            words = "its certificate is not to be trusted"
        assert wait_for(lambda: re.search(words, agent.said()) is not None, _PATIENCE_S), agent.said()
        assert wait_for(lambda: bool(long.waiting()), _PATIENCE_S), agent.said()
        account.write(long.hand_over)
        assert wait_for(lambda: long.arrived() == len(long.job.schedule), _PATIENCE_S), agent.said()
        assert wait_for(lambda: not long.waiting())
        assert "a newer account, which is used from now on" in agent.said()
        assert agent.lives()
        for password in (long.bench.account.password, account.password):
            assert password.get_secret_value() not in agent.said()
    assert long.server.log.read_text().count("refused for") == 0  # nobody was banned
    long.check()


def hear(watch: Watch, client: TransferClient) -> None:
    """As the server would tell it, were it in this process."""
    at = client.modified(watch.path)
    assert at is not None
    watch.hear(Stored(watch.path, at, client.read(watch.path, max_bytes=Heartbeat.max_bytes)))


@pytest.mark.parametrize("clock", ["-1d", "+1d"])
def test_a_clock_that_is_a_day_off(long: Place, clock: str) -> None:
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed (apt-get install faketime)")
    watch = Watch(long.job)
    with Stop() as stop, long.agent("--once", clock=clock) as agent:
        assert wait_for(lambda: long.arrived() > 0, _PATIENCE_S), agent.said()
        # The server's clock decides how long the machine is another agent's.
        with TransferClient(long.bench.account) as client, pytest.raises(LeaseError) as held:
            LeaseKeeper("box", "second-1", client).acquire(60, stop=stop)
        left = re.search(r"would be given up in (\d+) s", str(held.value))
        assert left is not None
        assert 60 < int(left[1]) < 3600
        hear(watch, long.bench.operator)
        assert watch.standing().state is MachineState.RUNNING
        assert agent.wait() == 0, agent.said()
    hear(watch, long.bench.operator)
    assert watch.standing().state is MachineState.FINISHED
    started = min(result.started_at.timestamp() for result in long.bench.results(long.folder).values())
    assert abs(abs(started - time.time()) - 86_400) < 600  # its clock was a day off indeed
    long.check()


def test_a_full_disk_of_the_server(tmp_path: Path, small_disk: Path, tiny_files: list[Path]) -> None:
    with place(small_disk / "server", tmp_path, tiny_files, runs=5, seconds=0.3) as made:
        with made.agent("--every", "0.3") as agent:
            assert wait_for(lambda: made.arrived() > 0, _PATIENCE_S), agent.said()
            ballast = small_disk / "ballast"
            fill(ballast)
            assert wait_for(lambda: "No space left on device" in agent.said(), _PATIENCE_S), agent.said()
            assert wait_for(lambda: bool(made.waiting()), _PATIENCE_S), agent.said()
            ballast.unlink()
            assert wait_for(lambda: made.arrived() == 5, _PATIENCE_S), agent.said()
            assert wait_for(lambda: not made.waiting())
        made.check()


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            return


class TestAFullSpool:
    """Nothing is measured as long as a result is in memory alone."""

    @pytest.fixture
    def full(self, tmp_path: Path) -> Iterator[Path]:
        with tmpfs(tmp_path / "work" / "spool", "4k") as disk:
            fill(disk / "ballast")
            yield disk

    def test_results_go_straight_to_the_server(self, brief: Place, full: Path) -> None:
        with brief.agent("--once") as agent:
            assert agent.wait() == 0, agent.said()
        assert "a result is not on disk, and measuring waits" not in agent.said()
        (full / "ballast").unlink()
        brief.check()

    def test_without_a_server_the_agent_gives_up_and_says_why(self, long: Place, full: Path) -> None:
        with long.agent("--once") as agent:
            assert wait_for(lambda: long.arrived() > 0, _PATIENCE_S), agent.said()
            long.server.kill()
            assert agent.wait() == 1, agent.said()
        assert re.search(
            r"spool/tiny-\S+: No space left on device; and the result could not be sent: .*refused\n"
            r"Make room on that disk and start the agent again",
            agent.said(),
        )
        arrived = long.arrived()
        assert 0 < arrived < len(long.job.schedule)
        (full / "ballast").unlink()
        long.server.start()
        with long.agent("--once") as agent:
            assert agent.wait() == 0, agent.said()
        long.check()

    def test_room_that_comes_is_used(self, long: Place, full: Path) -> None:
        with long.agent("--every", "0.3") as agent:
            assert wait_for(lambda: long.arrived() > 0, _PATIENCE_S), agent.said()
            long.server.kill()
            assert wait_for(lambda: "measuring waits" in agent.said(), _PATIENCE_S), agent.said()
            subprocess.run(["mount", "-o", "remount,size=2m", str(full)], check=True)
            assert wait_for(lambda: bool(long.waiting()), _PATIENCE_S), agent.said()
            long.server.start()
            assert wait_for(lambda: long.arrived() == len(long.job.schedule), _PATIENCE_S), agent.said()
            assert wait_for(lambda: not long.waiting())
        long.check()


def test_no_room_for_a_model_is_a_row_that_says_why(brief: Place) -> None:
    """And what was fetched of it does not stay."""
    with tmpfs(brief.bench.work / "models", "8k") as disk:
        fill(disk / "ballast")
        with brief.agent("--once") as agent:
            assert agent.wait() == 0, agent.said()
        assert unfinished([brief.bench.work]) == []
    results = brief.bench.results(brief.folder)
    assert len(results) == len(brief.job.schedule)
    for result in results.values():
        assert result.status is Status.NOT_RUN
        assert "the model could not be fetched" in result.reason
        assert "No space left on device" in result.reason


def test_another_result_of_the_same_run_is_put_aside(brief: Place) -> None:
    """As after a work folder was restored from a copy: the server keeps what it has, and the rest goes on."""
    first, second = (result_name(entry.test, entry.run) for entry in brief.job.schedule[:2])
    spool = brief.bench.work / "spool" / brief.job.campaign
    with brief.agent("--once") as agent:
        assert agent.wait() == 0, agent.said()
    mine = brief.server.disk(brief.folder.results / first).read_bytes()
    other = brief.server.disk(brief.folder.results / second).read_bytes()
    spool.mkdir(parents=True, exist_ok=True)
    (spool / first).write_bytes(other)
    (spool / second).write_bytes(other)
    with brief.agent("--once") as agent:
        assert agent.wait() == 0, agent.said()
    assert "is there already with different content" in agent.said()
    assert brief.server.disk(brief.folder.results / first).read_bytes() == mine
    assert files(spool) == [f"refused/{first}"]
    assert "1 result was put aside" in brief.bench.heartbeat(brief.folder).detail
    brief.check()


def test_a_second_agent_takes_over_what_a_dead_one_held(brief: Place, tmp_path: Path) -> None:
    """And when the dead one comes back, its result of a run that the other has made again is put aside."""
    second = tmp_path / "second"
    mine = result_name(brief.job.schedule[0].test, brief.job.schedule[0].run)
    with brief.agent("--once", step="before the push") as agent:
        assert agent.wait() == -signal.SIGKILL, agent.said()
    assert brief.waiting() == [mine]
    with brief.agent("--once", work=second) as agent:
        assert agent.wait() == 1, agent.said()
        assert re.search(r"machine box: agent \S+ works on it", agent.said())
    assert brief.arrived() == 0
    with brief.agent("--once", "--wait", "60", work=second) as agent:
        assert wait_for(lambda: "waiting for agent" in agent.said(), _PATIENCE_S), agent.said()
        for path in brief.server.disk(machine_folder("box")).glob("lease.*.json"):
            an_hour_ago = path.stat().st_mtime - 3600  # as if the dead one had been silent for so long
            os.utime(path, (an_hour_ago, an_hour_ago))
        assert agent.wait() == 0, agent.said()
    other = brief.server.disk(brief.folder.results / mine).read_bytes()
    with brief.agent("--once") as agent:
        assert agent.wait() == 0, agent.said()
    assert brief.server.disk(brief.folder.results / mine).read_bytes() == other
    assert files(brief.bench.work / "spool" / brief.job.campaign) == [f"refused/{mine}"]
    assert "1 result was put aside" in brief.bench.heartbeat(brief.folder).detail
    brief.check()
