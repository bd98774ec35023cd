"""What every page's scripts know of the site: its campaigns, machines, models and columns. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from integrator.site import classes
from integrator.site.cells import clean_text
from integrator.site.columns import GROUPS, Column, Group
from integrator.site.frame import machine_page
from integrator.site.ids import file_name
from integrator.site.page import Asset, Site
from integrator.site.source import Offer
from integrator.site.store.pack import pack, script_name
from integrator.statistics.compare import BAND
from protocol.version import __version__

__all__ = ["FURTHER", "MANIFEST", "assets", "manifest"]

MANIFEST = "assets/manifest.js"


def _end(key: str, heading: str, unit: str) -> Column:
    return Column(key, heading, "An end of the 95 % interval.", kind="number", unit=unit)


FURTHER = (
    Column(
        "latency_p95_ms", "p95", "95 of 100 took at most this long.", kind="number", unit="ms", better="lower"
    ),
    Column("latency_min_ms", "shortest", "The shortest latency.", kind="number", unit="ms", better="lower"),
    Column("latency_max_ms", "longest", "The longest latency.", kind="number", unit="ms", better="lower"),
    _end("latency_low_ms", "latency from", "ms"),
    _end("latency_high_ms", "latency to", "ms"),
    _end("throughput_low_fps", "throughput from", "FPS"),
    _end("throughput_high_fps", "throughput to", "FPS"),
    Column("effective_precision", "ran in", "The precision in which the device ran the model."),
    Column("execution_devices", "ran on", "The devices on which the compiled model ran."),
    Column("openvino_version", "measured by", "The release of OpenVINO that measured."),
    Column("reason", "reason", "Why a test is not ok."),
    Column("verdict_reasons", "doubts", "Why a verdict is not valid."),
    Column("started_at", "started", "When the first run began."),
    Column("test_id", "test", "The test's id: equal on all machines and in all campaigns."),
    Column("model_sha256", "model's hash", "SHA-256 of the model that was measured."),
)
"""Columns that the pages of a machine leave out."""


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
        "classes": classes.limits(),
        "band": BAND,
        "columns": [
            _column(column, group.heading)
            for group in (*GROUPS, Group("Further", FURTHER))
            for column in group.columns
        ],
    }
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return f"(window.fleetmark=window.fleetmark||{{}}).site={text};\n".encode()


def _all(site: Site, key: str, newest: Sequence[str]) -> list[str]:
    """Those of the newest campaign, then what only older ones have."""
    older = (name for frame in site.frames.values() for name in frame[key].unique())
    return list(dict.fromkeys([*newest, *older]))


def _column(column: Column, group: str) -> dict[str, object]:
    return {
        "key": column.key,
        "group": group,
        "heading": column.heading,
        "kind": column.kind,
        "unit": column.unit,
        "better": column.better,
        "meaning": column.meaning,
    }


def _offer(offer: Offer | None) -> dict[str, object]:
    offer = offer or Offer()
    return {
        "price": offer.price,
        "currency": clean_text(offer.currency),
        "priced_on": offer.priced_on.isoformat() if offer.priced_on else None,
        "watts": offer.watts,
    }
