"""Every row: the explorer. Here are its columns and what is there without scripts; the rest is JavaScript."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from integrator.site.cells import Cell, count_cell, number_cell, text_cell
from integrator.site.columns import COLUMNS, Column
from integrator.site.frame import machine_page
from integrator.site.page import Page, Site
from integrator.site.store.manifest import MANIFEST
from integrator.site.store.pack import script_name

__all__ = ["STATIC_ROWS", "pages", "usual_columns"]

STATIC_ROWS = 200
"""So many rows are there with scripts off; the machines' pages have all."""
_LEFT_OUT = frozenset(
    {"requests", "threads", "single_pass_ms", "compile_ms", "first_inference_ms", "runs", "iterations"}
    | {"hint", "stopped", "harness_percent", "latency_p90_ms", "energy_mj_per_inference", "fps"}
)
_ALIKE = frozenset({"device"})
"""Left out where all rows have the same."""
_SCRIPTS = ("data", "facets", "cells", "table", "pivot", "heat", "download", "menus")


def pages(site: Site) -> Iterable[Page]:
    """The one page."""
    frame = site.frame
    usual = usual_columns(frame)
    yield Page(
        "explore.html",
        "pages/explore.html",
        title="Explore",
        nav="explore",
        context={
            "usual": [column.key for column in usual],
            "columns": usual,
            "rows": _static(frame.head(STATIC_ROWS), usual),
            "total": len(frame),
            "machines": [(name, machine_page(name)) for name in site.machines],
        },
        scripts=(
            MANIFEST,
            "js/store.js",
            script_name(site.facts.id),
            "assets/vendor/datatables.js",
            *(f"js/explore-{name}.js" for name in _SCRIPTS),
            "js/explore.js",
        ),
        styles=("explore.css",),
    )


def usual_columns(frame: pd.DataFrame) -> list[Column]:
    """What is shown unless the reader chooses: columns that say something here."""
    return [column for column in COLUMNS if column.key not in _LEFT_OUT and _says_something(frame, column)]


def _says_something(frame: pd.DataFrame, column: Column) -> bool:
    values = frame[column.key]
    if column.key in _ALIKE:
        return values.nunique() > 1
    if column.usual is None:
        return True
    if column.kind != "text":
        return bool(values.notna().any())
    return not bool(values.isin(["", column.usual]).all())


def _static(frame: pd.DataFrame, columns: list[Column]) -> list[tuple[str, list[Cell]]]:
    """The link of each row, and its cells."""
    texts = [_cells(frame, column) for column in columns]
    return [(href, list(cells)) for href, *cells in zip(frame["href"], *texts, strict=True)]


def _cells(frame: pd.DataFrame, column: Column) -> list[Cell]:
    if column.kind == "text":
        return [
            text_cell(value.replace("_", " ") if column.key == "status" else value)
            for value in frame[column.key]
        ]
    notes = frame.get(f"{column.key}__note", [""] * len(frame))
    make = count_cell if column.kind == "count" else lambda value: number_cell(value, column.unit)
    return [make(note or value) for note, value in zip(notes, frame[column.key], strict=True)]
