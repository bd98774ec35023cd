"""The conditions of a run: what two readings come to, what wraps, and what is not there."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.worker.conditions import Reader, compare, timer_resolution_ns
from agent.worker.outputs import check_outputs
from protocol.result import Conditions

_CPU = "sys/devices/system/cpu"
_RAPL = "sys/class/powercap"


class Machine:
    """A machine of two cores below a folder, whose files and clock the test moves on."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.now_ns = 10**9
        self.usage: dict[str, Any] = {
            "ru_utime": 1.0,
            "ru_stime": 0.5,
            "ru_majflt": 3,
            "ru_nvcsw": 100,
            "ru_nivcsw": 10,
        }
        monkeypatch.setattr(time, "perf_counter_ns", lambda: self.now_ns)
        monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(**self.usage))

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")

    def conditions(
        self, before: dict[str, str], after: dict[str, str], *, seconds: float = 5.0, **used: Any
    ) -> Conditions:
        self.write(before)
        reader = Reader(self.root)
        first = reader.read()
        self.write(after)
        self.now_ns += round(seconds * 1e9)
        self.usage |= {name: self.usage[name] + more for name, more in used.items()}
        return Conditions.model_validate(compare(reader, first, reader.read()))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / _CPU / "cpu0").mkdir(parents=True)
    (tmp_path / _CPU / "cpu1").mkdir()
    return Machine(tmp_path, monkeypatch)


def test_everything_that_can_be_known(machine: Machine) -> None:
    def cores(name: str, *values: int) -> dict[str, str]:
        return {f"{_CPU}/cpu{number}/{name}": str(value) for number, value in enumerate(values)}

    before = {
        "proc/loadavg": "0.50 0.40 0.30 3/200 999",
        "proc/stat": "cpu  1000 10 200 9000 50 3 7 20 400 0\ncpu0 1 2 3",
        "proc/meminfo": "MemTotal: 100 kB\nMemFree: 5 kB\nMemAvailable:       2048 kB",
        "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 total=9",
        "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=500\nfull avg10=0 total=9",
        **cores("cpufreq/scaling_cur_freq", 3_000_000, 1_000_000),
        **cores("thermal_throttle/core_throttle_count", 5, 6),
        **cores("thermal_throttle/package_throttle_count", 7, 7),
        "sys/class/thermal/thermal_zone0/type": "acpitz",
        "sys/class/thermal/thermal_zone0/temp": "27800",
        "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp",
        "sys/class/thermal/thermal_zone1/temp": "61000",
        "proc/self/cgroup": "0::/box",
        "sys/fs/cgroup/cgroup.controllers": "cpu",
        "sys/fs/cgroup/box/cpu.max": "150000 100000",
        "sys/fs/cgroup/box/cpu.stat": "usage_usec 9\nnr_periods 50\nnr_throttled 4\nthrottled_usec 20000",
        f"{_RAPL}/intel-rapl:0/name": "package-0",
        f"{_RAPL}/intel-rapl:0/max_energy_range_uj": "262143328850",
        f"{_RAPL}/intel-rapl:0/energy_uj": "1000000",
        f"{_RAPL}/intel-rapl:0:1/name": "dram",
        f"{_RAPL}/intel-rapl:0:1/max_energy_range_uj": "65712999613",
        f"{_RAPL}/intel-rapl:0:1/energy_uj": "500000",
    }
    after = {
        "proc/loadavg": "1.50 0.40 0.30 1/200 999",
        "proc/stat": "cpu  1600 10 300 9300 60 3 17 45 800 0\ncpu0 1 2 3",
        "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1250000\nfull avg10=0.00 total=9",
        "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=10500\nfull avg10=0 total=9",
        **cores("cpufreq/scaling_cur_freq", 2_500_000, 2_000_000),
        **cores("thermal_throttle/core_throttle_count", 5, 8),
        **cores("thermal_throttle/package_throttle_count", 8, 8),
        "sys/class/thermal/thermal_zone1/temp": "72500",
        "sys/fs/cgroup/box/cpu.stat": "usage_usec 9\nnr_periods 100\nnr_throttled 10\nthrottled_usec 320000",
        f"{_RAPL}/intel-rapl:0/energy_uj": "76000000",
        f"{_RAPL}/intel-rapl:0:1/energy_uj": "3000000",
    }
    found = machine.conditions(
        before, after, ru_utime=5.0, ru_stime=0.1, ru_majflt=2, ru_nvcsw=40, ru_nivcsw=5
    )
    assert found.unknown == {}
    assert (found.seconds, found.logical_cores) == (5.0, 2)
    assert found.process_cpu_s == pytest.approx(5.1)
    # 600 + 100 + 10 hundredths of a second were worked, 5.1 s of them by the run, in 5 s.
    assert found.other_load_cores == pytest.approx((7.1 - 5.1) / 5)
    assert found.steal_cores == pytest.approx(0.25 / 5)
    assert found.throttle_events == 4
    assert (found.cpu_limit_hits, found.cpu_limit_s) == pytest.approx((6, 0.3))
    assert (found.cpu_stall_s, found.memory_stall_s) == pytest.approx((0.25, 0.01))
    assert (found.major_faults, found.voluntary_switches, found.involuntary_switches) == (2, 40, 5)
    assert found.energy_joules == pytest.approx({"package-0": 75.0, "package-0/dram": 2.5})
    assert found.before.model_dump() == {
        "load_1min": 0.5,
        "runnable_threads": 2,
        "frequency_min_hz": 10**9,
        "frequency_median_hz": 2 * 10**9,
        "frequency_max_hz": 3 * 10**9,
        "temperature_c": 61.0,
        "available_memory_bytes": 2048 << 10,
    }
    assert (found.after.frequency_max_hz, found.after.temperature_c) == (2_500_000_000, 72.5)
    assert (found.after.load_1min, found.after.runnable_threads) == (1.5, 0)


