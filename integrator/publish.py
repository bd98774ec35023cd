"""From a campaign's folder to its table and its site."""

from __future__ import annotations

import pandas as pd

from integrator.merge import merge, to_csv
from integrator.site.build import build_site
from integrator.site.data import CampaignFacts
from integrator.store import CampaignStore
from protocol.atomic import write_atomically
from protocol.result import Status

__all__ = ["publish"]


def publish(store: CampaignStore) -> pd.DataFrame:
    """Write results.csv and the site anew from the raw results; the table.

    Raises:
        UserError: the folder holds no campaign.
    """
    record = store.read_record()
    jobs = store.read_jobs(record)
    results = {job.machine: list(store.read_results(job)) for job in jobs}
    table = merge(jobs, results, record.absent)
    csv = to_csv(table).encode()
    write_atomically(store.csv, csv)
    build_site(
        store.site,
        table=table,
        machines=store.read_machines(record),
        campaign=CampaignFacts(
            id=record.campaign,
            title=record.title,
            created_at=record.created_at,
            complete=not (table["status"] == Status.NOT_RUN.value).any(),
        ),
        raw=store.raw,
        csv=csv,
    )
    return table
