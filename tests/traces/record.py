"""Records `mobilenet-v2.json.gz`: real runs, each in a fresh process as an agent starts it.

    python tests/traces/record.py [--runs 150]

One thread of inference, so that a machine with more cores has one to spare for what else goes on. How busy
the machine was with anything else during a run is recorded beside its latencies, and no run is left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import struct
import tempfile
from pathlib import Path
from typing import Any

from agent.execute import execute
from agent.stop import Stop
from agent.worker.spec import InputSpec, RunSpec
from integrator.topologies import build
from protocol.engine import openvino as ov

HERE = Path(__file__).parent
_IMAGE = InputSpec("image", (1, 3, 224, 224), "f32", 0.0, 1.0)
_IDLE = (3, 4)
"""Positions of idle and iowait in /proc/stat's first line."""


def main() -> None:
    """Record as many runs as asked for, in turn."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=int, default=150)
    arguments.add_argument("--out", type=Path, default=HERE / "mobilenet-v2.json.gz")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.xml"
        ov.save_model(build("mobilenet-v2"), model, compress_to_fp16=False)
        runs = [_record(model, Path(folder) / str(number)) for number in range(given.runs)]
    trace = {"model": "mobilenet-v2", "scenario": "sync", "threads": 1, "cores": os.cpu_count(), "runs": runs}
    packed = gzip.compress(json.dumps(trace, separators=(",", ":")).encode(), mtime=0)
    given.out.write_bytes(packed)


def _record(model: Path, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    spec = RunSpec(
        model=str(model),
        inputs=(_IMAGE,),
        device="CPU",
        scenario="sync",
        hint="latency",
        streams=None,
        threads=1,
        requests=None,
        duration_s=0.5,
        min_iterations=10,
        max_iterations=1000,
        warmup_s=0.2,
        memory_mb=None,
        seed=1,
    )
    (all_before, busy_before), ours_before = _machine(), _ours()
    ending = execute(spec, folder, timeout_s=60, stop=Stop())
    (all_after, busy_after), ours_after = _machine(), _ours()
    assert ending.report is not None, ending.stderr
    assert ending.report["status"] == "ok", ending.report
    others = (busy_after - busy_before) - (ours_after - ours_before) * os.sysconf("SC_CLK_TCK")
    return {
        "other_load": round(max(others, 0) / (all_after - all_before), 3),
        "latency_us": [nanoseconds // 1000 for (nanoseconds,) in struct.iter_unpack("<Q", ending.latency_ns)],
    }


def _machine() -> tuple[int, int]:
    """Ticks of all cores since boot: all of them, and those that were not idle."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), sum(ticks) - sum(ticks[at] for at in _IDLE)


def _ours() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


if __name__ == "__main__":
    main()
