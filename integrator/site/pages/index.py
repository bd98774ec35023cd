"""The answer first: which machine, how sure, what changed and what was covered; a page for each task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrator.site.ids import file_name
from integrator.site.leaderboard.coverage import coverage
from integrator.site.leaderboard.drawing import board_view, headlines
from integrator.site.leaderboard.scores import Leaderboard, leaderboards
from integrator.site.leaderboard.summary import rejected_of, summary_of
from integrator.site.page import Page, Site

__all__ = ["pages", "task_page"]

_MOST_VALUES = 300
"""Values with their settings on the first page; a site with more has them on the pages of its tasks."""
_MOST_PER_BOARD = 450
"""Of a leaderboard on a task's page, which stays below 60 KB so when it is compressed."""
_ONWARD = (
    ("explore.html", "Every test", "sort, filter, pivot, and take the view as a file"),
    ("compare.html", "Two machines side by side", "the ratio of what both have measured, and what differs"),
    ("history.html", "Through time", "each test across the campaigns"),
)
"""Address from the site's root, words, and what is there."""


def task_page(task: str) -> str:
    """The page of a task, from the site's root."""
    return f"tasks/{file_name(task)}.html"


def pages(site: Site) -> Iterable[Page]:
    """The first page, and one for each task."""
    boards = leaderboards(site.frame, site.newest.tasks)
    by_task: dict[str, list[Leaderboard]] = {}
    for board in boards:
        by_task.setdefault(board.task, []).append(board)
    rejected, rejected_more = rejected_of(site.newest)
    in_full = _values(boards) <= _MOST_VALUES
    tasks = [
        {
            "name": task,
            "page": task_page(task),
            "models": (*of_task[0].models, *of_task[0].unscored),
            "boards": [board_view(board) for board in of_task],
            "headlines": [headlines(board) for board in of_task],
        }
        for task, of_task in by_task.items()
    ]
    yield Page(
        "index.html",
        "pages/index.html",
        title=site.facts.title,
        nav="index",
        context={
            "summary": summary_of(site.frame, site.facts, machines=len(site.machines)),
            "tasks": tasks,
            "in_full": in_full,
            "coverage": coverage(site.frame, site.machines, site.models),
            "onward": _ONWARD,
            "finder": {
                "machines": site.machines,
                "precisions": sorted(set(site.frame["precision"]) - {""}),
                "devices": sorted(set(site.frame["device"]) - {""}),
            },
            "rejected": rejected,
            "rejected_more": rejected_more,
        },
        scripts=("assets/manifest.js", "js/store.js", "js/finder-core.js", "js/finder.js"),
        styles=("leaderboard.css", "finder.css"),
    )
    for task in tasks:
        yield Page(
            str(task["page"]),
            "pages/task.html",
            title=f"{task['name']}: which machine",
            nav="index",
            context={"task": task, "full": _in_full(task["boards"])},
            styles=("leaderboard.css",),
        )


def _values(boards: Sequence[Leaderboard]) -> int:
    return sum(line.have + len(line.gaps) for board in boards for line in (*board.ranked, *board.unranked))
