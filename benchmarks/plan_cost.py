"""What it costs to plan a large campaign: time, and the memory of the process.

Plans machines × tests from files to jobs, as `fleetmark plan` does; nothing is delivered or started. What the
models take, built or read, is said apart: it depends on how many there are, and not on the machines.

    python benchmarks/plan_cost.py [--machines 500] [--tests 500] [--runs 10]

The bar for 500 machines × 500 tests, launching included, is 30 s and 500 MB.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from integrator.config import ModelEntry, load_both
from integrator.models import PreparedModel, prepare
from integrator.plan import make_plan
from integrator.resources import CACHE
from integrator.topologies import TOPOLOGIES

__all__ = ["large_campaign", "main"]

_MODELS = ("mobilenet-v2", "resnet-50")
_BATCHES = 5
_SCENARIOS = 2
_STEP = len(_MODELS) * _BATCHES * _SCENARIOS


def large_campaign(folder: Path, *, machines: int, tests: int, runs: int) -> tuple[Path, Path]:
    """Write a lab.yaml and a campaign.yaml with that many machines, and tests on each; their paths."""
    names = "".join(f"  - name: box-{number}\n" for number in range(machines))
    threads = list(range(1, tests // _STEP + 1))
    lab, campaign = folder / "lab.yaml", folder / "campaign.yaml"
    lab.write_text(f"schema_version: 1\nname: large\nmachines:\n{names}")
    campaign.write_text(
        f"schema_version: 1\nname: large\nmodels: [{', '.join(_MODELS)}]\nruns: {runs}\n"
        f"matrix: {{batch: {list(range(1, _BATCHES + 1))}, threads: {threads}}}\n"
    )
    return lab, campaign


def main() -> None:
    """Print seconds and MB."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--tests", type=int, default=500, help=f"on each machine; a multiple of {_STEP}")
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    spent, models_mb = 0.0, 0.0

    def prepared(entry: ModelEntry, precision: str, batches: Collection[int]) -> PreparedModel:
        nonlocal spent, models_mb
        begin = time.perf_counter()
        model = prepare(entry, precision, batches, CACHE)
        spent += time.perf_counter() - begin
        models_mb = _peak_mb()
        return model

    with tempfile.TemporaryDirectory() as folder:
        files = large_campaign(
            Path(folder), machines=options.machines, tests=options.tests, runs=options.runs
        )
        begin = time.perf_counter()
        plan = make_plan(*load_both(*files, builtin_models=TOPOLOGIES), prepared)
        whole = time.perf_counter() - begin
    tests = sum(len(job.tests) for job in plan.jobs)
    runs = sum(len(job.schedule) for job in plan.jobs)
    print(f"{len(plan.jobs)} machines, {tests:,} tests, {runs:,} runs")
    print(f"models    {spent:6.1f} s  peak {models_mb:6.0f} MB")
    print(f"planning  {whole - spent:6.1f} s  peak {_peak_mb():6.0f} MB")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
