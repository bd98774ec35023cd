"""`fleetmark collect`: what has come back of a campaign so far, as table and site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from integrator.commands.common import errors, say_where
from integrator.store import CampaignStore
from integrator.words import counted

__all__ = ["collect"]


def collect(
    folder: Annotated[Path, typer.Argument(help="The folder that `fleetmark run` writes.")],
    lab: Annotated[
        Path | None, typer.Option(help="lab.yaml, where it has moved.", show_default=False)
    ] = None,
) -> None:
    """Fetch the results that are there and write table and site, at any time: they are marked as partial.

    The campaign may be under way meanwhile, or nobody may conduct it any more. Nothing is started.

    Example:  fleetmark collect out/nightly-20260101-200000
    """
    from integrator.gather import gather
    from integrator.publish import publish

    store = CampaignStore(folder)
    fetched = gather(store, lab_file=lab)
    publish(store)
    console = errors()
    console.print(f"{counted(fetched, 'new result')}")
    say_where(store, console)
