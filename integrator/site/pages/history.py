"""history.html: each test across the campaigns, and what changed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from integrator.site.cells import format_number
from integrator.site.history.changes import changes
from integrator.site.history.machines import alike, machine_steps
from integrator.site.history.shards import shard_path
from integrator.site.history.sparkline import HEIGHT, WIDTH
from integrator.site.history.table import first_rows, percent, rows
from integrator.site.page import Page, Site

__all__ = ["pages"]

_MOST_ROWS = 120
"""Tests that the page shows without scripts."""
_MOST_COLUMNS = 6
"""Campaigns that it shows then, the newest; the small pictures have all."""
_MOST_CHANGES = 10
"""Of gains, losses and failures each."""
_MOST_STEPS = 40
_MOST_DIFFERENCES = 30


def pages(site: Site) -> Iterable[Page]:
    """The page alone."""
    timeline = site.timeline
    changed = changes(site)
    found = [*changed.gains, *changed.losses] if changed else []
    columns = range(max(0, len(timeline.campaigns) - _MOST_COLUMNS), len(timeline.campaigns))
    shown = first_rows(timeline, found, _MOST_ROWS)
    steps = alike(machine_steps(site.campaigns))
    machines = list(dict.fromkeys(timeline.tests["machine"].tolist()))
    known = {
        "campaigns": [
            {
                "id": each.id,
                "title": each.title,
                "day": f"{each.created_at:%Y-%m-%d}",
                "complete": each.complete,
            }
            for each in timeline.campaigns
        ],
        "machines": [{"name": name, "script": shard_path(name)} for name in machines],
        "newest": timeline.campaigns[-1].id,
    }
    yield Page(
        "history.html",
        "pages/history.html",
        title="History",
        nav="history",
        context={
            "campaigns": [timeline.campaigns[at] for at in columns],
            "all_campaigns": timeline.campaigns,
            "changed": changed,
            "most": _MOST_CHANGES,
            "most_differences": _MOST_DIFFERENCES,
            "steps": steps[:_MOST_STEPS],
            "more_steps": max(0, len(steps) - _MOST_STEPS),
            "rows": rows(timeline, shown, columns),
            "tests": len(timeline.tests),
            "machines": machines,
            "picture": (WIDTH, HEIGHT),
            "percent": percent,
            "three": format_number,
            "known": _for_script(known),
        },
        scripts=("js/history.js",),
        styles=("history.css",),
    )


def _for_script(value: object) -> str:
    """JSON that may stand in a script element: no text in it ends the element or begins a comment."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e")
