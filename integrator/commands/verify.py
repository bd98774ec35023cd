"""`fleetmark verify`: the campaign's tests by OpenVINO's own benchmark_app too."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from integrator.commands.common import CampaignOption, LabOption, errors, plan_from_files
from protocol.errors import EXIT_USER

if TYPE_CHECKING:
    from integrator.verify import Check

__all__ = ["verify"]

_UNKNOWN = "–"


def verify(
    lab: LabOption,
    campaign: CampaignOption,
    tests: Annotated[int, typer.Option(help="How many of the campaign's tests, from the first.", min=1)] = 2,
    pairs: Annotated[int, typer.Option(help="How often each is measured by both, in turns.", min=1)] = 3,
    duration: Annotated[
        int | None,
        typer.Option(
            help="Seconds that each measures. Default: the campaign's, rounded up.", min=1, max=3600
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure some tests on this machine by fleetmark and by OpenVINO's benchmark_app, and compare.

    Same model file, device, hint, streams, threads, requests, shapes and duration. Leaves with 1 where a test
    could not be measured by both. Keeps nothing.

    Example:  fleetmark verify --lab examples/lab.yaml --campaign examples/campaign.yaml --tests 3
    """
    console = errors()
    plan = plan_from_files(lab, campaign, console)
    from integrator import verify as verifying

    checks = [
        verifying.verify(
            plan,
            job,
            test,
            pairs=pairs,
            duration_s=duration,
            say=lambda line: console.print(line, markup=False),
        )
        for job, test in verifying.first_tests(plan, tests)
    ]
    notes = list(verifying.differences(checks))
    if as_json:
        document = {"schema_version": 1, "tests": [_as_json(check) for check in checks], "differences": notes}
        json.dump(document, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _print(checks, notes)
    if any(check.reason for check in checks):
        raise typer.Exit(EXIT_USER)


def _print(checks: list[Check], notes: list[str]) -> None:
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column("test", overflow="fold")
    for name in (
        "latency\nms",
        "benchmark_app\nms",
        "ratio",
        "throughput\nFPS",
        "benchmark_app\nFPS",
        "ratio",
    ):
        table.add_column(name, justify="right", min_width=6)
    for check in checks:
        if not check.reason:
            table.add_row(Text(check.test.id), *_cells(check))
    if table.row_count:
        console.print(table)
        console.print(
            Text("\nMedians over the pairs; ratio: ours ÷ benchmark_app's, the median of the pairs' ratios.")
        )
    for check in checks:
        if check.reason:
            console.print(Text(f"\n{check.test.id}: not measured: {check.reason}"))
    console.print(Text("\nWhat may differ beside chance:"))
    for note in notes:
        console.print(Text(f"- {note}"))


def _cells(check: Check) -> list[str]:
    ours, theirs = check.throughput_fps
    throughput = [f"{ours:,.2f}", f"{theirs:,.2f}", f"{check.throughput_ratio:.3f}"]
    if check.latency_ms is None:
        return [_UNKNOWN, _UNKNOWN, _UNKNOWN, *throughput]
    ratio = _UNKNOWN if check.latency_ratio is None else f"{check.latency_ratio:.3f}"
    return [f"{check.latency_ms[0]:.3f}", f"{check.latency_ms[1]:.2f}", ratio, *throughput]


def _as_json(check: Check) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "test_id": check.test.id,
        "machine": check.machine,
        "test": check.test.model_dump(mode="json", exclude={"id", "inputs"}),
        "duration_s": check.duration_s,
        "reason": check.reason or None,
    }
    if check.reason:
        return fields
    latency, throughput = check.latency_ms, check.throughput_fps
    return fields | {
        "latency_ms": {"ours": latency[0], "benchmark_app": latency[1]} if latency else None,
        "latency_ratio": check.latency_ratio,
        "throughput_fps": {"ours": throughput[0], "benchmark_app": throughput[1]},
        "throughput_ratio": check.throughput_ratio,
        "throughput_ratio_range": check.throughput_ratios,
        "pairs": [
            {"ours": _run(ours), "benchmark_app": _run(theirs)}
            for ours, theirs in zip(check.ours, check.theirs, strict=True)
        ],
    }


def _run(run: Any) -> dict[str, Any]:
    return {
        "latency_ms": run.latency_ms,
        "throughput_fps": run.throughput_fps,
        "iterations": run.iterations,
    }
