"""What every page's scripts know of the site: its campaigns, machines, models and columns. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from integrator.site.cells import clean_text
from integrator.site.columns import GROUPS
from integrator.site.frame import machine_page
from integrator.site.ids import file_name
from integrator.site.page import Asset, Site
from integrator.site.source import Offer
from integrator.site.store.pack import pack, script_name
from protocol.version import __version__

__all__ = ["MANIFEST", "assets", "manifest"]

MANIFEST = "assets/manifest.js"


def assets(site: Site) -> Iterator[Asset]:
    """The manifest, and the rows of each campaign."""
    yield MANIFEST, manifest(site)
    for campaign, frame in site.frames.items():
        yield from pack(frame, campaign)


def manifest(site: Site) -> bytes:
    """`fleetmark.site`, as a script."""
    offers = site.newest.offers
    content = {
        "version": __version__,
        "campaigns": [
            {
                "id": campaign.facts.id,
                "title": clean_text(campaign.facts.title),
                "created_at": campaign.facts.created_at.isoformat(),
                "complete": campaign.facts.complete,
                "rows": len(campaign.table),
                "script": script_name(campaign.facts.id),
            }
            for campaign in site.campaigns
        ],
        "machines": [
            {"name": name, "file": file_name(name), "page": machine_page(name), **_offer(offers.get(name))}
            for name in _all(site, "machine", site.machines)
        ],
        "models": [
            {"name": name, "file": file_name(name), "page": f"models/{file_name(name)}.html"}
            | {"task": clean_text(site.newest.tasks.get(name, ""))}
            for name in _all(site, "model", site.models)
        ],
        "columns": [
            {
                "key": column.key,
                "group": group.heading,
                "heading": column.heading,
                "kind": column.kind,
                "unit": column.unit,
                "better": column.better,
                "meaning": column.meaning,
            }
            for group in GROUPS
            for column in group.columns
        ],
    }
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return f"(window.fleetmark=window.fleetmark||{{}}).site={text};\n".encode()


def _all(site: Site, key: str, newest: Sequence[str]) -> list[str]:
    """Those of the newest campaign, then what only older ones have."""
    older = (name for frame in site.frames.values() for name in frame[key].unique())
    return list(dict.fromkeys([*newest, *older]))


def _offer(offer: Offer | None) -> dict[str, object]:
    offer = offer or Offer()
    return {
        "price": offer.price,
        "currency": clean_text(offer.currency),
        "priced_on": offer.priced_on.isoformat() if offer.priced_on else None,
        "watts": offer.watts,
    }
