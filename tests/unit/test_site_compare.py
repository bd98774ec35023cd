"""What two slices share, and the matrix of machines, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest

from integrator.setting import Setting
from integrator.site.compare.configurations import configuration_ids, in_common
from integrator.site.compare.matrix import speed_ups
from integrator.site.frame import tidy
from integrator.statistics.compare import mean_by_group, student
from protocol.job import Hint, Scenario
from tests.unit.test_site_differences import machine

SETTING = Setting("net", "FP32", "CPU", Scenario.SYNC, Hint.LATENCY, 1)


def row(name: str, setting: Setting = SETTING, fps: float = 100.0, **values: object) -> dict[str, object]:
    return {
        "machine": name,
        "model": setting.model,
        "precision": setting.precision,
        "device": setting.device,
        "scenario": setting.scenario.value,
        "hint": setting.hint.value,
        "batch": setting.batch,
        "timed_region": setting.timed_region,
        "openvino": setting.openvino,
        "test_id": setting.test_id(),
        "status": "ok",
        "verdict": "valid",
        "throughput_fps": fps,
        **values,
    }


def frame(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    return tidy(pd.DataFrame(list(rows)))


class TestConfigurations:
    def test_between_releases_it_is_the_setting_with_the_release_left_open(self) -> None:
        rich = replace(
            SETTING,
            streams=4,
            hint=Hint.CUMULATIVE_THROUGHPUT,
            inference_precision="bf16",
            hint_requests=8,
            properties=(("A_KEY", "YES"),),
        )
        rows = []
        for release in ("2024.6", "2026.4.1"):
            rows.append(row("box", replace(SETTING, openvino=release)))
            text = "inference_precision=bf16 hint_requests=8 A_KEY=YES"
            rows.append(row("box", replace(rich, openvino=release), settings=text))
        ids = configuration_ids([frame(rows)])
        assert list(ids.values()) == [SETTING.test_id(), rich.test_id()] * 2
        assert list(ids) == [values["test_id"] for values in rows]

    def test_what_the_row_does_not_hold_is_told_by_the_readable_id(self) -> None:
        fed = replace(SETTING, preprocess='{"a":1}')
        text = "preprocess=image"
        rows = [row("box", replace(fed, openvino=release), settings=text) for release in ("2025.1", "2026.1")]
        ids = configuration_ids([frame(rows)])
        assert len(ids) == 2
        assert len(set(ids.values())) == 1
        # Two kinds of preprocessing read alike: which is which cannot be told.
        other = replace(SETTING, preprocess='{"a":2}', openvino="2025.1")
        assert configuration_ids([frame([*rows, row("box", other, settings=text)])]) == {}

    def test_shared_counted_and_alone(self) -> None:
        batches = [replace(SETTING, batch=batch) for batch in (1, 2, 4, 8)]
        first = frame(
            [
                row("a", batches[0], streams=1, effective_precision="f32"),
                row("a", batches[1], verdict="noisy"),
                row("a", batches[2]),
                row("a", replace(SETTING, openvino="2026.1", batch=16)),
            ]
        )
        second = frame(
            [
                row("b", batches[1]),
                row("b", batches[0], streams=2, effective_precision="bf16"),
                row("b", batches[2], status="out_of_memory", verdict=None),
                row("b", batches[3]),
                row("b", replace(SETTING, openvino="2025.1", batch=16)),
            ]
        )
        ids = configuration_ids([first, second])
        shared = in_common(first, second, ids, exact=False)
        assert list(shared.rows["batch_first"]) == [1, 2, 4, 16]
        assert list(shared.rows["counted"]) == [True, False, False, True]
        assert list(shared.rows["differs"]) == ["streams, effective precision", "", "", ""]
        assert shared.why_not() == {"noisy on A": 1, "out of memory on B": 1}
        assert shared.counted == 2
        assert shared.only_first.empty
        assert list(shared.only_second["batch"]) == [8]
        exact = in_common(first, second, ids, exact=True)
        assert len(exact.rows) == 3
        assert len(exact.only_first) == 1

    def test_nothing_at_all(self) -> None:
        empty = frame([])
        shared = in_common(empty, empty, configuration_ids([empty]), exact=False)
        assert shared.counted == 0
        assert shared.why_not() == {}


class TestMatrix:
    def test_by_hand(self) -> None:
        other = replace(SETTING, model="other")
        settings = [SETTING, replace(SETTING, batch=2), other, replace(other, batch=2)]
        rows = [row("a", setting) for setting in settings]
        rows += [row("b", setting, fps) for setting, fps in zip(settings, (200, 800, 1600, 50), strict=True)]
        rows[-1]["verdict"] = "noisy"
        rows.append(row("c", settings[0], status="failed"))
        found = speed_ups(frame(rows), ["a", "b", "c"], {"a": machine(), "b": machine(kernel="6.1")})
        pair = found.pairs["b", "a"]
        assert pair.ratio == pytest.approx(8.0)  # of 4 (2 and 8) and 16
        half = student(1) * log(2)
        assert pair.interval == pytest.approx((8 * exp(-half), 8 * exp(half)))
        assert (pair.known, pair.of, pair.models) == (3, 4, 2)
        assert pair.outcome == "inconclusive"
        assert pair.hatched == "fewer than 5 configurations"  # the kernel of "a" is unknown, not another
        back = found.pairs["a", "b"]
        assert back.ratio == pytest.approx(1 / 8)
        assert back.interval == pytest.approx((exp(-half) / 8, exp(half) / 8))
        assert [d.first for d in back.differs] == ["6.1"]
        none = found.pairs["c", "a"]
        assert (none.ratio, none.interval, none.known, none.of) == (None, None, 0, 1)
        assert ("a", "a") not in found.pairs

    def test_a_difference_in_software_is_said(self) -> None:
        both = {"a": machine(cpu_model="x", microcode="1"), "b": machine(cpu_model="y", microcode="2")}
        rows = [row(name, replace(SETTING, batch=batch)) for name in "ab" for batch in range(1, 7)]
        assert speed_ups(frame(rows), ["a", "b"], both).pairs["a", "b"].hatched == ""
        both["b"] = machine(cpu_model="x", microcode="2", kernel=None, openvino="2026.1")
        pair = speed_ups(frame(rows), ["a", "b"], both).pairs["a", "b"]
        assert pair.hatched == "the machines differ in microcode, OpenVINO"

    def test_agrees_with_the_mean_that_a_comparison_takes(self) -> None:
        random = np.random.default_rng(7)
        rows = []
        for number in range(40):
            setting = replace(SETTING, model=f"m{number % 7 % 4}", batch=number + 1)
            for name in "ab":
                verdict = "noisy" if random.random() < 0.2 else "valid"
                rows.append(row(name, setting, float(np.exp(random.normal())), verdict=verdict))
        whole = frame(rows)
        pair = speed_ups(whole, ["a", "b"], {}).pairs["b", "a"]
        sides = [whole[whole["machine"] == name] for name in "ab"]
        shared = in_common(sides[0], sides[1], {}, exact=False)
        good = shared.rows[shared.rows["counted"]]
        ratios = good["throughput_fps_second"] / good["throughput_fps_first"]
        mean = mean_by_group(ratios.tolist(), good["model_first"].tolist())
        assert pair.ratio == pytest.approx(mean.ratio)
        assert pair.interval == pytest.approx(mean.interval)
        assert pair.known == mean.known
        assert pair.of == len(shared.rows) == 40

    def test_no_machine_and_no_row(self) -> None:
        assert speed_ups(frame([]), [], {}).pairs == {}
        pair = speed_ups(frame([]), ["a", "b"], {}).pairs["a", "b"]
        assert (pair.ratio, pair.of) == (None, 0)
