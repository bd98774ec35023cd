"""How long a run takes until its median is known to ±1 %, beside the usual fixed lengths.

Ours ends by itself, or after --limit seconds and says so: where a machine's speed drifts, no length of a run
makes it precise, and a campaign has several runs to see that. The others: a fixed 1,000 iterations, measured
by the same worker, and benchmark_app's 60 s, its default on a CPU. Sync, FP32 models of the usual kinds.

    python benchmarks/time_to_confidence.py [--models mobilenet-v2 resnet-50 minilm-l6 yolov5s]

The bar: at least five times shorter over the models together, against either.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from agent.execute import Ending, execute
from agent.stop import Stop
from agent.worker.spec import RunSpec
from benchmarks.engine_speed import MODELS, inputs_of
from integrator.statistics.summary import summarise_run
from protocol.engine import openvino as ov
from protocol.job import Measure

BENCHMARK_APP_S = 60.0
FIXED_ITERATIONS = 1000


def run(spec: RunSpec) -> Ending:
    """One run, from process to result."""
    with tempfile.TemporaryDirectory() as folder, Stop() as stop:
        ending = execute(spec, Path(folder), timeout_s=1200, stop=stop)
    if ending.samples is None:
        raise RuntimeError(f"the run failed: {ending.report or ending.stderr}")
    return ending


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    usual = ["mobilenet-v2", "resnet-50", "minilm-l6", "yolov5s"]
    parser.add_argument("--models", nargs="+", default=usual, choices=MODELS)
    parser.add_argument("--limit", type=float, default=Measure().duration_s, help="as campaigns have it")
    given = parser.parse_args()
    totals = {"ours": 0.0, "fixed": 0.0, "app": 0.0}
    print(f"{'model':14} {'stopped':>10} {'n':>6} {'ours s':>8} {'1,000 it. s':>12} {'medians':>9}")
    with tempfile.TemporaryDirectory() as name:
        for model in given.models:
            path = Path(name) / f"{model}.xml"
            ov.save_model(MODELS[model](), path, compress_to_fp16=False)
            adaptive = RunSpec(
                model=str(path),
                inputs=inputs_of(path),
                device="CPU",
                scenario="sync",
                hint="latency",
                streams=None,
                threads=None,
                requests=None,
                duration_s=given.limit,
                min_iterations=10,
                max_iterations=10_000_000,
                warmup_s=0.5,
                memory_mb=None,
                seed=1,
                interval_target=0.01,
                min_duration_s=0.25,
            )
            fixed = replace(
                adaptive,
                interval_target=None,
                min_iterations=FIXED_ITERATIONS,
                max_iterations=FIXED_ITERATIONS,
            )
            mine, theirs = run(adaptive), run(fixed)
            assert mine.samples is not None  # run() saw to it
            assert theirs.samples is not None
            summary, other = summarise_run(mine.samples), summarise_run(theirs.samples)
            totals["ours"] += mine.seconds
            totals["fixed"] += theirs.seconds
            totals["app"] += BENCHMARK_APP_S
            print(
                f"{model:14} {mine.samples.stopped:>10} {summary.iterations:6} {mine.seconds:8.2f} "
                f"{theirs.seconds:12.2f} {summary.median_ms / other.median_ms:9.3f}",
                flush=True,
            )
    print(
        f"together: ours {totals['ours']:.1f} s; 1,000 iterations {totals['fixed']:.1f} s, "
        f"{totals['fixed'] / totals['ours']:.1f} times; benchmark_app {totals['app']:.0f} s, "
        f"{totals['app'] / totals['ours']:.1f} times"
    )


if __name__ == "__main__":
    main()
