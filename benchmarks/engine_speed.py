"""The measuring loops against a C++ loop over the same compiled model, and against benchmark_app.

Alternating, in one run, as ratios: throughput of ours ÷ throughput of the other, and of the median latencies.
The C++ loop is `native/loop.cpp`, built from the headers in the openvino wheel where g++ is found; in async
there are two, one whose main thread hands out idle requests, and one whose requests restart themselves.

    python benchmarks/engine_speed.py [--pairs 31] [--seconds 0.3] [--models tiny small mobilenet-v2]

Many short pairs, not few long ones: what a shared machine does to one measurement it then does to its partner
too. Each ratio has its 95 % interval; where the interval is wide, the machine was not quiet enough to tell.

The bars: throughput against C++ at least 0.98 for models of 1 ms and more and 0.92 at 30 to 50 µs; against
benchmark_app at least 1.00.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.execute import execute
from agent.stop import Stop
from agent.worker.spec import InputSpec, RunSpec
from integrator import benchmark_app as peer
from integrator.statistics.interval import median_interval
from integrator.statistics.summary import summarise_run
from integrator.topologies import TOPOLOGIES, build
from integrator.topologies.opset import ops
from protocol.engine import openvino as ov
from protocol.job import Hint, Input, PlannedTest, Scenario

HERE = Path(__file__).parent
HINTS = {"sync": "LATENCY", "async": "THROUGHPUT"}


@dataclass(frozen=True)
class Figures:
    """What one measurement says."""

    per_s: float
    median_us: float


Measure = Callable[[Path, str, float], Figures]


def convolutions(channels: int, layers: int) -> ov.Model:
    """A stack of small convolutions on 3 × 32 × 32."""
    random = np.random.default_rng(1)
    parameter = ops.parameter([1, 3, 32, 32], ov.Type.f32, name="image")
    parameter.output(0).get_tensor().set_names({"image"})
    node, width = parameter, 3
    for _ in range(layers):
        weights = random.normal(0, 0.1, (channels, width, 3, 3)).astype(np.float32)
        node = ops.relu(ops.convolution(node, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1]))
        width = channels
    return ov.Model([ops.result(node)], [parameter], "convolutions")


def minimal() -> ov.Model:
    """Nothing but what an inference costs by itself."""
    parameter = ops.parameter([1, 8], ov.Type.f32, name="x")
    parameter.output(0).get_tensor().set_names({"x"})
    return ov.Model([ops.result(ops.relu(parameter))], [parameter], "minimal")


MODELS: dict[str, Callable[[], ov.Model]] = {
    "minimal": minimal,
    "tiny": lambda: convolutions(2, 1),
    "small": lambda: convolutions(8, 2),
    "medium": lambda: convolutions(32, 6),
    **{name: lambda name=name: build(name) for name in TOPOLOGIES},  # type: ignore[misc]
}


def inputs_of(model: Path) -> tuple[InputSpec, ...]:
    """A model's inputs, which have names here."""
    return tuple(
        InputSpec(
            port.get_any_name(),
            tuple(port.get_partial_shape().to_shape()),
            port.get_element_type().get_type_name(),
            0,
            1,
        )
        for port in ov.Core().read_model(model).inputs
    )


def ours(model: Path, scenario: str, seconds: float) -> Figures:
    """One run of the worker, in a process of its own."""
    spec = RunSpec(
        model=str(model),
        inputs=inputs_of(model),
        device="CPU",
        scenario=scenario,
        hint=HINTS[scenario].lower(),
        streams=None,
        threads=None,
        requests=None,
        duration_s=seconds,
        min_iterations=1,
        max_iterations=10_000_000,
        warmup_s=min(0.5, seconds / 4),
        memory_mb=None,
        seed=1,
    )
    with tempfile.TemporaryDirectory() as folder, Stop() as stop:
        ending = execute(spec, Path(folder), timeout_s=600, stop=stop)
    if (samples := ending.samples) is None:
        raise RuntimeError(f"the run failed: {ending.report or ending.stderr}")
    summary = summarise_run(samples)
    wall_s = samples.wall_ns / 1e9
    return Figures(summary.iterations / wall_s, summary.median_ms * 1e3)


