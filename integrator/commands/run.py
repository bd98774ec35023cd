"""`fleetmark run`: a campaign on the machines of a lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from integrator.commands.common import CampaignOption, LabOption, carry_through, errors, plan_from_files

__all__ = ["run"]


def run(
    lab: LabOption,
    campaign: CampaignOption,
    out: Annotated[
        Path | None, typer.Option(help="Where the results go. Default: out/ and the campaign's id.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete a campaign that lies there.")] = False,
) -> None:
    """Plan a campaign, run it, and publish its table and site.

    Example:  fleetmark run --lab lab.yaml --campaign campaign.yaml
    """
    plan = plan_from_files(lab, campaign, errors())
    carry_through(plan, out or Path("out") / plan.campaign, replace=replace)
