"""Planning and launching at the size of a large lab: time and memory of the integrator.

Checks the files, plans, serves, delivers every job over TLS to the real server, and has every machine started
by a launcher that only takes note. All of it in one process, as in `fleetmark run`, whose peak memory counts.

    python benchmarks/plan_scale.py [--machines 500] [--tests 500] [--runs 1]

The bars: under 30 s and 500 MB.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from functools import partial
from pathlib import Path

from integrator.conduct.audience import Silence
from integrator.conduct.campaign import Setting, conduct
from integrator.config import load_both
from integrator.launch.interface import AgentStatus, Order, Presence
from integrator.models import prepare
from integrator.plan import make_plan
from integrator.store import CampaignStore
from protocol.engine import openvino as ov
from tests.support import make_tiny_model

SECONDS, MEGABYTES = 30.0, 500.0


class Noting:
    """Starts nothing: the agent it would have started has left at once, its job done."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def start(self, order: Order) -> None:
        """Take note."""
        self.orders.append(order)

    def status(self) -> AgentStatus:
        """As if its job were done."""
        return AgentStatus(Presence.EXITED, 0) if self.orders else AgentStatus(Presence.ABSENT)

    def wait(self, timeout_s: float) -> AgentStatus:
        """At once."""
        return self.status()

    def ask_to_stop(self) -> None:
        """Nothing."""

    def remove(self) -> None:
        """Nothing."""

    def logs(self, lines: int = 10) -> str:
        """Nothing."""
        return ""

    def close(self) -> None:
        """Nothing."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--tests", type=int, default=500)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as made:
        folder = Path(made)
        ov.save_model(make_tiny_model(), folder / "tiny.xml", compress_to_fp16=False)
        names = [f"box-{number}" for number in range(options.machines)]
        machines = "".join(f"  - {{name: {name}}}\n" for name in names)
        (folder / "lab.yaml").write_text(f"schema_version: 1\nname: lab\nmachines:\n{machines}")
        batches = list(range(1, options.tests // 2 + 1))
        (folder / "campaign.yaml").write_text(
            "schema_version: 1\nname: large\nmodels: [{name: tiny, path: tiny.xml}]\n"
            f"matrix: {{batch: {batches}}}\nruns: {options.runs}\n"
        )
        begin = time.perf_counter()
        files = load_both(folder / "lab.yaml", folder / "campaign.yaml", builtin_models=())
        loaded = time.perf_counter()
        plan = make_plan(
            *files, lambda entry, precision, sizes: prepare(entry, precision, sizes, folder / "cache")
        )
        planned = time.perf_counter()
        launchers = {name: Noting() for name in names}
        setting = Setting(folder, launchers={name: partial(launchers.__getitem__, name) for name in names})
        store = CampaignStore(folder / "out")
        assert conduct(plan, store, Silence(), setting)
        ended = time.perf_counter()
        size = sum(store.job_file(name).stat().st_size for name in names)
    noted = sum(len(launcher.orders) for launcher in launchers.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tests = sum(len(job.tests) for job in plan.jobs)
    print(f"{len(plan.jobs)} machines, {tests} tests, {size / 1e6:.0f} MB of jobs, {noted} starts")
    print(f"files {loaded - begin:.1f} s, plan {planned - loaded:.1f} s, launch {ended - planned:.1f} s")
    print(f"together {ended - begin:.1f} s (bar {SECONDS:g}), peak {memory:.0f} MB (bar {MEGABYTES:g})")


if __name__ == "__main__":
    main()
