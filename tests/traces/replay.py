"""The recorded runs, for tests that draw from them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["Recorded", "recorded"]

QUIET = 0.1
"""Of the machine's processor time; the rest of the recorded runs had more than that beside them."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Runs in the order in which they were recorded."""

    other_load: npt.NDArray[np.float64]
    latencies_ms: list[npt.NDArray[np.float64]]

    def medians_ms(self, *, quiet: bool) -> npt.NDArray[np.float64]:
        """The median of each run; of all, or of those that had the machine to themselves."""
        medians = np.array([np.median(latencies) for latencies in self.latencies_ms])
        return medians[self.other_load < QUIET] if quiet else medians


@cache
def recorded() -> Recorded:
    """150 runs of mobilenet-v2, as record.py left them."""
    trace = json.loads(gzip.decompress((Path(__file__).parent / "mobilenet-v2.json.gz").read_bytes()))
    return Recorded(
        other_load=np.array([run["other_load"] for run in trace["runs"]]),
        latencies_ms=[np.array(run["latency_us"]) / 1e3 for run in trace["runs"]],
    )
