"""From a campaign's folder to its table and its site."""

from __future__ import annotations

import pandas as pd

from integrator.merge import merge, to_csv
from integrator.rejected import Rejections, keep_rejections, read_rejections
from integrator.site.build import build_site
from integrator.site.data import CampaignFacts
from integrator.store import CampaignStore
from protocol.atomic import write_atomically
from protocol.layout import result_name
from protocol.result import Status

__all__ = ["publish"]


def publish(store: CampaignStore) -> pd.DataFrame:
    """Write results.csv and the site anew from the raw results; the table.

    Raises:
        UserError: the folder holds no campaign.
    """
    record = store.read_record()
    jobs = store.read_jobs(record)
    rejected = Rejections("folder")
    found = {job.machine: store.read_results(job, rejected) for job in jobs}
    machines = store.read_machines(record, rejected)
    keep_rejections(store.rejected, rejected)
    table = merge(jobs, found, record.absent)
    csv = to_csv(table).encode()
    write_atomically(store.csv, csv)
    build_site(
        store.site,
        table=table,
        machines=machines,
        campaign=CampaignFacts(
            id=record.campaign,
            title=record.title,
            created_at=record.created_at,
            complete=not (table["status"] == Status.NOT_RUN.value).any(),
        ),
        raw=store.raw,
        raw_names={
            machine: {result_name(result.test, result.run) for result in results}
            for machine, results in found.items()
        },
        csv=csv,
        rejected=read_rejections(store.rejected),
    )
    return table
