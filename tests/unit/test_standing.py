"""Where a machine is, from its last heartbeat and the server's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrator.conduct.standing import MachineState, standing
from protocol.status import AgentState, Heartbeat

STORED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def heartbeat(state: AgentState, *, announced_s: float | None = None, off_s: float = 0) -> Heartbeat:
    """A heartbeat whose agent's clock is `off_s` ahead of the server's."""
    written = STORED + timedelta(seconds=off_s)
    return Heartbeat(
        campaign="camp",
        machine="box",
        state=state,
        detail="no room",
        done=3,
        total=12,
        updated_at=written,
        silent_until=None if announced_s is None else written + timedelta(seconds=announced_s),
        fleetmark_version="1",
    )


def words(heartbeat: Heartbeat | None, age_s: float) -> str:
    return str(standing(heartbeat, STORED, STORED + timedelta(seconds=age_s)))


def test_nothing_was_heard() -> None:
    assert words(None, 10_000) == "waiting"
    assert standing(None, None, STORED).state is MachineState.WAITING


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (AgentState.FINISHED, "finished, 3 runs"),
        (AgentState.FAILED, "failed: no room"),
        (AgentState.STOPPED, "waiting, 3 of 12 done"),
        (AgentState.HANDED_OVER, "waiting, 3 of 12 done"),
    ],
)
def test_who_has_left_is_not_silent(state: AgentState, expected: str) -> None:
    assert words(heartbeat(state), 10_000_000) == expected


@pytest.mark.parametrize("off_s", [0, -86400, 86400])
@pytest.mark.parametrize(
    ("announced_s", "age_s", "expected"),
    [
        (None, 0, "running 3 of 12"),
        (None, 179, "running 3 of 12"),
        (None, 181, "silent since 2026-01-01 12:00:00 UTC, 3 of 12 done"),
        (300, 359, "running 3 of 12"),
        (300, 361, "silent since 2026-01-01 12:00:00 UTC, 3 of 12 done"),
        (-5000, 179, "running 3 of 12"),
        (1e8, 9 * 86400, "silent since 2026-01-01 12:00:00 UTC, 3 of 12 done"),
    ],
)
def test_an_announced_silence_is_no_silence_whatever_the_agents_clock(
    announced_s: float | None, age_s: float, expected: str, off_s: float
) -> None:
    assert words(heartbeat(AgentState.RUNNING, announced_s=announced_s, off_s=off_s), age_s) == expected
    assert words(heartbeat(AgentState.PREPARING, announced_s=announced_s, off_s=off_s), age_s) == expected
