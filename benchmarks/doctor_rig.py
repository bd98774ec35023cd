"""Simulated machines for `benchmarks/doctor_scale.py`: what is between a doctor and a lab, on one computer.

Real are the ssh server (OpenSSH, one for all machines), the docker program that leads to an engine, and the
script that a machine's shell runs. Simulated are the distance (`delay`: every byte arrives half a round trip
later, each way) and the engine (`engine`: it answers what doctor asks a Docker Engine, and takes as long for
a container as one takes): fifty real ones would measure this computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from integrator.doctor.script import SCRIPT

__all__ = ["Distance"]

_CHUNK = 64 << 10
_CONTAINER_S = 0.6
"""From the start of a container to its first word, on a machine that is not busy; the script takes 1 s more."""


class Distance:
    """Ports of which each leads to one other port, half a round trip away."""

    def __init__(self, ports: list[int], there: int, round_trip_s: float) -> None:
        self._ports, self._there, self._half_s = ports, there, round_trip_s / 2

    async def serve(self) -> None:
        """Lead connections on, for ever."""
        servers = [
            await asyncio.start_server(self._lead, "127.0.0.1", port, backlog=256) for port in self._ports
        ]
        print("ready", flush=True)
        await asyncio.gather(*(server.serve_forever() for server in servers))

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * self._half_s)  # the handshake of TCP
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._there)
        await asyncio.gather(self._carry(reader, there_writer), self._carry(there_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                with contextlib.suppress(OSError):
                    if not data:
                        writer.close()
                        return
                    writer.write(data)
                    await writer.drain()

        task = asyncio.create_task(deliver())
        data = b"."
        while data:
            try:
                data = await reader.read(_CHUNK)
            except OSError:
                data = b""
            under_way.put_nowait((time.monotonic() + self._half_s, data))
        await task


class _Engine(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 512


class _Answers(BaseHTTPRequestHandler):
    """As much of a Docker Engine as doctor asks."""

    protocol_version = "HTTP/1.1"
    doors: dict[str, str] = {}  # noqa: RUF012  # of all connections
    words = b""

    def do_GET(self) -> None:  # as http.server names it
        if self.path.endswith("/version"):
            self._json({"Version": "24.0.7", "ApiVersion": "1.43", "MinAPIVersion": "1.12"})
        elif "/logs" in self.path:
            said = self.words + self._heard().encode()
            self._send(b"\1\0\0\0" + len(said).to_bytes(4, "big") + said)
        else:
            self._json({"Id": "sha256:" + "0" * 64, "Config": {"Tty": False}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/create" in self.path:
            name = f"{time.monotonic_ns():x}"
            environment = dict(word.partition("=")[::2] for word in json.loads(body)["Env"])
            self.doors[name] = environment["doors"]
            self._json({"Id": name, "Warnings": []}, 201)
        elif "/wait" in self.path:
            time.sleep(_CONTAINER_S + 1.0)
            self._json({"StatusCode": 0})
        else:
            self._send(b"", 204)

    def do_DELETE(self) -> None:
        self._send(b"", 204)

    def address_string(self) -> str:
        return "engine"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _heard(self) -> str:
        name = self.path.split("/containers/")[1].split("/")[0]
        lines = ['openvino {"version": "2026.4.1", "devices": [{"name": "CPU"}]}']
        for door in self.doors[name].split():
            host, _, port = door.rpartition(":")
            with socket.create_connection((host, int(port)), 10) as connection:
                lines.append(f"heard {door} {connection.recv(200).decode().strip()}")
        return "\n".join(lines) + "\n"

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status)

    def _send(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _serve_engine(path: Path) -> None:
    done = subprocess.run(["sh", "-c", SCRIPT, "sh"], check=True, capture_output=True)
    _Answers.words = done.stdout
    with _Engine(str(path), _Answers) as engine:
        print("ready", flush=True)
        engine.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "engine":
        _serve_engine(Path(sys.argv[2]))
    else:
        there, round_trip, *ports = sys.argv[2:]
        asyncio.run(Distance([*map(int, ports)], int(there), float(round_trip)).serve())
