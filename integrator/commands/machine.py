"""`fleetmark machine`: the accounts on the lab's FTP server."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from integrator.commands.common import errors
from protocol.account import Account
from protocol.cli import EXIT_CODES
from protocol.errors import UserError
from protocol.layout import MACHINE_NAME

if TYPE_CHECKING:
    from ftp_server.account_file import AccountFile
    from ftp_server.private_folder import Endpoint

__all__ = ["machine"]

machine = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Accounts on the FTP server of a folder on this computer. A running server takes them up by itself.",
)

Name = Annotated[str, typer.Argument(help="The machine, as in lab.yaml.")]
ServerRoot = Annotated[Path, typer.Option(help="The folder of `fleetmark-ftp serve --root`.")]
Out = Annotated[Path | None, typer.Option(help="The hand-over file. Default: NAME.account.json here.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a hand-over file that is there.")]


@machine.command(epilog=EXIT_CODES)
def add(
    name: Name,
    server_root: ServerRoot,
    out: Out = None,
    force: Force = False,
    integrator: Annotated[
        bool, typer.Option("--integrator", help="An account that may do everything: the integrator's.")
    ] = False,
) -> None:
    """Make an account and its hand-over file.

    The file holds host, port, password, and the CA to believe; the password is nowhere else. Bring it to the
    machine over a way that you trust.

    Example:  fleetmark machine add machine-7 --server-root /srv/fleetmark
    """
    from ftp_server.permissions import Role

    accounts, hand_over, path = _prepare(name, server_root, out, force=force)
    accounts.add(name, Role.INTEGRATOR if integrator else Role.MACHINE, hand_over)
    errors().print(f"Account {name} made; hand over: {path}", soft_wrap=True)


@machine.command(epilog=EXIT_CODES)
def rotate(name: Name, server_root: ServerRoot, out: Out = None, force: Force = False) -> None:
    """Give an account a new password, and a new hand-over file.

    The old password ends at once, and with it who is logged in.

    Example:  fleetmark machine rotate machine-7 --server-root /srv/fleetmark --force
    """
    accounts, hand_over, path = _prepare(name, server_root, out, force=force)
    accounts.rotate(name, hand_over)
    errors().print(f"Account {name} has a new password; hand over: {path}", soft_wrap=True)


@machine.command(epilog=EXIT_CODES)
def remove(name: Name, server_root: ServerRoot) -> None:
    """Take an account away; the machine's files stay.

    Who is logged in with it is disconnected.

    Example:  fleetmark machine remove machine-7 --server-root /srv/fleetmark
    """
    _open(server_root)[0].remove(name)
    errors().print(f"Account {name} removed")


@machine.command(name="list", epilog=EXIT_CODES)
def list_accounts(
    server_root: ServerRoot,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the accounts: name, role, and when the password was made.

    Example:  fleetmark machine list --server-root /srv/fleetmark
    """
    entries = _open(server_root)[0].entries()
    if as_json:
        document = [entry.model_dump(mode="json", exclude={"password_argon2id"}) for entry in entries]
        json.dump({"schema_version": 1, "accounts": document}, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    if not entries:
        errors().print(
            f"No accounts yet: fleetmark machine add NAME --server-root {server_root}", soft_wrap=True
        )
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        typer.echo(f"{entry.name:{width}}  {entry.role:10}  {entry.created_at:%Y-%m-%d %H:%M} UTC")


def _open(server_root: Path) -> tuple[AccountFile, Endpoint]:
    from ftp_server.account_file import AccountFile
    from ftp_server.private_folder import PrivateFolder

    folder = PrivateFolder(server_root)
    endpoint = folder.endpoint()
    return AccountFile(folder.accounts), endpoint


def _prepare(
    name: str, server_root: Path, out: Path | None, *, force: bool
) -> tuple[AccountFile, Callable[[str], None], Path]:
    if not re.fullmatch(MACHINE_NAME, name):
        raise UserError(
            f"{name!r} is not a name for a machine",
            advice="At most 64 characters: a to z, 0 to 9, - and _ between them.",
        )
    path = out or Path(f"{name}.account.json")
    if os.path.lexists(path) and not force:
        raise UserError(
            f"{path}: is there already", advice="Another file with --out, or --force to replace it."
        )
    accounts, endpoint = _open(server_root)

    def hand_over(password: str) -> None:
        Account(
            host=endpoint.host,
            port=endpoint.port,
            user=name,
            password=SecretStr(password),
            ca_certificate=endpoint.ca_certificate,
        ).write(path)

    return accounts, hand_over, path
