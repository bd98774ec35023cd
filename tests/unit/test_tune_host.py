"""Settings for measuring: what they would be on recorded machines, and set back exactly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from integrator.cli import app
from integrator.tune_host.files import DiskFiles, ToldFiles
from integrator.tune_host.knobs import KNOBS, hints, is_of_a_knob, processors, ranges
from integrator.tune_host.state import STATE_FILE, TunedHost
from integrator.tune_host.tune import Host
from protocol.errors import DocumentError, UserError
from tests.recorded import KINDS, unfold

_CPU = "sys/devices/system/cpu"


def snapshot(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def host_of(kind: str, tmp_path: Path, **files: str) -> Host:
    root = unfold(kind, tmp_path / "root")
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return Host(root, root / STATE_FILE)


@pytest.mark.parametrize("kind", KINDS)
def test_reverted_every_file_is_as_it_was(kind: str, tmp_path: Path) -> None:
    host = host_of(kind, tmp_path)
    before = snapshot(host.files.root)
    outcome = host.apply()
    assert not outcome.refused
    assert all(state.is_set for state in host.look())
    if outcome.written:
        assert snapshot(host.files.root) != before
        host.revert()
    assert snapshot(host.files.root) == before


def test_what_a_laptop_is_set_to(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path)
    root = host.files.root
    host.apply()
    assert (root / f"{_CPU}/intel_pstate/no_turbo").read_text() == "1\n"
    for policy in range(20):
        folder = root / f"{_CPU}/cpufreq/policy{policy}"
        assert (folder / "scaling_governor").read_text() == "performance\n"
        assert (folder / "energy_performance_preference").read_text() == "performance\n"
        assert (folder / "scaling_min_freq").read_text() == (folder / "scaling_max_freq").read_text()
    assert (root / "sys/firmware/acpi/platform_profile").read_text() == "performance\n"


def test_a_second_apply_keeps_what_the_first_one_found(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path)
    before = snapshot(host.files.root)
    host.apply(leave=("turbo",))
    governor = host.files.root / f"{_CPU}/cpufreq/policy0/scaling_governor"
    governor.write_text("powersave\n")  # somebody in between
    host.apply()
    assert governor.read_text() == "performance\n"
    host.revert()
    assert snapshot(host.files.root) == before


def test_turbo_may_be_kept(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path)
    host.apply(leave=("turbo",))
    assert (host.files.root / f"{_CPU}/intel_pstate/no_turbo").read_text() == "0\n"


def test_nothing_was_set_and_nothing_is_set_back(tmp_path: Path) -> None:
    assert host_of("amd-vm", tmp_path).revert() is None


def test_after_a_restart_there_is_nothing_to_set_back(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path, **{"proc/sys/kernel/random/boot_id": "first"})
    root = host.files.root
    host.apply()
    set_now = snapshot(root)
    (root / "proc/sys/kernel/random/boot_id").write_text("second\n")
    assert host.saved() is None
    outcome = host.revert()
    assert outcome is not None
    assert outcome.restarted
    assert not host.state.exists()
    assert (root / f"{_CPU}/intel_pstate/no_turbo").read_text() == set_now[f"{_CPU}/intel_pstate/no_turbo"]


def test_an_apply_after_a_restart_keeps_what_it_finds_then(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path, **{"proc/sys/kernel/random/boot_id": "first"})
    root = host.files.root
    host.apply()
    (root / "proc/sys/kernel/random/boot_id").write_text("second\n")
    governor = root / f"{_CPU}/cpufreq/policy0/scaling_governor"
    governor.write_text("schedutil\n")
    host.apply()
    host.revert()
    assert governor.read_text() == "schedutil\n"


def test_what_was_before_is_on_disk_before_anything_is_set(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path)
    before = snapshot(host.files.root)
    with pytest.raises(UserError, match="so nothing was set"):
        Host(host.files.root, Path("/proc/fleetmark/state.json")).apply()
    assert snapshot(host.files.root) == before


def test_what_the_kernel_refuses_is_told_and_the_rest_is_set(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path)
    governor = host.files.root / f"{_CPU}/cpufreq/policy3/scaling_governor"
    governor.unlink()
    governor.symlink_to("/proc/version")  # can be read, and not be written, not even by root
    outcome = host.apply()
    assert [setting.path for setting, _ in outcome.refused] == [f"{_CPU}/cpufreq/policy3/scaling_governor"]
    assert (host.files.root / f"{_CPU}/cpufreq/policy4/scaling_governor").read_text() == "performance\n"
    reverted = host.revert()
    assert reverted is not None
    assert not reverted.refused


def test_isolated_processors_get_no_interrupts(tmp_path: Path) -> None:
    host = host_of(
        "hybrid-laptop",
        tmp_path,
        **{
            f"{_CPU}/online": "0-19",
            "proc/irq/0/smp_affinity_list": "0-19",
            "proc/irq/16/smp_affinity_list": "18",
            "proc/irq/17/smp_affinity_list": "3",
        },
    )
    host.apply()
    texts = [(host.files.root / f"proc/irq/{n}/smp_affinity_list").read_text().strip() for n in (0, 16, 17)]
    assert texts == ["0-17", "0-17", "3"]
    assert any("18-19 are isolated" in hint for hint in hints(host.files))


def test_a_governor_that_is_not_offered_is_not_asked_for() -> None:
    policy = f"{_CPU}/cpufreq/policy0"
    files = ToldFiles(
        {
            f"{policy}/scaling_governor": "userspace\n",
            f"{policy}/scaling_available_governors": "userspace powersave\n",
        }
    )
    governor = next(knob for knob in KNOBS if knob.name == "governor")
    assert governor.read(files) == "the driver has no governor `performance`"


def test_a_battery_is_hinted_at_and_that_of_a_mouse_is_not() -> None:
    supply = "sys/class/power_supply"
    laptop = {
        f"{supply}/AC/type": "Mains",
        f"{supply}/AC/online": "0",
        f"{supply}/BAT0/type": "Battery",
        f"{supply}/BAT0/status": "Discharging",
    }
    assert [hint for hint in hints(ToldFiles(laptop)) if "battery" in hint]
    assert not list(hints(ToldFiles(laptop | {f"{supply}/AC/online": "1"})))
    mouse = {f"{supply}/hid/status": "Discharging", f"{supply}/hid/scope": "Device"}
    assert not list(hints(ToldFiles(mouse)))


def test_told_files_are_found_as_those_on_disk(tmp_path: Path) -> None:
    root = unfold("hybrid-laptop", tmp_path)
    disk = DiskFiles(root)
    pattern = f"{_CPU}/cpufreq/policy[0-9]*/scaling_governor"
    assert ToldFiles(snapshot(root)).find(pattern) == disk.find(pattern)
    assert disk.find(pattern)[2].endswith("policy2/scaling_governor")


@pytest.mark.parametrize("path", ["etc/shadow", f"{_CPU}/cpufreq/../../x/scaling_governor", "proc/irq/1/x"])
def test_only_settings_are_ever_written(path: str, tmp_path: Path) -> None:
    assert not is_of_a_knob(path)
    state = tmp_path / "state.json"
    document = {"schema_version": 1, "applied_at": "2026-01-01T00:00:00Z", "boot_id": None}
    state.write_text(json.dumps({**document, "before": {path: "x"}}))
    with pytest.raises(DocumentError, match="no file that tune-host sets"):
        TunedHost.read(state)


def test_a_state_that_others_could_have_written_is_refused(tmp_path: Path) -> None:
    host = host_of("hybrid-laptop", tmp_path)
    host.apply()
    host.state.chmod(0o666)
    with pytest.raises(UserError, match="not written by tune-host"):
        host.revert()
    host.state.chmod(0o600)
    kept = host.state.rename(host.state.with_name("kept"))
    host.state.symlink_to(kept)
    with pytest.raises(UserError, match="cannot be read"):
        host.revert()


def test_lists_of_processors() -> None:
    assert processors("0-2,7") == {0, 1, 2, 7}
    assert processors("(null)") == set()
    assert ranges({0, 1, 2, 7}) == "0-2,7"
    assert ranges(set()) == ""


def test_the_command_shows_sets_and_sets_back(tmp_path: Path) -> None:
    root = unfold("hybrid-laptop", tmp_path)
    before = snapshot(root)
    run = CliRunner().invoke
    shown = json.loads(run(app, ["tune-host", "--root", str(root), "--json"]).stdout)
    assert snapshot(root) == before
    assert {setting["name"] for setting in shown["settings"]} == {knob.name for knob in KNOBS}
    applied = run(app, ["tune-host", "--apply", "--root", str(root)])
    assert applied.exit_code == 0, applied.output
    assert "Set by tune-host" in applied.stdout
    reverted = run(app, ["tune-host", "--revert", "--root", str(root)])
    assert reverted.exit_code == 0, reverted.output
    assert snapshot(root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_settings_of_the_real_machine_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(app, ["tune-host", "--apply"])
    assert isinstance(result.exception, UserError)
    assert "by root" in str(result.exception)
