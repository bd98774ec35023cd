"""The scripts of the site that hold what stands behind its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from integrator.site.explain.shards import detail_shards, run_shards, words
from integrator.site.page import Asset, Site

__all__ = ["files"]


def files(site: Site) -> Iterator[Asset]:
    """Of every campaign: the numbers of its runs, and what is known of its tests; and the drawer's words."""
    yield words()
    for campaign in site.campaigns:
        identity = campaign.facts.id
        yield from run_shards(identity, campaign.runs)
        yield from detail_shards(identity, site.frames[identity], campaign.details, campaign.raw_names)
