"""`fleetmark doctor`: what a machine is and what its devices say of themselves; whether a lab is ready."""

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
from integrator.resources import CACHE
from integrator.store import CampaignStore
from integrator.words import counted
from protocol.errors import EXIT_USER, UserError
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
    lab: Annotated[
        Path | None, typer.Option(help="Look at all machines of this lab.yaml: is each ready, and quiet?")
    ] = None,
    machine: Annotated[
        list[str] | None, typer.Option(help="With --lab: this machine only; may be given again.")
    ] = None,
    send_images: Annotated[
        bool, typer.Option("--send-images", help="With --lab: send the agent's image where it is missing.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --lab: show also in detail what is fine.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a machine's facts, and what OpenVINO chooses on it for each device and hint.

    Compiles a very small model on each device; measures nothing. With --lab, ask all machines of a lab at
    once whether a campaign would run there and what would make its numbers noisy; leaves with 1 where it
    would fail.

    Examples:  fleetmark doctor   ·   fleetmark doctor out/demo   ·   fleetmark doctor --lab lab.yaml
    """
    if lab is not None:
        _look_at(lab, machine or [], send_images=send_images, everything=everything, as_json=as_json)
        return
    if machine or send_images or everything:
        raise UserError("--machine, --send-images and --all are for a lab", advice="Name it with --lab.")
    machines = [describe_here(THIS_MACHINE)] if folder is None else _collected(folder)
    if as_json:
        document = {"schema_version": 1, "machines": [m.model_dump(mode="json") for m in machines]}
        json.dump(document, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    for described in machines:
        print_machine(described, console, properties=properties)


def _look_at(path: Path, names: list[str], *, send_images: bool, everything: bool, as_json: bool) -> None:
    """Examine a lab and print what was found; leaves with 1 where a machine would fail."""
    from integrator.config import load_lab
    from integrator.doctor.examine import ImageSender, ask_passwords, examine
    from integrator.doctor.finding import Health
    from integrator.doctor.table import lab_report, summary

    lab = load_lab(path)
    known = {machine.name for machine in lab.machines}
    if unknown := [name for name in names if name not in known]:
        raise UserError(
            f"{path}: there is no machine {', '.join(unknown)}",
            advice=f"There are {', '.join(sorted(known))}.",
        )
    machines = [machine for machine in lab.machines if not names or machine.name in names]
    console = errors()
    sender = ImageSender(CACHE / "images", console.print) if send_images else None
    passwords = ask_passwords(machines)
    with console.status(f"Asking {counted(len(machines), 'machine')}") as status:
        finished: list[str] = []

        def done(name: str) -> None:
            finished.append(name)
            status.update(f"Asked {len(finished)} of {counted(len(machines), 'machine')}")

        try:
            found = examine(lab, machines, passwords, send=sender, done=done)
        finally:
            if sender:
                sender.close()
    if as_json:
        sys.stdout.write(found.to_bytes().decode())
    else:
        Console(highlight=False).print(lab_report(found, everything=everything))
    console.print(summary(found))
    if found.health is Health.FAIL:
        raise typer.Exit(EXIT_USER)


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
