"""Every machine against every other: how many times as fast, over all that both measured. Pure.

The speed-up of a machine over another is the mean of the ratios of their throughputs: over each model's
configurations that are ok and valid on both, then over the models, on the logarithms. So a model with forty
configurations weighs no more than one with two. The 95 % interval is Student's over the models
(`integrator.statistics.compare.mean_by_group`): it says how well the speed-up for such models in general is
known. Of one model, it is over its configurations.

The table's values are compared, and not its runs: the comparison behind a cell takes the runs, and may differ
from it in the third digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.site.compare.differences import Difference, between, known_facts, software_differs
from integrator.statistics.compare import Outcome, decide, mean_of_ratios
from integrator.statistics.interval import Interval
from protocol.machine import MachineDescription

__all__ = ["FEW", "MEASURE", "Matrix", "Pair", "speed_ups"]

MEASURE = "throughput_fps"
FEW = 5
"""Fewer configurations than this in common say little of two machines."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """One machine by another."""

    ratio: float | None
    """How many times as fast; None: they have no configuration in common that is ok and valid on both."""
    interval: Interval | None
    known: int
    """Configurations that the mean is of."""
    of: int
    """Configurations that both planned."""
    models: int
    """Models that the mean is of."""
    differs: tuple[Difference, ...]
    """Of the machines, the first being the one that is compared with."""

    @property
    def outcome(self) -> Outcome:
        """What the interval tells of the one machine, by the rule of every comparison."""
        if self.interval is None:
            return Outcome.INCONCLUSIVE
        return decide(self.interval, higher_is_faster=True)[0]

    @property
    def hatched(self) -> str:
        """Why the number is to be read with care, in words; empty where nothing is against it."""
        why = [f"fewer than {FEW} configurations"] * (0 < self.known < FEW)
        software = software_differs(self.differs)
        why += [f"the machines differ in {', '.join(software)}"] * bool(software)
        return "; ".join(why)


@dataclass(frozen=True, slots=True)
class Matrix:
    """All machines by all others."""

    machines: tuple[str, ...]
    pairs: Mapping[tuple[str, str], Pair]
    """By the machine whose speed-up it is, and the one that it is held against."""


def speed_ups(
    frame: pd.DataFrame, machines: Sequence[str], descriptions: Mapping[str, MachineDescription]
) -> Matrix:
    """The matrix of a campaign's frame (`Site.frame`), for these machines in this order."""
    logs, planned, models = _wide(frame, machines)
    known = ~np.isnan(logs)
    means, counts = _by_model(np.nan_to_num(logs), known, models)
    both_planned = planned.astype(np.float64) @ planned.T.astype(np.float64)
    facts = [known_facts(descriptions.get(name)) for name in machines]
    found: dict[tuple[str, str], Pair] = {}
    for i, one in enumerate(machines):
        for j in range(i):
            other = machines[j]
            there = counts[:, i, j] > 0
            if there.sum() == 1:  # of one model, over its configurations
                shared = known[i] & known[j]
                each = logs[i, shared] - logs[j, shared]
            else:
                each = means[there, i, j]
            mean = mean_of_ratios(np.exp(each).tolist())
            sizes = (int(counts[:, i, j].sum()), int(both_planned[i, j]), int(there.sum()))
            found[one, other] = Pair(mean.ratio, mean.interval, *sizes, between(facts[j], facts[i]))
            back = _inverse(mean.ratio, mean.interval)
            found[other, one] = Pair(*back, *sizes, between(facts[i], facts[j]))
    return Matrix(tuple(machines), found)


def _wide(
    frame: pd.DataFrame, machines: Sequence[str]
) -> tuple[_Floats, npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Machines × configurations: logarithms or NaN, whether planned; and each configuration's model."""
    frame = frame[frame["machine"].isin(list(machines))]
    row = pd.Categorical(frame["machine"], categories=list(machines)).codes
    column, tests = pd.factorize(frame["test_id"])
    model, _ = pd.factorize(frame["model"])
    models = np.zeros(len(tests), dtype=np.intp)
    models[column] = model
    planned = np.zeros((len(machines), len(tests)), dtype=bool)
    planned[row, column] = True
    values = frame[MEASURE].to_numpy(dtype=np.float64)
    usable = frame["rank_ok"].to_numpy(dtype=bool) & (values > 0)
    logs = np.full(planned.shape, np.nan)
    logs[row[usable], column[usable]] = np.log(values[usable])
    return logs, planned, models


def _by_model(
    logs: _Floats, known: npt.NDArray[np.bool_], models: npt.NDArray[np.intp]
) -> tuple[_Floats, _Floats]:
    """Model × machine × machine: the mean logarithm of the ratios, and of how many."""
    size = int(models.max()) + 1 if models.size else 0
    means = np.zeros((size, len(logs), len(logs)))
    counts = np.zeros_like(means)
    for model in range(size):
        here = models == model
        values, there = logs[:, here], known[:, here].astype(np.float64)
        counts[model] = there @ there.T
        means[model] = values @ there.T - there @ values.T
    return means / np.maximum(counts, 1), counts


def _inverse(ratio: float | None, interval: Interval | None) -> tuple[float | None, Interval | None]:
    return (
        None if ratio is None else 1 / ratio,
        None if interval is None else Interval(1 / interval.high, 1 / interval.low),
    )
