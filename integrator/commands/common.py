"""What the subcommands share."""

from __future__ import annotations

import signal
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from integrator.config import Campaign, Lab, ModelEntry, load_both
from integrator.models import PreparedModel, prepare
from integrator.plan import Plan, make_plan
from integrator.progress import LiveProgress
from integrator.rejected import summary
from integrator.resources import CACHE
from integrator.store import CampaignStore
from integrator.topologies import TOPOLOGIES
from protocol.errors import EXIT_INTERRUPTED, EXIT_USER
from protocol.result import Status

__all__ = [
    "CampaignOption",
    "LabOption",
    "carry_through",
    "errors",
    "plan_from_files",
    "say_where",
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


def carry_through(plan: Plan, out: Path, *, replace: bool) -> None:
    """Conduct a plan, publish what came of it, and say so; leaves with 1 where a test is not ok."""
    # A mistake in a file is told before pandas, Jinja2 and the FTP server are loaded, which takes a second.
    from integrator.conduct.campaign import conduct
    from integrator.publish import publish
    from integrator.report import format_plain, render_table

    console = errors()
    store = CampaignStore(out)
    # A closed terminal and a service manager ask for the same as Ctrl-C, and lose as little.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with LiveProgress(console) as progress:
        complete = conduct(plan, store, progress, cache=CACHE / "agent", replace=replace)
    table = publish(store)
    output = Console(highlight=False)
    if output.is_terminal:
        render_table(table, console=output)
    else:
        output.file.write(format_plain(table))
    output.file.flush()
    say_where(store, console)
    if not complete:
        raise typer.Exit(EXIT_INTERRUPTED)
    bad = int((table["status"] != Status.OK.value).sum())
    if bad:
        console.print(f"{bad} of {len(table)} tests are not ok; the table says why.")
        raise typer.Exit(EXIT_USER)


def say_where(store: CampaignStore, console: Console) -> None:
    """Name what was written, and say whether anything was left out of it."""
    if rejected := summary(store.rejected):
        console.print(f"\n{rejected}", soft_wrap=True)
    console.print(f"\nTable: {store.csv}\nSite:  {store.site / 'index.html'}", soft_wrap=True)
