"""Two agents for one machine, against the real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

import pytest

from agent.lease import LeaseKeeper, Patience
from agent.stop import Stop
from integrator.deliver import remove_old_terms
from protocol.errors import LeaseError, RefusedTransferError
from protocol.job import Measure
from protocol.layout import clock_file, lease_file, machine_folder, split_lease_name
from protocol.result import Status
from protocol.transfer import TransferClient
from tests.integration.conftest import Bench, find_worker
from tests.support import make_job, planned_test, reference


@contextmanager
def keeper(bench: Bench, name: str) -> Iterator[LeaseKeeper]:
    bench.operator.make_folder(machine_folder("box"))
    with TransferClient(bench.account) as client:
        yield LeaseKeeper("box", name, client, spare_s=0)


@pytest.fixture
def stop() -> Iterator[Stop]:
    with Stop() as stop:
        yield stop


def age_lease(bench: Bench, server: Path, seconds: float) -> None:
    """Let the server's clock say that every lease was stored earlier.

    The server tells times in whole seconds: an age may look one second longer or shorter than it is.
    """
    for path in (server / "machines/box").glob("lease.*.json"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


class TestKeeper:
    def test_the_second_is_told_who_holds_the_machine(self, bench: Bench, stop: Stop) -> None:
        with keeper(bench, "first-1") as first, keeper(bench, "second-1") as second:
            first.acquire(60, stop=stop)
            with pytest.raises(LeaseError, match=r"machine box: agent first-1 works on it.* 6\d s"):
                second.acquire(60, stop=stop)
            assert not second.held
            first.cover(60)

    def test_a_released_machine_is_taken_at_once(self, bench: Bench, stop: Stop) -> None:
        with keeper(bench, "first-1") as first, keeper(bench, "second-1") as second:
            first.acquire(60, stop=stop)
            first.release()
            second.acquire(60, stop=stop)

    def test_waiting_ends_when_the_first_leaves(
        self, bench: Bench, stop: Stop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("agent.lease._LOOK_EVERY_S", 0.2)
        with keeper(bench, "first-1") as first, keeper(bench, "second-1") as second:
            first.acquire(60, stop=stop)
            timer = threading.Timer(0.5, first.release)
            timer.start()
            second.acquire(60, stop=stop, wait_s=30)
            timer.join()
            assert second.held

    def test_a_lease_whose_holder_died_ends_by_itself(self, bench: Bench, stop: Stop, tmp_path: Path) -> None:
        with keeper(bench, "first-1") as first, keeper(bench, "second-1") as second:
            first.acquire(60, stop=stop)
            age_lease(bench, tmp_path / "server", 55)
            with pytest.raises(LeaseError):
                second.acquire(60, stop=stop)
            age_lease(bench, tmp_path / "server", 12)
            second.acquire(60, stop=stop)
            with pytest.raises(LeaseError, match="agent second-1 has taken it over; this agent stops"):
                first.check()

    def test_a_renewal_counts_from_when_it_was_stored(self, bench: Bench, stop: Stop, tmp_path: Path) -> None:
        with keeper(bench, "first-1") as first, keeper(bench, "second-1") as second:
            first.acquire(60, stop=stop)
            age_lease(bench, tmp_path / "server", 1000)
            first.cover(61)
            with pytest.raises(LeaseError, match="first-1"):
                second.acquire(60, stop=stop)

    def test_what_ran_out_is_taken_anew_and_not_renewed(self, bench: Bench, stop: Stop) -> None:
        clock = [0.0]
        with TransferClient(bench.account) as client:
            bench.operator.make_folder(machine_folder("box"))
            first = LeaseKeeper("box", "first-1", client, spare_s=0, now=lambda: clock[0])
            first.acquire(60, stop=stop)
            clock[0] = 61
            first.cover(60)
            assert bench.operator.digest(lease_file("box", 2)) is not None
            with keeper(bench, "second-1") as second:
                clock[0] = 200
                bench.operator.write(lease_file("box", 3), b"{}")  # somebody else was faster
                with pytest.raises(LeaseError, match="has taken it over"):
                    first.cover(60)
                assert not second.held

    def test_the_same_agent_after_a_restart_does_not_wait_for_itself(self, bench: Bench, stop: Stop) -> None:
        with keeper(bench, "first-1") as first, keeper(bench, "first-1") as again:
            first.acquire(600, stop=stop)
            again.acquire(600, stop=stop)

    def test_of_many_that_start_at_the_same_moment_one_has_it(self, bench: Bench, stop: Stop) -> None:
        """Ten rounds: five agents see the machine free, and take it together."""
        for lap in range(10):
            with ExitStack() as stack:
                agents = [stack.enter_context(keeper(bench, f"agent-{lap}-{n}")) for n in range(5)]
                for agent in agents:
                    agent._client.digest(clock_file("box"))  # connected before the start
                won = race(agents, stop)
                assert won.count(True) == 1, won
                agents[won.index(True)].release()

    def test_a_machine_that_was_never_taken_is_not_taken_from_who_came_in_between(
        self, bench: Bench, stop: Stop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second sees no lease at all; the first takes the machine before the second does."""
        with keeper(bench, "first-1") as first, keeper(bench, "second-1") as second:
            look = second._client.list

            def overtaken(path: PurePosixPath) -> list[str]:
                names = look(path)
                if not first.held:
                    first.acquire(600, stop=stop)
                return names

            monkeypatch.setattr(second._client, "list", overtaken)
            with pytest.raises(LeaseError, match="agent first-1 works on it"):
                second.acquire(600, stop=stop)
            first.check()

    def test_a_lease_stored_before_the_servers_clock_was_set_back_ends_too(
        self, bench: Bench, stop: Stop, tmp_path: Path
    ) -> None:
        """Its holder has died, and by the server's clock it lies a day in the future."""
        clock = [0.0]
        patience = Patience(lambda: clock[0])
        with keeper(bench, "first-1") as first, TransferClient(bench.account) as client:
            first.acquire(60, stop=stop)
            age_lease(bench, tmp_path / "server", -86400)
            for seconds, taken in ((0, False), (64, False), (66, True)):
                clock[0] = seconds  # an agent that looks now and then, with a new keeper each time
                again = LeaseKeeper("box", "second-1", client, spare_s=0, patience=patience)
                if not taken:
                    with pytest.raises(LeaseError, match="agent first-1 works on it"):
                        again.acquire(60, stop=stop)
            again.acquire(60, stop=stop)

    def test_the_integrator_removes_old_terms_and_nobody_is_misled(
        self, bench: Bench, stop: Stop, tmp_path: Path
    ) -> None:
        with keeper(bench, "cut-off-1") as cut_off, keeper(bench, "second-1") as second:
            cut_off.acquire(60, stop=stop)
            for _ in range(3):
                age_lease(bench, tmp_path / "server", 100)
                second.acquire(60, stop=stop)
                second.release()
            second.acquire(60, stop=stop)
            remove_old_terms("box", bench.operator)
            left = [name for name in bench.operator.list(machine_folder("box")) if split_lease_name(name)]
            assert left == ["lease.5.json"]
            second.check()
            # The next term after its own is gone, so that alone would say that the machine is still its own.
            with pytest.raises(LeaseError, match="agent second-1 has taken it over"):
                cut_off.check()
            remove_old_terms("box", bench.operator)
            second.check()

    def test_an_agent_whose_lease_ran_out_takes_no_term_that_was_removed(
        self, bench: Bench, stop: Stop, tmp_path: Path
    ) -> None:
        clock = [0.0]
        with keeper(bench, "second-1") as second, TransferClient(bench.account) as client:
            first = LeaseKeeper("box", "first-1", client, spare_s=0, now=lambda: clock[0])
            first.acquire(60, stop=stop)
            age_lease(bench, tmp_path / "server", 100)
            second.acquire(60, stop=stop)
            second.release()
            second.acquire(60, stop=stop)
            remove_old_terms("box", bench.operator)
            clock[0] = 61
            with pytest.raises(LeaseError, match="agent second-1 has taken it over"):
                first.cover(60)
            assert not first._take(2, 60)  # as if it had been removed right after the look
            second.check()

    def test_a_taking_is_never_overwritten(self, bench: Bench, stop: Stop) -> None:
        with keeper(bench, "first-1") as first, TransferClient(bench.account) as client:
            first.acquire(60, stop=stop)
            with pytest.raises(RefusedTransferError, match="never overwritten"):
                client.write(lease_file("box", 1), b"{}")

    def test_a_lease_that_cannot_be_read_is_not_taken_for_free(self, bench: Bench, stop: Stop) -> None:
        with keeper(bench, "first-1") as first:
            bench.operator.write(lease_file("box", 1), b"[" * 4000)
            with pytest.raises(LeaseError, match="its lease cannot be read"):
                first.acquire(60, stop=stop)


