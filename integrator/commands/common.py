"""What the subcommands share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from integrator.config import Campaign, Lab, ModelEntry, load_both, load_lab
from integrator.models import PreparedModel, prepare
from integrator.plan import Plan, make_plan
from integrator.progress import LiveProgress
from integrator.rejected import summary
from integrator.resources import CACHE
from integrator.store import CampaignStore
from integrator.topologies import TOPOLOGIES
from protocol.errors import EXIT_INTERRUPTED, EXIT_USER
from protocol.result import Status

if TYPE_CHECKING:
    from integrator.conduct.campaign import Setting

__all__ = [
    "CampaignOption",
    "LabOption",
    "carry_through",
    "errors",
    "plan_from_files",
    "say_where",
    "setting_of",
    "show_outcome",
]

LabOption = Annotated[Path, typer.Option("--lab", help="The machines: lab.yaml.", show_default=False)]
CampaignOption = Annotated[
    Path, typer.Option("--campaign", help="What to measure: campaign.yaml.", show_default=False)
]


def errors() -> Console:
    """Standard error, for whatever is not data."""
    return Console(stderr=True, highlight=False, markup=False)


def plan_from_files(lab: Path, campaign: Path, console: Console) -> Plan:
    """Check both files whole, make the models, and plan.

    Raises:
        ConfigurationError: with every problem.
    """
    files: tuple[Lab, Campaign] = load_both(lab, campaign, builtin_models=TOPOLOGIES)

    def prepared(entry: ModelEntry, precision: str, batches: Collection[int]) -> PreparedModel:
        console.print(f"Preparing {entry.name}")
        return prepare(entry, precision, batches, CACHE)

    return make_plan(*files, prepared)


def carry_through(plan: Plan, out: Path, *, replace: bool, lab: Path | None = None) -> None:
    """Conduct a plan, publish what came of it, and say so; leaves with 1 where a test is not ok."""
    # A mistake in a file is told before pandas, Jinja2 and the FTP server are loaded, which takes a second.
    from integrator.conduct.campaign import conduct

    store = CampaignStore(out)
    setting = setting_of(lab)
    with LiveProgress(errors()) as progress:
        complete = conduct(plan, store, progress, setting, replace=replace)
    show_outcome(store, complete=complete)


def setting_of(lab: Path | None) -> Setting:
    """Where a campaign takes place: as lab.yaml says, or on this computer.

    Raises:
        ConfigurationError: with every problem of the file.
    """
    from integrator.conduct.campaign import Setting

    loaded = load_lab(lab) if lab else None
    return Setting(CACHE / "agent", loaded, lab_file=lab if loaded else None)


def show_outcome(store: CampaignStore, *, complete: bool) -> None:
    """Publish what a campaign came to, and say so; leaves with 1 where tests are not ok or lack runs."""
    from integrator.publish import publish
    from integrator.report import format_plain, render_table

    console = errors()
    table = publish(store)
    output = Console(highlight=False)
    if output.is_terminal:
        render_table(table, console=output)
    else:
        output.file.write(format_plain(table))
    output.file.flush()
    say_where(store, console)
    if not complete:
        console.print(f"To go on: fleetmark run --resume {store.folder}", soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    bad = int((table["status"] != Status.OK.value).sum())
    if bad:
        console.print(f"{bad} of {len(table)} tests are not ok; the table says why.")
    absent = store.read_record().absent
    if absent:  # a row may be ok all the same, with fewer runs than were planned
        words = f"Runs are missing of {', '.join(absent)}. They can be tried again: fleetmark run --resume"
        console.print(f"{words} {store.folder}", soft_wrap=True)
    if bad or absent:
        raise typer.Exit(EXIT_USER)


def say_where(store: CampaignStore, console: Console) -> None:
    """Name what was written, and say whether anything was left out of it."""
    if rejected := summary(store.rejected):
        console.print(f"\n{rejected}", soft_wrap=True)
    console.print(f"\nTable: {store.csv}\nSite:  {store.site / 'index.html'}", soft_wrap=True)
