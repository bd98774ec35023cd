"""A campaign that never was: three machines, five models, and every way in which a test can end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from integrator.site.build import build_site
from integrator.site.source import RUN_COLUMNS, CampaignFacts, CampaignResults, Offer
from protocol.machine import Configuration, Device, Fingerprint, MachineDescription

CSV_COLUMNS = [
    "campaign",
    "machine",
    "model",
    "precision",
    "device",
    "scenario",
    "hint",
    "batch",
    "streams",
    "threads",
    "requests",
    "status",
    "reason",
    "verdict",
    "verdict_reasons",
    "runs",
    "iterations",
    "latency_ms",
    "latency_p90_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_min_ms",
    "latency_max_ms",
    "single_pass_ms",
    "fps",
    "throughput_fps",
    "compile_ms",
    "first_inference_ms",
    "effective_precision",
    "execution_devices",
    "openvino_version",
    "model_sha256",
    "started_at",
    "test_id",
    "latency_low_ms",
    "latency_high_ms",
    "throughput_low_fps",
    "throughput_high_fps",
    "energy_mj_per_inference",
    "settings",
    "timed_region",
    "stopped",
    "harness_percent",
    "latency_p95_high_ms",
    "latency_p99_high_ms",
]

FAILURES = {
    "failed": "Exception from src/inference/src/cpp/core.cpp:110: Check 'is_dynamic()' failed\n"
    + "Caused by: unsupported operation ScatterNDUpdate with dynamic rank in layer /head/post/Scatter_3.\n"
    * 6,
    "timeout": "ended after 300 s, as limits.run_timeout_s says",
    "crashed": "signal 11 (SIGSEGV) during compilation",
    "out_of_memory": "cannot allocate 6,442,450,944 bytes: the limit is 4,096 MiB",
    "unsupported": "device NPU is not on this machine; it has CPU, GPU.0",
    "not_run": "the agent has not come to this test",
}
_MACHINES = {"nuc-13": 1.0, "xeon-8480": 0.21, "edge-n100": 4.3}
_MODELS = {
    "resnet50": ("FP32", 14.2),
    "yolov8n": ("FP16", 21.7),
    "bert-base-uncased": ("INT8", 38.4),
    "mobilenet-v3-large": ("FP32", 2.31),
    "whisper-tiny-encoder": ("FP16", 97.0),
}


def row(**values: object) -> dict[str, object]:
    """A test that went well; `values` replace its cells."""
    return {
        **dict.fromkeys(CSV_COLUMNS, math.nan),
        "campaign": "weekend",
        "machine": "nuc-13",
        "model": "resnet50",
        "precision": "FP32",
        "device": "CPU",
        "scenario": "sync",
        "hint": "latency",
        "batch": 1,
        "streams": 1,
        "threads": 8,
        "requests": 1,
        "status": "ok",
        "verdict": "valid",
        "runs": 5,
        "iterations": 1480,
        "latency_ms": 14.2345678,
        "latency_p90_ms": 15.1,
        "latency_p99_ms": "needs 512 more",
        "single_pass_ms": 14.4,
        "fps": 70.2519,
        "throughput_fps": 69.4444,
        "compile_ms": 412.7,
        "first_inference_ms": 19.9,
        "effective_precision": "f32",
        "execution_devices": "CPU",
        "openvino_version": "2025.3.0",
        "model_sha256": "0" * 64,
        "started_at": "2026-09-05T08:00:00+00:00",
        "test_id": "t1",
        **values,
    }


def failure(status: str, reason: str, **values: object) -> dict[str, object]:
    """A test that did not go well and has no numbers."""
    numbers = [name for name in CSV_COLUMNS if name.endswith(("_ms", "fps"))]
    empty = dict.fromkeys([*numbers, "streams", "threads", "requests", "iterations"], math.nan)
    return row(**{**empty, "status": status, "reason": reason, "verdict": math.nan, "runs": 0, **values})


def table(*rows: dict[str, object]) -> pd.DataFrame:
    """A table of these rows, with all columns even where there is no row."""
    return pd.DataFrame(list(rows), columns=CSV_COLUMNS)


def campaign(*, complete: bool = True, title: str = "Weekend comparison") -> CampaignFacts:
    return CampaignFacts(
        id="weekend", title=title, created_at=datetime(2026, 9, 5, 8, 0, tzinfo=UTC), complete=complete
    )


def description(name: str, **fingerprint: object) -> MachineDescription:
    facts = {
        "architecture": "x86_64",
        "cpu_vendor": "GenuineIntel",
        "cpu_model": "13th Gen Intel(R) Core(TM) i7-1360P",
        "sockets": 1,
        "physical_cores": 12,
        "logical_cores": 16,
        "isa": ("avx2", "avx_vnni"),
        "memory_gib": 31.07,
        "devices": (
            Device(
                name="CPU", full_name="13th Gen Intel(R) Core(TM) i7-1360P", capabilities=("FP32", "INT8")
            ),
            Device(name="GPU.0", full_name="Intel(R) Iris(R) Xe Graphics (iGPU)", capabilities=("FP16",)),
        ),
        **fingerprint,
    }
    return MachineDescription(
        machine=name,
        collected_at=datetime(2026, 9, 5, 7, 59, tzinfo=UTC),
        fingerprint=Fingerprint.model_validate(facts),
        configuration=Configuration(
            os="Debian GNU/Linux 12 (bookworm)",
            kernel="6.1.0-28-amd64",
            usable_cores=16,
            python="3.11.2",
            openvino="2025.3.0-19807-44526285f24",
            fleetmark="0.1.0",
        ),
        unknown={"governor": "/sys/devices/system/cpu/cpu0/cpufreq is not there (a container without it)"},
    )


def sample_rows() -> list[dict[str, object]]:
    """30 tests: each model sync and async on each machine, six of them not ok."""
    rows: list[dict[str, object]] = []
    failing = {
        3: "failed",
        8: "crashed",
        13: "timeout",
        24: "out_of_memory",
        27: "unsupported",
        29: "not_run",
    }
    for machine, factor in _MACHINES.items():
        for model, (precision, base) in _MODELS.items():
            for scenario in ("sync", "async"):
                number = len(rows)
                setting: dict[str, object] = {
                    "machine": machine,
                    "model": model,
                    "precision": precision,
                    "scenario": scenario,
                }
                setting |= {"test_id": f"{model}-{scenario}".lower()}
                if status := failing.get(number):
                    rows.append(failure(status, FAILURES[status], **setting))
                    continue
                if scenario == "async":
                    setting |= {"hint": "throughput", "streams": 4, "requests": 4}
                rows.append(row(**setting, **_numbers(base * factor, scenario, number)))
    return rows


def _numbers(latency: float, scenario: str, number: int) -> dict[str, object]:
    requests = 4 if scenario == "async" else 1
    rate = 1000 / latency * (2.6 if requests > 1 else 1)
    iterations = int(rate * 25)
    verdict = {5: "noisy", 16: "noisy", 22: "invalid"}.get(number, "valid")
    reasons = {
        "noisy": "drift other_load",
        "invalid": "throttled",
    }
    return {
        "verdict": verdict,
        "verdict_reasons": reasons.get(verdict, math.nan),
        "latency_ms": latency * (1.5 if requests > 1 else 1),
        "latency_p90_ms": latency * 1.08,
        "latency_p99_ms": latency * 1.31 if iterations > 662 else f"needs {662 - iterations} more",
        "latency_p99_high_ms": latency * 1.42 if iterations > 662 else f"needs {662 - iterations} more",
        "single_pass_ms": 1000 / rate,
        "fps": rate,
        "throughput_fps": rate * 0.99,
        "latency_low_ms": latency * (1.48 if requests > 1 else 0.99),
        "latency_high_ms": latency * (1.53 if requests > 1 else 1.01),
        "throughput_low_fps": rate * 0.98,
        "throughput_high_fps": rate,
        "energy_mj_per_inference": latency * 35 if requests > 1 else math.nan,
        "settings": "inference_precision=bf16" if number == 6 else math.nan,
        "timed_region": "with_input_copy" if number == 7 else "inference",
        "stopped": "5 precise, 1 time" if number == 5 else "precise",
        "harness_percent": 100 * 0.02 / latency,
        "iterations": iterations,
        "compile_ms": latency * 30,
        "first_inference_ms": latency * 1.9,
        "effective_precision": "bf16" if latency < 5 else "f32",
    }


def sample_machines() -> dict[str, MachineDescription]:
    """Two machines have described themselves, the third has not."""
    xeon = description(
        "xeon-8480",
        cpu_model="Intel(R) Xeon(R) Platinum 8480+",
        sockets=2,
        physical_cores=112,
        logical_cores=224,
        isa=("avx2", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"),
        memory_gib=503.5,
        devices=(Device(name="CPU", full_name="Intel(R) Xeon(R) Platinum 8480+"),),
    )
    return {"nuc-13": description("nuc-13"), "xeon-8480": xeon}


def results(*rows: dict[str, object], **settings: object) -> CampaignResults:
    """A campaign of these rows; the runs of a row that is ok lie within 1 % of its numbers."""
    frame = table(*rows)
    given: dict[str, object] = {
        "facts": campaign(),
        "table": frame,
        "runs": _runs(rows),
        "csv": frame.to_csv(index=False).encode("utf-8", "replace"),
    }
    return CampaignResults(**(given | settings))  # type: ignore[arg-type]


def _runs(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    found = []
    for values in rows:
        ok = values["status"] == "ok" and isinstance(values["latency_ms"], float)
        for run in range(int(values["runs"]) if ok else 1):  # type: ignore[call-overload]
            factor = 1 + 0.01 * math.sin(run)
            found.append(
                {
                    "machine": values["machine"],
                    "test_id": values["test_id"],
                    "run": run,
                    "status": values["status"],
                    "latency_ms": float(values["latency_ms"]) * factor if ok else math.nan,  # type: ignore[arg-type]
                    "throughput_fps": float(values["throughput_fps"]) / factor if ok else math.nan,  # type: ignore[arg-type]
                }
            )
    return pd.DataFrame(found, columns=list(RUN_COLUMNS))


def sample_results(folder: Path) -> CampaignResults:
    """The sample campaign, with raw files for every test that ran."""
    rows = sample_rows()
    raw = folder / "raw"
    names: dict[str, list[str]] = {}
    for values in rows:
        for run in range(2 if values["status"] == "ok" else 0):
            file = raw / str(values["machine"]) / f"{values['test_id']}.{run}.json.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"raw")
            names.setdefault(file.parent.name, []).append(file.name)
    return results(
        *rows,
        facts=campaign(complete=False),
        machines=sample_machines(),
        tasks={
            "resnet50": "image classification",
            "mobilenet-v3-large": "image classification",
            "yolov8n": "object detection",
            "bert-base-uncased": "language encoding",
        },
        offers={
            "nuc-13": Offer(price=620, currency="EUR", priced_on=date(2026, 9, 1), watts=28),
            "xeon-8480": Offer(price=21400, currency="EUR", priced_on=date(2026, 9, 1), watts=700),
        },
        raw=raw,
        raw_names=names,
    )


def build_sample(folder: Path) -> Path:
    """The site of the sample campaign."""
    return build_site(folder / "site", [sample_results(folder)])
