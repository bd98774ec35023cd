"""OpenVINO's own benchmark_app: the same test by other people's code, for a cross-check.

It runs in a process of its own, started so that OpenVINO's model converter, and with it the telemetry that
would look for the internet, is never imported: nothing is sent. Its JSON report is read, not its output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.errors import CampaignError
from protocol.job import AUTO, Input, PlannedTest

__all__ = ["LATENCY_STEP_MS", "Measured", "arguments", "configuration", "measure", "options", "read_report"]

LATENCY_STEP_MS = 0.01
"""benchmark_app writes latencies with two decimals."""

# protocol.engine keeps `import openvino` from finding the converter; -I keeps the current folder out of it.
_START = (
    "import protocol.engine, sys; from openvino.tools.benchmark.main import main; "
    "sys.argv[0] = 'benchmark_app'; sys.exit(main())"
)
_TYPES = {"boolean": "bool"}
_COMBINING = ("AUTO", "MULTI", "HETERO", "BATCH")
_LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of it, or of ours, showed."""

    latency_ms: float | None
    """Median; None where the program does not say (benchmark_app on MULTI)."""
    throughput_fps: float
    """Batch × iterations ÷ wall-clock time."""
    iterations: int


def arguments(test: PlannedTest, model: Path, *, duration_s: int, folder: Path) -> list[str]:
    """Its command line for a test that is measured; its report and `configuration` lie in `folder`."""
    reported = ["-report_type", "no_counters", "-report_folder", str(folder), "-json_stats"]
    return [*options(test, model, duration_s=duration_s, config=folder / "config.json"), *reported]


def options(test: PlannedTest, model: Path, *, duration_s: int, config: Path) -> list[str]:
    """What a test is in its options; the settings that are none are in `configuration`, the file `config`."""
    chosen = [
        *("-m", str(model)),
        *("-d", test.device),
        *("-api", test.scenario.value),
        *("-hint", test.hint.value),
        *("-t", str(duration_s)),
        *_inputs(test.inputs),
    ]
    if test.requests != AUTO:
        chosen += ["-nireq", str(test.requests)]
    if configuration(test):
        chosen += ["-load_config", str(config)]
    return chosen


def configuration(test: PlannedTest) -> dict[str, dict[str, str]]:
    """Streams and threads, by device: as options it refuses them beside a hint, which OpenVINO does not."""
    wanted = {"NUM_STREAMS": test.streams, "INFERENCE_NUM_THREADS": test.threads}
    given = {name: str(count) for name, count in wanted.items() if count != AUTO}
    head = test.device.partition(":")[0]
    return {head if head in _COMBINING else test.device: given} if given else {}


def read_report(report: Mapping[str, Any], *, batch: int) -> Measured:
    """The numbers of a report. Its throughput depends on the batch that it guessed; ours is computed anew.

    Raises:
        KeyError: a number is missing.
        ValueError: a number is none.
    """
    results = report["execution_results"]
    iterations = int(results["total number of iterations"])
    seconds = float(results["total execution time (ms)"]) / 1e3
    if seconds <= 0:
        raise ValueError("its total execution time is zero")
    latency = results.get("latency (ms)")
    return Measured(
        latency_ms=None if latency is None else float(latency),
        throughput_fps=batch * iterations / seconds,
        iterations=iterations,
    )


def measure(test: PlannedTest, model: Path, *, duration_s: int, timeout_s: float) -> Measured:
    """Run a test for `duration_s` seconds.

    Raises:
        CampaignError: it failed, took longer than `timeout_s` seconds, or its report has no numbers.
    """
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as made:
        folder = Path(made)
        (folder / "config.json").write_text(json.dumps(configuration(test)))
        options = arguments(test, model, duration_s=duration_s, folder=folder)
        try:
            done = subprocess.run(  # noqa: S603  # our own interpreter
                [sys.executable, "-I", "-c", _START, *options],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise CampaignError(f"benchmark_app took more than {timeout_s:g} s") from error
        if done.returncode != 0:
            lines = done.stdout.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
            raise CampaignError("\n".join([f"benchmark_app ended with code {done.returncode}:", *lines]))
        try:
            report = json.loads((folder / "benchmark_report.json").read_bytes())
            return read_report(report, batch=test.batch)
        except (OSError, KeyError, ValueError) as error:
            raise CampaignError(f"benchmark_app's report cannot be used: {error!r}") from error


def _inputs(inputs: tuple[Input, ...]) -> list[str]:
    """Shapes, and types: left alone it would make 8-bit images of whatever looks like one."""
    shapes = [f"[{','.join(map(str, entry.shape))}]" for entry in inputs]
    types = [_TYPES.get(entry.element_type, entry.element_type) for entry in inputs]
    if len(inputs) == 1:
        return ["-shape", shapes[0], "-ip", types[0]]
    names = [entry.name for entry in inputs]
    return [
        "-shape",
        ",".join(f"{name}{shape}" for name, shape in zip(names, shapes, strict=True)),
        "-iop",
        ",".join(f"{name}:{kind}" for name, kind in zip(names, types, strict=True)),
    ]
