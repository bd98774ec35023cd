"""What two machines differ in, as a comparison's badge tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrator.site.compare.differences import Difference, badge, differences, known_facts
from integrator.site.machines import fact_labels
from protocol.machine import Configuration, Device, Fingerprint, MachineDescription


def machine(unknown: dict[str, str] | None = None, **facts: Any) -> MachineDescription:
    hardware = {name: value for name, value in facts.items() if name in Fingerprint.model_fields}
    setup = {name: value for name, value in facts.items() if name in Configuration.model_fields}
    return MachineDescription(
        machine="box",
        collected_at=datetime(2026, 1, 1, tzinfo=UTC),
        fingerprint=Fingerprint(**{"architecture": "x86_64", **hardware}),
        configuration=Configuration(
            **{"usable_cores": 2, "python": "3.11", "openvino": "2025.4", "fleetmark": "1", **setup}
        ),
        unknown=unknown or {},
    )


def test_the_same_machine() -> None:
    found = differences(machine(kernel="6.1", turbo=True), machine(kernel="6.1", turbo=True))
    assert found == ()
    assert badge(found) == "same"


def test_each_kind_of_difference_has_the_label_of_the_machine_page() -> None:
    found = differences(
        machine(cpu_model="N100", kernel="6.1", turbo=True, isolated_cpus=()),
        machine(cpu_model="N305", kernel="6.8", turbo=False, isolated_cpus=(0, 1, 2, 6)),
    )
    assert found == (
        Difference("CPU", "N100", "N305", "hardware"),
        Difference("kernel", "6.1", "6.8", "software"),
        Difference("turbo", "on", "off", "setting"),
        Difference("isolated processors", "none", "0-2 6", "setting"),
    )
    assert {difference.label for difference in found[:3]} <= set(fact_labels())
    assert badge(found) == "differs in: CPU, kernel, turbo, isolated processors"


def test_the_unknown_is_not_different() -> None:
    found = differences(
        machine(governor="performance", openvino="2025.4"),
        machine({"governor": "no such file"}, openvino="2026.1"),
    )
    assert found == (
        Difference("OpenVINO", "2025.4", "2026.1", "software"),
        Difference("CPU governor", "performance", None, "setting"),
    )
    assert [difference.certain for difference in found] == [True, False]
    assert badge(found) == "differs in: OpenVINO"
    assert badge(found[1:]) == "same as far as is known"


def test_a_machine_without_a_description_is_unknown_in_everything() -> None:
    found = differences(None, machine())
    assert found
    assert not any(difference.certain for difference in found)
    assert all(difference.first is None for difference in found)
    neither = differences(None, None)
    assert neither == (Difference("description", None, None, "hardware"),)
    assert badge(neither) == "same as far as is known"
    assert len(known_facts(None)) == len(known_facts(machine()))


def test_what_another_release_says_of_the_same_device_is_no_difference() -> None:
    old = Device(name="CPU", full_name="N100", capabilities=("FP32",))
    new = Device(name="CPU", full_name="N100", capabilities=("FP32", "INT8"), uuid_sha256="0" * 64)
    assert differences(machine(devices=(old,)), machine(devices=(new,))) == ()
    gpu = Device(name="GPU.0", full_name="UHD")
    (found,) = differences(machine(devices=(old,)), machine(devices=(old, gpu)))
    assert found == Difference("OpenVINO devices", "CPU: N100", "CPU: N100; GPU.0: UHD", "hardware")
