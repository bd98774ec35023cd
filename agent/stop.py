"""Being told to stop, in two steps, by signals that a sleeping poll can see."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

__all__ = ["PARENT_IS_GONE", "Stop"]

PARENT_IS_GONE = signal.SIGUSR1
"""Of whoever started the agent there is nobody left to tell it twice: everything ends at once."""

_SAID = b"fleetmark-agent: told to stop; the run under way is finished first, unless told once more\n"


class _Flag:
    """Set once; whoever polls its descriptor wakes up."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self.is_set = False

    def set(self) -> None:
        if not self.is_set:
            self.is_set = True
            os.write(self._writer, b"!")

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)


class Stop:
    """Told once, the agent begins nothing new; told twice, it ends the run under way. Never taken back."""

    def __init__(self) -> None:
        self._soon, self._now = _Flag(), _Flag()
        self._first: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._soon.close()
        self._now.close()

    def set(self) -> None:
        """Tell whoever looks or sleeps; the second time, to end what is under way."""
        if self._soon.is_set:
            self._now.set()
            return
        self._soon.set()
        if self._first is not None:
            self._first()

    def set_at_once(self) -> None:
        """Both steps in one."""
        self.set()
        self._now.set()

    def is_set(self) -> bool:
        """Whether to begin nothing new."""
        return self._soon.is_set

    def wait(self, seconds: float) -> None:
        """Sleep, until told to stop."""
        poller = select.poll()
        poller.register(self._soon.reader, select.POLLIN)
        poller.poll(seconds * 1000)

    def at_once_fileno(self) -> int:
        """A descriptor that becomes readable when what is under way has to end."""
        return self._now.reader

    @contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Have `action` called by whoever tells the agent to stop for the first time, from now to the end."""
        self._first = action
        try:
            if self._soon.is_set:
                action()
            yield
        finally:
            self._first = None

    def on_signals(self) -> None:
        """Take SIGINT, SIGTERM and the word that the parent is gone, instead of dying of them."""

        def step(_signal: int, _frame: FrameType | None) -> None:
            first = not self._soon.is_set
            self.set()
            if first:
                with contextlib.suppress(OSError):
                    os.write(2, _SAID)  # a logger may be what the signal has interrupted

        def end(_signal: int, _frame: FrameType | None) -> None:
            self.set_at_once()

        signal.signal(signal.SIGINT, step)
        signal.signal(signal.SIGTERM, step)
        signal.signal(PARENT_IS_GONE, end)
