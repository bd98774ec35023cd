"""The scripts of the site that hold what stands behind its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from integrator.site.explain.shards import detail_shards, run_shards, words
from integrator.site.page import Asset, Site

__all__ = ["files"]


def files(site: Site) -> Iterator[Asset]:
    """Of every campaign: the numbers of its runs, and what is known of its tests; and the drawer's words."""
    details: dict[str, dict[str, list[str]]] = {}
    for campaign in site.campaigns:
        identity = campaign.facts.id
        frame = site.frames[identity]
        yield from run_shards(identity, campaign.runs, frame["machine"].unique())
        for path, content in detail_shards(identity, frame, campaign.details, campaign.raw_names):
            *_, machine, model = path.removesuffix(".js").split("/")
            details.setdefault(identity, {}).setdefault(machine, []).append(model)
            yield path, content
    yield words(details)
