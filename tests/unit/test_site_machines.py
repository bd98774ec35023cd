"""The facts of a machine, as the site shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrator.site.machines import Fact, fact_labels, machine_facts
from protocol.machine import Cache, Configuration, Fingerprint, MachineDescription


def shown(unknown: dict[str, str] | None = None, **facts: Any) -> dict[str, Fact]:
    hardware = {name: value for name, value in facts.items() if name in Fingerprint.model_fields}
    setup = {name: value for name, value in facts.items() if name in Configuration.model_fields}
    description = MachineDescription(
        machine="box",
        collected_at=datetime(2026, 1, 1, tzinfo=UTC),
        fingerprint=Fingerprint(**{"architecture": "x86_64", **hardware}),
        configuration=Configuration(
            **{"usable_cores": 2.5, "python": "3", "openvino": "4", "fleetmark": "5", **setup}
        ),
        unknown=unknown or {},
    )
    found = machine_facts("box", description).facts
    assert tuple(fact.label for fact in found) == fact_labels()
    return {fact.label: fact for fact in found}


def test_facts_are_lines() -> None:
    facts = shown(
        performance_cores=6,
        efficient_cores=8,
        smt=True,
        caches=(
            Cache(level=1, type="Data", size_bytes=48 << 10, count=6),
            Cache(level=3, type="Unified", size_bytes=24 << 20, count=1),
        ),
        turbo=False,
        bios_version="1.19",
        bios_date="08/31/2023",
        min_frequency_hz=400_000_000,
        max_frequency_hz=4_700_000_000,
        power_limits_w={"package-0 long_term": 45.0},
        mitigations={"meltdown": "Not affected", "tsa": "Vulnerable: no microcode"},
        kernel_parameters=(),
        swap_bytes=0,
        memory_limit_bytes=4 << 30,
        drivers={"i915": "of the kernel"},
    )
    assert {label: facts[label].lines for label in facts if facts[label].lines} == {
        "architecture": ("x86_64",),
        "kinds of cores": ("6 fast, 8 efficient",),
        "hyper-threading": ("on",),
        "caches": ("6 × L1d 48 KiB", "1 × L3 24 MiB"),
        "hypervisor": ("none found",),
        "usable cores": ("2.5",),
        "CPU limit": ("none",),
        "memory limit": ("4 GiB",),
        "kernel parameters": ("none",),
        "BIOS": ("1.19 of 08/31/2023",),
        "frequency limits": ("0.40 to 4.70 GHz",),
        "turbo": ("off",),
        "power limits": ("package-0 long_term: 45.0 W",),
        "unmitigated weaknesses": ("tsa",),
        "swap": ("none",),
        "GPU and NPU drivers": ("i915: of the kernel",),
        "variables": ("none",),
        "OpenVINO": ("4",),
        "Python": ("3",),
        "fleetmark": ("5",),
    }


def test_what_is_unknown_says_why() -> None:
    facts = shown({"turbo": "no file says", "cpu_limit_cores": "no control groups"})
    assert facts["turbo"] == Fact("turbo", unknown="no file says")
    assert facts["CPU limit"] == Fact("CPU limit", unknown="no control groups")
    assert facts["caches"].unknown == "the agent gave no reason"


def test_cores_of_one_kind() -> None:
    assert shown(performance_cores=8, efficient_cores=0)["kinds of cores"].lines == ("all alike",)
