"""The page that holds two slices against each other, and every machine against every other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from integrator.site.cells import clean_text, format_number
from integrator.site.compare.differences import badge
from integrator.site.compare.matrix import FEW, Pair, speed_ups
from integrator.site.frame import machine_page
from integrator.site.page import Page, Site
from integrator.statistics.compare import BAND, Outcome

__all__ = ["LEVELS", "MOST_MACHINES", "Cell", "cell_of", "pages"]

MOST_MACHINES = 40
"""Of the matrix: what stays under 60 KB when it is compressed."""
LEVELS = (1.1, 1.5, 3.0)
"""Factors at which a colour becomes stronger."""

_SIGNS = {
    Outcome.FASTER: "▲",
    Outcome.SLOWER: "▼",
    Outcome.EQUIVALENT: "≈",
    Outcome.INCONCLUSIVE: "?",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One machine by another, as it is drawn."""

    text: str
    """The number; empty without one."""
    sign: str
    """▲ faster, ▼ slower, ≈ equivalent, or ? where that is not known."""
    colour: str
    """A class of the style sheet, such as `fast-2`; empty for none."""
    coverage: str
    title: str
    """Everything in words."""
    hatched: str
    """Why it is to be read with care; empty where nothing is against it."""
    href: str


def pages(site: Site) -> Iterable[Page]:
    """The page of comparisons."""
    descriptions = {clean_text(name): machine for name, machine in site.newest.machines.items()}
    machines = tuple(dict.fromkeys(site.frame["machine"]))
    matrix = speed_ups(site.frame, machines[:MOST_MACHINES], descriptions)
    rows = [
        {
            "machine": one,
            "page": machine_page(one),
            "cells": [
                cell_of(matrix.pairs[one, other], one, other) if one != other else None
                for other in matrix.machines
            ],
        }
        for one in matrix.machines
    ]
    yield Page(
        "compare.html",
        "pages/compare.html",
        title="Compare",
        nav="compare",
        context={
            "matrix": rows,
            "machines": matrix.machines,
            "left_out": max(0, len(machines) - MOST_MACHINES),
            "few": FEW,
            "band": f"{100 * BAND:g}",
            "several": len(machines) > 1 or len(site.campaigns) > 1,
        },
        scripts=(
            "assets/manifest.js",
            "assets/compare.js",
            "assets/machines.js",
            "js/store.js",
            "js/runs.js",
            "js/compare-core.js",
            "js/compare-slices.js",
            "js/compare-view.js",
            "js/compare-strip.js",
            "js/compare.js",
        ),
        styles=("compare.css",),
    )


def cell_of(pair: Pair, one: str, other: str) -> Cell:
    """A cell of the matrix: how many times as fast as the other the one is."""
    href = f"compare.html#{urlencode({'a': other, 'b': one})}"
    if pair.ratio is None:
        words = "nothing in common that is ok and valid on both"
        return Cell("", "", "", f"0/{pair.of}", f"{one} by {other}: {words}", hatched="", href=href)
    number = format_number(pair.ratio)
    between = (
        f"{format_number(pair.interval.low)} to {format_number(pair.interval.high)}"
        if pair.interval
        else "no interval: needs 1 more configuration"
    )
    parts = [
        f"{one} is {number} times as fast as {other} ({between})",
        f"{pair.known} of {pair.of} configurations, {pair.models} model{'s' * (pair.models != 1)}",
        pair.hatched,
        badge(pair.differs),
    ]
    return Cell(
        text=number,
        sign=_SIGNS[pair.outcome],
        colour=_colour(pair.outcome, pair.ratio),
        coverage=f"{pair.known}/{pair.of}",
        title="; ".join(filter(None, parts)),
        hatched=pair.hatched,
        href=href,
    )


def _colour(outcome: Outcome, ratio: float) -> str:
    """Inside the noise, or the band, there is none."""
    if outcome not in (Outcome.FASTER, Outcome.SLOWER):
        return ""
    size = abs(math.log(ratio))
    level = 1 + sum(size >= math.log(edge) for edge in LEVELS)
    return f"{'fast' if outcome is Outcome.FASTER else 'slow'}-{level}"
