"""The first page."""

from __future__ import annotations

from collections.abc import Iterable

from integrator.site.data import view_of
from integrator.site.machines import fact_labels
from integrator.site.page import Page, Site

__all__ = ["pages"]


def pages(site: Site) -> Iterable[Page]:
    """The first page alone."""
    campaign = site.newest
    view = view_of(
        campaign.table,
        machines=campaign.machines,
        campaign=campaign.facts,
        raw_files=campaign.raw_names,
        rejected=campaign.rejected,
    )
    yield Page(
        "index.html",
        "pages/index.html",
        title=campaign.facts.title,
        nav="index",
        context={
            "view": view,
            "columns": view.columns,
            "groups": view.groups,
            "fact_labels": fact_labels(),
        },
        scripts=("js/index.js",),
    )
