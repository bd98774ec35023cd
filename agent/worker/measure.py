"""The timed loops.

Both scenarios time the same region: from the start of a request to its completion, inputs already in the
request's tensors, as OpenVINO's own request clock takes it. Python's part of the loop is outside of a
latency and inside of the wall-clock time.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.engine import openvino as ov

__all__ = ["AsyncPool", "Pool", "Stop", "SyncPool", "Trace", "warm_up"]

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Stop:
    """When a loop ends: its time is up and it has `min_iterations`, or it has `max_iterations`."""

    duration_s: float
    min_iterations: int
    max_iterations: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What a loop saw. Times in nanoseconds; starts count from the first start."""

    start_ns: npt.NDArray[np.uint64]
    latency_ns: npt.NDArray[np.uint64]
    wall_ns: int
    clock_step_ns: int
    """How far the system's clock moved against the monotonic one during the loop. OpenVINO's request clock
    follows the system's, so a step is in the latencies."""


def _unwrapped(wrapped: Any) -> Any:
    """OpenVINO's object without what its Python wrapper does per call: dispatch inputs, copy outputs."""
    return super(type(wrapped), wrapped)


class SyncPool:
    """One infer request, one inference after another."""

    size = 1

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._infer = _unwrapped(self._request).infer

    @property
    def requests(self) -> list[ov.InferRequest]:
        """The infer requests of the pool."""
        return [self._request]

    def infer_once(self) -> None:
        """One inference, completed."""
        self._infer({}, True, False)

    def run(self, stop: Stop) -> Trace:
        """Infer until `stop` says so."""
        infer, request, clock = self._infer, self._request, time.perf_counter_ns
        # No inputs; the outputs shared, not copied; texts left as bytes. Given by position, which is faster.
        nothing: dict[str, Any] = {}
        starts, latencies = array("Q"), array("d")

        def loop(begin: int, deadline: int) -> None:
            done = 0
            now = begin
            while done < stop.max_iterations and (now < deadline or done < stop.min_iterations):
                starts.append(now - begin)
                infer(nothing, True, False)
                latencies.append(request.latency)
                done += 1
                now = clock()

        return _timed(loop, stop, starts, latencies)


class AsyncPool:
    """A pool of infer requests, each started again as soon as it is idle."""

    def __init__(self, compiled: ov.CompiledModel, size: int | None) -> None:
        """`size` None takes the number that OpenVINO holds for optimal."""
        self._queue = ov.AsyncInferQueue(compiled, size or 0)
        self.size = len(self._queue)
        self._start = _unwrapped(self._queue).start_async

    @property
    def requests(self) -> list[ov.InferRequest]:
        """The infer requests of the pool."""
        return list(self._queue)

    def infer_once(self) -> None:
        """One inference on every request, completed."""
        for _ in range(self.size):
            self._start({}, None)
        self._queue.wait_all()

    def run(self, stop: Stop) -> Trace:
        """Keep every request busy until `stop` says so, and wait for the last one."""
        start, idle, clock = self._start, self._queue.get_idle_request_id, time.perf_counter_ns
        request_at = _unwrapped(self._queue).__getitem__
        requests = [request_at(number) for number in range(self.size)]
        starts = array("Q")
        latencies = array("d")
        # Which inference a request is busy with; its latency is read when the request is idle again.
        busy: list[int | None] = [None] * self.size

        def loop(begin: int, deadline: int) -> None:
            done = 0
            now = begin
            while done < stop.max_iterations and (now < deadline or done < stop.min_iterations):
                number = idle()
                previous = busy[number]
                if previous is not None:
                    latencies[previous] = requests[number].latency
                busy[number] = done
                latencies.append(-1.0)
                now = clock()
                starts.append(now - begin)
                start({}, None)
                done += 1
            self._queue.wait_all()

        def read_last() -> None:
            for number, inference in enumerate(busy):
                if inference is not None:
                    latencies[inference] = requests[number].latency

        return _timed(loop, stop, starts, latencies, finish=read_last)


Pool = SyncPool | AsyncPool


def _timed(
    loop: Callable[[int, int], None],
    stop: Stop,
    starts: array[int],
    latencies: array[float],
    finish: Callable[[], None] = lambda: None,
) -> Trace:
    offset = _system_clock_offset()
    begin = time.perf_counter_ns()
    loop(begin, begin + int(stop.duration_s * 1e9))
    wall = time.perf_counter_ns() - begin
    step = _system_clock_offset() - offset
    finish()
    nanoseconds = np.rint(np.frombuffer(latencies, dtype=np.float64) * _NS_PER_MS)
    instants = np.frombuffer(starts, dtype=np.uint64)
    return Trace(
        start_ns=instants - instants[0],
        latency_ns=np.maximum(nanoseconds, 0).astype(np.uint64),
        wall_ns=wall,
        clock_step_ns=step,
    )


def _system_clock_offset() -> int:
    """How far the system's clock is ahead of the monotonic one, in nanoseconds.

    Of several readings the one with the least time between its two looks at the monotonic clock: a process
    that loses its core between two looks would otherwise see a clock that was set.
    """
    readings = []
    for _ in range(5):
        before = time.perf_counter_ns()
        system = time.time_ns()
        after = time.perf_counter_ns()
        readings.append((after - before, system - (before + after) // 2))
    return min(readings)[1]


def warm_up(pool: Pool, seconds: float) -> int:
    """Infer on every request at least once and for `seconds`; the number of inferences."""
    deadline = time.perf_counter_ns() + int(seconds * 1e9)
    pool.infer_once()
    done = pool.size
    remaining = (deadline - time.perf_counter_ns()) / 1e9
    if remaining > 0:
        done += pool.run(Stop(remaining, 1, 10_000_000)).latency_ns.size
    return done
