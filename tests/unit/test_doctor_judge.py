"""From what a machine answers to findings: each check, and what to do."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from integrator.config.lab import LabMachine
from integrator.doctor.answers import (
    Answers,
    ClockReading,
    Connection,
    EngineAnswer,
    ImageAnswer,
    Inside,
    ServerAnswer,
    Trouble,
)
from integrator.doctor.ask import inside_of
from integrator.doctor.finding import Check, Finding, Health, LabHealth, MachineHealth, worst
from integrator.doctor.judge import judge
from integrator.doctor.meeting import Door, seen
from integrator.doctor.script import SCRIPT, HostAnswer, parse
from integrator.doctor.table import lab_report, summary
from integrator.tune_host.files import ToldFiles
from protocol.documents import canonical_json

_CPU = "sys/devices/system/cpu"
_GIB = 1 << 30

QUIET_FILES = {
    "proc/meminfo": "MemAvailable:   16777216 kB\nSwapTotal:       0 kB\nSwapFree:       0 kB",
    "proc/sys/kernel/randomize_va_space": "2",
    "proc/sys/kernel/numa_balancing": "1",
    f"{_CPU}/online": "0-7",
    f"{_CPU}/isolated": "",
    f"{_CPU}/smt/active": "1",
    **{f"{_CPU}/cpu{n}/topology/thread_siblings_list": f"{n % 4},{n % 4 + 4}" for n in range(8)},
    f"{_CPU}/intel_pstate/no_turbo": "1",
    **{f"{_CPU}/cpufreq/policy{n}/scaling_governor": "performance" for n in range(8)},
    **{f"{_CPU}/cpufreq/policy{n}/energy_performance_preference": "performance" for n in range(8)},
    f"{_CPU}/cpu0/thermal_throttle/package_throttle_count": "0",
    "sys/devices/system/node/node0/cpulist": "0-7",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
}


def quiet(files: Mapping[str, str] | None = None, **changes: Any) -> HostAnswer:
    answer = HostAnswer(
        files=ToldFiles({**QUIET_FILES, **(files or {})}),
        processors=8,
        disk_free_bytes={"/": 50 * _GIB, "/var/lib/docker": 40 * _GIB},
        busy_share=0.01,
        stolen_share=0.0,
        devices=frozenset({"/dev/dri"}),
    )
    return replace(answer, **changes)


def machine(**docker: Any) -> LabMachine:
    host = docker.pop("host", "ssh://fleet@box")
    devices = docker.pop("openvino", ("CPU",))
    return LabMachine.model_validate(
        {"name": "box", "devices": list(devices), "start": {"docker": {"host": host, **docker}}}
    )


def ready(**changes: Any) -> Answers:
    answers = Answers(
        connection=Connection(login="as fleet"),
        engine=EngineAnswer("24.0.7"),
        image=ImageAnswer("fleetmark-agent:2026.4", there=True),
        host=quiet(),
        clock=ClockReading(100.0, 100.2, 101.2, 101.4),
        inside=Inside("2026.4.1", ("CPU",)),
        server=ServerAnswer("10.0.0.5, port 2121", "from there"),
    )
    return replace(answers, **changes)


def found(answers: Answers, box: LabMachine | None = None) -> dict[Check, Finding]:
    findings = judge(box or machine(), answers)
    by_check = {finding.check: finding for finding in findings}
    assert len(by_check) == len(findings)
    assert list(by_check) == sorted(by_check, key=list(Check).index)
    for finding in findings:
        assert finding.said
        if finding.health in {Health.WARN, Health.FAIL}:
            assert finding.remedy, finding
    return by_check


def test_a_machine_that_is_ready_and_quiet_is_fine_in_everything() -> None:
    findings = found(ready())
    assert {finding.health for finding in findings.values()} == {Health.OK}
    assert set(findings) == set(Check)


@pytest.mark.parametrize(
    ("files", "check", "words"),
    [
        ({f"{_CPU}/cpufreq/policy3/scaling_governor": "powersave"}, Check.GOVERNOR, "powersave"),
        (
            {f"{_CPU}/cpufreq/policy0/energy_performance_preference": "balance_power"},
            Check.ENERGY,
            "balance_power",
        ),
        ({f"{_CPU}/intel_pstate/no_turbo": "0"}, Check.TURBO, "on"),
        ({f"{_CPU}/isolated": "6-7"}, Check.ISOLATED, "6-7"),
        ({"proc/sys/kernel/randomize_va_space": "0"}, Check.RANDOMISATION, "0"),
        ({"sys/devices/system/node/node1/cpulist": "4-7"}, Check.NUMA, "1"),
        ({f"{_CPU}/cpu0/thermal_throttle/package_throttle_count": "12"}, Check.THROTTLED, "12 times"),
        ({"sys/class/power_supply/BAT0/status": "Discharging"}, Check.POWER, "battery"),
        ({"sys/fs/cgroup/cpu.max": "150000 100000"}, Check.LIMITS, "1.5 processors"),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            Check.LIMITS,
            "0.5 processors",
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 16777216 kB\nSwapTotal: 4194304 kB\nSwapFree: 2097152 kB",
            },
            Check.SWAP,
            "2.0 GiB",
        ),
        ({"sys/firmware/acpi/platform_profile": "quiet"}, Check.PROFILE, "quiet"),
        ({"proc/meminfo": "MemAvailable: 300000 kB"}, Check.MEMORY, "0.3 GiB"),
    ],
)
def test_what_makes_numbers_noisy_is_a_warning(files: dict[str, str], check: Check, words: str) -> None:
    finding = found(ready(host=quiet(files)))[check]
    assert finding.health is Health.WARN
    assert words in finding.said


def test_other_load_names_who_it_is() -> None:
    host = quiet(busy_share=0.4, busy=(("backup", 2.9), ("x", 0.2)))
    finding = found(ready(host=host))[Check.LOAD]
    assert finding.health is Health.WARN
    assert "3.2 of 8" in finding.said
    assert "backup 2.9" in finding.said


def test_time_that_the_hypervisor_takes() -> None:
    assert found(ready(host=quiet(stolen_share=0.1)))[Check.STEAL].health is Health.WARN


def test_limits_of_lab_yaml_are_held_against_the_machine() -> None:
    whole = found(ready(), machine(cpuset="0,4"))
    assert whole[Check.LIMITS].health is whole[Check.THREADS].health is Health.OK
    half = found(ready(), machine(cpuset="0-3"))[Check.THREADS]
    assert half.health is Health.WARN
    assert "cpuset: 0-7" in half.remedy
    absent = found(ready(), machine(cpuset="0-15"))[Check.LIMITS]
    assert absent.health is Health.FAIL
    assert "0-7" in absent.said
    assert found(ready(), machine(memory="32g"))[Check.MEMORY].health is Health.WARN


def test_isolated_processors_outside_the_cpuset_do_not_matter() -> None:
    host = quiet({f"{_CPU}/isolated": "3,7"})
    assert found(ready(host=host), machine(cpuset="0-2,4-6"))[Check.ISOLATED].health is Health.OK


@pytest.mark.parametrize(
    ("broken", "there"),
    [
        (Check.REACHABLE, []),
        (Check.HOST_KEY, [Check.REACHABLE]),
        (Check.LOGIN, [Check.REACHABLE, Check.HOST_KEY]),
    ],
)
def test_a_broken_way_is_a_failure_where_it_broke_and_unknown_behind(
    broken: Check, there: list[Check]
) -> None:
    findings = found(Answers(Connection(broken, Trouble("no", "do this"))))
    assert [check for check, finding in findings.items() if finding.health is Health.OK] == there
    assert [check for check, finding in findings.items() if finding.health is Health.FAIL] == [broken]
    assert findings[Check.CLOCK].health is Health.UNKNOWN
    assert findings[Check.GOVERNOR].health is Health.UNKNOWN


def test_a_machine_that_nobody_can_ask_does_not_fail() -> None:
    trouble = Trouble("no way there", "Run it there.", sure=False)
    findings = found(
        Answers(Connection(Check.REACHABLE, trouble)),
        LabMachine.model_validate({"name": "box", "start": "waiting"}),
    )
    assert {finding.health for finding in findings.values()} == {Health.UNKNOWN}


@pytest.mark.parametrize(("free_gib", "health"), [(1.0, Health.FAIL), (5.0, Health.WARN), (10.0, Health.OK)])
def test_disk(free_gib: float, health: Health) -> None:
    host = quiet(disk_free_bytes={"/": 100 * _GIB, "/var/lib/docker": round(free_gib * _GIB)})
    finding = found(ready(host=host))[Check.DISK]
    assert finding.health is health
    assert "/var/lib/docker" in finding.said


def test_inside_a_container_the_root_is_dockers_disk() -> None:
    host = quiet(in_container=True, disk_free_bytes={"/": 5 * _GIB, "/var/lib/docker": 50 * _GIB})
    assert found(ready(host=host))[Check.DISK].said.endswith("below /")


def test_engine_and_image() -> None:
    old = found(ready(engine=EngineAnswer("19.03.15")))[Check.DOCKER]
    assert old.health is Health.WARN
    broken = found(ready(engine=Trouble("no permission", "usermod")))[Check.DOCKER]
    assert (broken.health, broken.remedy) == (Health.FAIL, "usermod")
    missing = found(ready(image=ImageAnswer("agent:1", there=False), inside=None))
    assert missing[Check.IMAGE].health is Health.FAIL
    assert "--send-images" in missing[Check.IMAGE].remedy
    assert missing[Check.DEVICES].health is Health.UNKNOWN
    sent = found(ready(image=ImageAnswer("agent:1", there=True, sent_s=12.0)))[Check.IMAGE]
    assert "sent in 12 s" in sent.said
    failed = ImageAnswer("agent:1", there=False, trouble=Trouble("disk full", "make room"))
    assert found(ready(image=failed))[Check.IMAGE].said == "disk full"


def test_devices() -> None:
    gpu = machine(openvino=["CPU", "GPU"], devices=["/dev/dri"])
    assert found(ready(inside=Inside("1", ("CPU", "GPU"))), gpu)[Check.DEVICES].health is Health.OK
    assert found(ready(inside=Inside("1", ("CPU", "GPU.0", "GPU.1"))), gpu)[Check.DEVICES].health is Health.OK
    blind = found(ready(), gpu)[Check.DEVICES]
    assert blind.health is Health.FAIL
    assert "not GPU" in blind.said
    npu = machine(openvino=["CPU"], devices=["/dev/accel"])
    absent = found(ready(), npu)[Check.DEVICES]
    assert absent.health is Health.FAIL
    assert "/dev/accel" in absent.said


@pytest.mark.parametrize(
    ("reading", "health", "words"),
    [
        (ClockReading(100.0, 100.2, 101.2, 101.4), Health.OK, "0.0 s"),
        (ClockReading(100.0, 160.2, 161.2, 101.4), Health.WARN, "60.0 s ahead, ± 0.2 s"),
        (ClockReading(100_000.0, 100.0, 101.0, 100_002.0), Health.FAIL, "behind"),
        (ClockReading(100.0, 107.0, 108.0, 106.0), Health.OK, "4.5 s ahead, ± 2.5 s"),
    ],
)
def test_clock(reading: ClockReading, health: Health, words: str) -> None:
    finding = found(ready(clock=reading))[Check.CLOCK]
    assert finding.health is health
    assert words in finding.said


def test_a_door_is_known_by_its_word() -> None:
    door = Door("10.0.0.5", 2121, "220 word 42")
    assert seen(door, "220 word 42\r\n", "", "from there").trouble is None
    other = seen(door, "220 ProFTPD\r\n", "", "from there")
    assert other.trouble
    assert "another server" in other.trouble.said
    closed = seen(door, "", "Connection refused", "from there")
    assert closed.trouble
    assert "Connection refused" in closed.trouble.said
    assert found(ready(server=closed))[Check.SERVER].health is Health.FAIL


def test_what_a_shell_says_is_taken_apart_and_nothing_is_invented() -> None:
    answer = parse(
        b"Welcome to box!\nclock 100.5\nclock 101.5\nprocessors 4\nfile /proc/loadavg:0.1 0.2\n"
        b"file /proc/meminfo:A: 1\nfile /proc/meminfo:B: 2\ndisk / 1024\ndisk /x many\nhertz 100\n"
        b"ticks 0 0 0 100 0 0 0 0 0 0\nticks 50 0 50 200 0 0 0 100 0 0\nbusy 50 a b\nbusy 9 \x1b[31mred\n"
    )
    assert (answer.clock_first_s, answer.clock_last_s, answer.processors) == (100.5, 101.5, 4)
    assert answer.files.text("proc/meminfo") == "A: 1\nB: 2"
    assert answer.disk_free_bytes == {"/": 1 << 20}
    assert answer.busy_share == pytest.approx(100 / 300)
    assert answer.stolen_share == pytest.approx(100 / 300)
    assert answer.busy == (("a b", 0.5), ("?[31mred", 0.09))
    nothing = parse(b"\xff\xfe garbage\nclock\nticks x\nprocessors -1\n")
    assert nothing.clock_first_s is nothing.processors is nothing.busy_share is None


def test_a_machine_that_said_nothing_is_unknown_and_no_error() -> None:
    findings = found(ready(host=HostAnswer(), clock=None))
    known = {check for check in Check if findings[check].health is not Health.UNKNOWN}
    assert {Check.LOAD, Check.STEAL, Check.SWAP, Check.DISK, Check.CLOCK, Check.GOVERNOR}.isdisjoint(known)


def test_the_script_runs_in_this_computers_shell() -> None:
    done = subprocess.run(
        ["sh", "-c", SCRIPT, "sh", "/dev/null", "/dev/nothing"], capture_output=True, check=True
    )
    assert done.stderr == b""
    answer = parse(done.stdout)
    assert answer.processors
    assert answer.busy_share is not None
    assert answer.clock_first_s is not None
    assert answer.clock_last_s is not None
    assert answer.clock_last_s >= answer.clock_first_s + 1
    assert answer.devices >= {"/dev/null"}
    assert "/dev/nothing" not in answer.devices
    assert answer.files.text("proc/meminfo")


def test_devices_as_openvino_lists_them() -> None:
    said = canonical_json({"version": "2026.4.1-abc", "devices": [{"name": "CPU"}, {"name": "GPU"}]}).decode()
    assert inside_of(said) == Inside("2026.4.1", ("CPU", "GPU"))
    for text in ("", "Traceback …\nImportError: no", "[]", '{"version": 1}'):
        assert inside_of(text).trouble


def report() -> LabHealth:
    off = judge(machine(), Answers(Connection(Check.REACHABLE, Trouble("it is off", "switch it on"))))
    return LabHealth.model_validate(
        {
            "lab": "a-lab",
            "checked_at": "2026-01-01T00:00:00Z",
            "machines": [
                MachineHealth(machine="fine", way="local", seconds=1.0, findings=judge(machine(), ready())),
                MachineHealth(machine="off", way="ssh://fleet@off", seconds=0.1, findings=off),
            ],
        }
    )


def test_the_table_shows_what_is_wrong_first_and_says_a_reason_once() -> None:
    console = Console(file=StringIO(), width=100)
    console.print(lab_report(report()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.index("off  ssh") < text.index("fine  local")
    assert text.count("not asked: reachable failed") == 1
    assert "→ switch it on" in text
    assert summary(report()) == "2 machines: 1 would fail, 1 fine"


def test_the_report_is_a_versioned_document() -> None:
    data = report().to_bytes()
    assert LabHealth.from_bytes(data, source="report") == report()
    assert report().health is Health.FAIL


def test_nothing_is_unknown() -> None:
    assert worst([]) is Health.UNKNOWN
    assert worst([Health.OK, Health.UNKNOWN]) is Health.UNKNOWN
    assert worst([Health.WARN, Health.UNKNOWN]) is Health.WARN
