"""`fleetmark`: the integrator's command line."""

from __future__ import annotations

from typing import Annotated

import typer

from integrator.commands.collect import collect
from integrator.commands.demo import demo
from integrator.commands.doctor import doctor
from integrator.commands.machine import machine
from integrator.commands.models import models
from integrator.commands.plan import plan
from integrator.commands.publish import publish
from integrator.commands.run import run
from integrator.commands.schema import schema
from integrator.commands.selftest import selftest
from integrator.commands.status import status
from integrator.commands.tune_host import tune_host
from integrator.commands.verify import verify
from protocol.cli import EXIT_CODES, run_program
from protocol.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)
_COMMANDS = (
    demo,
    run,
    plan,
    status,
    collect,
    publish,
    doctor,
    tune_host,
    verify,
    selftest,
    models,
    schema,
)
for command in _COMMANDS:
    app.command(epilog=EXIT_CODES)(command)
app.add_typer(machine, name="machine", epilog=EXIT_CODES)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fleetmark {__version__}")
        raise typer.Exit


@app.callback()
def fleetmark(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Benchmark OpenVINO inference on the machines of a lab and publish the comparison as a website."""


def main() -> None:
    """Entry point."""
    run_program("fleetmark", app)
