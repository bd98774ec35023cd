"""The wall time of a whole campaign on a machine ÷ the sum of its runs.

60 runs of 2 s: what is beside them is the start of the agent (and of its container), the transfers, the
heartbeats, and the collecting. A run is from the start of its process to its end (`phases.total_ms`).

    python benchmarks/campaign_overhead.py [--runs 30] [--seconds 2] [--lab lab.yaml]

Without --lab the machine is this one, and the agent a process. With it, the lab's first machine is measured:
`start: docker` in it shows what containers cost. The bar: 1.05.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from integrator.conduct.audience import Silence
from integrator.conduct.campaign import Setting, conduct
from integrator.config import load_both
from integrator.models import prepare
from integrator.plan import make_plan
from integrator.rejected import Rejections
from integrator.resources import CACHE
from integrator.store import CampaignStore
from integrator.topologies import TOPOLOGIES
from protocol.result import Status

BAR = 1.05
LAB = "schema_version: 1\nname: lab\nmachines: [{name: box}]\n"


def main() -> None:
    """Measure and print."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--runs", type=int, default=30, help="of each of two tests")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--lab", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as made:
        folder = Path(made)
        lab_file = options.lab or folder / "lab.yaml"
        if options.lab is None:
            lab_file.write_text(LAB)
        (folder / "campaign.yaml").write_text(
            f"schema_version: 1\nname: overhead\nmodels: [mobilenet-v2]\nruns: {options.runs}\n"
            f"measure: {{duration_s: {options.seconds}, interval_target: none}}\n"
        )
        lab, campaign = load_both(lab_file, folder / "campaign.yaml", builtin_models=TOPOLOGIES)
        lab = lab.model_copy(update={"machines": lab.machines[:1]})
        plan = make_plan(
            lab, campaign, lambda entry, precision, sizes: prepare(entry, precision, sizes, CACHE)
        )
        store = CampaignStore(folder / "out")
        begin = time.perf_counter()
        assert conduct(plan, store, Silence(), Setting(CACHE / "agent", lab, lab_file))
        wall_s = time.perf_counter() - begin
        (job,) = plan.jobs
        results = store.read_results(job, Rejections("folder"))
    assert len(results) == len(job.schedule), store.read_record().absent
    assert {result.status for result in results} == {Status.OK}
    runs_s = sum(result.phases.total_ms for result in results) / 1000
    print(f"{len(results)} runs on {job.machine}: campaign {wall_s:.1f} s, runs {runs_s:.1f} s")
    print(f"campaign ÷ runs: {wall_s / runs_s:.4f} (bar {BAR})")


if __name__ == "__main__":
    main()
