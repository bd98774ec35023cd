"""What changed since the campaign before the newest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from integrator.site.history.machines import Badges, MachineStep, badges_of, machine_steps
from integrator.site.history.timeline import MEASURES, Measure, Timeline
from integrator.site.page import Site
from integrator.site.source import CampaignFacts
from integrator.statistics.compare import Outcome
from integrator.statistics.compare_many import OUTCOMES
from protocol.result import Status

__all__ = ["Change", "Changes", "Named", "News", "RankChange", "Ranks", "changes", "largest"]

_NAMES = ("machine", "model", "label", "row", "href")

Ranks = Callable[[str], Mapping[tuple[str, str], str]]
"""From a campaign's id to the rank of each machine, in words such as "1–3", by task and machine."""


@dataclass(frozen=True, slots=True)
class Named:
    """One test, as it is named and linked."""

    machine: str
    model: str
    label: str
    """Its settings."""
    row: str
    """Its id, for `data-row`."""
    href: str
    """Where its row stands, from the site's root; empty for a test that the newest campaign has not."""


@dataclass(frozen=True, slots=True)
class Change:
    """One test that is known to have become faster or slower."""

    test: Named
    measure: Measure
    before: float
    """In the measure's unit."""
    after: float
    ratio: float
    """After ÷ before of the measure, with its 95 % interval."""
    low: float
    high: float
    faster: bool
    since: CampaignFacts
    """What it is compared with: the last campaign before in which the test ended ok."""
    now: CampaignFacts
    badge: str
    """In what the machine differs between the two: "same", or "differs in: kernel, OpenVINO"."""


@dataclass(frozen=True, slots=True)
class News:
    """One test that ends otherwise than before."""

    test: Named
    status: str
    """How it ends now, in words, such as "out of memory"."""
    reason: str
    before: str
    """How it ended then, in words."""


