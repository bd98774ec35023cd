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
    to: Annotated[
        str | None,
        typer.Option(
            help="Also copy the site there: a folder, sftp://user@host/path, git+ssh://, git+https:// or "
            "git+file:// URL of a repository, or a local repository with --branch."
        ),
    ] = None,
    branch: Annotated[str | None, typer.Option(help="The repository's branch. Default: gh-pages.")] = None,
    with_: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="FOLDER",
            help="An earlier campaign that the site shows too: for history and what changed. Repeatable.",
        ),
    ] = None,
    lab: Annotated[
        Path | None,
        typer.Option(
            help="A lab.yaml whose prices and watts count, instead of those from when the campaign began.",
        ),
    ] = None,
) -> None:
    """Write results.csv and the site of a campaign again, from its raw results; with --to, copy the site.

    At any time: of a campaign that is under way or was interrupted, what is there, marked as partial. What
    lies on a lab's own server is fetched by `fleetmark collect`.

    With --with the site is of several campaigns, the newest first. Only the first folder is written to.

    Examples:  fleetmark publish out/demo   ·   fleetmark publish out/demo --to sftp://www@host/srv/www/bench

    Example:  fleetmark publish out/june --with out/may --with out/april --lab lab.yaml
    """
    from integrator import publish as publishing
    from integrator.config import load_lab
    from integrator.gather import gather_here
    from integrator.offers import offers_of
    from integrator.publish_to import bring, destination_of

    destination = destination_of(to, branch)
    offers = offers_of(load_lab(lab)) if lab else None
    store = CampaignStore(folder)
    gather_here(store, store.read_record())
    behind = [CampaignStore(each) for each in with_ or ()]
    table = publishing.publish(store, behind=behind, offers=offers)
    say_where(store, errors())
    if destination:
        errors().print(bring(store, table, destination), soft_wrap=True)
