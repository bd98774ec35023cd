"""A page for each model, and the list of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from integrator.site.charts.chart import LATENCY, THROUGHPUT, Chart, Quantity
from integrator.site.charts.ladder import ladder
from integrator.site.charts.pareto import front, pareto
from integrator.site.charts.scaling import scaling
from integrator.site.charts.scenarios import scenarios
from integrator.site.page import Page, Site
from integrator.site.tests import TestText, doubts_of, model_page

__all__ = ["pages"]

_MOST = 150
"""Tests in the table of one model; of more, those that others beat are left to the machines' pages."""
_COLUMNS = (
    *("machine", "precision", "device", "scenario", "hint", "batch", "streams", "threads", "requests"),
    *("timed_region", "openvino", "settings", "label", "row", "rank_ok", "verdict_reasons"),
    *("latency_ms", "latency_low_ms", "latency_high_ms"),
    *("throughput_fps", "throughput_low_fps", "throughput_high_fps"),
)
_Rows = dict[str, list[Any]]
"""By column, lists: with many models, quicker than frames."""
_TITLES = {
    "pareto": "Latency and throughput",
    "streams": "By streams",
    "threads": "By threads",
    "batch": "By batch",
    "ladder": "By precision",
    "scenarios": "Sync and async",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the list of models."""

    name: str
    path: str
    task: str
    precisions: str
    tests: int
    ok: int
    machines: int
    latency: TestText | None
    throughput: TestText | None


def pages(site: Site) -> Iterable[Page]:
    """One of each model, and `models.html`."""
    frame = site.frame
    columns = {key: frame[key].tolist() for key in _COLUMNS}
    entries = []
    for name, places in frame.groupby("model", sort=False).indices.items():
        model, task = str(name), site.newest.tasks.get(str(name), "")
        own = [int(place) for place in np.asarray(places)]
        rows = {key: [values[place] for place in own] for key, values in columns.items()}
        tests = [site.tests[place] for place in own]
        yield _page(model, task, rows, tests)
        entries.append(_entry(model, task, rows, tests))
    yield Page(
        "models.html",
        "pages/models.html",
        title="Models",
        nav="models",
        context={"entries": entries},
        styles=("tests.css",),
    )


def _page(name: str, task: str, rows: _Rows, tests: list[TestText]) -> Page:
    made: dict[str, Chart | str] = {
        "pareto": pareto(rows),
        "streams": scaling(rows, "streams"),
        "threads": scaling(rows, "threads"),
        "batch": scaling(rows, "batch"),
        "ladder": ladder(rows),
        "scenarios": scenarios(rows),
    }
    shown = _worth_showing(rows) if len(tests) > _MOST else range(len(tests))
    return Page(
        model_page(name),
        "pages/model.html",
        title=name,
        nav="models",
        context={
            "name": name,
            "task": task,
            "titles": _TITLES,
            "made": made,
            "tests": [tests[place] for place in shown],
            "of": len(tests),
            "machines": len(set(rows["machine"])),
            "precisions": _precisions(rows),
            "doubts": doubts_of([rows["verdict_reasons"][place] for place in shown]),
        },
        scripts=("js/charts.js",),
        styles=("charts.css", "tests.css"),
        charts={key: chart.spec for key, chart in made.items() if isinstance(chart, Chart)},
    )


def _precisions(rows: _Rows) -> str:
    return ", ".join(dict.fromkeys(filter(None, rows["precision"])))


def _worth_showing(rows: _Rows) -> list[int]:
    """Of each machine, the tests that none of its others beats in latency and throughput; at most `_MOST`.

    A machine without such a test has its first one, so that it is seen why.
    """
    by_machine: dict[str, list[int]] = {}
    for place, machine in enumerate(rows["machine"]):
        by_machine.setdefault(machine, []).append(place)
    points = list(zip(rows["latency_ms"], rows["throughput_fps"], strict=True))
    fronts: list[list[int]] = []
    for places in by_machine.values():
        own = [place for place in places if rows["rank_ok"][place] and min(points[place]) > 0]
        fronts.append([own[best] for best in front([points[place] for place in own])] or places[:1])
    # Where there are more than fit, every machine has as many as the others.
    most = max(1, _MOST // len(fronts))
    return sorted(place for own in fronts for place in _spread(own, most))


def _spread(places: list[int], most: int) -> list[int]:
    """At most so many, from one end to the other."""
    if len(places) <= most:
        return places
    return [places[round(step * (len(places) - 1) / max(1, most - 1))] for step in range(most)]


def _entry(name: str, task: str, rows: _Rows, tests: list[TestText]) -> _Entry:
    def ranked(quantity: Quantity) -> list[tuple[float, int]]:
        """As on the first page: ok, valid and with an interval."""
        values = zip(
            *(rows[key] for key in (quantity.key, quantity.low, quantity.high, "rank_ok")), strict=True
        )
        return [
            (value, place)
            for place, (value, low, high, ok) in enumerate(values)
            if ok and value > 0 and low > 0 and high > 0
        ]

    sync = (each for each in ranked(LATENCY) if rows["scenario"][each[1]] == "sync")
    lowest = min(sync, default=None)
    highest = max(ranked(THROUGHPUT), key=lambda each: each[0], default=None)
    return _Entry(
        name=name,
        path=model_page(name),
        task=task,
        precisions=_precisions(rows),
        tests=len(tests),
        ok=sum(not test.status for test in tests),
        machines=len(set(rows["machine"])),
        latency=tests[lowest[1]] if lowest else None,
        throughput=tests[highest[1]] if highest else None,
    )
