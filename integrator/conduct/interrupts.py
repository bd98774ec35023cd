"""Ctrl-C, and what asks for the same: a closed terminal, a service manager."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST = 2


class Interrupts:
    """Counts them, in the main thread; a context manager.

    Each raises KeyboardInterrupt, as ever, but within `told` the first two are told instead. In another
    thread than the main one it does nothing.
    """

    def __init__(self) -> None:
        self.count = 0
        self._tell: Callable[[int], None] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def told(self, tell: Callable[[int], None]) -> Iterator[None]:
        """Call `tell` with how many there were. It interrupts whatever the main thread does, and is quick."""
        self._tell = tell
        try:
            yield
        finally:
            self._tell = None

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        self.count += 1
        if self._tell is None or self.count > _MOST:
            raise KeyboardInterrupt
        self._tell(self.count)
