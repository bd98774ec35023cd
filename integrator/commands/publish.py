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

    At any time: of a campaign that is under way or was interrupted, what is there, marked as partial. What
    lies on a lab's own server is fetched by `fleetmark collect`.

    Example:  fleetmark publish out/demo
    """
    from integrator import publish as publishing
    from integrator.gather import gather_here

    store = CampaignStore(folder)
    gather_here(store, store.read_record())
    publishing.publish(store)
    say_where(store, errors())
