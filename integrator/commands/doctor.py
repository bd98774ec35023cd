"""`fleetmark doctor`: what a machine is, and what its devices say of themselves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from integrator.commands.common import errors
from integrator.launch.describe import describe_here
from integrator.machine_report import print_machine
from integrator.rejected import Rejections
from integrator.store import CampaignStore
from protocol.errors import UserError
from protocol.machine import MachineDescription

__all__ = ["doctor"]

THIS_MACHINE = "this-machine"


def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A campaign's folder: its machines, as they were. Default: this machine, now."),
    ] = None,
    properties: Annotated[
        bool, typer.Option("--properties", help="Name every property that a device supports.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a machine's facts, and what OpenVINO chooses on it for each device and hint.

    Compiles a very small model on each device; measures nothing.

    Examples:  fleetmark doctor   ·   fleetmark doctor out/demo   ·   fleetmark doctor --json
    """
    machines = [describe_here(THIS_MACHINE)] if folder is None else _collected(folder)
    if as_json:
        document = {"schema_version": 1, "machines": [m.model_dump(mode="json") for m in machines]}
        json.dump(document, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    for machine in machines:
        print_machine(machine, console, properties=properties)


def _collected(folder: Path) -> list[MachineDescription]:
    """The machines that described themselves to a campaign.

    Raises:
        UserError: there is no campaign, or none of its machines did.
    """
    store = CampaignStore(folder)
    record = store.read_record()
    found = store.read_machines(record, Rejections("folder"))
    for name in record.machines:
        if name not in found:
            errors().print(f"{name}: no description came back", markup=False)
    if not found:
        raise UserError(f"{folder}: none of its machines has described itself")
    return list(found.values())
