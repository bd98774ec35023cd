"""`fleetmark tune-host`: settings of this computer that make numbers noisy."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from integrator.commands.common import errors
from protocol.errors import EXIT_USER, UserError

if TYPE_CHECKING:
    from integrator.tune_host.tune import Host, KnobState, Outcome

__all__ = ["tune_host"]

_SLASH = Path("/")


def tune_host(
    apply: Annotated[bool, typer.Option("--apply", help="Set everything for measuring; needs root.")] = False,
    revert: Annotated[
        bool, typer.Option("--revert", help="Set everything back as it was; needs root.")
    ] = False,
    keep_turbo: Annotated[
        bool,
        typer.Option(
            "--keep-turbo", help="Leave turbo as it is: numbers as users get them, with more scatter."
        ),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="Where is kept what was before. Default: /var/lib/fleetmark/tune-host.json."),
    ] = None,
    root: Annotated[Path, typer.Option(help="Where /proc and /sys are.")] = _SLASH,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show settings of this computer that make numbers noisy; --apply sets them, --revert sets them back.

    Without an option nothing is changed. What was before is kept in a file, and survives a second --apply; a
    restart of the computer sets everything back as well.

    Examples:  fleetmark tune-host   ·   sudo fleetmark tune-host --apply   ·   sudo … --revert
    """
    from integrator.tune_host.state import STATE_FILE
    from integrator.tune_host.tune import Host

    if apply and revert:
        raise UserError("--apply and --revert are opposites", advice="Give one of them.")
    if (apply or revert) and root == _SLASH and os.geteuid() != 0:
        raise UserError(
            "settings of the kernel can only be changed by root",
            advice=f"sudo {sys.argv[0]} tune-host {'--apply' if apply else '--revert'}",
        )
    host = Host(root, state or root / STATE_FILE)
    leave = ("turbo",) if keep_turbo else ()
    outcome = host.apply(leave=leave) if apply else host.revert() if revert else None
    states = host.look(leave=leave)
    if as_json:
        json.dump(_document(host, states, outcome), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _print(host, states)
    console = errors()
    if revert and outcome is None:
        console.print(f"Nothing is to be set back: there is no {host.state}", soft_wrap=True)
    if outcome:
        _say(outcome, applied=apply)
        if outcome.refused:
            raise typer.Exit(EXIT_USER)


def _print(host: Host, states: list[KnobState]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from integrator.tune_host.knobs import hints

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("setting", "now", "for measuring", "why"):
        table.add_column(name, overflow="fold")
    for state in states:
        now = ", ".join(dict.fromkeys(setting.now for setting in state.settings))
        wanted = ", ".join(dict.fromkeys(setting.wanted for setting in state.settings))
        table.add_row(
            Text(state.knob.name),
            Text(now or "–"),
            Text("–" if state.absent else "as it is" if state.is_set else wanted),
            Text(state.absent or state.knob.why),
        )
    console = Console(highlight=False)
    console.print(table)
    for hint in hints(host.files):
        console.print(Text(hint))
    if saved := host.saved():
        console.print(
            Text(f"Set by tune-host on {saved.applied_at:%Y-%m-%d %H:%M} UTC; --revert sets it back.")
        )


def _say(outcome: Outcome, *, applied: bool) -> None:
    console = errors()
    if outcome.restarted:
        console.print("This computer was started anew since: nothing of what was set is left.")
        return
    for setting, why in outcome.refused:
        console.print(f"/{setting.path}: not set to {setting.wanted}: {why}", soft_wrap=True)
    if any(why == "Read-only file system" for _, why in outcome.refused):
        console.print("In a container, settings can be changed only with --privileged.")
    console.print(f"{len(outcome.written)} files {'set' if applied else 'set back'}.")


def _document(host: Host, states: list[KnobState], outcome: Outcome | None) -> dict[str, Any]:
    from integrator.tune_host.knobs import hints

    saved = host.saved()
    return {
        "schema_version": 1,
        "applied_at": saved.applied_at.isoformat() if saved else None,
        "settings": [
            {
                "name": state.knob.name,
                "why": state.knob.why,
                "absent": state.absent or None,
                "files": [{"path": f"/{s.path}", "now": s.now, "wanted": s.wanted} for s in state.settings],
            }
            for state in states
        ],
        "hints": list(hints(host.files)),
        "written": [f"/{s.path}" for s in outcome.written] if outcome else [],
        "refused": {f"/{s.path}": why for s, why in outcome.refused} if outcome else {},
    }
