"""Asking with a deadline: who does not answer in time has no answer, and holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from integrator.doctor.answers import Trouble
from protocol.errors import FleetmarkError

__all__ = ["Question", "trouble_of"]

_T = TypeVar("_T")


class Question(Generic[_T]):
    """Begins to ask at once, in a thread of its own; the thread of a question that hangs is left behind."""

    def __init__(self, what: str, ask: Callable[[], _T]) -> None:
        """Ask; `what` names it where it is not answered in time: `asking the engine`."""
        self._what = what
        self._ask = ask
        self._answer: _T | Trouble | None = None
        self._bug: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"doctor {what}", daemon=True)
        self._thread.start()

    def within(self, seconds: float) -> _T | Trouble:
        """The answer; trouble where there is none within so many seconds from now."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            return Trouble(f"no answer in time, {self._what}", "See whether the machine is overloaded.")
        if self._bug is not None:
            raise self._bug
        assert self._answer is not None  # noqa: S101  # the thread has ended with an answer, or a bug
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except FleetmarkError as error:
            self._answer = trouble_of(error)
        except Exception as error:  # it is raised where it is asked for
            self._bug = error


def trouble_of(error: FleetmarkError) -> Trouble:
    """What went wrong and what to do, as a finding says it."""
    return Trouble(str(error), error.advice)
