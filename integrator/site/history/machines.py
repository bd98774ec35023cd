"""What became different in the machines from one campaign to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from integrator.site.cells import clean_text
from integrator.site.compare.differences import Difference, badge, differences
from integrator.site.source import CampaignFacts, CampaignResults
from protocol.machine import MachineDescription

__all__ = ["Badges", "MachineStep", "alike", "badges_of", "machine_steps"]

Badges = Callable[[str, str, str], str]
"""From a machine and two campaigns' ids to in what it differs between them, as `differences.badge` says."""


@dataclass(frozen=True, slots=True)
class MachineStep:
    """One machine, from a campaign to a later one in which it described itself again."""

    machine: str
    before: CampaignFacts
    after: CampaignFacts
    differences: tuple[Difference, ...]
    """What is known to differ, at least one; what is unknown on one side is no change."""

    @property
    def other_hardware(self) -> bool:
        """Whether it is another machine under the same name, or one that was rebuilt."""
        return any(difference.kind == "hardware" for difference in self.differences)


def machine_steps(campaigns: Sequence[CampaignResults]) -> tuple[MachineStep, ...]:
    """Every step in which something changed, the oldest first; `campaigns` come in any order.

    A machine that did not describe itself in a campaign is compared across it.
    """
    last: dict[str, tuple[CampaignFacts, MachineDescription]] = {}
    steps = []
    for campaign in sorted(campaigns, key=lambda each: (each.facts.created_at, each.facts.id)):
        for name, description in campaign.machines.items():
            machine = clean_text(name)
            if machine in last:
                before, was = last[machine]
                certain = tuple(each for each in differences(was, description) if each.certain)
                if certain:
                    steps.append(MachineStep(machine, before, campaign.facts, certain))
            last[machine] = campaign.facts, description
    return tuple(steps)


def alike(steps: Iterable[MachineStep]) -> tuple[tuple[MachineStep, tuple[str, ...]], ...]:
    """Steps in which the same changed between the same campaigns, told once with the machines' names.

    A new kernel on all machines of a lab is one piece of news. The newest first, and in it other hardware.
    """
    machines: dict[tuple[str, str, tuple[Difference, ...]], list[MachineStep]] = {}
    for step in steps:
        machines.setdefault((step.before.id, step.after.id, step.differences), []).append(step)
    told = [(same[0], tuple(step.machine for step in same)) for same in machines.values()]
    told.sort(key=lambda item: (item[0].after.created_at, item[0].other_hardware), reverse=True)
    return tuple(told)


def badges_of(campaigns: Sequence[CampaignResults]) -> Badges:
    """What stands beside a ratio of two campaigns on one machine."""
    described = {
        campaign.facts.id: {clean_text(name): each for name, each in campaign.machines.items()}
        for campaign in campaigns
    }

    @cache
    def between(machine: str, first: str, second: str) -> str:
        return badge(differences(described[first].get(machine), described[second].get(machine)))

    return between
