"""The agent against a real server, with real inference; and everything that can become of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocol.job import Count, Hint, Job, Limits, Measure
from protocol.layout import CampaignFolder
from protocol.result import Status
from protocol.samples import Nanoseconds
from protocol.status import AgentState
from tests.integration.conftest import Bench, find_worker, workers
from tests.support import make_job, planned_test, reference

pytestmark = pytest.mark.engine

SAID = b"fleetmark-agent: told to stop; the run under way is finished first, unless told once more\n"
LONG = Measure(duration_s=1, min_iterations=20, warmup_s=0.01)
"""Long enough to do something to the run meanwhile."""


def nanoseconds(values: Nanoseconds) -> list[int]:
    return [int(n) for n in values.values]


class TestMeasuring:
    def test_both_scenarios_leave_every_latency(self, bench: Bench, tiny_files: list[Path]) -> None:
        model = reference(tiny_files)
        tests = [planned_test(model), planned_test(model, scenario="async")]
        folder = bench.deliver(make_job([model], tests), tiny_files)
        assert bench.run_agent()

        results = bench.results(folder)
        assert sorted(results) == [(t.id, run) for t in sorted(tests, key=lambda t: t.id) for run in (0, 1)]
        for (test, _), result in results.items():
            assert (result.status, result.reason) == (Status.OK, "")
            assert result.samples is not None
            starts, latencies = map(nanoseconds, (result.samples.start_ns, result.samples.latency_ns))
            assert len(latencies) >= 20
            assert starts[0] == 0
            assert starts == sorted(starts)
            assert min(latencies) > 0
            last = max(start + latency for start, latency in zip(starts, latencies, strict=True))
            assert last <= result.samples.wall_ns + 1_000_000
            assert result.samples.wall_ns >= 50_000_000
            assert result.outputs_finite is True
            assert result.outputs_normal is True
            assert result.conditions is not None
            assert result.samples.wall_ns / 1e9 < result.conditions.seconds < result.samples.wall_ns / 1e9 + 1
            assert result.conditions.process_cpu_s > 0
            assert result.compiled is not None
            assert result.compiled.execution_devices == ("CPU",)
            assert result.compiled.inference_precision in {"f32", "bf16", "f16"}
            if test.startswith("tiny-sync"):
                assert result.compiled.requests == 1
                # One after another: none starts before the one before it has completed.
                ends = [start + latency for start, latency in zip(starts, latencies, strict=True)]
                assert all(end <= start + 1_000_000 for end, start in zip(ends, starts[1:], strict=False))
            assert result.phases.compile_ms
            assert result.phases.first_inference_ms
            assert result.warmup_inferences is not None
            assert result.warmup_inferences > (result.compiled.requests or 0)
        assert bench.heartbeat(folder).state is AgentState.FINISHED
        assert bench.description(folder).fingerprint.devices[0].name == "CPU"
        assert workers(bench.work) == set()

    @pytest.mark.parametrize(
        ("setting", "reported"),
        [
            ({"streams": 2, "hint": Hint.NONE}, {"streams": 2}),
            ({"threads": 1, "hint": Hint.NONE}, {"threads": 1}),
            ({"requests": 3}, {"requests": 3}),
            ({"hint": Hint.LATENCY}, {"hint": "LATENCY"}),
            ({"hint": Hint.THROUGHPUT}, {"hint": "THROUGHPUT"}),
        ],
    )
    def test_settings_reach_the_compiled_model(
        self,
        bench: Bench,
        tiny_files: list[Path],
        setting: dict[str, Count | Hint],
        reported: dict[str, int | str],
    ) -> None:
        model = reference(tiny_files)
        test = planned_test(model, scenario="async", **setting)
        folder = bench.deliver(make_job([model], [test], runs=1), tiny_files)
        assert bench.run_agent()
        compiled = bench.results(folder)[test.id, 0].compiled
        assert compiled is not None
        assert {key: getattr(compiled, key) for key in reported} == reported

    def test_the_batch_reaches_the_model(self, bench: Bench, tiny_files: list[Path]) -> None:
        """Eight images take longer than one."""
        model = reference(tiny_files)
        tests = [planned_test(model), planned_test(model, batch=8)]
        folder = bench.deliver(make_job([model], tests, runs=1), tiny_files)
        assert bench.run_agent()
        medians = {}
        for (test, _), result in bench.results(folder).items():
            assert result.samples is not None
            medians[test] = np.median(nanoseconds(result.samples.latency_ns))
        assert medians["tiny-sync-b8"] > 2 * medians["tiny-sync-b1"]

    def test_the_run_stops_at_max_iterations(self, bench: Bench, tiny_files: list[Path]) -> None:
        model = reference(tiny_files)
        tests = [planned_test(model), planned_test(model, scenario="async")]
        measure = Measure(duration_s=60, min_iterations=1, max_iterations=37, warmup_s=0)
        folder = bench.deliver(make_job([model], tests, runs=1, measure=measure), tiny_files)
        assert bench.run_agent()
        counts = {r.samples.latency_ns.count for r in bench.results(folder).values() if r.samples}
        assert counts == {37}

    def test_a_model_is_fetched_once(self, bench: Bench, tiny_files: list[Path]) -> None:
        model = reference(tiny_files)
        bench.deliver(make_job([model], [planned_test(model)], runs=1), tiny_files)
        assert bench.run_agent()
        cached = bench.work / "models" / model.sha256 / "tiny.bin"
        before = cached.stat().st_mtime_ns
        bench.deliver(make_job([model], [planned_test(model)], runs=1, campaign="second"), tiny_files)
        assert bench.run_agent()
        assert cached.stat().st_mtime_ns == before

    def test_a_cached_model_that_rotted_is_fetched_again(self, bench: Bench, tiny_files: list[Path]) -> None:
        model = reference(tiny_files)
        rotten = bench.work / "models" / model.sha256 / "tiny.bin"
        rotten.parent.mkdir(parents=True)
        rotten.write_bytes(bytes(tiny_files[1].stat().st_size))
        folder = bench.deliver(make_job([model], [planned_test(model)], runs=1), tiny_files)
        assert bench.run_agent()
        assert rotten.read_bytes() == tiny_files[1].read_bytes()
        assert {r.status for r in bench.results(folder).values()} == {Status.OK}

    def test_the_measuring_process_imports_nothing_else(self) -> None:
        script = (
            "import sys; before = set(sys.modules) | sys.stdlib_module_names; import agent.worker.run;"
            "print(*sorted(set(sys.modules) - before))"
        )
        loaded = set(printed_by(script).split())
        # Not even OpenVINO's Python package: its C API is called.
        numpys = {name for name in loaded if "cython" in name}
        assert {name for name in loaded - numpys if "." not in name} == {"agent", "numpy"}
        own = {name for name in loaded if name.startswith(("agent.", "protocol."))}
        assert all(name.startswith("agent.worker") for name in own)

    def test_the_measuring_process_has_no_thread_of_telemetry(self) -> None:
        script = (
            "import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'; import agent.worker.run;"
            "print(len(os.listdir('/proc/self/task')))"
        )
        assert printed_by(script).strip() == "1"


def printed_by(script: str) -> str:
    command = [sys.executable, "-I", "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class TestOutcomes:
    """One bad test, and a good one beside it that must be there at the end."""

    def carry_out(
        self,
        bench: Bench,
        tiny_files: list[Path],
        bad_files: list[Path] | None = None,
        *,
        bad: dict[str, Any] | None = None,
        meanwhile: Callable[[], None] | None = None,
        **changes: Any,
    ) -> CampaignFolder:
        good = reference(tiny_files)
        broken = reference(bad_files, name="bad") if bad_files else None
        suspect = planned_test(broken or good, **{"id": "bad", **(bad or {})})
        models, files = [good], [tiny_files]
        if broken and bad_files:
            models.append(broken)
            files.append(bad_files)
        job = make_job(models, [suspect, planned_test(good)], **changes)
        folder = bench.deliver(job, *files)
        assert bench.run_agent(meanwhile=meanwhile)
        results = bench.results(folder)
        assert set(results) == {(entry.test, entry.run) for entry in job.schedule}
        assert {results["tiny-sync-b1", run].status for run in (0, 1)} == {Status.OK}
        assert results["bad", 1].status is Status.NOT_RUN
        assert results["bad", 1].reason == f"not repeated: run 1 ended as {results['bad', 0].status}"
        assert bench.heartbeat(folder).failed == 2
        assert workers(bench.work) == set()
        return folder

    @pytest.mark.parametrize(
        ("number", "status", "reason"),
        [
            (signal.SIGSEGV, Status.CRASHED, "SIGSEGV (Segmentation fault) while measuring"),
            (signal.SIGABRT, Status.CRASHED, "SIGABRT (Aborted) while measuring"),
            (signal.SIGKILL, Status.CRASHED, "killed from outside with SIGKILL while measuring"),
        ],
    )
    def test_a_signal(
        self, bench: Bench, tiny_files: list[Path], number: int, status: Status, reason: str
    ) -> None:
        def kill() -> None:
            os.kill(find_worker(bench.work, "measure"), number)

        folder = self.carry_out(bench, tiny_files, meanwhile=kill, measure=LONG)
        result = bench.results(folder)["bad", 0]
        assert result.status is status
        assert result.reason.startswith(reason)

    def test_a_hang(self, bench: Bench, tiny_files: list[Path]) -> None:
        """A stopped process ignores SIGTERM too; only SIGKILL ends it."""

        def stop() -> None:
            os.kill(find_worker(bench.work, "measure"), signal.SIGSTOP)

        limits = Limits(run_timeout_s=5)
        folder = self.carry_out(bench, tiny_files, meanwhile=stop, measure=LONG, limits=limits)
        result = bench.results(folder)["bad", 0]
        assert (result.status, result.reason) == (Status.TIMEOUT, "ended after 5 s while measuring")
        assert result.phases.total_ms >= 5000

    def test_not_a_model(self, bench: Bench, tiny_files: list[Path], tmp_path: Path) -> None:
        (tmp_path / "bad.onnx").write_bytes(b"this is no model" * 100)
        folder = self.carry_out(bench, tiny_files, [tmp_path / "bad.onnx"])
        result = bench.results(folder)["bad", 0]
        assert result.status is Status.FAILED
        assert result.reason.startswith("while reading the model: OpenVinoError: ")
        assert "bad.onnx" in result.reason

    def test_weights_cut_short(self, bench: Bench, tiny_files: list[Path], tmp_path: Path) -> None:
        (tmp_path / "bad.xml").write_bytes(tiny_files[0].read_bytes())
        (tmp_path / "bad.bin").write_bytes(tiny_files[1].read_bytes()[:100])
        folder = self.carry_out(bench, tiny_files, [tmp_path / "bad.xml", tmp_path / "bad.bin"])
        result = bench.results(folder)["bad", 0]
        assert result.status is Status.FAILED
        assert result.reason.startswith("while reading the model: OpenVinoError: ")

    def test_a_device_that_is_not_here(self, bench: Bench, tiny_files: list[Path]) -> None:
        folder = self.carry_out(bench, tiny_files, bad={"device": "GPU.7"})
        result = bench.results(folder)["bad", 0]
        assert result.status is Status.UNSUPPORTED
        assert result.reason.startswith("device GPU.7 is not on this machine; OpenVINO sees CPU")

    def test_out_of_memory(self, bench: Bench, tiny_files: list[Path]) -> None:
        """65,536 images of 12 KB in a process that may have 700 MB."""
        limits = Limits(run_timeout_s=60, memory_mb=700)
        folder = self.carry_out(bench, tiny_files, bad={"batch": 65536}, limits=limits)
        result = bench.results(folder)["bad", 0]
        assert result.status is Status.OUT_OF_MEMORY, result.reason

    def test_a_model_that_is_gone_from_the_server(self, bench: Bench, tiny_files: list[Path]) -> None:
        good = reference(tiny_files)
        lost = good.model_copy(update={"name": "lost", "sha256": "0" * 64})
        job = make_job([good, lost], [planned_test(lost, id="lost"), planned_test(good)], runs=1)
        folder = bench.deliver(job.model_copy(update={"models": (good,)}), tiny_files)
        bench.operator.write(folder.job, job.to_bytes())
        assert bench.run_agent()
        results = bench.results(folder)
        assert results["lost", 0].status is Status.NOT_RUN
        assert results["lost", 0].reason.startswith("the model could not be fetched: ")
        assert results["tiny-sync-b1", 0].status is Status.OK


class TestInterruption:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize("times", [1, 2])
    def test_told_to_stop_in_its_second_run(
        self, bench: Bench, tiny_files: list[Path], number: int, times: int
    ) -> None:
        """Told once, the agent finishes it, told twice, it ends it; another goes on with what is missing."""
        model = reference(tiny_files)
        measure = Measure(duration_s=2.0, interval_target=None, min_iterations=1, warmup_s=0)
        folder = bench.deliver(make_job([model], [planned_test(model)], runs=3, measure=measure), tiny_files)
        hand_over = bench.work / "account.json"
        bench.account.write(hand_over)
        command = [sys.executable, "-m", "agent.cli", "--account", str(hand_over), "--once"]
        with subprocess.Popen([*command, "--work", str(bench.work)], stderr=subprocess.PIPE) as agent:
            first = find_worker(bench.work, "measure")
            find_worker(bench.work, "measure", beside=frozenset({first}))
            agent.send_signal(number)
            if times == 2:
                assert agent.stderr is not None
                for line in agent.stderr:  # two signals at once are one
                    if line == SAID:
                        break
                agent.send_signal(number)
            agent.communicate(timeout=30)
        assert agent.returncode == 130
        assert workers(bench.work) == set()
        before = bench.results(folder)
        assert list(before) == [("tiny-sync-b1", run) for run in range(3 - times)]
        assert {result.status for result in before.values()} == {Status.OK}
        heartbeat = bench.heartbeat(folder)
        assert (heartbeat.state, heartbeat.done) == (AgentState.STOPPED, 3 - times)
        assert heartbeat.detail == ("1 run was not started", "2 runs were not started")[times - 1]

        assert bench.run_agent()
        after = bench.results(folder)
        assert list(after) == [("tiny-sync-b1", run) for run in range(3)]
        assert before.items() <= after.items()

    def test_a_run_ends_with_its_agent(self, bench: Bench, tiny_files: list[Path]) -> None:
        """SIGKILL leaves the agent no time for anything; its run must not go on alone."""
        model = reference(tiny_files)
        bench.deliver(make_job([model], [planned_test(model)], measure=Measure(duration_s=60)), tiny_files)
        hand_over = bench.work / "account.json"
        bench.account.write(hand_over)
        command = [sys.executable, "-m", "agent.cli", "--account", str(hand_over), "--once"]
        with subprocess.Popen([*command, "--work", str(bench.work)], stderr=subprocess.DEVNULL) as agent:
            find_worker(bench.work, "measure")
            agent.kill()
        wait_until_gone(bench.work)

    def test_an_agent_that_cannot_read_its_job_says_so(self, bench: Bench, tiny_files: list[Path]) -> None:
        model = reference(tiny_files)
        folder = bench.deliver(make_job([model], [planned_test(model)]), tiny_files)
        bench.operator.write(folder.job, b'{"schema_version": 99}')
        assert not bench.run_agent()
        heartbeat = bench.heartbeat(folder)
        assert heartbeat.state is AgentState.FAILED
        assert heartbeat.detail.endswith(
            f"job of schema version 99, but this program knows versions up to {Job.current_version}. "
            "Update fleetmark on machine box."
        )


def wait_until_gone(work: Path) -> None:
    deadline = time.monotonic() + 10
    while workers(work) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers(work) == set()
