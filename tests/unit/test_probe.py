"""The property probe: what it makes of answers, of devices that this machine lacks, and of broken ones."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.machine.probe import ask, probe_devices
from integrator.machine_report import facts_of, machine_report
from protocol.engine import openvino as ov
from protocol.job import Hint
from protocol.machine import Configuration, Device, Fingerprint, MachineDescription
from protocol.probe import DeviceProbe, HintProbe

GPU_MODEL = {
    "OPTIMAL_NUMBER_OF_INFER_REQUESTS": 4,
    "NUM_STREAMS": 2,
    "PERFORMANCE_HINT_NUM_REQUESTS": 0,
    "GPU_QUEUE_PRIORITY": "Priority.MEDIUM",
    "INFERENCE_PRECISION_HINT": ov.Type.f16,
    "EXECUTION_DEVICES": ["GPU.0"],
}


class FakeCompiled:
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def get_property(self, name: str) -> Any:
        if name == "SUPPORTED_PROPERTIES":
            return dict.fromkeys(self.values, "RO")
        if isinstance(self.values[name], Exception):
            raise self.values[name]
        return self.values[name]


class FakeCore:
    """A core with one device, which answers as `device` and `compiled` say."""

    def __init__(self, device: dict[str, Any], compiled: dict[str, Any] | Exception) -> None:
        self.device = device
        self.compiled = compiled
        self.hints: list[str] = []

    def get_property(self, name: str, key: str) -> Any:
        if key == "SUPPORTED_PROPERTIES":
            return dict.fromkeys(self.device, "RO")
        if key not in self.device:
            raise RuntimeError(f"{name} does not know {key}")
        return self.device[key]

    def compile_model(self, model: object, device: str, config: dict[str, str]) -> FakeCompiled:
        self.hints.append(config["PERFORMANCE_HINT"])
        if isinstance(self.compiled, Exception):
            raise self.compiled
        return FakeCompiled(self.compiled)


def answer(monkeypatch: pytest.MonkeyPatch, core: FakeCore, device: str) -> DeviceProbe:
    monkeypatch.setattr(ov, "Core", lambda: core)
    return DeviceProbe.model_validate(ask(device))


def test_a_gpu_says_its_queue_priority_and_its_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    core = FakeCore({"RANGE_FOR_STREAMS": (1, 2), "RANGE_FOR_ASYNC_INFER_REQUESTS": (1, 4, 1)}, GPU_MODEL)
    said = answer(monkeypatch, core, "GPU.0")
    assert core.hints == ["LATENCY", "THROUGHPUT"]
    assert (said.streams_range, said.requests_range) == ((1, 2), (1, 4, 1))
    first = said.hints[0]
    assert (first.optimal_requests, first.streams, first.threads, first.hint_requests) == (4, 2, None, 0)
    assert (first.queue_priority, first.precision, first.execution_devices) == ("MEDIUM", "f16", ("GPU.0",))


def test_auto_has_the_third_hint_and_the_numbers_of_the_one_device_that_it_chose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nested = {"GPU.0": {"NUM_STREAMS": 2, "GPU_QUEUE_PRIORITY": "Priority.LOW"}}
    core = FakeCore({}, {"EXECUTION_DEVICES": ["GPU.0"], "DEVICE_PROPERTIES": nested})
    said = answer(monkeypatch, core, "AUTO")
    assert core.hints == ["LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT"]
    assert (said.hints[0].streams, said.hints[0].queue_priority) == (2, "LOW")


def test_streams_of_several_devices_are_not_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = {"GPU.0": {"NUM_STREAMS": 2}, "CPU": {"NUM_STREAMS": 4}}
    said = answer(monkeypatch, FakeCore({}, {"DEVICE_PROPERTIES": nested}), "AUTO")
    assert [hint.streams for hint in said.hints] == [None] * 3


def test_a_property_that_cannot_be_read_is_unknown_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = FakeCore({}, {"NUM_STREAMS": RuntimeError("not now"), "INFERENCE_NUM_THREADS": 8})
    hint = answer(monkeypatch, core, "CPU").hints[0]
    assert (hint.streams, hint.threads) == (None, 8)


def test_a_device_that_does_not_compile_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = answer(monkeypatch, FakeCore({}, RuntimeError("no driver " + "x" * 5000)), "NPU")
    assert [hint.reason[:9] for hint in said.hints] == ["no driver"] * 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo broken driver >&2; kill -SEGV $$", "ended with code -11: broken driver"),
        ("echo hello", "cannot be read"),
        ("exec sleep 60", "no answer within 0.5 s"),
    ],
)
def test_a_broken_plugin_leaves_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    said = probe_devices(["CPU"], timeout_s=0.5)
    assert [probe.device for probe in said] == ["CPU", "AUTO"]
    assert all(reason in probe.reason and not probe.hints for probe in said)


def description(*probes: DeviceProbe) -> MachineDescription:
    return MachineDescription(
        machine="box",
        collected_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        fingerprint=Fingerprint(architecture="x86_64", devices=(Device(name="CPU", full_name="A CPU"),)),
        configuration=Configuration(usable_cores=2, python="3.11", openvino="2026.4", fleetmark="0"),
        unknown={"governor": "the kernel shows none"},
        probe=probes,
    )


def printed(machine: MachineDescription, *, properties: bool = False) -> str:
    console = Console(width=80, highlight=False)
    with console.capture() as capture:
        console.print(machine_report(machine, properties=properties))
    return capture.get()


def test_the_report_fits_80_columns_with_every_word_whole() -> None:
    gpu = HintProbe(
        hint=Hint.CUMULATIVE_THROUGHPUT,
        optimal_requests=128,
        streams=64,
        queue_priority="MEDIUM",
        hint_requests=16,
        precision="f16",
        execution_devices=("GPU.0",),
    )
    failed = HintProbe(hint=Hint.LATENCY, reason="[bold]no driver[/bold]")
    text = printed(
        description(
            DeviceProbe(device="GPU.0", hints=(gpu, failed), streams_range=(1, 2), properties={"A": "RW"}),
            DeviceProbe(device="NPU", reason="the process ended with code -11"),
        ),
        properties=True,
    )
    assert max(map(len, text.splitlines())) <= 80
    words = text.split()
    for word in (
        "GPU.0",
        "cumulative",
        "throughput",
        "128",
        "64",
        "MEDIUM",
        "16",
        "f16",
        "requests",
        "priority",
    ):
        assert word in words
    assert "GPU.0 with latency: [bold]no driver[/bold]" in text
    assert "NPU: the process ended with code -11" in text
    assert "GPU.0: streams 1–2; properties: 1, of which 1 can be set" in text
    assert "GPU.0, can be set:" in text


def test_an_unknown_fact_says_why() -> None:
    facts = dict(facts_of(description()))
    assert facts["governor"] == "unknown: the kernel shows none"
    assert facts["devices"] == "CPU: A CPU"
    assert facts["usable cores"] == "2"


def test_a_description_of_an_older_agent_has_no_probe() -> None:
    old = description().model_dump(mode="json", exclude={"probe"})
    assert MachineDescription.model_validate(old).probe == ()
    assert "No device has been asked" in printed(description())
