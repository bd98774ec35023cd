"""`fleetmark run`: a campaign on the machines of a lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from integrator.commands.common import carry_through, errors, plan_from_files, setting_of, show_outcome
from integrator.progress import LiveProgress
from integrator.store import CampaignStore
from protocol.errors import UserError

__all__ = ["run"]


def run(
    lab: Annotated[Path | None, typer.Option(help="The machines: lab.yaml.", show_default=False)] = None,
    campaign: Annotated[
        Path | None, typer.Option(help="What to measure: campaign.yaml.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the results go. Default: out/ and the campaign's id.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete a campaign that lies there.")] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on with the campaign in this folder, with what is missing."),
    ] = None,
) -> None:
    """Plan a campaign, run it on all machines side by side, and publish its table and site.

    Ctrl-C once: every machine finishes the run under way, and what was measured is published. Twice: now.
    However a campaign was interrupted, --resume goes on with it and repeats nothing that is there.

    Example:  fleetmark run --lab lab.yaml --campaign campaign.yaml

    Example:  fleetmark run --resume out/nightly-20260101-200000
    """
    if resume is not None:
        if campaign is not None or out is not None or replace:
            raise UserError(
                "--resume goes on with a campaign as it was planned",
                advice="Only --lab can go with it, where lab.yaml has moved.",
            )
        _go_on(resume, lab)
        return
    if lab is None or campaign is None:
        raise UserError(
            f"{'--lab' if lab is None else '--campaign'} is missing",
            advice="fleetmark run --lab lab.yaml --campaign campaign.yaml, or fleetmark run --resume FOLDER",
        )
    plan = plan_from_files(lab, campaign, errors())
    carry_through(plan, out or Path("out") / plan.campaign, replace=replace, lab=lab)


def _go_on(folder: Path, lab: Path | None) -> None:
    from integrator.conduct.resume import lab_file_of, resume

    store = CampaignStore(folder)
    before = lab_file_of(store)
    if lab is None and before is not None and not before.is_file():
        raise UserError(f"{before}: the lab of this campaign is gone", advice="Name it with --lab FILE.")
    setting = setting_of(lab or before)
    with LiveProgress(errors()) as progress:
        complete = resume(store, progress, setting)
    show_outcome(store, complete=complete)