def native(program: Path, kind: str = "async") -> Measure:
    """The C++ loop; `kind` is what it does in async."""

    def measure(model: Path, scenario: str, seconds: float) -> Figures:
        way = "sync" if scenario == "sync" else kind
        command = [str(program), str(model), way, str(seconds), HINTS[scenario], "0"]
        done = subprocess.run(command, check=True, capture_output=True)
        answer = json.loads(done.stdout)
        return Figures(answer["per_s"], answer["median_ns"] / 1e3)

    return measure


def benchmark_app(model: Path, scenario: str, seconds: float) -> Figures:
    """OpenVINO's own program, as `fleetmark verify` calls it."""
    test = PlannedTest(
        id="speed",
        model="speed",
        precision="FP32",
        model_sha256="0" * 64,
        inputs=tuple(
            Input(name=i.name, shape=i.shape, element_type=i.element_type) for i in inputs_of(model)
        ),
        device="CPU",
        scenario=Scenario(scenario),
        hint=Hint(HINTS[scenario].lower()),
        batch=1,
    )
    seen = peer.measure(test, model, duration_s=max(1, round(seconds)), timeout_s=600)
    return Figures(seen.throughput_fps, (seen.latency_ms or 0.0) * 1e3)


def build_native(folder: Path) -> Path | None:
    """Compile the C++ loop; None where there is no compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    package = Path(ov.__file__).parent
    library = next((package / "libs").glob("libopenvino.so.*"))
    program = folder / "loop"
    command = [
        compiler, "-O2", "-std=c++17", f"-I{package / 'include'}", str(HERE / "native/loop.cpp"),
        "-o", str(program), str(library), f"-Wl,-rpath,{library.parent}", f"-Wl,-rpath-link,{library.parent}",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return program


def told(ratios: list[float], width: int) -> str:
    """The median of some ratios and its interval, as a cell and another."""
    interval = median_interval(ratios)
    ends = interval if isinstance(interval, str) else f"{interval.low:.3f}–{interval.high:.3f}"
    return f"{statistics.median(ratios):{width}.3f} {ends:>13}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument(
        "--models", nargs="+", default=["minimal", "tiny", "small", "medium", "mobilenet-v2"], choices=MODELS
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build_native(folder)
        peers: dict[str, Measure] = {"benchmark_app": benchmark_app}
        if program:
            peers = {"C++": native(program), "C++ callback": native(program, "callback"), **peers}
        print(f"{given.pairs} alternating pairs of {given.seconds:g} s; medians of the ratios, ours ÷ theirs")
        head = f"{'model':14} {'scenario':8} {'peer':14} {'ours µs':>9}"
        print(f"{head} {'throughput':>11} {'95 %':>13} {'latency':>8} {'95 %':>13}")
        for model in given.models:
            path = folder / f"{model}.xml"
            ov.save_model(MODELS[model](), path, compress_to_fp16=False)
            for scenario in HINTS:
                for name_of_peer, measure in peers.items():
                    if scenario == "sync" and name_of_peer == "C++ callback":
                        continue
                    pairs = []
                    for number in range(given.pairs):
                        order = [ours, measure] if number % 2 == 0 else [measure, ours]
                        seen = {which: which(path, scenario, given.seconds) for which in order}
                        pairs.append((seen[ours], seen[measure]))
                    throughput = [mine.per_s / theirs.per_s for mine, theirs in pairs]
                    latency = [mine.median_us / theirs.median_us for mine, theirs in pairs]
                    absolute = statistics.median(mine.median_us for mine, _ in pairs)
                    what = f"{model:14} {scenario:8} {name_of_peer:14}"
                    print(f"{what} {absolute:9.1f} {told(throughput, 11)} {told(latency, 8)}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
