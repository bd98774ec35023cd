"""A small campaign for its numbers alone: through the real path, in a folder that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from integrator.conduct.audience import Silence
from integrator.conduct.campaign import Setting, conduct
from integrator.plan import Plan
from integrator.rejected import Rejections
from integrator.resources import CACHE
from integrator.schedule import schedule
from integrator.store import CampaignStore
from protocol.errors import CampaignError
from protocol.job import Job, Measure, PlannedTest
from protocol.result import Result, Status

__all__ = ["only", "rehearse"]


def only(plan: Plan, job: Job, tests: Sequence[PlannedTest], *, runs: int, measure: Measure) -> Plan:
    """A plan for `runs` runs of some tests, in the seeded order of rounds that a campaign has.

    `tests` need not be in the job; their models are.
    """
    used = {test.model_sha256 for test in tests}
    fields = dict(job) | {
        "measure": measure,
        "models": tuple(model for model in job.models if model.sha256 in used),
        "tests": tuple(tests),
        "schedule": schedule({test.id: test.openvino for test in tests}, runs, job.seed),
    }
    models = tuple(model for model in plan.models if model.ref.sha256 in used)
    return replace(plan, jobs=(Job.model_validate(fields),), models=models)


def rehearse(plan: Plan) -> dict[str, list[Result]]:
    """Conduct a plan of one machine; the results by test, in the order of their runs, each of them ok.

    Raises:
        CampaignError: a run did not end well, or its result did not come back.
        KeyboardInterrupt: it was interrupted.
    """
    (job,) = plan.jobs
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as folder:
        store = CampaignStore(Path(folder) / "campaign")
        if not conduct(plan, store, Silence(), Setting(CACHE / "agent")):
            raise KeyboardInterrupt
        absent = store.read_record().absent.get(job.machine)
        results = sorted(store.read_results(job, Rejections("folder")), key=lambda result: result.run)
    found: dict[str, list[Result]] = {test.id: [] for test in job.tests}
    for result in results:
        if result.status is not Status.OK:
            raise CampaignError(f"{result.status}: {result.reason}")
        found[result.test].append(result)
    if len(results) < len(job.schedule):
        raise CampaignError(absent or f"{len(job.schedule) - len(results)} results did not come back")
    return found
