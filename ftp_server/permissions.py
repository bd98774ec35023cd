"""Who may do what on the server: decided from a role, a user, a letter and a path, and nothing else.

The letters are pyftpdlib's: e change folder, l list, r read, a append, d delete, f rename, m make a folder,
w store, M change mode, T change time. Paths are absolute on the server and normalised.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath

from protocol.layout import (
    CAMPAIGN_ID,
    MACHINES,
    MODELS,
    CampaignFolder,
    clock_file,
    machine_folder,
    split_lease_name,
    split_result_name,
)
from protocol.transfer_names import final_name

__all__ = ["PERMISSIONS", "Role", "allowed", "may_rename", "written_once"]

_CAMPAIGN_DEPTH = 4  # "/", "machines", the machine, the campaign


class Role(StrEnum):
    """What an account is for."""

    INTEGRATOR = "integrator"
    """Fills and empties the server: everything inside its root."""
    MACHINE = "machine"
    """An agent, named as its machine: reads models and its own folder, pushes its own results."""


PERMISSIONS = {Role.INTEGRATOR: "elradfmwMT", Role.MACHINE: "elrfmw"}
"""The letters that a role has somewhere."""


def allowed(role: Role, user: str, permission: str, path: PurePosixPath) -> bool:
    """Whether `user` has `permission` on `path`. Anything that is not granted is refused."""
    if path.root != "/" or ".." in path.parts or permission not in set(PERMISSIONS[role]):
        return False
    if role is Role.INTEGRATOR:
        return True
    if permission in {"e", "l", "r"}:
        may_pass = permission != "r" and path in (PurePosixPath("/"), MACHINES)
        return may_pass or _within(path, machine_folder(user), MODELS)
    folder = _campaign(user, path)
    if permission == "m":
        return folder is not None and path == folder.results
    if folder is None:
        return _is_lease(user, path)
    # A result is stored under a temporary name and renamed: one that is there is whole.
    return _may_push(folder, path) and not (permission == "w" and written_once(role, path))


def may_rename(role: Role, user: str, source: PurePosixPath, target: PurePosixPath) -> bool:
    """Whether `user` may give `source` the name `target`.

    A machine may only finish an upload: from the temporary name to the name that it stands for. Anything else
    would let it take away what it cannot delete.
    """
    if not (allowed(role, user, "f", source) and allowed(role, user, "f", target)):
        return False
    return role is Role.INTEGRATOR or (
        source.parent == target.parent and source != target and final_name(source.name) == target.name
    )


def written_once(role: Role, path: PurePosixPath) -> bool:
    """Whether `path`, once there, is never overwritten by an account of this role."""
    if role is not Role.MACHINE:
        return False
    lease = split_lease_name(path.name)
    # Of two agents that take a machine at the same moment, the second finds the name taken.
    return split_result_name(path.name) is not None or (lease is not None and not lease[1])


def _within(path: PurePosixPath, *folders: PurePosixPath) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _campaign(user: str, path: PurePosixPath) -> CampaignFolder | None:
    """The campaign of `user` that `path` lies in."""
    if not _within(path, machine_folder(user)) or len(path.parts) <= _CAMPAIGN_DEPTH:
        return None
    name = path.parts[_CAMPAIGN_DEPTH - 1]
    return CampaignFolder(user, name) if re.fullmatch(CAMPAIGN_ID, name) else None


def _is_lease(user: str, path: PurePosixPath) -> bool:
    """Whether `path` is a lease of the machine or its clock, or an upload of one."""
    name = final_name(path.name) or path.name
    return path.parent == machine_folder(user) and (
        name == clock_file(user).name or split_lease_name(name) is not None
    )


def _may_push(folder: CampaignFolder, path: PurePosixPath) -> bool:
    final = path.with_name(final_name(path.name) or path.name)
    return final in (folder.status, folder.machine) or (
        final.parent == folder.results and split_result_name(final.name) is not None
    )
