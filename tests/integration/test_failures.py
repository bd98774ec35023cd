"""Whatever goes wrong in a run or a campaign, and which test shows that it ends as a row with its reason.

| what goes wrong | status | test |
|---|---|---|
| a run hangs; the next test runs | timeout | test_a_hang |
| a run ignores SIGTERM | timeout | test_a_child_that_ignores_sigterm_is_ended_when_its_time_is_up |
| a grandchild lives on, holds the output | the run's | test_none_holds_up_the_agent_or_lives_on |
| a run dies of a signal; it is named | crashed | test_a_signal |
| memory is refused | out_of_memory | test_out_of_memory |
| the kernel kills for memory | out_of_memory | test_the_kernels_own_kill_for_memory |
| somebody kills, nobody knows who | crashed | test_a_kill_by_the_kernel_is_named_as_such |
| OpenVINO raises; its words are kept | failed | test_a_campaign_of_failures_has_a_row_for_each |
| a process leaves with an exit code | failed | test_an_exit_code_and_the_last_words |
| the device is absent, also behind another | unsupported | test_a_device_that_is_not_here |
| the first test fails, the second is good | each its own | test_a_campaign_of_failures_has_a_row_for_each |
| AUTO, MULTI, HETERO, BATCH, async | ok | test_devices_that_combine_others_run_async |
| a hint for devices that combine others | ok | test_every_device_runs_with_every_hint |
| a file is no model | failed | test_not_a_model |
| a model's weights are cut short | failed | test_weights_cut_short |
| a model's file is gone, when planned | refused | test_a_sentence_and_nothing_written |
| the model is gone from the server | not_run | test_a_model_that_is_gone_from_the_server |
| a model's file is gone from the machine | failed | test_a_model_file_that_is_gone_from_the_machine |
| no device is listed; a number is none | refused | test_a_sentence_and_nothing_written |
| the example as shipped | ok | test_the_example_campaign_is_the_demo |
| a machine never answers | not_run | test_a_test_without_results_says_why |
| a planned test has no row | each its own | test_a_campaign_of_failures_has_a_row_for_each |
| results are merged again | as before | test_merging_again_changes_nothing_and_order_does_not_matter |
| the agent is told to stop in a run | ok, or pending | test_told_to_stop_in_its_second_run |
| the agent dies twice in a run | crashed | test_a_run_that_takes_the_agent_along_twice_is_given_up |
| a test asks for another release | unsupported | test_an_agent_that_stays_alone_says_what_it_does_not_have |
| the agent is killed in a run | pending | test_a_run_ends_with_its_agent |
| the server stops | pending | test_a_server_that_stops_in_the_middle_is_a_passing_failure |
| the newest and the oldest OpenVINO | ok | test_a_run_measures_and_says_what_was_in_force |

"refused" is before anything runs, with file, line and column.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace

import pytest

from agent import execute as execution
from agent import template
from agent.execute import Ending, execute
from agent.orphans import adopt
from agent.outcome import judge
from agent.stop import Stop
from agent.worker.spec import RunSpec
from integrator.merge import merge
from protocol.job import Hint, Limits
from protocol.result import Status
from tests.integration.conftest import Bench
from tests.support import make_job, planned_test, reference

_FAR = 60
"""Seconds that nothing here may wait for."""
_NEAR = 10.0

StandIn = Callable[..., Ending]


_TEMPLATE = """#!{interpreter}
import os, signal, sys, time, types

def carry_out(spec, folder, *, import_ns):
{body}

