"""A finished site, brought to where it is read: a folder, a server over SFTP, a branch of a repository."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from integrator.publish_to.destination import Destination, Folder, GitBranch, parse_destination
from integrator.publish_to.folder import publish_to_folder
from integrator.publish_to.git import publish_to_git
from integrator.store import CampaignStore
from integrator.words import counted
from protocol.errors import UserError
from protocol.result import Status

__all__ = ["bring", "destination_of", "publish_to"]


def destination_of(to: str | None, branch: str | None) -> Destination | None:
    """What the options say; None: nowhere.

    Raises:
        UserError: it is no place that a site could be published to.
    """
    if to is None:
        if branch:
            raise UserError(f"--branch {branch}: of which repository?", advice="Name it with --to.")
        return None
    return parse_destination(to, branch)


def bring(store: CampaignStore, table: pd.DataFrame, destination: Destination) -> str:
    """Publish a campaign's site; a sentence that says whether all of its tests are in it."""
    missing = int((table["status"] == Status.NOT_RUN.value).sum())
    partial = f", partial: {counted(missing, 'test')} of {len(table)} not run" if missing else ""
    name = store.read_record().campaign
    return publish_to(store.site, destination, f"fleetmark {name}{partial}") + partial


def publish_to(site: Path, destination: Destination, message: str) -> str:
    """Bring a finished site to where it is read; what was done, in a sentence.

    `message` is what a git branch says of the commit.

    Raises:
        FleetmarkError: the destination does not take it; what was there before is there still.
    """
    if isinstance(destination, Folder):
        publish_to_folder(site, destination.path)
        return f"Published: {destination.path.resolve() / 'index.html'}"
    if isinstance(destination, GitBranch):
        commit = publish_to_git(site, destination, message)
        return f"Published: {destination}, commit {commit[:12]}" if commit else f"As it is in {destination}"
    from integrator.publish_to.sftp import publish_to_sftp  # noqa: PLC0415  # paramiko takes a moment

    publish_to_sftp(site, destination)
    return f"Published: {destination}"
