"""From a campaign's folder to what a site is built from."""

from __future__ import annotations

from collections.abc import Mapping

from integrator.conduct.state import CampaignState, WorkFolder
from integrator.merge import merge_with_runs, to_csv
from integrator.merged import MergedTest
from integrator.offers import MachineOffer
from integrator.rejected import Rejections, read_rejections
from integrator.site.explain.detail import detail_of
from integrator.site.source import CampaignFacts, CampaignResults, Offer, TestDetail
from integrator.store import CampaignRecord, CampaignStore
from integrator.topologies import TOPOLOGIES
from protocol.layout import result_name
from protocol.result import Status

__all__ = ["campaign_results"]

_NOT_YET = "not run yet: the campaign was not finished when this table was made"


def campaign_results(
    store: CampaignStore,
    rejected: Rejections,
    *,
    record: CampaignRecord | None = None,
    offers: Mapping[str, MachineOffer] | None = None,
) -> CampaignResults:
    """Merge the raw results of a folder anew; nothing is written.

    A campaign that is not finished is marked as partial.

    Args:
        store: The folder.
        rejected: Gets what lies in `raw/` and cannot be taken.
        record: The campaign's record, where it was read already.
        offers: What is said today of some machines, in place of what the lab said when the campaign began.

    Raises:
        UserError: the folder holds no campaign, or not all of it.
    """
    record = record or store.read_record()
    jobs = store.read_jobs(record)
    found = {job.machine: store.read_results(job, rejected) for job in jobs}
    machines = store.read_machines(record, rejected)
    standing = WorkFolder(store.work).read_standing()
    over = standing is None or standing.state is CampaignState.ENDED
    absent = record.absent if over else dict.fromkeys(record.machines, _NOT_YET) | record.absent

    def detail(test: MergedTest) -> TestDetail:
        machine = machines.get(test.job.machine)
        return detail_of(test, builtin=TOPOLOGIES, agent=machine.configuration.fleetmark if machine else None)

    merged = merge_with_runs(jobs, found, absent, explain=detail)
    runs = sum(map(len, found.values())), sum(len(job.schedule) for job in jobs)
    not_run = (merged.table["status"] == Status.NOT_RUN.value).any()
    said = {**record.offers, **(offers or {})}
    return CampaignResults(
        facts=CampaignFacts(
            id=record.campaign,
            title=record.title,
            created_at=record.created_at,
            complete=bool(not not_run and (over or runs[0] == runs[1])),
            runs=runs,
            lab=record.lab,
        ),
        table=merged.table,
        runs=merged.runs,
        machines=machines,
        tasks=_tasks(record, {test.model for job in jobs for test in job.tests}),
        offers={name: Offer(**dict(offer)) for name, offer in said.items() if name in record.machines},
        details=merged.details,
        raw=store.raw,
        raw_names={
            machine: {result_name(result.test, result.run) for result in results}
            for machine, results in found.items()
        },
        csv=to_csv(merged.table).encode(),
        rejected=read_rejections(store.rejected),
    )


def _tasks(record: CampaignRecord, models: set[str]) -> dict[str, str]:
    """What each model does. A record of version 1 says nothing: then the built-in models' own words count."""
    known = {model: task for model, task in record.tasks.items() if task}
    if unasked := models - set(record.tasks):
        known |= {model: TOPOLOGIES[model].task for model in unasked if model in TOPOLOGIES}
    return known
