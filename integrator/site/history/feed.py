"""feed.xml: the campaigns as an Atom feed (RFC 4287), so that a reader tells of a new one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

import pandas as pd

from integrator.site.cells import clean_text
from integrator.site.history.changes import Changes, changes
from integrator.site.page import Asset, Site
from integrator.site.source import CampaignFacts
from integrator.words import counted
from protocol.result import Status
from protocol.version import __version__

__all__ = ["files"]

_NAMESPACE = uuid.UUID("4f0b7c1e-0a53-5d0c-9e7b-5d1f1f6b0a42")
"""Of all ids that fleetmark's feeds give; drawn once."""


def files(site: Site) -> Iterable[Asset]:
    """The feed. Ids stay the same wherever the site stands, so nothing is new after a move.

    Links are relative to the feed, because a site does not know its address.
    """
    yield "feed.xml", feed(site).encode()


def feed(site: Site) -> str:
    """The text of feed.xml."""
    lab = clean_text(site.facts.lab) or "fleetmark"
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">',
        f"<id>{_urn('lab', site.facts.lab)}</id>",
        f"<title>{_text(lab)}: OpenVINO benchmark campaigns</title>",
        f"<updated>{_time(site.facts.created_at)}</updated>",
        f"<author><name>{_text(lab)}</name></author>",
        f'<generator version="{_text(__version__)}">fleetmark</generator>',
        '<link rel="self" type="application/atom+xml" href="feed.xml"/>',
        '<link rel="alternate" type="text/html" href="index.html"/>',
    ]
    newest = changes(site)
    for campaign in site.campaigns:
        facts = campaign.facts
        changed = newest if facts.id == site.facts.id else None
        lines += [
            "<entry>",
            f"<id>{_urn('campaign', facts.id)}</id>",
            f"<title>{_text(facts.title)}</title>",
            f"<updated>{_time(facts.created_at)}</updated>",
            f"<published>{_time(facts.created_at)}</published>",
            '<link rel="alternate" type="text/html" href="history.html"/>',
            f'<summary type="text">{_text(_summary(facts, site.frames[facts.id], changed))}</summary>',
            "</entry>",
        ]
    return "\n".join([*lines, "</feed>", ""])


def _summary(facts: CampaignFacts, frame: pd.DataFrame, changed: Changes | None) -> str:
    tests = len(frame)
    ok = int((frame["status"] == Status.OK.value).sum())
    machines, models = (counted(frame[key].nunique(), key) for key in ("machine", "model"))
    sentences = [f"{machines}, {models}, {counted(tests, 'test')}: {ok:,} ok, {tests - ok:,} not."]
    if not facts.complete:
        sentences.append("The campaign was not complete when this was written.")
    if changed:
        sentences.append(
            f"Since {changed.since.title}: {counted(len(changed.gains), 'test')} certainly faster, "
            f"{len(changed.losses):,} slower, {counted(len(changed.new_failures), 'new failure')}, "
            f"{len(changed.fixed):,} fixed."
        )
        if changed.other_hardware:
            machines = ", ".join(step.machine for step in changed.other_hardware)
            sentences.append(f"Other hardware under the same name: {machines}.")
    return " ".join(sentences)


def _urn(kind: str, name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{kind}:{clean_text(name)}')}"


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(text: str) -> str:
    return escape(clean_text(text))
