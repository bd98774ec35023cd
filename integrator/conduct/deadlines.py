"""Until when a machine, and a campaign, may take; in seconds of the monotonic clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from integrator.config.settings import LimitsSection
from integrator.words import duration

__all__ = ["Deadline", "Deadlines"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment, and what is said when it has passed."""

    at: float | None = None
    """None: never."""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Those of a campaign that began, or was taken up again, at `begin`."""

    begin: float
    machine_s: float | None = None
    campaign_s: float | None = None

    @classmethod
    def of(cls, limits: LimitsSection, begin: float) -> Deadlines:
        """As campaign.yaml says."""
        return cls(begin, _seconds(limits.machine_deadline), _seconds(limits.campaign_deadline))

    def of_machine(self, begin: float) -> Deadline:
        """Of a machine whose turn began at `begin`: its own, or the campaign's where that is earlier."""
        both = []
        if self.machine_s is not None:
            both.append(Deadline(begin + self.machine_s, _words("machine", self.machine_s)))
        if self.campaign_s is not None:
            both.append(Deadline(self.begin + self.campaign_s, _words("campaign", self.campaign_s)))
        return min(both, key=lambda deadline: deadline.at or 0.0, default=Deadline())


def _seconds(time: timedelta | None) -> float | None:
    return time.total_seconds() if time is not None else None


def _words(whose: str, seconds: float) -> str:
    return f"the {whose}'s deadline ({duration(seconds)}) passed before this test was run"
