"""What the harness itself takes of a run."""

from __future__ import annotations

from integrator.statistics.summary import RunSummary
from protocol.job import Scenario
from protocol.result import CompiledSettings
from protocol.samples import Samples

__all__ = ["MAX_HARNESS_SHARE", "harness_share"]

MAX_HARNESS_SHARE = 0.01
"""Of each inference, in the median of the runs."""


def harness_share(
    run: RunSummary, samples: Samples, *, scenario: Scenario, compiled: CompiledSettings | None
) -> float | None:
    """The share of an inference that is the harness's own; None where it cannot be told.

    sync:   cost of an inference × iterations ÷ wall-clock time
    async:  that ÷ the smaller of streams and requests, whose threads bear the cost side by side
    """
    if samples.harness_ns is None:
        return None
    share = samples.harness_ns / 1e9 * run.iterations / run.wall_s
    if scenario is Scenario.SYNC:
        return share
    if compiled is None or not compiled.streams or not compiled.requests:
        return None
    return share / min(compiled.streams, compiled.requests)
