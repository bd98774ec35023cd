"""A row for each machine: state, test, progress, time left, last heartbeat, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from integrator.conduct.standing import MachineState

__all__ = ["MachineRow", "standings_table"]

_STYLES = {
    MachineState.RUNNING: "green",
    MachineState.SILENT: "yellow",
    MachineState.TROUBLE: "yellow",
    MachineState.FAILED: "bold red",
    MachineState.FINISHED: "dim",
}
_IN_ORDER = (
    MachineState.TROUBLE,
    MachineState.SILENT,
    MachineState.RUNNING,
    MachineState.FAILED,
    MachineState.WAITING,
    MachineState.FINISHED,
)
"""Where there is no room for all: those first that somebody may want to look after."""
_LINES_AROUND = 6
_LEAST_ROWS = 5
_BAR_WIDTH = 16


@dataclass
class MachineRow:
    """What is shown of one machine; every text is one line and harmless."""

    machine: str
    state: MachineState = MachineState.WAITING
    now: str = ""
    """The test under way, or what there is to say instead."""
    done: int = 0
    total: int = 0
    left: str = ""
    heard: str = ""
    failed: int = 0


def standings_table(rows: Sequence[MachineRow], console: Console) -> RenderableType:
    """The table, with as many rows as the terminal has room for."""
    room = max(_LEAST_ROWS, console.height - _LINES_AROUND)
    shown = list(rows)
    if len(shown) > room:
        first = sorted(rows, key=lambda row: _IN_ORDER.index(row.state))[:room]
        shown = [row for row in rows if row in first]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    drawn.add_column("machine", no_wrap=True)
    drawn.add_column("state", no_wrap=True)
    drawn.add_column("", width=_BAR_WIDTH)
    drawn.add_column("runs", justify="right", no_wrap=True)
    drawn.add_column("left", no_wrap=True)
    drawn.add_column("heard", no_wrap=True)
    drawn.add_column("failed", justify="right", no_wrap=True)
    drawn.add_column("now", overflow="ellipsis", no_wrap=True, ratio=1)
    for row in shown:
        drawn.add_row(
            Text(row.machine),
            Text(row.state, style=_STYLES.get(row.state, "")),
            ProgressBar(total=max(row.total, 1), completed=row.done, width=_BAR_WIDTH),
            Text(f"{row.done}/{row.total}" if row.total else ""),
            Text(row.left),
            Text(row.heard),
            Text(str(row.failed) if row.failed else "", style="red"),
            Text(row.now),
        )
    if len(shown) == len(rows):
        return drawn
    counts = Counter(row.state for row in rows)
    words = ", ".join(f"{counts[state]} {state}" for state in _IN_ORDER if counts[state])
    return Group(drawn, Text(f"{len(rows)} machines: {words}"))
