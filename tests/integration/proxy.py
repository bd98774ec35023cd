"""A TCP proxy that does to a connection what networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["Fault", "Proxy", "wait_for"]

_SLOW_BYTES_PER_S = 10_000
_CHUNK = 16 << 10
_SETTLED_S = 0.1
"""Before a cut: what has passed is read by then, which a reset would undo."""


@dataclass
class Fault:
    """What happens to the bytes of one direction of one connection, and how often yet."""

    kind: str
    """cut (reset), truncate (an orderly end), stall, slow (10 KB/s) or flip (one bit)."""
    after: int = 0
    """Bytes that pass before, of this connection; of a control connection, from when the fault is set."""
    upwards: bool = True
    """Towards the server."""
    control: bool = False
    """On the control connection and not on those for data."""
    times: int = 1


class Proxy:
    """Listens on the server's ports on another address, and passes on; a context manager.

    The first port is that of the control connection.
    """

    def __init__(self, ports: Iterable[int], *, here: str = "127.0.0.2", there: str = "127.0.0.1") -> None:
        self._there = there
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._fault: Fault | None = None
        self._since: dict[int, int] = {}
        control, *data = ports
        for port in (control, *data):
            listener = socket.create_server((here, port))
            # Small, so that a slow line is felt by who sends.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
            self._sockets.append(listener)
            self._start(self._accept, listener, port, port == control)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    @property
    def fault(self) -> Fault | None:
        """What is to happen next."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._since.clear()
        self._fault = fault

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, port: int, control: bool) -> None:
        while not self._over.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            try:
                server = socket.create_connection((self._there, port), timeout=5)
            except OSError:
                _reset(client)
                continue
            for sock in (client, server):
                sock.settimeout(None)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(server)
            self._start(self._pump, client, server, control, True)
            self._start(self._pump, server, client, control, False)

    def _pump(self, source: socket.socket, sink: socket.socket, control: bool, upwards: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(self._step()):
                begun = self._since.setdefault(id(source), passed) if control else 0
                fault = self._due(control, upwards, passed - begun + len(data))
                if fault is not None:
                    before = max(0, fault.after - (passed - begun))
                    sink.sendall(data[:before])
                    if not self._strike(fault, data[before:], source, sink):
                        return
                else:
                    sink.sendall(data)
                passed += len(data)
            sink.shutdown(socket.SHUT_WR)
            return
        # One side is gone; the other hears of it.
        for sock in (source, sink):
            _reset(sock)

    def _step(self) -> int:
        return _SLOW_BYTES_PER_S // 10 if self._fault and self._fault.kind == "slow" else _CHUNK

    def _due(self, control: bool, upwards: bool, passed: int) -> Fault | None:
        fault = self._fault
        if fault is None or fault.times <= 0 or passed <= fault.after:
            return None
        if (fault.control, fault.upwards) != (control, upwards):
            return None
        if fault.kind != "slow":
            fault.times -= 1
        return fault

    def _strike(self, fault: Fault, data: bytes, source: socket.socket, sink: socket.socket) -> bool:
        """Whether the connection goes on."""
        if fault.kind == "slow":
            sink.sendall(data)
            return not self._over.wait(len(data) / _SLOW_BYTES_PER_S)
        if fault.kind == "flip":
            sink.sendall(bytes([data[0] ^ 1]) + data[1:])
            return True
        if fault.kind == "stall":
            self._over.wait(30)
            return False
        self._over.wait(_SETTLED_S)
        for sock in (source, sink):
            if fault.kind == "cut":
                _reset(sock)
            else:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        return False


def _reset(sock: socket.socket) -> None:
    """End a connection as a network does that forgets it."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads, and says nothing to the other side
        sock.close()


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether `condition()` comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
