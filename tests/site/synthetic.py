"""A lab that never was, as large as wanted: seeded, so that it is the same each time.

Machines differ in speed, noise and what they are good at; models in size; streams, batch and precision move
latency and throughput as they do. Some tests fail, some are noisy or invalid.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.columns import COLUMNS
from integrator.merge import to_csv
from integrator.site.source import RUN_COLUMNS, CampaignFacts, CampaignResults, Offer
from protocol.machine import Configuration, Device, Fingerprint, MachineDescription

RUNS = 6
Cpu = tuple[str, str, int, float, int, int]
"""Name, CPU, cores, time per frame as a multiple, price, watts."""
Values = npt.NDArray[np.object_]
_TASKS = (
    ("image classification", ("resnet50", "mobilenet-v3", "efficientnet-b0", "densenet121", "swin-tiny")),
    ("object detection", ("yolov8n", "yolov8s", "ssd-mobilenet", "rt-detr", "faster-rcnn")),
    ("segmentation", ("deeplabv3", "unet-tiny", "segformer-b0", "sam-encoder")),
    ("language encoding", ("bert-base", "minilm-l6", "distilbert", "e5-small")),
    ("speech", ("whisper-tiny", "wav2vec2", "conformer-s")),
)  # fmt: skip
_CPUS = (
    ("edge-n100", "Intel(R) N100", 4, 4.6, 190, 6),
    ("nuc-13", "13th Gen Intel(R) Core(TM) i7-1360P", 12, 1.0, 620, 28),
    ("xeon-8480", "Intel(R) Xeon(R) Platinum 8480+", 112, 0.23, 21400, 700),
    ("core-ultra-7", "Intel(R) Core(TM) Ultra 7 155H", 16, 0.82, 990, 45),
    ("ryzen-7840", "AMD Ryzen 7 7840HS", 8, 0.95, 740, 54),
    ("arm-altra", "Ampere Altra Max", 128, 0.41, 9800, 250),
    ("atom-x7425", "Intel Atom(R) x7425E", 4, 5.1, 230, 12),
)
_FAILURES = (
    ("unsupported", "device GPU is not on this machine; it has CPU"),
    ("failed", "Exception from src/core.cpp:110: dynamic rank\nCaused by: ScatterNDUpdate"),
    ("timeout", "ended after 300 s, as limits.run_timeout_s says"),
    ("crashed", "signal 11 (SIGSEGV) during compilation"),
    ("out_of_memory", "cannot allocate 6,442,450,944 bytes: the limit is 4,096 MiB"),
    ("not_run", "the machine's deadline (48 h) passed before this test was run"),
)  # fmt: skip


def lab(
    *, machines: int = 25, models: int = 50, rows: int = 10_000, campaign: int = 0, seed: int = 1
) -> CampaignResults:
    """One campaign of that lab with about `rows` tests; the `campaign`s 0, 1, … are a month apart.

    From one to the next a tenth of the machines get a new kernel, and one of them becomes 8 % faster.
    """
    random = np.random.default_rng(seed)
    names = _machine_names(machines)
    zoo = _model_names(models)
    settings = _settings(max(1, rows // (machines * models)))
    power = random.lognormal(0, 0.12, (machines, models))  # what each is good at
    size = 2.0 * np.geomspace(0.5, 60, models) * random.lognormal(0, 0.3, models)
    noise = random.lognormal(np.log(0.004), 0.5, machines)
    of = pd.MultiIndex.from_product([range(machines), range(models), range(len(settings))]).to_frame(
        index=False
    )
    m, k, s = (of[column].to_numpy() for column in range(3))
    count = len(of)
    now = np.random.default_rng([seed, campaign])
    speed = np.array([cpu[3] for _, cpu in names])
    cores = np.array([cpu[2] for _, cpu in names])
    setting = settings.iloc[s].reset_index(drop=True)
    batch = setting["batch"].to_numpy(float)
    is_async = (setting["scenario"] == "async").to_numpy()
    streams = np.where(is_async, np.minimum(setting["streams"].to_numpy(float), cores[m]), 1)
    precision = setting["precision"].map({"FP32": 1.0, "FP16": 0.86, "INT8": 0.42}).to_numpy(float)
    faster = np.where((m == 1) & (campaign > 0), 0.92, 1.0)
    one = size[k] * speed[m] * power[m, k] * precision * faster  # ms of one frame alone
    latency = one * batch**0.93 * streams**0.55
    rate = 1000 * batch * streams / latency * np.where(is_async, 1.05, 1.0)
    spread = noise[m, None]
    drawn = latency[:, None] * np.exp(now.normal(0, 1, (count, RUNS)) * spread)
    rates = rate[:, None] * np.exp(now.normal(0, 1, (count, RUNS)) * spread)
    status, reason = _outcomes(np.random.default_rng([seed, 99]), count)
    ok = status == "ok"
    draw = now.random(count)
    verdict = np.select([draw < 0.04, draw < 0.05], ["noisy", "invalid"], "valid")
    sorted_ms, sorted_fps = np.sort(drawn, axis=1), np.sort(rates, axis=1)
    iterations = np.maximum(10, rate / batch * 5 * RUNS).astype(int)
    median, throughput = np.median(drawn, axis=1), np.median(rates, axis=1)

    def shown(values: object) -> Values:
        return _either(ok, values, None)

    label = setting.apply(_test_label, axis=1).to_numpy()
    test_id = [f"{zoo[model][1]}-{text}" for model, text in zip(k, label, strict=True)]
    need = np.array([f"needs {662 - n} more" for n in np.minimum(iterations, 661)], dtype=object)
    table = pd.DataFrame(dict.fromkeys(COLUMNS), index=range(count), dtype=object)
    columns: dict[str, Any] = {
        "campaign": f"lab-2026-{campaign + 6:02d}",
        "machine": [names[n][0] for n in m],
        "model": [zoo[n][1] for n in k],
        **{key: setting[key].to_numpy() for key in ("precision", "device", "scenario", "hint", "batch")},
        "streams": shown(streams.astype(int)),
        "threads": shown(cores[m]),
        "requests": shown(streams.astype(int)),
        "status": status,
        "reason": reason,
        "verdict": shown(verdict),
        "verdict_reasons": shown(
            _either(verdict == "noisy", "runs_differ", _either(verdict == "invalid", "throttled", None))
        ),
        "runs": np.where(ok, RUNS, 0),
        "iterations": np.where(ok, iterations, 0),
        "latency_ms": shown(median),
        "latency_p90_ms": shown(median * 1.07),
        "latency_p95_ms": shown(median * 1.12),
        "latency_p99_ms": shown(_either(iterations >= 662, median * 1.3, need)),
        "latency_min_ms": shown(sorted_ms[:, 0] * 0.97),
        "latency_max_ms": shown(sorted_ms[:, -1] * 2),
        "single_pass_ms": shown(1000 * batch / throughput),
        "fps": shown(np.where(is_async, throughput, 1000 * batch / median)),
        "throughput_fps": shown(throughput),
        "compile_ms": shown(median * 30),
        "first_inference_ms": shown(median * 1.9),
        "effective_precision": shown(np.where(setting["precision"] == "INT8", "i8", "f32")),
        "execution_devices": shown(setting["device"].to_numpy()),
        "openvino_version": shown("2026.4.1"),
        "model_sha256": [f"{n:064x}" for n in k],
        "started_at": f"2026-{campaign + 6:02d}-05T08:00:00+00:00",
        "test_id": test_id,
        "latency_low_ms": shown(sorted_ms[:, 0]),
        "latency_high_ms": shown(sorted_ms[:, -1]),
        "throughput_low_fps": shown(sorted_fps[:, 0]),
        "throughput_high_fps": shown(sorted_fps[:, -1]),
        "timed_region": "inference",
        "stopped": shown("precise"),
        "harness_percent": shown(0.02 / median * 100),
        "openvino": "auto",
        "latency_p95_high_ms": shown(median * 1.16),
        "latency_p99_high_ms": shown(_either(iterations >= 662, median * 1.42, need)),
    }
    for key, values in columns.items():
        table[key] = values
    runs = pd.DataFrame(
        {
            "machine": np.repeat(table["machine"].to_numpy(), RUNS),
            "test_id": np.repeat(table["test_id"].to_numpy(), RUNS),
            "run": np.tile(np.arange(RUNS), count),
            "status": np.repeat(status, RUNS),
            "latency_ms": np.where(np.repeat(ok, RUNS), drawn.ravel(), np.nan),
            "throughput_fps": np.where(np.repeat(ok, RUNS), rates.ravel(), np.nan),
        },
        columns=list(RUN_COLUMNS),
    )
    facts = CampaignFacts(
        id=f"lab-2026-{campaign + 6:02d}",
        title=f"The whole lab, {('June', 'July', 'August', 'September')[campaign % 4]} 2026",
        created_at=datetime(2026, 6, 5, 8, tzinfo=UTC) + timedelta(days=30 * campaign),
        complete=True,
        runs=(int(ok.sum()) * RUNS, count * RUNS),
    )
    return CampaignResults(
        facts=facts,
        table=table,
        runs=runs,
        machines={name: _describe(name, cpu, campaign, number) for number, (name, cpu) in enumerate(names)},
        tasks={name: task for task, name in zoo},
        offers={
            name: Offer(price=float(cpu[4]), currency="EUR", priced_on=date(2026, 9, 1), watts=float(cpu[5]))
            for number, (name, cpu) in enumerate(names)
            if number % 5 != 4
        },
        csv=to_csv(table).encode(),
    )


def _machine_names(count: int) -> list[tuple[str, Cpu]]:
    return [(_nth([cpu[0] for cpu in _CPUS], n, "-"), _CPUS[n % len(_CPUS)]) for n in range(count)]


def _model_names(count: int) -> list[tuple[str, str]]:
    tasks = [task for task, members in _TASKS for _ in members]
    names = [name for _, members in _TASKS for name in members]
    return [(tasks[n % len(names)], _nth(names, n, "-v")) for n in range(count)]


def _nth(names: Sequence[str], n: int, separator: str) -> str:
    lap = n // len(names)
    return names[n % len(names)] + (f"{separator}{lap + 1}" if lap else "")


def _settings(count: int) -> pd.DataFrame:
    """The first `count` of a full factorial: each begins with a sync and an async test."""
    factors = product((1, 8, 2, 4, 16, 32), ("FP32", "INT8", "FP16"), (1, 4, 2, 8), ("sync", "async"))
    rows = [
        {
            "precision": precision,
            "device": "CPU",
            "scenario": scenario,
            "hint": "latency" if scenario == "sync" else "throughput",
            "batch": batch,
            "streams": streams,
        }
        for batch, precision, streams, scenario in factors
        if scenario == "async" or streams == 1
    ]
    chosen = (rows * (count // len(rows) + 1))[:count]
    return pd.DataFrame([{**row, "lap": n // len(rows)} for n, row in enumerate(chosen)])


def _test_label(setting: pd.Series) -> str:
    lap = f"-lap{setting['lap']}" if setting["lap"] else ""
    shape = f"b{setting['batch']}-s{setting['streams']}"
    return f"{setting['precision'].lower()}-cpu-{setting['scenario']}-{shape}{lap}"


def _either(test: Any, yes: object, no: object) -> Values:
    chosen = np.empty(len(test), dtype=object)
    chosen[:] = no
    chosen[test] = np.broadcast_to(np.asarray(yes, dtype=object), len(test))[test]
    return chosen


def _outcomes(random: np.random.Generator, count: int) -> tuple[Values, Values]:
    status = np.full(count, "ok", dtype=object)
    reason = np.full(count, None, dtype=object)
    for n in np.flatnonzero(random.random(count) < 0.03):
        status[n], reason[n] = _FAILURES[int(random.integers(len(_FAILURES)))]
    return status, reason


def _describe(name: str, cpu: Cpu, campaign: int, number: int) -> MachineDescription:
    return MachineDescription(
        machine=name,
        collected_at=datetime(2026, 6, 5, 7, tzinfo=UTC) + timedelta(days=30 * campaign),
        fingerprint=Fingerprint(
            architecture="aarch64" if "Altra" in cpu[1] else "x86_64",
            cpu_model=cpu[1],
            sockets=1,
            physical_cores=cpu[2],
            logical_cores=cpu[2] * 2 if cpu[2] > 4 else cpu[2],
            isa=("avx2", "avx_vnni"),
            memory_gib=31.07,
            devices=(Device(name="CPU", full_name=cpu[1], capabilities=("FP32", "INT8")),),
        ),
        configuration=Configuration(
            os="Debian GNU/Linux 12 (bookworm)",
            kernel=f"6.1.0-{28 + (campaign if number % 10 == 1 else 0)}-amd64",
            governor="performance" if number % 6 else "powersave",
            usable_cores=cpu[2],
            python="3.11.2",
            openvino="2026.4.1",
            fleetmark="0.1.0",
        ),
        unknown={"turbo": "intel_pstate is not there"},
    )
