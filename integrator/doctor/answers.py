"""What a machine answered to doctor: everything that is judged, and nothing that was not seen."""

from __future__ import annotations

from dataclasses import dataclass

from integrator.doctor.finding import Check
from integrator.doctor.script import HostAnswer

__all__ = [
    "Answers",
    "ClockReading",
    "Connection",
    "EngineAnswer",
    "ImageAnswer",
    "Inside",
    "ServerAnswer",
    "Trouble",
]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something has no answer."""

    said: str
    remedy: str = ""
    sure: bool = True
    """Whether it is wrong; otherwise it only could not be found out."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The way to the machine, up to the check at which it broke."""

    broken: Check | None = None
    trouble: Trouble | None = None
    login: str = ""
    """As whom."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The machine's clock between two readings of ours; Unix times in seconds.

    What was read first was read after we asked, what was read last before we had the answer. How the time on
    the way was shared is not known.
    """

    asked_s: float
    first_s: float
    last_s: float
    answered_s: float

    @property
    def offset_s(self) -> float:
        """How far the machine's clock is ahead of ours."""
        return ((self.first_s - self.asked_s) + (self.last_s - self.answered_s)) / 2

    @property
    def uncertainty_s(self) -> float:
        """The offset is right to within this."""
        return max(0.0, ((self.answered_s - self.asked_s) - (self.last_s - self.first_s)) / 2)


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What a Docker Engine says of itself."""

    version: str
    processors: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """The agent's image on the machine."""

    name: str
    there: bool
    sent_s: float | None = None
    """How long it took to send it, where it was sent now."""
    trouble: Trouble | None = None
    """Why it could not be sent."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """Whether the FTP server was met, seen from the machine."""

    address: str
    seen_from: str
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """What an agent would see: in a container of its image, or as a process of this computer."""

    openvino: str | None = None
    """Its version there."""
    devices: tuple[str, ...] | None = None
    """As OpenVINO names them."""
    trouble: Trouble | None = None
    """Why nothing was seen."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All that was asked of one machine. None: it was not asked, because it does not apply."""

    connection: Connection
    engine: EngineAnswer | Trouble | None = None
    image: ImageAnswer | Trouble | None = None
    host: HostAnswer | Trouble | None = None
    clock: ClockReading | None = None
    inside: Inside | None = None
    server: ServerAnswer | Trouble | None = None
