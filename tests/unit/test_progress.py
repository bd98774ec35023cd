"""What an operator sees while a campaign runs; a part of it are the words of machines."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from integrator.conduct.standing import MachineState, standing
from integrator.progress import LiveProgress
from integrator.standings_table import MachineRow, standings_table
from protocol.job import ModelFile, ModelRef
from protocol.status import AgentState, Heartbeat
from tests.support import CAMPAIGN, make_job, planned_test

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILE = ModelFile(name="tiny.onnx", size=1, sha256="a" * 64)
MODEL = ModelRef(name="tiny", precision="FP32", sha256="a" * 64, entry="tiny.onnx", files=(FILE,))


def heartbeat(state: AgentState, detail: str) -> Heartbeat:
    return Heartbeat(
        campaign=CAMPAIGN,
        machine="box",
        state=state,
        detail=detail,
        done=1,
        total=2,
        updated_at=NOW,
        fleetmark_version="1",
    )


def shown(said: Heartbeat, *, terminal: bool) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=200, highlight=False, color_system=None)
    with LiveProgress(console) as progress:
        progress.start(make_job([MODEL], [planned_test(MODEL)]))
        progress.hear(said)
        progress.stand("box", standing(said, NOW, NOW))
    return output.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_the_state_and_its_reason_are_there(terminal: bool) -> None:
    text = shown(heartbeat(AgentState.FAILED, "the disk is full"), terminal=terminal)
    assert "box: failed: the disk is full\n" in text
    assert "at most about" in text


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "detail", ["[/red] [bold", "\x1b]0;mine\x07\x1b[31m", "a\nbox: finished, 2 runs\r\n", "x" * 20_000]
)
def test_a_machines_words_are_no_commands_and_no_lines_of_their_own(detail: str, terminal: bool) -> None:
    text = shown(heartbeat(AgentState.FAILED, detail), terminal=terminal)
    assert "\x1b]0" not in text
    assert "\x1b[31m" not in text
    assert "\nbox: finished" not in text
    assert len(text) < 6000
    if "[/red]" in detail:
        assert "box: failed: [/red] [bold" in text


def test_every_machine_has_a_row_from_the_beginning() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, height=40, color_system=None)
    with LiveProgress(console) as progress:
        progress.expect(["box", "bay"])
        progress.start(make_job([MODEL], [planned_test(MODEL)]))
        progress.hear(heartbeat(AgentState.RUNNING, "at it"))
        progress.stand("box", standing(heartbeat(AgentState.RUNNING, ""), NOW, NOW))
        progress.settle()
        drawn = output.getvalue()
    last = drawn[drawn.rindex("machine") :].splitlines()
    assert [line.split()[:2] for line in last[2:4]] == [["box", "running"], ["bay", "waiting"]]
    assert "1/2" in last[2]


def test_where_there_is_no_room_for_all_those_in_trouble_are_shown() -> None:
    rows = [MachineRow(f"box-{number}", MachineState.FINISHED) for number in range(500)]
    rows[321] = MachineRow("bay", MachineState.TROUBLE, "no route to host")
    output = io.StringIO()
    console = Console(file=output, width=120, height=30, color_system=None)
    console.print(standings_table(rows, console))
    lines = output.getvalue().splitlines()
    assert len(lines) <= 30
    assert any(line.startswith("bay") and "no route to host" in line for line in lines)
    assert lines[-1] == "500 machines: 1 trouble, 499 finished"
