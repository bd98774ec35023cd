"""`fleetmark-ftp`: the FTP server as a program of its own."""

from __future__ import annotations

import contextlib
import logging
import re
import resource
import signal
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer

from ftp_server import health, privileges
from ftp_server.account_file import AccountFile
from ftp_server.certificates import Authority, Credentials
from ftp_server.limits import Limits
from ftp_server.log import log_as
from ftp_server.private_folder import Endpoint, PrivateFolder
from ftp_server.server import FtpServer
from protocol.cli import EXIT_CODES, run_program
from protocol.errors import UserError

__all__ = ["app", "main"]

_LOG = logging.getLogger("fleetmark.ftp")
_LOOK_EVERY_S = 1.0
_HIGHEST_PORT = 65535
_LOWEST_PASSIVE_PORT = 1024
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

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
    max_connections: Annotated[int, typer.Option(help="Clients at a time.", min=1)] = 512,
    max_connections_per_address: Annotated[
        int, typer.Option(help="Clients at a time from one address; 0: no limit.", min=0)
    ] = 64,
    failed_logins: Annotated[
        int, typer.Option(help="Failed logins after which an address is refused; 0: never.", min=0)
    ] = 10,
    ban: Annotated[float, typer.Option(help="Seconds that it is refused.", min=1)] = 300.0,
    max_file_size: Annotated[
        str, typer.Option(help="Of a file that a machine sends; 64M, 1G; 0: no limit.")
    ] = "64M",
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
        max_file_bytes=_bytes("--max-file-size", max_file_size),
        quota_bytes=_bytes("--quota", quota),
    )
    ports = _ports(passive_ports)
    advertised = _advertised(host, advertise)
    given = _given_credentials(certificate, key, ca)
    folder = PrivateFolder(root.resolve())
    with _bind(host, port) as listening:
        if become is not None:
            privileges.make_for(root, become)
            privileges.become(become)
        _allow_open_files()
        folder.make()
        credentials = given or Authority.kept(folder.authority).issue(_names(host, advertised))
        accounts = AccountFile(folder.accounts)
        folder.write_endpoint(
            Endpoint(
                host=advertised,
                port=listening.getsockname()[1],
                listens_on=_LOOPBACK.get(host, host),
                ca_certificate=credentials.authority,
            )
        )
        if plain:
            _LOG.warning("--plain: clients without TLS are let in; their passwords can be read on the way")
        if not accounts.entries():
            _LOG.warning("no accounts yet: fleetmark machine add NAME --server-root %s", root)
        server = FtpServer(
            folder.files,
            advertised=advertised,
            idle_timeout_s=idle_timeout,
            max_connections=max_connections,
            limits=limits,
            accounts=accounts,
            credentials=credentials,
            listening=listening,
            passive_ports=ports,
            masquerade=_masquerade(advertise),
            plain=plain,
        )
        _serve_until_asked_to_stop(server)


@app.command(epilog=EXIT_CODES)
def check(
    root: RootOption,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.1)] = 5.0,
) -> None:
    """Ask the server of a folder on this computer whether it is well: greeting, TLS, certificate.

    For a service manager or a container's health check; leaves with 1 where it is not.

    Example:  fleetmark-ftp check --root /srv/fleetmark
    """
    endpoint = PrivateFolder(root).endpoint()
    where = (endpoint.listens_on, endpoint.port)
    version = health.check(where, endpoint.host, endpoint.ca_certificate, timeout_s=timeout)
    typer.echo(f"{where[0]}:{where[1]}: well, {version}, as {endpoint.host}")


def _serve_until_asked_to_stop(server: FtpServer) -> None:
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    with server:
        while not asked.wait(_LOOK_EVERY_S):
            if not server.is_serving():
                raise RuntimeError("the server's thread ended; the log says why")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: cannot listen there: {error.strerror}",
            advice="Ports below 1024 need root; `ss -ltnp` shows who listens already.",
        ) from error


def _ports(text: str) -> range:
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not _LOWEST_PASSIVE_PORT <= first <= last <= _HIGHEST_PORT:
        raise UserError(
            f"--passive-ports {text}: not a range of ports from {_LOWEST_PASSIVE_PORT} to {_HIGHEST_PORT}",
            advice="For example 30000-30100.",
        )
    return range(first, last + 1)


def _bytes(option: str, text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text.upper())
    if match is None:
        raise UserError(f"{option} {text}: not a size", advice="For example 500M, 2G, or 0 for no limit.")
    return int(match[1]) * _UNITS[match[2]]


def _advertised(host: str, advertise: str | None) -> str:
    if advertise is None and host in _LOOPBACK:
        raise UserError(
            f"--host {host}: listens on every address, so agents have to be told one",
            advice="Name it with --advertise ADDRESS: what agents connect to.",
        )
    return advertise or host


def _names(host: str, advertised: str) -> list[str]:
    return [advertised] if host in _LOOPBACK else [advertised, host]


def _masquerade(advertise: str | None) -> str | None:
    """The IPv4 address for the answer to PASV; it has no room for a name."""
    if advertise is None:
        return None
    try:
        return socket.getaddrinfo(advertise, None, socket.AF_INET)[0][4][0]  # type: ignore[return-value]
    except OSError:
        _LOG.warning("--advertise %s: has no IPv4 address here; PASV answers the server's own", advertise)
        return None


def _given_credentials(certificate: Path | None, key: Path | None, ca: Path | None) -> Credentials | None:
    if certificate is None and key is None and ca is None:
        return None
    if certificate is None or key is None or ca is None:
        raise UserError(
            "--certificate, --key and --ca belong together",
            advice="Leave all three out, and the server makes its own.",
        )
    data = []
    for path in (key, certificate, ca):
        try:
            data.append(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    return Credentials(data[0], data[1], data[2].decode("ascii", "replace"))


def _allow_open_files() -> None:
    """A client has up to three: the connection, a data connection and a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Entry point."""
    run_program("fleetmark-ftp", app)
