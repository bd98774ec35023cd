"""Machines in order, by task and measure, with shared ranks where intervals overlap. Pure.

For a task with the models 1 … N, of which machine k has the best ranked value v(k, m), the score is

    score(k) = (s(k, 1) · … · s(k, N)) ^ (1 ÷ N)

where s(k, m) is how fast the machine is in comparison with the fastest machine of that model:

    latency      s(k, m) = min over all machines j of v(j, m) ÷ v(k, m)
    throughput   s(k, m) = v(k, m) ÷ max over all machines j of v(j, m)

So 1 is the best at every model, and every model counts alike. The divisors are the same for all machines and
fall out of the quotient of two scores: the order does not depend on which machine is compared with. N are the
models of which any machine has a ranked value, and only machines with all N are ranked.

The interval of a score puts the ends of the values' 95 % intervals in place of the values: the slow ends of
all models together for its lower end, the fast ends for the upper one; the divisors stay, as a unit of
measure. It is as wide as 95 % asks for where a machine's errors go together from model to model, and wider
elsewhere.

A machine's rank is the range from 1 + (machines whose interval lies wholly above its own) to (ranked machines
- those whose interval lies wholly below). Intervals that touch overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.site.leaderboard.best import MEASURES, Best, Measure, Value, best_values

__all__ = ["OTHER", "Gap", "Leaderboard", "Standing", "leaderboards", "ranks_of", "shared_ranks"]

OTHER = "other"
"""The task of models that have none of their own."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A model of which a machine has nothing that may be ranked."""

    model: str
    why: str
    value: Value | None = None
    """What there is all the same: noisy, invalid or without an interval."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A machine's place in a leaderboard."""

    machine: str
    ranks: tuple[int, int] | None
    """From … to, equal where no other machine shares it; None: not ranked."""
    score: float
    """Of an unranked machine it is of the models that it has; NaN where it has none."""
    low: float
    high: float
    values: tuple[Value | None, ...]
    """For each of the leaderboard's models."""
    gaps: tuple[Gap, ...] = ()

    @property
    def have(self) -> int:
        """How many of the leaderboard's models it has."""
        return sum(value is not None for value in self.values)

    @property
    def rank(self) -> str:
        """In words: "1", "2–3", or empty."""
        if self.ranks is None:
            return ""
        first, last = self.ranks
        return str(first) if first == last else f"{first}–{last}"


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """One task by one measure."""

    task: str
    measure: Measure
    models: tuple[str, ...]
    """Those of which any machine has a ranked value: what is scored."""
    unscored: tuple[str, ...]
    """The task's other models."""
    ranked: tuple[Standing, ...]
    """The best first."""
    unranked: tuple[Standing, ...]
    """Those with most models first."""

    @property
    def first(self) -> tuple[Standing, ...]:
        """The machine of rank 1, or all that may be it."""
        return tuple(standing for standing in self.ranked if standing.ranks and standing.ranks[0] == 1)


def leaderboards(frame: pd.DataFrame, tasks: Mapping[str, str]) -> tuple[Leaderboard, ...]:
    """A leaderboard for each task and measure, tasks in the order of the table, `OTHER` last.

    Args:
        frame: as `integrator.site.frame.tidy` makes it.
        tasks: by model; one that is missing has the task `OTHER`.
    """
    pairs = frame[["machine", "model"]].drop_duplicates()
    by_task: dict[str, list[str]] = {}
    for model in dict.fromkeys(pairs["model"]):
        by_task.setdefault(tasks.get(model) or OTHER, []).append(model)
    ordered = sorted(by_task, key=lambda task: task == OTHER)
    best = {measure: best_values(frame, measure) for measure in MEASURES}
    machines_of: dict[str, list[str]] = {}
    for machine, model in zip(pairs["machine"], pairs["model"], strict=True):
        machines_of.setdefault(model, []).append(machine)
    boards = []
    for task in ordered:
        # All machines with a planned test of the task.
        machines = list(dict.fromkeys(name for model in by_task[task] for name in machines_of[model]))
        boards += [_board(task, measure, by_task[task], machines, best[measure]) for measure in MEASURES]
    return tuple(boards)


def ranks_of(boards: Sequence[Leaderboard]) -> dict[tuple[str, str], str]:
    """Every ranked machine's rank in words, by leaderboard ("object detection, latency") and machine."""
    return {
        (f"{board.task}, {board.measure.word}", line.machine): line.rank
        for board in boards
        for line in board.ranked
    }


def shared_ranks(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first and last rank of each interval, where higher is better."""
    above = low.size - np.searchsorted(np.sort(low), high, side="right")
    below = np.searchsorted(np.sort(high), low, side="left")
    return (1 + above).astype(np.int64), (low.size - below).astype(np.int64)


def _board(
    task: str, measure: Measure, models: Sequence[str], machines: Sequence[str], best: Best
) -> Leaderboard:
    scored = tuple(m for m in models if any((name, m) in best.ranked for name in machines))
    values = {name: tuple(best.ranked.get((name, model)) for model in scored) for name in machines}
    score, low, high = _scores([values[name] for name in machines], measure)
    complete = np.array([bool(scored) and None not in values[name] for name in machines], dtype=bool)
    places = np.flatnonzero(complete)
    ranks = dict(
        zip(places.tolist(), zip(*shared_ranks(low[places], high[places]), strict=True), strict=True)
    )
    standings = [
        Standing(
            name,
            (int(ranks[place][0]), int(ranks[place][1])) if place in ranks else None,
            float(score[place]),
            float(low[place]),
            float(high[place]),
            values[name],
            _gaps(name, models, best),
        )
        for place, name in enumerate(machines)
    ]
    return Leaderboard(
        task,
        measure,
        scored,
        tuple(model for model in models if model not in scored),
        tuple(sorted((s for s in standings if s.ranks), key=lambda s: (-s.score, s.machine))),
        tuple(sorted((s for s in standings if not s.ranks), key=_unranked_order)),
    )


def _unranked_order(standing: Standing) -> tuple[int, float, str]:
    return -standing.have, -standing.score if standing.have else 0.0, standing.machine


def _scores(
    values: Sequence[Sequence[Value | None]], measure: Measure
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Score and interval of each machine, of the models that it has; NaN where it has none."""
    numbers = np.array(
        [[(v.value, v.low, v.high) if v else (np.nan,) * 3 for v in machine] for machine in values],
        dtype=np.float64,
    ).reshape(len(values), -1, 3)
    has = ~np.isnan(numbers[:, :, 0])
    count = has.sum(axis=1)
    logs = np.log(numbers) * (1 if measure.better == "higher" else -1)  # higher is better from here on
    unit = np.where(has, logs[:, :, 0], -np.inf).max(axis=0, initial=-np.inf)
    speeds = np.where(has[:, :, None], logs - np.where(np.isfinite(unit), unit, 0)[None, :, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.exp(speeds.sum(axis=1) / count[:, None])
    slow, fast = (1, 2) if measure.better == "higher" else (2, 1)
    return means[:, 0], means[:, slow], means[:, fast]


def _gaps(machine: str, models: Sequence[str], best: Best) -> tuple[Gap, ...]:
    return tuple(
        Gap(
            model,
            best.why.get((machine, model), "not in this campaign"),
            best.others.get((machine, model)),
        )
        for model in models
        if (machine, model) not in best.ranked
    )
