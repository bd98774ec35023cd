"""The agent's heartbeat: what it does, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from protocol.documents import Document, Step
from protocol.layout import CampaignId, MachineName, TestId

__all__ = ["AgentState", "Heartbeat"]


class AgentState(StrEnum):
    """Where an agent is with its job."""

    PREPARING = "preparing"
    """Fetching models, looking at the machine."""
    RUNNING = "running"
    FINISHED = "finished"
    """Every scheduled run has a result on the server, or was given up with a reason."""
    STOPPED = "stopped"
    """Told to stop; what was measured is on the server."""
    HANDED_OVER = "handed_over"
    """The next runs ask for another release of OpenVINO, which `detail` names; it was told to leave then."""
    FAILED = "failed"


def _to_version_2(status: dict[str, Any]) -> dict[str, Any]:
    """Before agents handed over, there was one state less."""
    return status


class Heartbeat(Document):
    """The newest word of an agent.

    Nothing is sent while a run measures, so a heartbeat names the time until which silence is expected.
    """

    kind: ClassVar[str] = "status"
    current_version: ClassVar[int] = 2
    steps: ClassVar[Mapping[int, Step]] = {1: _to_version_2}

    schema_version: Literal[2] = 2
    campaign: CampaignId
    machine: MachineName
    state: AgentState
    detail: str = Field(default="", max_length=20_000)
    test: TestId | None = None
    run: int | None = None
    done: int = Field(ge=0)
    total: int = Field(ge=0)
    failed: int = Field(default=0, ge=0)
    """Runs, of those done, that are not ok."""
    updated_at: AwareDatetime
    silent_until: AwareDatetime | None = None
    fleetmark_version: str
    openvino_version: str | None = None
