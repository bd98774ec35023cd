"""Trying again what may succeed later, with pauses that grow and differ from machine to machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from protocol.deadline import Deadline
from protocol.errors import ServerFullError, TransientTransferError

__all__ = ["RetryPolicy", "retried"]

_log = logging.getLogger("fleetmark.transfer")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try, and how long to pause: at random between 0 and a bound that doubles each time."""

    attempts: int = 4
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0


def retried(action: Callable[[int], T], policy: RetryPolicy, deadline: Deadline) -> T:
    """What `action` returns; it is given the number of the attempt, from 1.

    It is called again only after a TransientTransferError, and only while the pause before that ends within
    the deadline; otherwise the last error is raised. A full disk is not waited for.
    """

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= policy.attempts or state.upcoming_sleep >= deadline.left()

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_random_exponential(multiplier=policy.first_pause_s, max=policy.longest_pause_s),
        stop=stop,
        before_sleep=_tell,
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            return action(attempt.retry_state.attempt_number)
    raise AssertionError("every loop of attempts ends with a result or an error")


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TransientTransferError) and not isinstance(error, ServerFullError)


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.info("%s; trying again in %.1f s", error, state.upcoming_sleep)
