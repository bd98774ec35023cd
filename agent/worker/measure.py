"""The timed loops.

Both scenarios take the same region by the same monotonic clock: from the start of a request to its
completion. Where the copy of the inputs belongs to the region, it begins with the copy.

A sync loop is one request, inferred again and again. In async every request starts itself again in its own
completion callback, in the thread of OpenVINO that completed it: no request is ever idle, and no thread of
ours has to wake up in between.
"""

from __future__ import annotations

import _thread
import ctypes
import itertools
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from agent.worker.openvino_c import OK, Callback, InferRequest, last_error

__all__ = ["AsyncPool", "Copy", "Limit", "Pool", "Segment", "SyncPool"]

Copy = tuple[int, int, int]
"""Target, source and length of a copy that belongs to the timed region."""
Instants = npt.NDArray[np.int64]
_Call = Callable[[Any], int]

_NULL = ctypes.c_void_p()
_INVALID = -14
"""What the C API answers for a request that is none, after having done nothing."""
_REHEARSALS = 2000


@dataclass(frozen=True, slots=True)
class Limit:
    """When a segment ends: after `seconds` and `least` inferences, or after `most`."""

    seconds: float
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of inferences without a pause, in the order of their starts; times in nanoseconds.

    Starts count from the segment's beginning; it is over when the last inference is complete.
    """

    start_ns: Instants
    latency_ns: Instants
    wall_ns: int


class Pool(Protocol):
    """Infer requests, and the loop that keeps them busy."""

    @property
    def requests(self) -> Sequence[InferRequest]:
        """The infer requests."""

    def run(self, limit: Limit) -> Segment:
        """Infer until `limit`.

        Raises:
            OpenVinoError: an inference failed.
        """

    def harness_ns(self, segment: Segment) -> float:
        """The harness's own cost per inference, in nanoseconds; at least: see docs/concepts.md."""


class SyncPool:
    """One infer request, one inference after another."""

    def __init__(self, request: InferRequest, copies: Sequence[Copy] = ()) -> None:
        self.requests = (request,)
        self._infer = _with_copies(InferRequest.infer_function, copies)

    def run(self, limit: Limit) -> Segment:
        """Infer until `limit`."""
        return _sync(self._infer, self.requests[0].handle, limit, OK)

    def harness_ns(self, segment: Segment) -> float:
        """What passes between two inferences, and what the loop adds to a latency.

        The first is in the segment; the second is what the same loop takes for a request that is none.
        """
        nothing = _sync(InferRequest.infer_function, _NULL, Limit(0, _REHEARSALS, _REHEARSALS), _INVALID)
        between = (segment.wall_ns - float(segment.latency_ns.sum())) / segment.latency_ns.size
        return between + float(np.median(nothing.latency_ns))


def _sync(infer: _Call, handle: ctypes.c_void_p, limit: Limit, good: int) -> Segment:
    clock = time.perf_counter_ns
    starts, ends = array("q"), array("q")
    add_start, add_end = starts.append, ends.append
    last = limit.least - 1
    begin = clock()
    deadline = begin + int(limit.seconds * 1e9)
    for done in range(limit.most):
        start = clock()
        status = infer(handle)
        end = clock()
        if status != good:
            raise last_error()
        add_start(start)
        add_end(end)
        if end >= deadline and done >= last:
            break
    wall = clock() - begin
    start_ns = np.frombuffer(starts, dtype=np.int64)
    return Segment(start_ns - begin, np.frombuffer(ends, dtype=np.int64) - start_ns, wall)


@dataclass(frozen=True, slots=True)
class _Course:
    """What the callbacks of a segment go by."""

    deadline: int
    least: int
    most: int
    again: Iterator[int]
    """The number of the inference that would be started next."""
    leave: Callable[[], None]
    """Called by a request that is not started again."""