sys.modules["agent.worker.run"] = types.SimpleNamespace(carry_out=carry_out)
from agent.worker.__main__ import main
sys.argv[1:] = sys.argv[4:]
main()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Carry out a run that does not infer, but what it is told; in `folder`, its own."""

    def carry_out(body: str, *, timeout_s: float = _FAR) -> Ending:
        script = tmp_path / "stand-in"
        script.write_text(_TEMPLATE.format(interpreter=sys.executable, body=indent(body, "    ")))
        script.chmod(0o700)
        spec = RunSpec(
            model="none",
            inputs=(),
            device="CPU",
            scenario="sync",
            hint="none",
            streams=None,
            threads=None,
            requests=None,
            duration_s=1,
            min_iterations=1,
            max_iterations=1,
            warmup_s=0,
            memory_mb=None,
            seed=1,
        )
        with monkeypatch.context() as patch, Stop() as stop:
            patch.setattr(template, "sys", SimpleNamespace(executable=str(script)))
            return execute(spec, tmp_path, timeout_s=timeout_s, stop=stop)

    return carry_out


def test_every_test_of_the_table_is_there() -> None:
    named = set(re.findall(r"^\|.*\| (test_\w+) \|$", __doc__ or "", re.MULTILINE))
    assert len(named) > 20
    texts = [path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert named <= {name for text in texts for name in re.findall(r"def (test_\w+)", text)}


def test_a_child_that_ignores_sigterm_is_ended_when_its_time_is_up(stand_in: StandIn) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    body = f"{deaf}(folder / 'phase').write_text('measure')\ntime.sleep({_FAR})\n"
    ending = stand_in(body, timeout_s=1)
    assert 1 <= ending.seconds < _NEAR
    assert judge(ending, timeout_s=1) == (Status.TIMEOUT, "ended after 1 s while measuring")


def test_a_kill_by_the_kernel_is_named_as_such(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's count of such kills has grown meanwhile; without that, the kill is somebody's."""
    body = "(folder / 'phase').write_text('compile')\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert judge(stand_in(body), timeout_s=_FAR).status is Status.CRASHED
    counts = iter([7, 8])
    monkeypatch.setattr(execution, "_oom_kills", lambda: next(counts))
    status, reason = judge(stand_in(body), timeout_s=_FAR)
    assert status is Status.OUT_OF_MEMORY
    assert reason == "killed by the kernel for want of memory while compiling the model"


@pytest.fixture
def tight() -> Iterator[Path]:
    """A memory control group of 200 MB."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"fleetmark-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            try:
                (group / limit).write_text(str(200 << 20))
                yield group
                return
            finally:
                group.rmdir()
    pytest.skip("no memory control group can be made here")


def test_the_kernels_own_kill_for_memory(tight: Path, tmp_path: Path, tiny_files: list[Path]) -> None:
    """A process in a group of its own limit, whose run asks for more than that: Linux kills the run."""
    script = f"""
import os, sys
from pathlib import Path
from agent.execute import execute
from agent.outcome import judge
from agent.stop import Stop
from agent.worker.spec import InputSpec, RunSpec
Path({str(tight / "cgroup.procs")!r}).write_text(str(os.getpid()))
large = InputSpec("image", (16384, 3, 32, 32), "f32", 0.0, 1.0)
model = {str(tiny_files[0])!r}
spec = RunSpec(model, (large,), "CPU", "sync", "latency", None, None, None, 0.1, 1, 9, 0.0, None, 1)
with Stop() as stop:
    ending = execute(spec, Path({str(tmp_path)!r}), timeout_s=60, stop=stop)
print(*judge(ending, timeout_s=60), sep="|")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, _, reason = done.stdout.partition("|")
    assert status == "out_of_memory"
    assert reason.startswith("killed by the kernel for want of memory while ")


def test_an_exit_code_and_the_last_words(stand_in: StandIn) -> None:
    status, reason = judge(stand_in("sys.exit('no more')"), timeout_s=_FAR)
    assert status is Status.FAILED
    assert reason == "the process left with exit code 1 while starting\nIts last words:\nno more"


