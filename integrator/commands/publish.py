"""`fleetmark publish`: table and site anew from a campaign's raw results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from integrator.commands.common import errors, say_where
from integrator.store import CampaignStore

__all__ = ["publish"]


def publish(
    folder: Annotated[Path, typer.Argument(help="The folder that `fleetmark run` or `demo` wrote.")],
) -> None:
    """Write results.csv and the site of a campaign again, from its raw results.

    Example:  fleetmark publish out/demo
    """
    from integrator import publish as publishing

    store = CampaignStore(folder)
    publishing.publish(store)
    say_where(store, errors())
