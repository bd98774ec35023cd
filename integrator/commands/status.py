"""`fleetmark status`: where each machine of a campaign stands."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from integrator.commands.common import errors
from integrator.conduct.standing import MachineState
from integrator.conduct.state import CampaignState
from integrator.progress import harmless
from integrator.standings_table import MachineRow, standings_table
from integrator.store import CampaignStore
from integrator.words import duration

if TYPE_CHECKING:
    from integrator.overview import MachineOverview, Overview

__all__ = ["status"]

_LOOK_EVERY_S = 2.0


def status(
    folder: Annotated[Path, typer.Argument(help="The folder that `fleetmark run` writes.")],
    lab: Annotated[
        Path | None, typer.Option(help="lab.yaml, where it has moved.", show_default=False)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until the campaign is over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show each machine's state, test, progress, time left, last heartbeat and failures.

    From any terminal, while the campaign runs or later. With --watch and without a terminal, and with --json,
    it prints again whenever something has changed; JSON then is one document a line.

    Example:  fleetmark status out/nightly-20260101-200000 --watch
    """
    from integrator.overview import Lookout

    lookout = Lookout(CampaignStore(folder), lab)
    shown = None
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            overview = lookout.look()
            document = _as_json(overview)
            if document != shown:
                shown = document
                if as_json:
                    json.dump(document, sys.stdout, indent=None if watch else 1)
                    sys.stdout.write("\n")
                    sys.stdout.flush()
                elif console.is_terminal:
                    live.update(_drawn(overview, console), refresh=True)
                else:
                    _print_plain(overview)
            if not watch or overview.state is not CampaignState.RUNNING:
                break
            time.sleep(_LOOK_EVERY_S)
    if overview.note:
        errors().print(harmless(overview.note), soft_wrap=True)


def _headline(overview: Overview) -> str:
    words = f"{overview.record.campaign}: {overview.state}"
    if overview.conductor is not None:
        words += f", conducted by process {overview.conductor}"
    if overview.state is CampaignState.INTERRUPTED:
        words += "; `fleetmark run --resume` with its folder goes on with it"
    return words


def _drawn(overview: Overview, console: Console) -> RenderableType:
    rows = [_row(machine) for machine in overview.machines]
    return Group(Text(_headline(overview)), standings_table(rows, console))


def _print_plain(overview: Overview) -> None:
    lines = [_headline(overview)]
    for entry in overview.machines:
        row = _row(entry)
        heard = f", heard {row.heard}" if row.heard else ""
        failed = f", {row.failed} failed" if row.failed else ""
        left = f", {row.left} left" if row.left else ""
        now = f", {row.now}" if entry.standing.state is MachineState.RUNNING and row.now else ""
        lines.append(f"{row.machine}: {harmless(str(entry.standing))}{now}{failed}{left}{heard}")
    typer.echo("\n".join(lines))


def _row(entry: MachineOverview) -> MachineRow:
    standing, heartbeat = entry.standing, entry.heartbeat
    now = harmless(standing.detail)
    if heartbeat is not None and heartbeat.test and standing.state is MachineState.RUNNING:
        now = f"{heartbeat.test} run {(heartbeat.run or 0) + 1}"
    return MachineRow(
        entry.machine,
        standing.state,
        now,
        standing.done,
        standing.total,
        f"at most about {duration(entry.left_s)}" if entry.left_s else "",
        f"{standing.since:%Y-%m-%d %H:%M:%S} UTC" if standing.since else "",
        standing.failed,
    )


def _as_json(overview: Overview) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "campaign": overview.record.campaign,
        "title": overview.record.title,
        "state": overview.state.value,
        "conductor": overview.conductor,
        "machines": [_machine_as_json(machine) for machine in overview.machines],
    }


def _machine_as_json(entry: MachineOverview) -> dict[str, Any]:
    standing, heartbeat = entry.standing, entry.heartbeat
    running = standing.state in (MachineState.RUNNING, MachineState.SILENT)
    return {
        "machine": entry.machine,
        "state": standing.state.value,
        "detail": standing.detail,
        "test": heartbeat.test if heartbeat and running else None,
        "run": heartbeat.run if heartbeat and running else None,
        "done": standing.done,
        "total": standing.total,
        "failed": standing.failed,
        "left_s": round(entry.left_s, 1) if entry.left_s is not None else None,
        "heard_at": standing.since.isoformat() if standing.since else None,
    }