def test_a_machine_that_shows_nothing(machine: Machine) -> None:
    found = machine.conditions({}, {})
    dumped = found.model_dump(exclude={"before", "after", "unknown"}) | found.after.model_dump()
    assert {name for name, value in dumped.items() if value is None} == found.unknown.keys()
    assert {name for name, value in dumped.items() if value is not None} == {
        *("seconds", "timer_resolution_ns", "logical_cores", "process_cpu_s", "major_faults"),
        *("voluntary_switches", "involuntary_switches"),
    }
    assert found.unknown["other_load_cores"] == "/proc/stat: No such file or directory"
    assert found.unknown["cpu_limit_s"] == "no CPU limit applies to this control group"
    assert str(machine.root) not in str(found.unknown)


def rapl(joules: float, limit_j: float = 262.0) -> dict[str, str]:
    return {
        f"{_RAPL}/intel-rapl:0/name": "package-0",
        f"{_RAPL}/intel-rapl:0/max_energy_range_uj": str(round(limit_j * 1e6)),
        f"{_RAPL}/intel-rapl:0/energy_uj": str(round(joules * 1e6)),
    }


def test_an_energy_counter_that_begins_anew(machine: Machine) -> None:
    found = machine.conditions(rapl(261.0), rapl(9.0), seconds=0.2)
    assert found.energy_joules == pytest.approx({"package-0": 1.0 + 9.0})


def test_an_energy_counter_that_may_have_gone_around_twice(machine: Machine) -> None:
    found = machine.conditions(rapl(1.0), rapl(9.0), seconds=0.3)
    assert found.energy_joules is None
    assert "gone around twice" in found.unknown["energy_joules"]


def test_other_counters_do_not_wrap(machine: Machine) -> None:
    name = f"{_CPU}/cpu0/thermal_throttle/core_throttle_count"
    found = machine.conditions({name: "9"}, {name: "2"})
    assert found.throttle_events is None
    assert found.unknown["throttle_events"] == "the counter went backwards"


def test_over_a_short_time_hundredths_say_nothing_of_load(machine: Machine) -> None:
    stat = {"proc/stat": "cpu  1000 10 200 9000 50 3 7 20 0 0"}
    assert machine.conditions(stat, stat, seconds=1.0).other_load_cores == 0.0
    short = machine.conditions(stat, stat, seconds=0.99)
    assert (short.other_load_cores, short.steal_cores) == (None, None)
    assert "shorter than 1 s" in short.unknown["other_load_cores"]


def test_what_can_be_read_only_before_is_unknown(machine: Machine) -> None:
    found = machine.conditions({"proc/loadavg": "0.50 0.40 0.30 3/200 999"}, {"proc/loadavg": "gone"})
    assert found.before.load_1min == 0.5
    assert found.after.load_1min is None
    assert found.unknown["load_1min"] == "it could not be read at both ends of the run"