def race(agents: list[LeaseKeeper], stop: Stop) -> list[bool]:
    barrier = threading.Barrier(len(agents))
    won = [False] * len(agents)

    def run(number: int, agent: LeaseKeeper) -> None:
        barrier.wait()
        try:
            agent.acquire(60, stop=stop)
        except LeaseError:
            return
        won[number] = True

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(agents)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


@pytest.mark.engine
class TestAgents:
    """Whole agents, as processes, that look more often who holds the machine."""

    def start(self, bench: Bench, work: Path, *options: str) -> subprocess.Popen[str]:
        hand_over = bench.work / "account.json"
        bench.account.write(hand_over)
        command = [sys.executable, "-m", "tests.integration.agent_struck", "-"]
        command += ["--account", str(hand_over), "--work", str(work), "--once", *options]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def deliver(self, bench: Bench, tiny_files: list[Path]) -> Callable[[], list[Status]]:
        model = reference(tiny_files)
        measure = Measure(duration_s=1.0, min_iterations=1, warmup_s=0)
        job = make_job([model], [planned_test(model)], runs=2, measure=measure)
        folder = bench.deliver(job, tiny_files)
        return lambda: [result.status for result in bench.results(folder).values()]

    def test_two_started_together_never_measure_together(
        self, bench: Bench, tiny_files: list[Path], tmp_path: Path
    ) -> None:
        results = self.deliver(bench, tiny_files)
        agents = [self.start(bench, tmp_path / name) for name in ("one", "two")]
        errors = [agent.communicate(timeout=60)[1] for agent in agents]
        codes = [agent.returncode for agent in agents]
        assert sorted(codes) == [0, 1], errors
        loser = errors[codes.index(1)]
        assert re.search(r"machine box: agent [a-z0-9-]+-[0-9a-f]{8} works on it", loser)
        assert results() == [Status.OK, Status.OK]

    def test_the_second_waits_and_finds_nothing_left_to_do(
        self, bench: Bench, tiny_files: list[Path], tmp_path: Path
    ) -> None:
        results = self.deliver(bench, tiny_files)
        with self.start(bench, tmp_path / "one") as first:
            find_worker(tmp_path / "one", "measure")
            with self.start(bench, tmp_path / "two", "--wait", "50") as second:
                assert first.wait(60) == 0
                assert second.wait(60) == 0
                assert "waiting for agent" in second.stderr.read() if second.stderr else ""
        assert results() == [Status.OK, Status.OK]

    def test_an_agent_that_lost_its_lease_pushes_nothing(
        self, bench: Bench, tiny_files: list[Path], tmp_path: Path, stop: Stop
    ) -> None:
        results = self.deliver(bench, tiny_files)
        with self.start(bench, tmp_path / "one") as first:
            find_worker(tmp_path / "one", "measure")
            # As if the first had been silent for longer than its lease: suspended, or cut off.
            age_lease(bench, tmp_path / "server", 10_000)
            with keeper(bench, "second-1") as second:
                second.acquire(600, stop=stop)
                code = first.wait(60)
        assert code == 1
        assert results() == []
        assert [path.name for path in (tmp_path / "one/spool").rglob("*.gz")] == ["tiny-sync-b1.0.json.gz"]

    def test_an_agent_that_was_killed_does_not_wait_for_itself(
        self, bench: Bench, tiny_files: list[Path], tmp_path: Path
    ) -> None:
        results = self.deliver(bench, tiny_files)
        with self.start(bench, tmp_path / "one") as first:
            find_worker(tmp_path / "one", "measure")
            first.kill()
        begin = time.monotonic()
        with self.start(bench, tmp_path / "one") as again:
            assert again.wait(60) == 0
        assert time.monotonic() - begin < 30
        assert results() == [Status.OK, Status.OK]
