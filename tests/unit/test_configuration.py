"""Where each property goes, without a device."""

from __future__ import annotations

from typing import Any

import pytest

from agent.worker.compiled import parse_nested
from agent.worker.configuration import candidates, place, properties_of
from agent.worker.spec import RunSpec

CPU = {"NUM_STREAMS", "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING"}
GPU = {"NUM_STREAMS", "GPU_QUEUE_PRIORITY"}


def spec(**changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "model": "m.xml",
        "inputs": (),
        "device": "CPU",
        "scenario": "async",
        "hint": "none",
        "streams": None,
        "threads": None,
        "requests": None,
        "duration_s": 1.0,
        "min_iterations": 1,
        "max_iterations": 1,
        "warmup_s": 0.0,
        "memory_mb": None,
        "seed": 1,
    }
    return RunSpec(**{**fields, **changes})


def test_nothing_is_set_that_was_not_asked_for() -> None:
    assert properties_of(spec()) == {}


def test_every_setting_by_its_name_in_openvino() -> None:
    asked = {
        "inference_precision": "bf16",
        "execution_mode": "accuracy",
        "pinning": "no",
        "hyper_threading": "yes",
        "core_type": "pcore",
        "hint_requests": "3",
    }
    given = spec(
        hint="latency",
        streams=2,
        threads=4,
        settings=asked,
        properties={"LOG_LEVEL": "LOG_NONE"},
        cache_dir="",
    )
    assert properties_of(given) == {
        "LOG_LEVEL": "LOG_NONE",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "2",
        "INFERENCE_NUM_THREADS": "4",
        "INFERENCE_PRECISION_HINT": "bf16",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "ENABLE_CPU_PINNING": "NO",
        "ENABLE_HYPER_THREADING": "YES",
        "SCHEDULING_CORE_TYPE": "PCORE_ONLY",
        "PERFORMANCE_HINT_NUM_REQUESTS": "3",
        "CACHE_DIR": "",
    }


def test_each_property_of_a_composite_goes_to_who_takes_it() -> None:
    given = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "MODEL_PRIORITY": "HIGH",
        "NUM_STREAMS": "2",
        "INFERENCE_NUM_THREADS": "4",
        "GPU_QUEUE_PRIORITY": "LOW",
    }
    assert place(given, "AUTO", {"MODEL_PRIORITY"}, {"GPU.1": GPU, "CPU": CPU}) == {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "MODEL_PRIORITY": "HIGH",
        "DEVICE_PROPERTIES": "{GPU.1:{NUM_STREAMS:2,GPU_QUEUE_PRIORITY:LOW},"
        "CPU:{NUM_STREAMS:2,INFERENCE_NUM_THREADS:4}}",
    }


def test_a_property_that_nobody_takes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^property NONSENSE: neither MULTI nor a device behind .*GPU, CPU"):
        place({"NONSENSE": "1"}, "MULTI", {"LOG_LEVEL"}, {"GPU": GPU, "CPU": CPU})


@pytest.mark.parametrize(
    ("device", "found"),
    [
        ("CPU", ["CPU"]),
        ("GPU.0", ["GPU"]),
        ("AUTO", ["CPU", "GPU.0", "GPU.1", "NPU"]),
        ("AUTO:-CPU", ["GPU.0", "GPU.1", "NPU"]),
        ("AUTO:-GPU.0,-CPU", ["GPU.1", "NPU"]),
        ("AUTO:-GPU", ["CPU", "NPU"]),
        ("AUTO:GPU.1,GPU,CPU", ["GPU.1", "GPU", "CPU"]),
        ("AUTO:GPU,-CPU", ["GPU"]),
        ("MULTI:NPU,CPU", ["NPU", "CPU"]),
        ("BATCH:GPU.1(8)", ["GPU.1"]),
    ],
)
def test_the_devices_behind(device: str, found: list[str]) -> None:
    assert candidates(device, ["CPU", "GPU.0", "GPU.1", "NPU"]) == found


def test_what_openvino_writes_of_the_devices_behind_is_read() -> None:
    text = "{CPU:{NUM_STREAMS:2,RUNTIME_REQUIREMENTS:meta=1.0;ov=2026,isa=AVX2,LIST:a,b},GPU.1:{NAME:,X:y:z}}"
    assert parse_nested(text) == {
        "CPU": {"NUM_STREAMS": "2", "RUNTIME_REQUIREMENTS": "meta=1.0;ov=2026,isa=AVX2", "LIST": "a,b"},
        "GPU.1": {"NAME": "", "X": "y:z"},
    }
    assert parse_nested("") == {}