class TestGrandchildren:
    """Each holds the run's standard output and sleeps."""

    BODY = f"""
def grandchild(kind):
    if os.fork():
        return
    if kind != "of the group":
        os.setsid()
    if kind == "a daemon" and os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("alive", flush=True)
    (folder / "part").write_text(str(os.getpid()))
    (folder / "part").rename(folder / "grandchild")
    time.sleep({_FAR})
    os._exit(0)

grandchild(KIND)
while not (folder / "grandchild").exists():
    time.sleep(0.01)
"""

    @pytest.fixture(autouse=True)
    def adopting(self) -> Iterator[None]:
        """As the agent's program does."""
        adopt()
        yield
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)

    @pytest.mark.parametrize("kind", ["of the group", "of its own session", "a daemon"])
    @pytest.mark.parametrize("ends", ["by itself", "by force"])
    def test_none_holds_up_the_agent_or_lives_on(
        self, kind: str, ends: str, stand_in: StandIn, tmp_path: Path
    ) -> None:
        body = self.BODY.replace("KIND", repr(kind))
        if ends == "by itself":
            ending = stand_in(body)
            assert (ending.exit_code, ending.timed_out) == (0, False)
        else:
            ending = stand_in(f"{body}time.sleep({_FAR})\n", timeout_s=2)
            assert judge(ending, timeout_s=2).status is Status.TIMEOUT
        assert ending.seconds < _NEAR
        assert (tmp_path / "stdout").read_text() == "alive\n"
        process = int((tmp_path / "grandchild").read_text())
        deadline = time.monotonic() + _NEAR
        while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)  # of the group: killed, and about to go
        assert not Path(f"/proc/{process}").exists()


@pytest.mark.engine
def test_devices_that_combine_others_run_async(bench: Bench, tiny_files: list[Path]) -> None:
    model = reference(tiny_files)
    devices = ["AUTO", "AUTO:CPU", "MULTI:CPU", "HETERO:CPU", "BATCH:CPU(4)"]
    tests = [
        planned_test(model, id=f"test-{number}", device=device, scenario="async", hint=hint)
        for number, (device, hint) in enumerate(
            [(device, hint) for device in devices for hint in (Hint.THROUGHPUT, Hint.NONE)]
        )
    ]
    folder = bench.deliver(make_job([model], tests, runs=1), tiny_files)
    assert bench.run_agent()
    for (test, _), result in bench.results(folder).items():
        assert (result.status, result.reason) == (Status.OK, ""), test
        assert result.compiled is not None
        assert result.compiled.execution_devices == ("CPU",)
        assert (result.compiled.requests or 0) >= 1


@pytest.mark.engine
def test_a_campaign_of_failures_has_a_row_for_each(bench: Bench, tiny_files: list[Path]) -> None:
    model = reference(tiny_files)
    tests = [
        planned_test(model, id="absent", device="GPU.7"),
        planned_test(model, id="unknown-property", properties={"NONSENSE": "1"}),
        planned_test(model, id="too-large", batch=65536),
        planned_test(model, id="good", scenario="async"),
    ]
    job = make_job([model], tests, limits=Limits(run_timeout_s=60, memory_mb=700))
    folder = bench.deliver(job, tiny_files)
    assert bench.run_agent()
    results = bench.results(folder)
    table = merge([job], {"box": list(results.values())}, {})
    assert list(table["test_id"]) == [test.id for test in tests]
    rows = {row["test_id"]: row for row in table.to_dict("records")}
    assert {name: row["status"] for name, row in rows.items()} == {
        "absent": "unsupported",
        "unknown-property": "failed",
        "too-large": "out_of_memory",
        "good": "ok",
    }
    assert all(row["reason"].startswith("run 1 of 2: ") for name, row in rows.items() if name != "good")
    # OpenVINO's own words, with the place in its source.
    reason = rows["unknown-property"]["reason"]
    assert "while compiling the model: " in reason
    assert "Exception from src/" in reason
    assert "NONSENSE" in reason


@pytest.mark.engine
def test_a_model_file_that_is_gone_from_the_machine(bench: Bench, tiny_files: list[Path]) -> None:
    """Fetched and found good, then deleted before the run."""
    model = reference(tiny_files)
    test = planned_test(model)
    folder = bench.deliver(make_job([model], [test], runs=2), tiny_files)

    def delete() -> None:
        cached = bench.work / "models" / model.sha256 / tiny_files[1].name
        deadline = time.monotonic() + _FAR
        while (test.id, 0) not in bench.results(folder) and time.monotonic() < deadline:
            if cached.exists() and (bench.work / "scratch").exists():
                cached.unlink()
            time.sleep(0.002)

    assert bench.run_agent(meanwhile=delete)
    results = bench.results(folder)
    assert results[test.id, 0].status is Status.FAILED
    assert results[test.id, 0].reason.startswith("while reading the model: ")
    assert results[test.id, 1].status is Status.NOT_RUN
