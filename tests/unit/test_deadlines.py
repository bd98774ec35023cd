"""Until when a machine, and a campaign, may take."""

from __future__ import annotations

from datetime import timedelta

from integrator.conduct.deadlines import Deadline, Deadlines
from integrator.config.settings import LimitsSection


def test_without_limits_there_is_no_end() -> None:
    assert Deadlines.of(LimitsSection(), 5).of_machine(7) == Deadline()


def test_a_machines_time_begins_with_its_turn() -> None:
    deadlines = Deadlines.of(LimitsSection(machine_deadline=timedelta(hours=12)), 5)
    deadline = deadlines.of_machine(100)
    assert deadline.at == 100 + 12 * 3600
    assert deadline.words == "the machine's deadline (12 h 00 min) passed before this test was run"


def test_the_earlier_of_both_counts() -> None:
    limits = LimitsSection(machine_deadline=timedelta(minutes=10), campaign_deadline=timedelta(minutes=15))
    deadlines = Deadlines.of(limits, 0)
    assert deadlines.of_machine(0).at == 600
    late = deadlines.of_machine(400)
    assert late.at == 900
    assert late.words.startswith("the campaign's deadline (15 min)")
