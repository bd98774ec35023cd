"""Being told to stop: a flag that a signal can set and that a sleeping poll can see."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Self

__all__ = ["Stop"]


class Stop:
    """Set once, by `set()` or by SIGINT or SIGTERM after `on_signals()`; never cleared."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._set = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def set(self) -> None:
        """Tell whoever looks or sleeps."""
        if not self._set:
            self._set = True
            os.write(self._writer, b"!")

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._set

    def wait(self, seconds: float) -> None:
        """Sleep, until told to stop."""
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        poller.poll(seconds * 1000)

    def fileno(self) -> int:
        """A descriptor that becomes readable when the flag is set."""
        return self._reader

    def on_signals(self) -> None:
        """Set the flag at SIGINT or SIGTERM instead of dying of it."""

        def handle(_signal: int, _frame: FrameType | None) -> None:
            self.set()

        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGTERM, handle)
