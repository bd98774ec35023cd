"""Whether a run worked at one speed from its beginning to its end.

A run's time is cut into equal parts, and the work done in each is counted. An inference counts in a part by
the share of its time, from start to completion, that lies in it: an inference that two parts share is half
done in each. So nothing jumps where many requests complete at once, and a pause shows wherever it falls,
within an inference or between two.

Parts differ by chance, too. How much, the runs of a test tell themselves: the scatter is taken from the
differences of neighbouring parts of all its runs, by their median, which a few pauses do not move. Only parts
that lie farther off than `_BEYOND` times that scatter count as uneven, and only what they amount to
together, as a share of the run's work, makes a doubt.

The constants are from simulation (`tests/unit/test_evenness.py`): independent, correlated, exponential and
recorded latencies, one and several requests. With 5 inferences in a part and 5 times the scatter, 18 % of
tests of ten runs of 60 exponential latencies were called uneven; with 10 inferences and 6 times, about
2 %. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["parts_of", "unevenness"]

_MOST_PARTS = 20
_FEWEST_PARTS = 8
"""Fewer do not show their own scatter."""
_LATENCIES = 10
"""The shortest part, in median latencies: a single slow inference is not yet an uneven run."""
_BEYOND = 6.0
_SD_OF_DIFFERENCES = 1.4826 / 2**0.5
"""From the median of the absolute differences of neighbours to a standard deviation (normal distribution)."""

_Floats = npt.NDArray[np.float64]


def parts_of(start_ms: _Floats, latency_ms: _Floats) -> _Floats:
    """The work in each part of a run, where 1 is that of its median part; empty where the run is too short.

    The end of the timeline is the last start: after it, requests run out and are not started again.
    """
    order = np.argsort(start_ms, kind="stable")
    start, latency = start_ms[order], np.maximum(latency_ms[order], 1e-6)
    span = float(start[-1] - start[0])
    count = min(_MOST_PARTS, int(span / (_LATENCIES * float(np.median(latency)))))
    if count < _FEWEST_PARTS:
        return np.empty(0)
    edges = np.linspace(start[0], start[-1], count + 1)
    longest = float(latency.max())
    done = np.empty(count + 1)
    for number, edge in enumerate(edges):
        old, new = np.searchsorted(start, (edge - longest, edge))
        done[number] = old + np.minimum((edge - start[old:new]) / latency[old:new], 1.0).sum()
    work = np.diff(done)
    middle = float(np.median(work))
    return work / middle if middle > 0 else np.empty(0)


def unevenness(runs: Sequence[_Floats]) -> float:
    """How much work the uneven parts of the most uneven run lack or have too much, as a share of the run's.

    Args:
        runs: The parts of each run of a test, as `parts_of` gives them.
    """
    known = [parts for parts in runs if parts.size]
    if not known:
        return 0.0
    differences = np.concatenate([np.abs(np.diff(parts)) for parts in known])
    scatter = _SD_OF_DIFFERENCES * float(np.median(differences))
    off = [np.abs(parts - 1) for parts in known]
    return max(float(np.where(each > _BEYOND * scatter, each, 0.0).mean()) for each in off)
