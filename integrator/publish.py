"""From a campaign's folder to its table and its site."""

from __future__ import annotations

import pandas as pd

from integrator.conduct.state import CampaignState, WorkFolder
from integrator.merge import merge_with_runs, to_csv
from integrator.merged import MergedTest
from integrator.rejected import Rejections, keep_rejections, read_rejections
from integrator.site.build import build_site
from integrator.site.explain.detail import detail_of
from integrator.site.source import CampaignFacts, CampaignResults, TestDetail
from integrator.store import CampaignStore
from integrator.topologies import TOPOLOGIES
from protocol.atomic import write_atomically
from protocol.layout import result_name
from protocol.result import Status

__all__ = ["publish"]

_NOT_YET = "not run yet: the campaign was not finished when this table was made"


def publish(store: CampaignStore) -> pd.DataFrame:
    """Write results.csv and the site anew from the raw results; the table.

    A campaign that is not finished is marked as partial.

    Raises:
        UserError: the folder holds no campaign.
    """
    record = store.read_record()
    jobs = store.read_jobs(record)
    rejected = Rejections("folder")
    found = {job.machine: store.read_results(job, rejected) for job in jobs}
    machines = store.read_machines(record, rejected)
    keep_rejections(store.rejected, rejected)
    standing = WorkFolder(store.work).read_standing()
    over = standing is None or standing.state is CampaignState.ENDED
    absent = record.absent if over else dict.fromkeys(record.machines, _NOT_YET) | record.absent

    def detail(test: MergedTest) -> TestDetail:
        machine = machines.get(test.job.machine)
        return detail_of(test, builtin=TOPOLOGIES, agent=machine.configuration.fleetmark if machine else None)

    merged = merge_with_runs(jobs, found, absent, explain=detail)
    table = merged.table
    runs = sum(map(len, found.values())), sum(len(job.schedule) for job in jobs)
    complete = not (table["status"] == Status.NOT_RUN.value).any() and (over or runs[0] == runs[1])
    csv = to_csv(table).encode()
    write_atomically(store.csv, csv)
    results = CampaignResults(
        facts=CampaignFacts(
            id=record.campaign,
            title=record.title,
            created_at=record.created_at,
            complete=complete,
            runs=runs,
        ),
        table=table,
        runs=merged.runs,
        machines=machines,
        details=merged.details,
        raw=store.raw,
        raw_names={
            machine: {result_name(result.test, result.run) for result in results}
            for machine, results in found.items()
        },
        csv=csv,
        rejected=read_rejections(store.rejected),
    )
    build_site(store.site, [results])
    return table
