"""What is tried again, how often, and within which time."""

from __future__ import annotations

import time

import pytest

from protocol.deadline import Deadline, DeadlinePassedError
from protocol.errors import (
    RefusedTransferError,
    ServerFullError,
    TransientTransferError,
    UntrustedServerError,
    UserError,
)
from protocol.retry import RetryPolicy, retried

QUICK = RetryPolicy(attempts=4, first_pause_s=0.001)


def test_what_passes_is_tried_again_until_it_has() -> None:
    calls: list[int] = []

    def action(number: int) -> str:
        calls.append(number)
        if number < 3:
            raise TransientTransferError("cut")
        return "done"

    assert retried(action, QUICK, Deadline(5)) == "done"
    assert calls == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (TransientTransferError("cut"), 4),
        (ServerFullError("full"), 1),
        (RefusedTransferError("no"), 1),
        (UntrustedServerError("who"), 1),
        (UserError("source"), 1),
        (KeyboardInterrupt(), 1),
    ],
)
def test_what_does_not_pass_is_raised_as_it_is(error: BaseException, attempts: int) -> None:
    calls: list[int] = []

    def action(number: int) -> None:
        calls.append(number)
        raise error

    with pytest.raises(type(error)) as raised:
        retried(action, QUICK, Deadline(5))
    assert raised.value is error
    assert len(calls) == attempts


def test_no_pause_goes_beyond_the_deadline() -> None:
    def action(number: int) -> None:
        raise TransientTransferError("cut")

    began = time.monotonic()
    with pytest.raises(TransientTransferError):
        retried(action, RetryPolicy(attempts=1000, first_pause_s=0.05, longest_pause_s=0.1), Deadline(0.3))
    assert time.monotonic() - began < 0.35


def test_a_deadline_bounds_each_wait_and_then_forbids_it() -> None:
    assert Deadline(10).bound(2) == 2
    assert 0 < Deadline(0.5).bound(2) <= 0.5
    passed = Deadline(0)
    assert passed.left() == 0
    with pytest.raises(DeadlinePassedError, match="not done within 0 s"):
        passed.bound(2)
