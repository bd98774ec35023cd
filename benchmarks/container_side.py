"""One side of `container_speed.py`: carries out the runs that it is told of, one for each line of its input.

It needs no more than an agent has, so that the agent's image runs it as it is. A line says which model, how
and for how long; the line that answers says what was measured. It ends with its input.

    python container_side.py FOLDER
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from agent.execute import execute
from agent.stop import Stop
from agent.template import Template
from agent.worker.spec import InputSpec, RunSpec
from protocol.engine import openvino as ov

_TIMEOUT_S = 300.0
_FACTS = (
    "Seccomp",
    "Speculation_Store_Bypass",
    "SpeculationIndirectBranch",
    "NoNewPrivs",
    "Cpus_allowed_list",
)


def facts() -> dict[str, str]:
    """What may tell one side from the other."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "OpenVINO": ov.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
        "C library": " ".join(platform.libc_ver()),
        **{name: status[name].strip() for name in _FACTS if name in status},
    }


def measured(order: dict[str, Any], folder: Path, template: Template, stop: Stop) -> dict[str, Any]:
    """One run, in a process of its own, as an agent's are."""
    spec = RunSpec(
        model=str(folder / order["model"]),
        inputs=tuple(InputSpec(name, tuple(shape), kind, 0, 1) for name, shape, kind in order["inputs"]),
        device="CPU",
        scenario=order["scenario"],
        hint=order["hint"],
        streams=None,
        threads=None,
        requests=None,
        duration_s=order["seconds"],
        min_iterations=1,
        max_iterations=10_000_000,
        warmup_s=min(0.5, order["seconds"] / 4),
        memory_mb=None,
        seed=1,
    )
    with tempfile.TemporaryDirectory() as own:
        ending = execute(spec, Path(own), timeout_s=_TIMEOUT_S, stop=stop, template=template)
    samples = ending.samples
    if samples is None or ending.report is None:
        return {"error": f"{ending.report or ending.stderr or ending}"}
    latencies = np.frombuffer(ending.latency_ns, dtype="<u8")
    conditions = ending.report["conditions"]
    return {
        "per_s": latencies.size / (samples.wall_ns / 1e9),
        "median_us": float(np.median(latencies)) / 1e3,
        "cpu_us": conditions["process_cpu_s"] / latencies.size * 1e6,
        "other_load_cores": conditions["other_load_cores"],
        "settings": ending.report["compiled"],
    }


def main() -> None:
    """Answer line by line."""
    folder = Path(sys.argv[1])
    print(json.dumps(facts()), flush=True)
    with Stop() as stop, Template() as template:
        for line in sys.stdin:
            print(json.dumps(measured(json.loads(line), folder, template, stop)), flush=True)


if __name__ == "__main__":
    main()
