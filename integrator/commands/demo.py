"""`fleetmark demo`: the main job on this machine, with the campaign that comes along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from integrator.commands.common import carry_through, errors, plan_from_files
from integrator.resources import find

__all__ = ["demo"]

OUT = Path("out/demo")


def demo(
    out: Annotated[Path, typer.Option(help="Where the results go, in place of an earlier demo's.")] = OUT,
) -> None:
    """Benchmark this machine end to end: server, agent, measurements, table and site.

    Takes about a minute. Needs no Docker, no root and no network.

    Example:  fleetmark demo
    """
    examples = find("examples")
    plan = plan_from_files(examples / "lab.yaml", examples / "campaign.yaml", errors())
    carry_through(plan, out, replace=True)
