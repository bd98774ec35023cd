"""`fleetmark-agent`: the program on the target machine."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agent.lease import SPARE_S
from agent.login import Login
from agent.loop import poll, work_through
from agent.models import ModelCache
from agent.orphans import adopt
from agent.stop import PARENT_IS_GONE, Stop
from protocol.cli import EXIT_CODES, log_to_stderr, run_program
from protocol.errors import EXIT_INTERRUPTED, EXIT_USER
from protocol.status import AgentState

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(epilog=EXIT_CODES)
def run(  # noqa: PLR0917 - a command's options
    account: Annotated[Path, typer.Option(help="The account file that was handed over for this machine.")],
    work: Annotated[Path, typer.Option(help="Where models and results waiting to be sent are kept.")],
    cache: Annotated[
        Path | None, typer.Option(help="Where models are kept from job to job. Default: WORK/models.")
    ] = None,
    once: Annotated[bool, typer.Option(help="Leave when no job has anything pending.")] = False,
    wait: Annotated[
        float, typer.Option(help="With --once: seconds to wait for another agent on this machine.", min=0)
    ] = 0.0,
    every: Annotated[float, typer.Option(help="Seconds between looks at the server.", min=0.1)] = 10.0,
    campaign: Annotated[str | None, typer.Option(help="Carry out this campaign's job and no other.")] = None,
    hand_over: Annotated[
        bool, typer.Option(help="Leave with 0 where the next run asks for another release of OpenVINO.")
    ] = False,
    spare: Annotated[
        float,
        typer.Option(
            help="Seconds that the machine is held for this agent beyond what is to be done; so much later "
            "another one may take over when nothing more is heard of it.",
            envvar="FLEETMARK_SPARE",
            min=1,
        ),
    ] = SPARE_S,
    with_parent: Annotated[
        int | None, typer.Option(help="Stop at once when this process, which started the agent, ends.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Pull this machine's jobs from the FTP server, run their tests one at a time, push the results.

    Each run is a process of its own. After Ctrl-C or SIGTERM the run under way is finished and sent; after
    a second one it is ended at once. What was measured is on the server, or waits in WORK and is sent at the
    next start. One agent at a time works on a machine: a second one waits, or leaves with the name of the
    first. The account file is read again when it changes: replace it, and the agent goes on with the new
    password.

    Example:  fleetmark-agent --account machine-7.json --work /var/lib/fleetmark
    """
    log_to_stderr(verbose=verbose)
    adopt()
    with Stop() as stop:
        stop.on_signals()
        if with_parent is not None:
            _stop_with_parent(stop, with_parent)
        login = Login(account)
        work = work.resolve()
        models = ModelCache(cache.resolve() if cache else work / "models")
        carry_out = partial(
            work_through,
            work=work,
            models=models,
            stop=stop,
            campaign=campaign,
            hand_over=hand_over,
            spare_s=spare,
        )
        if once:
            ended = carry_out(login.account, renew=login.renewed, wait_s=wait)
        else:
            ended = poll(carry_out, login, work=work, stop=stop, every_s=every)
        if ended not in {AgentState.FINISHED, AgentState.HANDED_OVER}:
            raise typer.Exit(EXIT_INTERRUPTED if stop.is_set() else EXIT_USER)


def _stop_with_parent(stop: Stop, parent: int) -> None:
    """Ask Linux for a signal when the parent is gone. Its id is given, because it may be gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, PARENT_IS_GONE)
        if os.getppid() != parent:
            stop.set_at_once()


def main() -> None:
    """Entry point."""
    run_program("fleetmark-agent", app)


if __name__ == "__main__":
    main()