@dataclass(frozen=True, slots=True)
class RankChange:
    """A machine whose rank is another."""

    task: str
    machine: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """From the campaign before to the newest. Everything in the table's order, where nothing else is said."""

    since: CampaignFacts
    new_machines: tuple[str, ...]
    """Which the newest campaign has tests of, and the one before has not."""
    gone_machines: tuple[str, ...]
    new_models: tuple[str, ...]
    gone_models: tuple[str, ...]
    other_hardware: tuple[MachineStep, ...]
    """Machines whose hardware is another under the same name: a gain there is none of one machine."""
    set_up_otherwise: tuple[MachineStep, ...]
    """The same hardware with other software or settings."""
    new_failures: tuple[News, ...]
    """Tests that ended ok in the campaign before, and were run and are not ok now."""
    fixed: tuple[News, ...]
    """Tests that were not ok in the campaign before, and are now."""
    gains: tuple[Change, ...]
    """Certain ones, the largest first."""
    losses: tuple[Change, ...]
    compared: int
    """Tests whose ratio to an earlier campaign has an interval."""
    equivalent: int
    inconclusive: int
    in_doubt: int
    """Of those compared, tests whose ratio says faster or slower while one of the results is not valid."""
    other_model: int
    """Tests that were not compared because the file of their model is another."""
    ranks: tuple[RankChange, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing is to be told."""
        return not (
            self.new_machines
            or self.gone_machines
            or self.new_models
            or self.gone_models
            or self.other_hardware
            or self.set_up_otherwise
            or self.new_failures
            or self.fixed
            or self.gains
            or self.losses
            or self.ranks
        )


def changes(site: Site, ranks: Ranks | None = None) -> Changes | None:
    """What changed since the last campaign; None where the site is of one campaign only.

    A gain or a loss is certain: `statistics.compare` says faster or slower of the runs of both, both results
    are valid, and the model's file is the same. Each test is judged by one measure, sync by the latency and
    others by the throughput, so that it counts once. It is compared with the last campaign in which it ended
    ok, which need not be the one before (`Change.since`).

    Args:
        site: What is built.
        ranks: Gives the machines' ranks in a campaign; None: ranks are not compared.
    """
    timeline = site.timeline
    if len(timeline.campaigns) < 2:  # noqa: PLR2004
        return None
    since, newest = timeline.campaigns[-2:]
    was, now = (set(np.flatnonzero(timeline.status[:, at] != "").tolist()) for at in (-2, -1))
    machines, models = (_both(timeline.tests[column].to_numpy(), was, now) for column in ("machine", "model"))
    steps = [step for step in machine_steps(site.campaigns) if step.after.id == newest.id]
    found = largest(timeline, timeline.primary, len(timeline.campaigns) - 1, badges_of(site.campaigns))
    counts = _counts(timeline)
    return Changes(
        since=since,
        new_machines=machines[0],
        gone_machines=machines[1],
        new_models=models[0],
        gone_models=models[1],
        other_hardware=tuple(step for step in steps if step.other_hardware),
        set_up_otherwise=tuple(step for step in steps if not step.other_hardware),
        new_failures=_news(timeline, was_ok=True),
        fixed=_news(timeline, was_ok=False),
        gains=tuple(change for change in found if change.faster),
        losses=tuple(change for change in found if not change.faster),
        compared=counts[0],
        equivalent=counts[1],
        inconclusive=counts[2],
        in_doubt=counts[0] - counts[1] - counts[2] - len(found),
        other_model=int(timeline.other_model[:, -1].sum()),
        ranks=_ranks(ranks, since.id, newest.id) if ranks else (),
    )


def largest(timeline: Timeline, measures: npt.NDArray[np.int64], at: int, badges: Badges) -> list[Change]:
    """The certain changes in one campaign, the largest first.

    Args:
        timeline: All tests.
        measures: For each test, the place in `MEASURES` of what it is judged by.
        at: The campaign's column.
        badges: Says in what a machine differs between two campaigns.
    """
    size = np.zeros(len(timeline.tests))
    for place, measure in enumerate(MEASURES):
        here = (measures == place) & timeline.certain(measure.key)[:, at]
        size[here] = np.abs(np.log(timeline.ratio[measure.key][here, at]))
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    found = []
    for index, test in zip(order.tolist(), _named(timeline, order), strict=True):
        measure, before = MEASURES[measures[index]], int(timeline.before[index, at])
        key = measure.key
        found.append(
            Change(
                test=test,
                measure=measure,
                before=float(timeline.values[key][index, before]),
                after=float(timeline.values[key][index, at]),
                ratio=float(timeline.ratio[key][index, at]),
                low=float(timeline.ratio_low[key][index, at]),
                high=float(timeline.ratio_high[key][index, at]),
                faster=OUTCOMES[timeline.outcome[key][index, at]] is Outcome.FASTER,
                since=timeline.campaigns[before],
                now=timeline.campaigns[at],
                badge=badges(test.machine, timeline.campaigns[before].id, timeline.campaigns[at].id),
            )
        )
    return found


def _news(timeline: Timeline, *, was_ok: bool) -> tuple[News, ...]:
    """Tests of both campaigns that ended ok in one and not in the other; one that has not run is no news."""
    ok = timeline.status == Status.OK.value
    ran = (timeline.status != "") & (timeline.status != Status.NOT_RUN.value)
    both = ran[:, -1] & ran[:, -2]
    changed = both & (ok[:, -2] if was_ok else ~ok[:, -2]) & (~ok[:, -1] if was_ok else ok[:, -1])
    order = np.flatnonzero(changed)
    return tuple(
        News(
            test,
            status=str(timeline.status[index, -1]).replace("_", " "),
            reason=str(timeline.reason[index, -1]),
            before=str(timeline.status[index, -2]).replace("_", " "),
        )
        for index, test in zip(order.tolist(), _named(timeline, order), strict=True)
    )


def _named(timeline: Timeline, places: npt.NDArray[np.int64]) -> list[Named]:
    columns = [timeline.tests[key].to_numpy()[places].tolist() for key in _NAMES]
    return [Named(*values) for values in zip(*columns, strict=True)]


def _both(
    names: npt.NDArray[np.object_], was: set[int], now: set[int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that only the newest campaign has, and those that only the one before has."""
    before, after = (dict.fromkeys(names[sorted(each)].tolist()) for each in (was, now))
    return (
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
    )


def _counts(timeline: Timeline) -> tuple[int, int, int]:
    """How many tests of the newest campaign were compared, and of them are equivalent and inconclusive."""
    totals = np.zeros(3, dtype=np.int64)
    for place, measure in enumerate(MEASURES):
        known = (timeline.primary == place) & ~np.isnan(timeline.ratio_low[measure.key][:, -1])
        known &= ~timeline.other_model[:, -1]
        outcome = timeline.outcome[measure.key][:, -1]
        equivalent = known & (outcome == OUTCOMES.index(Outcome.EQUIVALENT))
        inconclusive = known & (outcome == OUTCOMES.index(Outcome.INCONCLUSIVE))
        totals += [known.sum(), equivalent.sum(), inconclusive.sum()]
    compared, alike, open_ = totals.tolist()
    return compared, alike, open_


def _ranks(ranks: Ranks, since: str, newest: str) -> tuple[RankChange, ...]:
    before, after = ranks(since), ranks(newest)
    return tuple(
        RankChange(task, machine, before[task, machine], rank)
        for (task, machine), rank in after.items()
        if (task, machine) in before and before[task, machine] != rank
    )
