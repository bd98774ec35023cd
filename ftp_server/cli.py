"""`fleetmark-ftp`: the FTP server as a program of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
from pathlib import Path
from typing import Annotated

import typer

from ftp_server import credentials, health, options, privileges
from ftp_server.account_file import AccountFile
from ftp_server.limits import Limits
from ftp_server.log import log_as
from ftp_server.private_folder import Endpoint, PrivateFolder
from ftp_server.server import FtpServer
from protocol.cli import EXIT_CODES, run_program

__all__ = ["app", "main"]

_LOG = logging.getLogger("fleetmark.ftp")
_LOOK_EVERY_S = 1.0
_HIGHEST_PORT = 65535
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_PRIVATE = 0o077
_FILES_PER_CLIENT = 3
_OTHER_FILES = 50

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
    help="The FTP server between the integrator and the agents.",
)

RootOption = Annotated[Path, typer.Option(help="The server's folder: files/ and private/ lie in it.")]


@app.command(epilog=EXIT_CODES)
def serve(  # noqa: PLR0917 - a command's options
    root: RootOption,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0: every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.", min=0, max=_HIGHEST_PORT)] = 2121,
    passive_ports: Annotated[
        str, typer.Option(help="Ports for data connections, FIRST-LAST; one for each transfer at a time.")
    ] = "30000-30999",
    advertise: Annotated[
        str | None,
        typer.Option(
            help="Name or address that agents connect to (Docker, NAT). Default: --host.", metavar="ADDRESS"
        ),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Your own certificate chain, PEM; with --key and --ca.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM, not encrypted.")] = None,
    ca: Annotated[Path | None, typer.Option(help="The CA that agents are to believe, PEM.")] = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Let in clients without TLS too. Their password and files can be read and changed by "
            "anybody on the way, and nothing tells them that the server is the right one. fleetmark's own "
            "agents use TLS all the same.",
        ),
    ] = False,
    max_connections: Annotated[int, typer.Option(help="Clients at a time.", min=1)] = 2000,
    max_connections_per_address: Annotated[
        int, typer.Option(help="Clients at a time from one address; 0: no limit.", min=0)
    ] = 64,
    failed_logins: Annotated[
        int, typer.Option(help="Failed logins after which an address is refused; 0: never.", min=0)
    ] = 10,
    ban: Annotated[float, typer.Option(help="Seconds that it is refused.", min=1)] = 300.0,
    max_file_size: Annotated[
        str, typer.Option(help="Of a file that a machine sends; 64M, 1G; 0: no limit.")
    ] = "256M",
    quota: Annotated[str, typer.Option(help="Of each machine's folder; 10G; 0: no limit.")] = "10G",
    idle_timeout: Annotated[
        float, typer.Option(help="Seconds of silence after which a client is disconnected.", min=1)
    ] = 300.0,
    user: Annotated[
        str | None, typer.Option(help="Become this user once the port is bound. Needs root.")
    ] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log lines of JSON.")] = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C. FTP with TLS 1.2 or newer on both connections; passive mode only.

    The first start makes an authority and keeps it in ROOT/private. Accounts: fleetmark machine add.

    Example:  fleetmark-ftp serve --root /srv/fleetmark --host 0.0.0.0 --advertise ftp.lab.example
    """
    log_as(json_lines=log_json)
    become = privileges.check(user)
    limits = Limits(
        max_connections_per_address=max_connections_per_address,
        failed_logins=failed_logins,
        ban_s=ban,
        max_file_bytes=options.size("--max-file-size", max_file_size),
        quota_bytes=options.size("--quota", quota),
    )
    passive = options.ports("--passive-ports", passive_ports)
    advertised = options.advertised_name(host, advertise)
    shown = credentials.given(certificate, key, ca)
    folder = PrivateFolder(root.resolve())
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(options.bind(host, port))
        if become is not None:
            privileges.make_for(root, become)
            privileges.become(become)
        os.umask(_PRIVATE)
        _allow_open_files(max_connections)
        folder.make()
        stack.enter_context(folder.held())
        shown = shown or credentials.own(folder.authority, options.names(host, advertised))
        credentials.check_believed(shown, advertised)
        accounts = AccountFile(folder.accounts)
        folder.write_endpoint(
            Endpoint(
                host=advertised,
                port=listening.getsockname()[1],
                listens_on=options.EVERY_ADDRESS.get(host, host),
                ca_certificate=shown.authority,
            )
        )
        if plain:
            _LOG.warning("--plain: clients without TLS are let in; their passwords can be read on the way")
        if not accounts.entries():
            _LOG.warning("no accounts yet: fleetmark machine add NAME --server-root %s", root)
        _serve_until_asked_to_stop(
            FtpServer(
                folder.files,
                host=host,
                advertised=advertised,
                idle_timeout_s=idle_timeout,
                max_connections=max_connections,
                limits=limits,
                accounts=accounts,
                credentials=shown,
                listening=listening,
                passive_ports=passive,
                masquerade=options.masquerade(advertise),
                plain=plain,
            )
        )


@app.command(epilog=EXIT_CODES)
def check(
    root: RootOption,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.1)] = 5.0,
) -> None:
    """Ask the server of a folder whether it is well.

    It has to run on this computer: greeting, TLS and certificate are looked at. For a service manager or a
    container's health check; leaves with 1 where it is not.

    Example:  fleetmark-ftp check --root /srv/fleetmark
    """
    endpoint = PrivateFolder(root).endpoint()
    where = (endpoint.listens_on, endpoint.port)
    version = health.check(where, endpoint.host, endpoint.ca_certificate, timeout_s=timeout)
    typer.echo(f"{where[0]}:{where[1]}: well, {version}, as {endpoint.host}")


def _serve_until_asked_to_stop(server: FtpServer) -> None:
    # Blocked, and waited for: a handler would run in the middle of whatever the main thread does.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    with server:
        while signal.sigtimedwait(_STOP, _LOOK_EVERY_S) is None:
            if not server.is_serving():
                raise RuntimeError("the server's thread ended; the log says why")


def _allow_open_files(clients: int) -> None:
    """A client has up to three: the connection, a data connection and a file."""
    needed = clients * _FILES_PER_CLIENT + _OTHER_FILES
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < needed:
        _LOG.warning(
            "%d clients may need %d open files, and this process may open %d; "
            "raise its limit (LimitNOFILE= of systemd), or lower --max-connections",
            clients,
            needed,
            most,
        )
        needed = most
    if allowed == resource.RLIM_INFINITY or allowed >= needed:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def main() -> None:
    """Entry point."""
    run_program("fleetmark-ftp", app)
