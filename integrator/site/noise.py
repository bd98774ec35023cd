"""What a machine can tell apart: from the scatter of the runs of its tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from integrator.site.cells import format_number
from integrator.statistics.resolution import MIN_RUNS, smallest_difference
from protocol.result import Status

__all__ = ["Noise", "noise"]

_MOST = 0.9


@dataclass(frozen=True, slots=True)
class Noise:
    """Of one machine: differences that a repetition of its tests would find in 9 of 10 comparisons."""

    tests: int
    """That had enough runs to speak of their scatter."""
    half: float
    """In half of the tests, this difference or a smaller one is found; 0.02 is 2 %."""
    most: float
    """The same in nine tenths of the tests."""

    @property
    def words(self) -> str:
        """One sentence."""
        tests = "its one test" if self.tests == 1 else f"half of its {self.tests} tests"
        half, most = (f"{format_number(100 * value)} %" for value in (self.half, self.most))
        if self.tests == 1:
            return f"A difference of {half} between two measurements of {tests} is found 9 times out of 10."
        return (
            f"In {tests} a difference of {half} or less between two measurements is found 9 times out of 10; "
            f"in nine tenths of them, one of {most} or less."
        )


def noise(runs: pd.DataFrame) -> dict[str, Noise]:
    """By machine; one without a test of `MIN_RUNS` runs with a latency is missing.

    For each test, s is the standard deviation of the logarithms of its runs' median latencies, and the
    smallest difference is that of `integrator.statistics.resolution` for as many runs on each side.
    """
    ended = runs[(runs["status"] == Status.OK.value) & (runs["latency_ms"] > 0)]
    if ended.empty:
        return {}
    logs = np.log(ended["latency_ms"].to_numpy(dtype=np.float64))
    scatter = pd.Series(logs).groupby([ended["machine"].to_numpy(), ended["test_id"].to_numpy()], sort=False)
    tests = scatter.agg(["std", "count"])
    tests = tests[tests["count"] >= MIN_RUNS]
    counts = tests["count"].to_numpy()
    # For equal counts the logarithm of what is found is in proportion to s.
    unit = {count: float(np.log1p(smallest_difference(1.0, int(count)))) for count in np.unique(counts)}
    found = np.expm1(np.array([unit[count] for count in counts]) * tests["std"].to_numpy())
    by_machine = pd.Series(found).groupby(tests.index.get_level_values(0).to_numpy(), sort=False)
    return {
        str(machine): Noise(len(values), float(values.median()), float(values.quantile(_MOST)))
        for machine, values in by_machine
    }
