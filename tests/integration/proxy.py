"""A TCP proxy that does to a connection what networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["Fault", "Proxy", "wait_for"]


@dataclass
class Fault:
    """What happens to the bytes of one direction of one connection, and how often yet."""

    kind: str
    """cut (reset), truncate (an orderly end), stall, slow (10 KB/s) or flip (one bit)."""
    after: int = 0
    """Bytes that pass before."""
    upwards: bool = True
    """Towards the server."""
    times: int = 1


class Proxy:
    """Listens on ports of its own and passes on to `host`; the fault strikes the data connections."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self.fault: Fault | None = None

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

    def route(self, port: int) -> int:
        """A port that leads to `port` of the server, once."""
        listener = socket.create_server((self._host, 0))
        listener.settimeout(10)
        self._sockets.append(listener)
        self._start(self._accept, listener, port)
        return int(listener.getsockname()[1])

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError), listener:
            client, _ = listener.accept()
            self._sockets.append(client)
            server = socket.create_connection((self._host, port), timeout=5)
            server.settimeout(None)
            self._sockets.append(server)
            self._start(self._pump, client, server, True)
            self._start(self._pump, server, client, False)

    def _pump(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16 << 10):
                fault = self._due(upwards, passed + len(data))
                if fault is not None:
                    sink.sendall(data[: max(0, fault.after - passed)])
                    data = data[max(0, fault.after - passed) :]
                    if not self._strike(fault, data, source, sink):
                        return
                else:
                    sink.sendall(data)
                passed += len(data)
            sink.shutdown(socket.SHUT_WR)

    def _due(self, upwards: bool, passed: int) -> Fault | None:
        fault = self.fault
        if fault is None or fault.upwards != upwards or passed <= fault.after or fault.times <= 0:
            return None
        if fault.kind != "slow":
            fault.times -= 1
        return fault

    def _strike(self, fault: Fault, data: bytes, source: socket.socket, sink: socket.socket) -> bool:
        """Whether the connection goes on."""
        if fault.kind == "slow":
            sink.sendall(data)
            return not self._over.wait(len(data) / 10_000)
        if fault.kind == "flip":
            sink.sendall(bytes([data[0] ^ 1]) + data[1:])
            return True
        if fault.kind == "stall":
            self._over.wait(30)
            return False
        for sock in (source, sink):
            if fault.kind == "cut":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether `condition()` comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
