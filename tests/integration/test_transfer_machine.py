"""An agent's spool, the server and the integrator, under operations and faults in any order.

What is real: the spool, the transfer client, the server as its own program, the network (through a proxy that
fails on demand), collecting and merging. The agent's death is an exception at a command that nothing catches.

A longer run: `FLEETMARK_MACHINE_EXAMPLES=300 python -m pytest tests/integration/test_transfer_machine.py`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent.spool import Spool
from integrator.collect import collect
from integrator.merge import merge, to_csv
from integrator.rejected import Rejections
from integrator.store import CampaignRecord, CampaignStore
from protocol.account import Account
from protocol.errors import ContentConflictError, TransferError, TransientTransferError
from protocol.ftp_connection import FtpConnection
from protocol.job import ModelFile, ModelRef
from protocol.layout import CampaignFolder, result_name
from protocol.result import Phases, Result, Status
from protocol.retry import RetryPolicy
from protocol.transfer import TransferClient
from tests.integration.proxy import Fault, Proxy
from tests.integration.server_process import ServerProcess, files, unfinished
from tests.support import make_job, planned_test

EXAMPLES = int(os.environ.get("FLEETMARK_MACHINE_EXAMPLES", "6"))
RUNS = 8
HASTY = RetryPolicy(attempts=2, first_pause_s=0.02)
MODEL = ModelRef(
    name="tiny",
    precision="FP32",
    sha256="a" * 64,
    entry="tiny.onnx",
    files=(ModelFile(name="tiny.onnx", size=1, sha256="a" * 64),),
)
TEST = planned_test(MODEL)


@dataclass
class Site:
    """What lasts from example to example."""

    server: ServerProcess
    proxy: Proxy
    integrator: Account
    box: Account
    campaigns: int = 0


class DeathError(BaseException):
    """The agent ends here."""


class TransferMachine(RuleBasedStateMachine):
    """A campaign of its own for each example, so that one server serves them all."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        site.campaigns += 1
        site.proxy.fault = None
        self.job = make_job([MODEL], [TEST], runs=RUNS, campaign=f"machine-{site.campaigns}")
        self.folder = CampaignFolder("box", self.job.campaign)
        self.on_server = site.server.disk(self.folder.results)
        self.work = Path(tempfile.mkdtemp())
        self.mine: dict[str, bytes] = {}
        """What the agent measured, by file name."""
        self.offered: dict[str, set[bytes]] = {}
        """All that anybody tried to store under a name."""
        self.seen: dict[str, bytes] = {}
        """What was first found on the server under a name."""
        self.store = CampaignStore(self.work / "campaign")
        self.record = CampaignRecord(
            campaign=self.job.campaign,
            title="",
            lab="",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            machines=("box",),
        )
        self.store.write_plan(self.record, (self.job,))
        self.on_server.mkdir(parents=True)
        self.operator = self.client(site.integrator)
        self.stranger = self.client(site.box)
        self.agent = self.client(site.box)
        self.spool = self.new_spool()

    def client(self, account: Account, *, timeout_s: float = 0.4) -> TransferClient:
        return TransferClient(account, timeout_s=timeout_s, operation_s=10 * timeout_s, retry=HASTY)

    def new_spool(self) -> Spool:
        return Spool(self.work / "spool" / self.job.campaign, self.folder)

    def result(self, run: int, reason: str) -> Result:
        return Result(
            campaign=self.job.campaign,
            machine="box",
            test=TEST.id,
            run=run,
            model_sha256=MODEL.sha256,
            status=Status.NOT_RUN,
            reason=reason,
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            openvino_version=None,
            timed_region=TEST.timed_region,
            preprocessing=False,
            phases=Phases(total_ms=0.0),
        )

    # --- the agent

    @initialize()
    def one_result(self) -> None:
        self.measure(size=10)

    @precondition(lambda self: len(self.mine) < RUNS)
    @rule(size=st.sampled_from([10, 100, 15_000]))
    def measure(self, size: int) -> None:
        run = len(self.mine)
        result = self.result(run, os.urandom(size // 2).hex())
        name = result_name(TEST.id, run)
        self.mine[name] = result.to_gzip()
        self.offered.setdefault(name, set()).add(self.mine[name])
        self.spool.add(result)

    @rule()
    def drain(self) -> None:
        self.spool.try_drain(self.agent)

    @rule()
    def restart_the_agent(self) -> None:
        self.agent.close()
        self.agent = self.client(self.site.box)
        Spool.tidy(self.work / "spool" / self.job.campaign)
        self.spool = self.new_spool()

    @rule(word=st.sampled_from(["HASH", "PASV", "STOR", "RNFR", "RNTO"]), sent=st.booleans())
    def the_agent_dies_in_a_drain(self, word: str, sent: bool) -> None:
        put_line = FtpConnection.putline

        def dying(connection: FtpConnection, line: str) -> None:
            if line.startswith(word) and not sent:
                raise DeathError
            put_line(connection, line)
            if line.startswith(word):
                raise DeathError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FtpConnection, "putline", dying)
            with contextlib.suppress(DeathError):
                self.spool.try_drain(self.agent)
        self.restart_the_agent()

    # --- somebody else with the machine's account

    @rule(data=st.data())
    def the_same_again(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.mine)))
        try:
            self.stranger.write(self.folder.results / name, self.mine[name], replace=False)
        except ContentConflictError:
            assert (self.on_server / name).read_bytes() != self.mine[name]
        except TransientTransferError:
            return
        else:
            assert (self.on_server / name).read_bytes() == self.mine[name]

    @rule(data=st.data())
    def something_else_under_the_name(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.mine)))
        run = sorted(self.mine, key=lambda name: int(name.split(".")[1])).index(name)
        other = self.result(run, "another").to_gzip()
        self.offered[name].add(other)
        there = (self.on_server / name).exists()
        try:
            self.stranger.write(self.folder.results / name, other, replace=False)
        except ContentConflictError:
            assert (self.on_server / name).read_bytes() != other
        except TransientTransferError:
            return
        else:
            assert not there or self.seen[name] == other
            assert (self.on_server / name).read_bytes() == other

    # --- the integrator

    @rule()
    def collect(self) -> None:
        try:
            collect(self.record, self.store, self.operator)
        except TransferError:
            return

    @rule()
    def merge(self) -> None:
        assert self.table() == self.table()

    def table(self) -> str:
        return to_csv(
            merge((self.job,), {"box": self.store.read_results(self.job, Rejections("folder"))}, {})
        )

    # --- what fails

    @precondition(lambda self: len(self.mine) < RUNS)
    @rule(kind=st.sampled_from(["cut", "truncate", "stall", "flip"]), after=st.integers(0, 8_000))
    def an_upload_fails(self, kind: str, after: int) -> None:
        self.measure(size=15_000)
        self.site.proxy.fault = Fault(kind, after=after)
        self.drain()

    @rule(kind=st.sampled_from(["cut", "truncate", "stall", "flip"]), after=st.integers(0, 8_000))
    def a_download_fails(self, kind: str, after: int) -> None:
        self.site.proxy.fault = Fault(kind, after=after, upwards=False)
        self.collect()

    @rule(
        kind=st.sampled_from(["cut", "truncate", "stall", "flip"]),
        after=st.integers(0, 900),
        upwards=st.booleans(),
    )
    def the_control_connection_fails(self, kind: str, after: int, upwards: bool) -> None:
        self.site.proxy.fault = Fault(kind, after=after, upwards=upwards, control=True)

    @rule(meanwhile=st.booleans())
    def the_server_is_killed(self, meanwhile: bool) -> None:
        self.site.server.kill()
        if meanwhile:
            self.spool.try_drain(self.agent)
        self.site.server.start()

    # --- what holds

    @invariant()
    def what_is_on_the_server_is_whole_and_never_changes(self) -> None:
        for path in self.on_server.glob("*.gz"):
            content = path.read_bytes()
            assert content in self.offered[path.name]
            assert self.seen.setdefault(path.name, content) == content
        assert all((self.on_server / name).exists() for name in self.seen)

    @invariant()
    def what_the_spool_let_go_is_not_lost(self) -> None:
        waiting = self.spool.names()
        assert len(waiting) == len(set(waiting))
        for name in set(self.mine) - set(waiting):
            if self.seen[name] != self.mine[name]:
                kept = self.work / "spool" / self.job.campaign / "refused" / name
                assert kept.read_bytes() == self.mine[name]

    @invariant()
    def what_was_collected_is_what_the_server_has(self) -> None:
        for path in self.store.result_folder("box").glob("*.gz"):
            assert path.read_bytes() == self.seen[path.name]

    def teardown(self) -> None:
        """When all is well again, everything arrives, is collected once, and is merged to the same table."""
        try:
            self.site.proxy.fault = None
            self.agent.close()
            self.agent = self.client(self.site.box, timeout_s=20)
            self.operator.close()
            self.operator = self.client(self.site.integrator, timeout_s=20)
            assert self.spool.try_drain(self.agent) is None
            self.what_is_on_the_server_is_whole_and_never_changes()
            self.what_the_spool_let_go_is_not_lost()
            assert self.spool.names() == []
            assert set(self.seen) == set(self.mine)
            collect(self.record, self.store, self.operator)
            self.what_was_collected_is_what_the_server_has()
            assert {path.name for path in self.store.result_folder("box").glob("*.gz")} == set(self.mine)
            table = self.table()
            assert collect(self.record, self.store, self.operator) == 0
            assert self.table() == table
            assert unfinished([self.work]) == []
            left = files(self.on_server)
            assert [name for name in left if name not in self.mine and ".part-" not in name] == []
        finally:
            for client in (self.agent, self.stranger, self.operator):
                client.close()
            shutil.rmtree(self.work)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = ServerProcess(tmp_path_factory.mktemp("machine") / "server")
    server.start()
    with Proxy(server.ports) as proxy:
        yield Site(server, proxy, server.account("integrator"), server.account("box"))
    server.kill()


def test_operations_and_faults_in_any_order(site: Site) -> None:
    class Machine(TransferMachine):
        def __init__(self) -> None:
            super().__init__(site)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