class AsyncPool:
    """A pool of infer requests, each started again as soon as it is complete."""

    def __init__(self, requests: Sequence[InferRequest], copies: Sequence[Sequence[Copy]] = ()) -> None:
        self.requests = tuple(requests)
        of_each = copies or [()] * len(self.requests)
        self._starts = [_with_copies(InferRequest.start_function, of_one) for of_one in of_each]
        self._kept: list[Callback] = []
        """A thread may still be on its way out of a callback when all requests are complete."""
        self._threads: set[int] = set()

    def run(self, limit: Limit) -> Segment:
        """Keep every request busy until `limit`, and wait for the last one.

        The C API tells no callback whether its inference failed; each request's last one tells, when it is
        waited for. A device that has failed goes on failing.
        """
        clock = time.perf_counter_ns
        size = min(len(self.requests), limit.most)
        over = _thread.allocate_lock()
        over.acquire()
        left = itertools.count(size - 1, -1)

        def leave() -> None:
            if next(left) == 0:
                over.release()

        chains = [array("q") for _ in range(size)]
        begin = clock()
        deadline = begin + int(limit.seconds * 1e9)

        course = _Course(deadline, limit.least, limit.most, itertools.count(size + 1), leave)
        callbacks = [
            self._callback(request.handle, start, chain, course, OK)
            for request, start, chain in zip(self.requests, self._starts, chains, strict=False)
        ]
        self._kept += callbacks
        for request, callback in zip(self.requests, callbacks, strict=False):
            InferRequest.set_callback_function(request.handle, ctypes.byref(callback))
        for request, start, chain in zip(self.requests, self._starts, chains, strict=False):
            chain.append(clock())
            if start(request.handle) != OK:
                raise last_error()
        over.acquire()
        for request in self.requests[:size]:
            request.wait()
        return _merge(chains, begin)

    def _callback(
        self,
        handle: ctypes.c_void_p,
        start: _Call,
        chain: array[int],
        course: _Course,
        good: int,
    ) -> Callback:
        """What a request does when it is complete: note the time, and start again.

        It sets itself as the callback again before it starts: OpenVINO takes a callback off a request while
        it runs, and on another thread the next inference may be complete before this function has returned.
        """
        clock, me, threads = time.perf_counter_ns, _thread.get_ident, self._threads
        set_callback, hold = InferRequest.set_callback_function, ctypes.pythonapi.PyGILState_Ensure
        deadline, least, most, again = course.deadline, course.least, course.most, course.again
        add = chain.append

        def completed(_: int | None) -> None:
            now = clock()
            add(now)
            if me() not in threads:
                # The thread keeps the state that Python made for it, instead of getting one per callback.
                threads.add(me())
                hold()
            if not (
                next(again) <= (most if now < deadline else least)
                and set_callback(handle, itself) == good
                and start(handle) == good
            ):
                course.leave()

        callback = Callback(Callback.function(completed), None)
        itself = ctypes.byref(callback)
        return callback

    def harness_ns(self, segment: Segment) -> float:
        """What the callback takes for a request that is none: two calls that do nothing, and all around them.

        The callbacks run side by side in the threads that infer.
        """
        del segment
        clock = time.perf_counter_ns
        course = _Course(0, _REHEARSALS, _REHEARSALS, itertools.count(1), lambda: None)
        nothing = self._callback(_NULL, InferRequest.start_function, array("q"), course, _INVALID)
        call = nothing.callback_func
        begin = clock()
        for _ in range(_REHEARSALS):
            call(None)
        return (clock() - begin) / _REHEARSALS


def _with_copies(function: Any, copies: Sequence[Copy]) -> _Call:
    """`function` of a handle, with the copies before it."""
    if not copies:
        call: _Call = function
        return call

    def copy_and_call(handle: Any) -> int:
        for target, source, size in copies:
            ctypes.memmove(target, source, size)
        status: int = function(handle)
        return status

    return copy_and_call


def _merge(chains: Sequence[array[int]], begin: int) -> Segment:
    """One segment of what each request saw: its first start, and its completions, each the next start."""
    instants = [np.frombuffer(chain, dtype=np.int64) for chain in chains]
    starts = np.concatenate([chain[:-1] for chain in instants])
    latencies = np.concatenate([np.diff(chain) for chain in instants])
    order = np.argsort(starts, kind="stable")
    wall = max(int(chain[-1]) for chain in instants) - begin
    return Segment(starts[order] - begin, latencies[order], wall)
