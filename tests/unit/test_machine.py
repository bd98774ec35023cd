"""What is read of a machine: recorded ones of several kinds, and the one that runs this test."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import re
import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest

from agent.machine import devices
from agent.machine.configuration import Process
from agent.machine.describe import describe
from agent.machine.files import Tree, UnreadableError, parse_cpus
from protocol.engine import openvino as ov
from protocol.machine import Device, Fingerprint, MachineDescription
from tests.recorded import KINDS, MACHINES, unfold

_NO_LIMIT = {"cpu_limit_cores", "memory_limit_bytes"}
"""Null without a reason: there is no limit."""
_SECRETS = re.compile(
    r"alice|SECRET|deadbeef|0a1b2c3d|3f2504e0|10\.0\.0\.2|10\.1\.2\.3|02:11:22|eth0|root=|LABEL|https?:"
)
_OF_THE_TEST = {"numpy", "fleetmark"}
"""Facts of the process that runs the test."""


def engine() -> dict[str, Any]:
    device = {"name": "CPU", "full_name": "a CPU", "architecture": None, "capabilities": ["FP32"]}
    return {"version": "2026.4.1", "devices": [device], "drivers": {}}


def process(kind: str, **changes: Any) -> Process:
    fields: dict[str, Any] = {
        "architecture": "aarch64" if kind.startswith("arm") else "x86_64",
        "affinity": 4,
        "environment": {},
        "python": "3.12.3",
        "timer_resolution_ns": 1,
    }
    return Process(**{**fields, **changes})


def recorded(kind: str, tmp_path: Path, **changes: Any) -> MachineDescription:
    return describe("box", root=unfold(kind, tmp_path), devices=engine, process=process(kind, **changes))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_machine_is_described_as_expected(kind: str, tmp_path: Path) -> None:
    description = recorded(kind, tmp_path)
    configuration = description.configuration.model_dump(mode="json", exclude=_OF_THE_TEST)
    found = {
        "fingerprint": description.fingerprint.model_dump(mode="json", exclude={"devices"}),
        "configuration": configuration,
        "unknown": description.unknown,
    }
    assert found == json.loads((MACHINES / kind / "expected.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_every_null_has_a_reason_and_every_reason_a_null(kind: str, tmp_path: Path) -> None:
    description = recorded(kind, tmp_path)
    facts = {**dict(description.fingerprint), **dict(description.configuration)}
    null = {name for name, value in facts.items() if value is None}
    assert null - _NO_LIMIT <= description.unknown.keys()
    assert all(facts[name] in (None, ()) for name in description.unknown)
    assert all(description.unknown.values())
    assert "" not in facts.values()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_names_a_person_or_a_place_is_read_out(kind: str, tmp_path: Path) -> None:
    text = recorded(kind, tmp_path).to_bytes().decode()
    assert not _SECRETS.search(text)
    assert str(tmp_path) not in text


def test_the_secrets_are_there_to_be_found() -> None:
    """The test above would say nothing about trees without any."""
    for kind in ("hybrid-laptop", "amd-vm", "arm-big-little", "container-cgroup-1"):
        assert _SECRETS.search((MACHINES / kind / "tree.txt").read_text())


def test_an_empty_tree_is_unknown_and_no_error(tmp_path: Path) -> None:
    description = describe("box", root=tmp_path, devices=engine, process=process("x86"))
    known = {
        name
        for name, value in {**dict(description.fingerprint), **dict(description.configuration)}.items()
        if value not in (None, ())
    }
    assert known == {
        *("architecture", "devices", "container", "drivers", "usable_cores", "timer_resolution_ns"),
        *("environment", "python", "numpy", "openvino", "fleetmark"),
    }


def test_a_reason_names_the_file_without_the_root(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    with pytest.raises(UnreadableError, match=r"^/proc/cpuinfo: No such file or directory$"):
        tree.text("proc/cpuinfo")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UnreadableError, match=r"^/empty is empty$"):
        tree.text("empty")
    (tmp_path / "word").write_text("many\n")
    with pytest.raises(UnreadableError, match=r"^/word holds no whole number$"):
        tree.number("word")


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-2,7", (0, 1, 2, 7)), ("5", (5,)), ("", ()), ("(null)\n", ()), ("0-1, 4-5\n", (0, 1, 4, 5))],
)
def test_lists_of_processors(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus


class TestUsableCores:
    def test_the_lesser_of_affinity_and_limit(self, tmp_path: Path) -> None:
        root = unfold("container-cgroup-2", tmp_path)
        for affinity, usable in ((4, 2.5), (2, 2)):
            description = describe(
                "box", root=root, devices=engine, process=process("x86", affinity=affinity)
            )
            assert description.configuration.usable_cores == usable

    def test_a_limit_further_up_counts(self, tmp_path: Path) -> None:
        """The pod allows 1.5 cores, its container would allow 4."""
        assert recorded("container-cgroup-1", tmp_path).configuration.cpu_limit_cores == 1.5

    def test_a_container_that_is_told_of_a_path_outside(self, tmp_path: Path) -> None:
        root = unfold("container-cgroup-2", tmp_path)
        (root / "proc/self/cgroup").write_text("0::/../../system.slice/docker.service\n")
        description = describe("box", root=root, devices=engine, process=process("x86"))
        assert description.configuration.cpu_limit_cores == 2.5


class TestEnvironment:
    def test_only_what_steers_the_engine_is_read(self, tmp_path: Path) -> None:
        environment = {
            "OMP_NUM_THREADS": "4",
            "KMP_AFFINITY": "granularity=fine,compact",
            "OV_CACHE_DIR": "/home/alice/cache",
            "OPENBLAS_NUM_THREADS": "1",
            "HOME": "/home/alice",
            "AWS_SECRET_ACCESS_KEY": "SECRET",
        }
        assert recorded("amd-vm", tmp_path, environment=environment).configuration.environment == {
            "KMP_AFFINITY": "granularity=fine,compact",
            "OMP_NUM_THREADS": "4",
            "OPENBLAS_NUM_THREADS": "1",
            "OV_CACHE_DIR": "(set; its value is not shown)",
        }


@pytest.mark.parametrize(
    ("files", "environment", "container"),
    [
        ({}, {}, "none"),
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"proc/self/cgroup": "3:cpu:/docker/0123\n"}, {}, "docker"),
        ({"proc/self/cgroup": "0::/system.slice/docker-0123.scope\n"}, {}, "docker"),
        ({"proc/self/cgroup": "0::/system.slice/docker.service\n"}, {}, "none"),
        ({"proc/self/cgroup": "0::/machine.slice/libpod-0123.scope\n"}, {}, "podman"),
        ({"proc/self/cgroup": "0::/lxc/box\n"}, {}, "other"),
        ({}, {"container": "systemd-nspawn"}, "other"),
    ],
)
def test_kinds_of_container(
    files: dict[str, str], environment: dict[str, str], container: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    description = describe(
        "box", root=tmp_path, devices=engine, process=process("x86", environment=environment)
    )
    assert description.configuration.container == container


@pytest.mark.parametrize(
    ("flags", "files", "hypervisor"),
    [
        ("avx2", {"sys_vendor": "Amazon EC2", "product_name": "c5.metal"}, "none"),
        ("avx2 hypervisor", {"sys_vendor": "Amazon EC2", "product_name": "c7i.large"}, "Amazon EC2"),
        (
            "avx2 hypervisor",
            {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine"},
            "Hyper-V",
        ),
        ("avx2", {"sys_vendor": "Microsoft Corporation", "product_name": "Surface Laptop 5"}, "none"),
        ("avx2 hypervisor", {"sys_vendor": "VMware, Inc.", "product_name": "VMware7,1"}, "VMware"),
        ("avx2 hypervisor", {}, "unnamed"),
        ("avx2", {}, "none"),
    ],
)
def test_names_of_hypervisors(flags: str, files: dict[str, str], hypervisor: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"vendor_id : GenuineIntel\nflags : {flags}\n")
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "sys/class/dmi/id" / name).write_text(text)
    description = describe("box", root=tmp_path, devices=engine, process=process("x86"))
    assert description.fingerprint.hypervisor == hypervisor


class TestKey:
    HARDWARE = Fingerprint(
        architecture="x86_64",
        cpu_model="a CPU",
        devices=(Device(name="CPU", full_name="a CPU", capabilities=("FP32",), uuid_sha256="a" * 64),),
    )

    def changed(self, **changes: Any) -> str:
        return self.HARDWARE.model_copy(update=changes).key

    def test_it_is_the_same_for_the_same_hardware(self) -> None:
        again = Fingerprint.model_validate_json(self.HARDWARE.model_dump_json())
        assert re.fullmatch(r"[0-9a-f]{64}", self.HARDWARE.key)
        assert again.key == self.HARDWARE.key

    def test_other_hardware_has_another(self) -> None:
        keys = {
            self.HARDWARE.key,
            self.changed(memory_gib=16.0),
            self.changed(sockets=2),
            self.changed(smt=False),
            self.changed(devices=()),
            self.changed(devices=(Device(name="CPU", full_name="another"),)),
        }
        assert len(keys) == 6

    def test_a_new_openvino_or_an_equal_device_does_not_change_it(self) -> None:
        device = Device(name="CPU", full_name="a CPU", capabilities=("FP32", "INT4"), uuid_sha256="b" * 64)
        assert self.changed(devices=(device,)) == self.HARDWARE.key

    def test_memory_that_differs_from_boot_to_boot_does_not_change_it(self, tmp_path: Path) -> None:
        before = recorded("hybrid-laptop", tmp_path).fingerprint.key
        meminfo = tmp_path / "proc/meminfo"
        meminfo.write_text(meminfo.read_text().replace("32562020", "32538120"))
        after = describe("box", root=tmp_path, devices=engine, process=process("hybrid-laptop"))
        assert after.fingerprint.key == before


class FakeCore:
    """A machine with a GPU and an NPU, as their plugins would answer."""

    available_devices = ("CPU", "GPU", "NPU")
    answers: ClassVar[dict[tuple[str, str], Any]] = {
        ("CPU", "FULL_DEVICE_NAME"): "a CPU",
        ("GPU", "FULL_DEVICE_NAME"): "a GPU",
        ("GPU", "GPU_DEVICE_TOTAL_MEM_SIZE"): 16 << 30,
        ("GPU", "DEVICE_UUID"): "8680a056010000000002000000000000",
        ("NPU", "NPU_DRIVER_VERSION"): 1688,
        ("NPU", "OPTIMIZATION_CAPABILITIES"): ["FP16", "INT8"],
    }

    def get_property(self, device: str, name: str) -> Any:
        if (device, name) == ("NPU", "DEVICE_UUID"):
            return object()
        if device == "CPU" and name == "DEVICE_UUID":
            raise TypeError("Failed to convert parameter to Python representation!")
        if (device, name) not in self.answers:
            raise RuntimeError("not supported")
        return self.answers[device, name]


def test_what_openvino_says_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ov, "Core", FakeCore)
    answer = devices.list_devices()
    cpu, gpu, npu = (Device.model_validate(device) for device in answer["devices"])
    assert cpu == Device(name="CPU", full_name="a CPU")
    assert gpu.memory_bytes == 16 << 30
    uuid = hashlib.sha256(FakeCore.answers["GPU", "DEVICE_UUID"].encode()).hexdigest()
    assert (gpu.uuid_sha256, npu.uuid_sha256) == (uuid, None)
    assert npu.capabilities == ("FP16", "INT8")
    assert answer["drivers"] == {"NPU": "1688"}


@pytest.mark.engine
def test_this_machine() -> None:
    description = describe("box")
    again = describe("box")
    assert description.fingerprint.key == again.fingerprint.key
    assert description.fingerprint.architecture == platform.machine()
    assert description.configuration.kernel == platform.release()
    assert (description.fingerprint.memory_gib or 0) > 0
    assert "CPU" in [device.name for device in description.fingerprint.devices]
    assert description.configuration.usable_cores > 0
    facts = {**dict(description.fingerprint), **dict(description.configuration)}
    assert {name for name, value in facts.items() if value is None} - _NO_LIMIT <= description.unknown.keys()
    text = description.to_bytes().decode()
    words = set(re.findall(r"[\w.-]+", text))
    assert socket.gethostname() not in words - {"localhost"}
    user = getpass.getuser()
    assert user == "root" or user not in words
