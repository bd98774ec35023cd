"""`fleetmark plan`: what a campaign would do."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from integrator.commands.common import CampaignOption, LabOption, errors, plan_from_files
from integrator.matrix import LeftOut
from integrator.plan import Plan, estimate_s
from integrator.words import counted, duration
from protocol.job import AUTO, Job, PlannedTest

__all__ = ["plan"]


def plan(
    lab: LabOption,
    campaign: CampaignOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check both files and print the tests of each machine, and about how long they take at most.

    Nothing is started and nothing is sent.

    Example:  fleetmark plan --lab examples/lab.yaml --campaign examples/campaign.yaml
    """
    made = plan_from_files(lab, campaign, errors())
    if as_json:
        json.dump(_as_json(made), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    for job in made.jobs:
        _print_job(console, job)
    for left_out in made.left_out:
        what = left_out.setting.test_id() if left_out.setting else "the machine"
        console.print(Text(f"left out on {left_out.machine}: {what}: {left_out.reason}"))


def _print_job(console: Console, job: Job) -> None:
    work = f"{counted(len(job.tests), 'test')}, {counted(len(job.schedule), 'run')}"
    console.print(Text(f"{job.machine}: {work}, at most about {duration(estimate_s(job))}"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    keys = ("model", "precision", "device", "scenario", "hint", "batch")
    for key in (*keys, "set"):
        table.add_column(key, overflow="fold")
    for test in job.tests:
        table.add_row(*(Text(str(getattr(test, key))) for key in keys), _given(test))
    console.print(table)
    console.print()


def _given(test: PlannedTest) -> str:
    """The settings that are not left to OpenVINO."""
    counts = {key: getattr(test, key) for key in ("streams", "threads", "requests")}
    return ", ".join(f"{key} {count}" for key, count in counts.items() if count != AUTO)


def _as_json(made: Plan) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "campaign": made.campaign,
        "machines": [
            {
                "machine": job.machine,
                "runs": len(job.schedule),
                "estimate_s": round(estimate_s(job), 1),
                "tests": [_test(test) for test in job.tests],
            }
            for job in made.jobs
        ],
        "left_out": [_left_out(entry) for entry in made.left_out],
    }


def _test(test: PlannedTest) -> dict[str, Any]:
    return test.model_dump(mode="json", exclude={"inputs"})


def _left_out(entry: LeftOut) -> dict[str, Any]:
    setting = entry.setting.test_id() if entry.setting else None
    return {"machine": entry.machine, "test_id": setting, "reason": entry.reason}