def test_the_cpu_limit_of_version_1(machine: Machine) -> None:
    folder = "sys/fs/cgroup/cpu,cpuacct/docker/0123"
    files = {
        "proc/self/cgroup": "3:cpu,cpuacct:/docker/0123",
        f"{folder}/cpu.cfs_quota_us": "200000",
        f"{folder}/cpu.cfs_period_us": "100000",
        f"{folder}/cpu.stat": "nr_periods 1\nnr_throttled 1\nthrottled_time 1000000000",
    }
    after = {f"{folder}/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000"}
    found = machine.conditions(files, after)
    assert (found.cpu_limit_hits, found.cpu_limit_s) == pytest.approx((2, 0.5))


def test_the_tightest_of_several_cpu_limits_is_the_one_that_is_felt(machine: Machine) -> None:
    def group(folder: str, limit: str, hits: int) -> dict[str, str]:
        stat = f"nr_periods 9\nnr_throttled {hits}\nthrottled_usec {hits * 1000}"
        return {
            f"sys/fs/cgroup/{folder}/cpu.max": f"{limit} 100000",
            f"sys/fs/cgroup/{folder}/cpu.stat": stat,
        }

    groups = {"proc/self/cgroup": "0::/pod/box", "sys/fs/cgroup/cgroup.controllers": "cpu"}
    before = {**groups, **group("pod", "150000", 2), **group("pod/box", "400000", 0)}
    found = machine.conditions(before, group("pod", "150000", 7))
    assert found.cpu_limit_hits == 5


def test_of_many_cores_some_are_read(machine: Machine) -> None:
    files = {f"{_CPU}/cpu{n}/cpufreq/scaling_cur_freq": str(1_000_000 + n) for n in range(224)}
    found = machine.conditions(files, {})
    assert found.logical_cores == 224
    assert found.before.frequency_min_hz == 1_000_000_000
    assert found.before.frequency_max_hz == (1_000_000 + 31 * 7) * 1000


class TestTimer:
    def test_a_clock_that_stands_still_is_as_coarse_as_its_steps(self) -> None:
        ticks: Iterator[int] = chain.from_iterable(repeat(4_000_000 * n, 7) for n in count())
        assert timer_resolution_ns(lambda: next(ticks)) == 4_000_000

    def test_even_where_it_does_not_step_while_it_is_looked_at(self) -> None:
        ticks: Iterator[int] = chain(repeat(0, 1000), repeat(10_000_000))
        assert timer_resolution_ns(lambda: next(ticks)) == 10_000_000

    def test_a_clock_that_moves_with_every_look_is_as_fine_as_the_kernel_says(self) -> None:
        ticks = count(step=60)
        assert timer_resolution_ns(lambda: next(ticks)) == round(time.clock_getres(time.CLOCK_REALTIME) * 1e9)


@pytest.mark.parametrize(
    ("values", "element_type", "finite", "normal"),
    [
        ([0.0, -1.0, 1.2e-38], np.float32, True, True),
        ([0.0, 1e-39], np.float32, True, False),
        ([-1e-39, 1.0], np.float32, True, False),
        ([np.nan, 1.0], np.float32, False, True),
        ([-np.inf, 1e-39], np.float32, False, False),
        ([1e-300, 1.0], np.float64, True, True),
        ([1e-310], np.float64, True, False),
        ([6e-8, 1.0], np.float16, True, True),
        ([np.inf], np.float16, False, True),
        ([0, 1], np.int32, True, True),
    ],
)
def test_outputs(values: list[float], element_type: type, finite: bool, normal: bool) -> None:
    names = {"float16": "f16", "float32": "f32", "float64": "f64", "int32": "i32"}
    outputs = [
        (names[element_type.__name__], np.array(array, dtype=element_type).tobytes())
        for array in ([1], values)
    ]
    assert check_outputs(outputs) == {"outputs_finite": finite, "outputs_normal": normal}


@pytest.mark.parametrize(
    ("value", "finite"), [(0x3F80, True), (0x7F80, False), (0xFF80, False), (0x7FC0, False)]
)
def test_outputs_in_bf16_which_numpy_does_not_know(value: int, finite: bool) -> None:
    outputs = [("bf16", np.array([0, value], dtype=np.uint16).tobytes())]
    assert check_outputs(outputs)["outputs_finite"] is finite


def test_this_machine_notices_a_load_that_is_its_own() -> None:
    """One second of work by this process is not other load."""
    reader = Reader()
    before = reader.read()
    deadline = time.perf_counter() + 1.1
    while time.perf_counter() < deadline:
        pass
    found = Conditions.model_validate(compare(reader, before, reader.read()))
    assert 0.05 < found.process_cpu_s < 1.5
    assert found.other_load_cores is not None
    assert found.process_cpu_s + found.other_load_cores * found.seconds <= found.seconds * (
        found.logical_cores + 0.2
    )
