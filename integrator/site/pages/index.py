"""The answer first: which machine, how sure, what changed and what was covered; a page for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

import pandas as pd

from integrator.site.cells import format_number
from integrator.site.history.changes import RankChange, Ranks, changes
from integrator.site.ids import file_name
from integrator.site.leaderboard.coverage import coverage
from integrator.site.leaderboard.drawing import TaskView, task_views
from integrator.site.leaderboard.scores import Leaderboard, leaderboards, ranks_of
from integrator.site.leaderboard.summary import rejected_of, summary_of
from integrator.site.page import Page, Site
from integrator.statistics.verdict import REASONS, Reason

__all__ = ["pages", "task_page"]

_MOST_VALUES = 300
"""Values with their settings on the first page; a site with more has them on the pages of its tasks."""
_MOST_LINES, _FEWEST_LINES, _LINES = 5, 3, 300
"""Of a leaderboard on the first page of such a site, and about so many of all leaderboards together."""
_MOST_PER_BOARD = 450
"""Values with their settings in a leaderboard on a task's page: it stays below 60 KB when compressed."""
_MOST_DOUBTS = 4
_PRESETS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "Edge CPUs, INT8, sync, batch 1",
        {
            "class": "+edge",
            "device": "+CPU",
            "precision": "+INT8",
            "scenario": "+sync",
            "batch": "+1",
            "sort": "latency_ms",
        },
    ),
    ("Throughput servers", {"class": "+server", "scenario": "+async", "sort": "-throughput_fps"}),
    (
        "The predecessor's classic table",
        {
            "view": "pivot",
            "rows": "task,model",
            "cols": "machine,device,precision,scenario",
            "measure": "fps",
            "base": "none",
        },
    ),
)
"""Views of the explorer; a test holds them against those that explore-menus.js offers."""
_ONWARD = (
    ("explore.html", "Every test", "sort, filter, pivot, and take the view as a file"),
    *((f"explore.html#{urlencode(state)}", title, "in the explorer") for title, state in _PRESETS),
    ("compare.html", "Two machines side by side", "the ratio of what both have measured, and what differs"),
    ("machines.html", "Machines", "what each one is, and how small a difference it can tell"),
    ("models.html", "Models", "latency against throughput, and what batch and streams do"),
    ("history.html", "Through time", "each test across the campaigns"),
)
"""Address from the site's root, words, and what is there."""
_STYLES = ("leaderboard.css", "finder.css")
_SCRIPTS = (
    "assets/manifest.js",
    "js/store.js",
    "js/finder-core.js",
    "js/finder-address.js",
    "js/finder-answers.js",
    "js/finder-offers.js",
    "js/finder.js",
)


def task_page(task: str) -> str:
    """The page of a task, from the site's root."""
    return f"tasks/{file_name(task)}.html"


def pages(site: Site) -> Iterable[Page]:
    """The first page, and one for each task."""
    boards = leaderboards(site.frame, site.newest.tasks)
    tasks = task_views(boards)
    rejected, rejected_more = rejected_of(site.newest)
    in_full = _values(boards) <= _MOST_VALUES
    changed = changes(site, _ranks(site, boards))
    yield Page(
        "index.html",
        "pages/index.html",
        title=site.facts.title,
        nav="index",
        context={
            "summary": summary_of(site.frame, site.facts, machines=len(site.machines)),
            "tasks": [(task, task_page(task.name)) for task in tasks],
            "budget": _MOST_VALUES if in_full else 0,
            "most_lines": None if in_full else _lines(len(boards)),
            "changes": changed,
            "rank_changes": _apart(changed.ranks) if changed else [],
            "three": format_number,
            "doubts": [] if site.frame["rank_ok"].any() else _doubts(site.frame),
            "coverage": coverage(site.frame, site.machines, site.models),
            "onward": _ONWARD,
            "finder": {
                "machines": site.machines,
                "models": site.models,
                "precisions": sorted(set(site.frame["precision"]) - {""}),
                "devices": sorted(set(site.frame["device"]) - {""}),
            },
            "rejected": rejected,
            "rejected_more": rejected_more,
        },
        scripts=_SCRIPTS,
        styles=_STYLES,
    )
    yield from (_task_page(task) for task in tasks)


def _task_page(task: TaskView) -> Page:
    return Page(
        task_page(task.name),
        "pages/task.html",
        title=f"{task.name}: which machine",
        nav="index",
        context={"task": task, "budget": _MOST_PER_BOARD},
        styles=_STYLES,
    )


def _ranks(site: Site, newest: Sequence[Leaderboard]) -> Ranks:
    """By campaign, the ranks of its machines in each leaderboard; tasks are those of today."""

    def of(campaign: str) -> Mapping[tuple[str, str], str]:
        if campaign == site.facts.id:
            return ranks_of(newest)
        tasks = next(each.tasks for each in site.campaigns if each.facts.id == campaign)
        return ranks_of(leaderboards(site.frames[campaign], {**tasks, **site.newest.tasks}))

    return of


def _apart(changed: Iterable[RankChange]) -> list[RankChange]:
    """Those whose old and new ranks do not overlap: others may be the same."""

    def ends(rank: str) -> tuple[int, int]:
        first, _, last = rank.partition("–")
        return int(first), int(last or first)

    return [
        each
        for each in changed
        if ends(each.before)[1] < ends(each.after)[0] or ends(each.after)[1] < ends(each.before)[0]
    ]


def _lines(boards: int) -> int:
    return max(_FEWEST_LINES, min(_MOST_LINES, _LINES // max(boards, 1)))


def _doubts(frame: pd.DataFrame) -> list[tuple[str, int, Reason]]:
    """Reasons of verdicts, those of most tests first: in words, of how many tests, with what to do."""
    counts = Counter(name for words in frame["verdict_reasons"] for name in words.split() if name in REASONS)
    return [
        (name.replace("_", " "), tests, REASONS[name]) for name, tests in counts.most_common(_MOST_DOUBTS)
    ]


def _values(boards: Sequence[Leaderboard]) -> int:
    return sum(line.have + len(line.gaps) for board in boards for line in (*board.ranked, *board.unranked))
