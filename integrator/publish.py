"""From campaigns' folders to the table of one and the site of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from integrator.campaign_results import campaign_results
from integrator.offers import MachineOffer
from integrator.rejected import Rejections, keep_rejections, read_rejections
from integrator.site.build import build_site
from integrator.store import CampaignRecord, CampaignStore
from protocol.atomic import write_atomically
from protocol.errors import UserError

__all__ = ["publish"]


def publish(
    store: CampaignStore,
    *,
    behind: Sequence[CampaignStore] = (),
    offers: Mapping[str, MachineOffer] | None = None,
) -> pd.DataFrame:
    """Write results.csv and the site anew from the raw results; the table.

    A campaign that is not finished is marked as partial.

    Args:
        store: The campaign whose table is written, and in whose folder the site lies.
        behind: Other campaigns that the site shows too. Their folders are read and stay as they are. The
            newest of all is the one that the site is about.
        offers: What machines cost and draw today, instead of what the lab said when a campaign began.

    Raises:
        UserError: a folder holds no campaign, or two hold the same one.
    """
    records = _each_once([store, *behind])
    rejected = Rejections("folder")
    first = campaign_results(store, rejected, record=records[0], offers=offers)
    keep_rejections(store.rejected, rejected)
    first = replace(first, rejected=read_rejections(store.rejected))
    others = [
        campaign_results(each, Rejections("folder"), record=record, offers=offers)
        for each, record in zip(behind, records[1:], strict=True)
    ]
    assert isinstance(first.csv, bytes)  # noqa: S101 - as campaign_results makes it
    write_atomically(store.csv, first.csv)
    build_site(store.site, [first, *others])
    return first.table


def _each_once(stores: Sequence[CampaignStore]) -> list[CampaignRecord]:
    """The records of all, read before anything is merged, which takes its time."""
    records: list[CampaignRecord] = []
    folders: dict[str, CampaignStore] = {}
    for store in stores:
        record = store.read_record()
        if (before := folders.setdefault(record.campaign, store)) is not store:
            raise UserError(
                f"{store.folder}: the same campaign as in {before.folder} ({record.campaign})",
                advice="Name each campaign once.",
            )
        records.append(record)
    return records
