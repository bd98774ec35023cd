"""Campaigns with releases of OpenVINO and runs that are told, small enough to know what comes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from integrator.columns import COLUMNS
from integrator.merge import to_csv
from integrator.setting import Setting
from integrator.site.source import RUN_COLUMNS, CampaignFacts, CampaignResults
from protocol.job import Hint, Scenario
from tests.unit.test_site_differences import machine

HOSTILE = "=cmd|' /C calc'!A0 </script><b>\u202e"
BASE = Setting("resnet", "FP32", "CPU", Scenario.SYNC, Hint.LATENCY, 1)


def campaign(name: str, number: int, tests: list[dict[str, Any]], **machines: Any) -> CampaignResults:
    """A campaign of rows that have their runs in `runs`: throughputs, with latencies as 1000 ÷ these."""
    table = pd.DataFrame(None, index=range(len(tests)), columns=list(COLUMNS), dtype=object)
    runs = []
    for place, test in enumerate(tests):
        setting: Setting = test["setting"]
        values = {
            "campaign": name,
            "model": setting.model,
            "precision": setting.precision,
            "device": setting.device,
            "scenario": setting.scenario.value,
            "hint": setting.hint.value,
            "batch": setting.batch,
            "timed_region": "inference",
            "openvino": setting.openvino,
            "test_id": setting.test_id(),
            "status": "ok",
            "verdict": "valid",
            **{key: value for key, value in test.items() if key not in {"setting", "runs"}},
        }
        good = test["runs"] if values["status"] == "ok" else []
        if good:
            values |= {"throughput_fps": float(np.median(good)), "latency_ms": 1000 / float(np.median(good))}
        else:
            values["verdict"] = None
        for key, value in values.items():
            table.loc[place, key] = value
        for run, rate in enumerate(good):
            runs.append((values["machine"], values["test_id"], run, "ok", 1000 / rate, rate))
    return CampaignResults(
        facts=CampaignFacts(
            id=name, title=f"Campaign {name}", created_at=datetime(2026, number, 1, tzinfo=UTC), complete=True
        ),
        table=table,
        runs=pd.DataFrame(runs, columns=list(RUN_COLUMNS)),
        machines=machines,
        csv=to_csv(table).encode(),
    )


def releases() -> list[CampaignResults]:
    """Two machines by two releases, and an older campaign of one of them that left the release open."""
    random = np.random.default_rng(3)

    def runs(rate: float) -> list[float]:
        return [float(value) for value in rate * np.exp(random.normal(0, 0.002, 6))]

    settings = [replace(BASE, batch=batch, model=model) for model in ("resnet", HOSTILE) for batch in (1, 2)]
    now = [
        {
            "machine": name,
            "setting": replace(setting, openvino=release),
            "runs": runs(rate * setting.batch * (1.2 if release == "2026.1" else 1.0)),
            "openvino_version": f"{release}.0-123-abc",
            "effective_precision": "f32" if name == "alpha" else "bf16",
            "streams": 1 if name == "alpha" else 2,
        }
        for name, rate in (("alpha", 100.0), ("beta", 300.0))
        for setting in settings
        for release in ("2025.4", "2026.1")
    ]
    before = [
        {"machine": "alpha", "setting": setting, "runs": runs(50.0), "openvino_version": "2024.6.0-1"}
        for setting in settings
    ]
    before[1] |= {"verdict": "noisy"}
    before[2] |= {"status": "out_of_memory", "reason": "cannot allocate 6,442,450,944 bytes"}
    before.append({"machine": "gamma", "setting": BASE, "runs": runs(75.0), "openvino_version": "2024.6.0-1"})
    return [
        campaign(
            "now", 6, now, alpha=machine(cpu_model="N100", kernel="6.1"), beta=machine(cpu_model=HOSTILE)
        ),
        campaign("before", 2, before, alpha=machine(cpu_model="N100", kernel="5.10")),
    ]
