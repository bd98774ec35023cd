"""Simulated machines for `benchmarks/doctor_scale.py`: what is between a doctor and a lab, on one computer.

Real are the protocols: SSH with its keys, its channels and its forwarding, by paramiko's server; HTTP to a
Docker Engine; what a shell says to doctor's script, recorded here a moment before. Simulated are the distance
(`Distance`: every byte arrives half a round trip later, each way) and the machines' own work (a second for
the script, another time for a container): what fifty machines do at once would measure this computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import paramiko

from integrator.doctor.ask import script_command

__all__ = ["Distance"]

_CHUNK = 64 << 10
_CONTAINER_S = 0.6
"""From the start of a container to its first word, on an idle machine; the script takes a second more."""


class Distance:
    """Ports of which each leads to one other port, half a round trip away."""

    def __init__(self, count: int, there: int, round_trip_s: float) -> None:
        self._count, self._there, self._half_s = count, there, round_trip_s / 2

    async def serve(self) -> None:
        """Say which ports they are, and lead connections on, for ever."""
        servers = [
            await asyncio.start_server(self._lead, "127.0.0.1", 0, backlog=256) for _ in range(self._count)
        ]
        print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
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
            said = _recorded() + self._heard().encode()
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


class _Login(paramiko.ServerInterface):
    """Lets one key in, runs what is simulated, and connects wherever it is asked to."""

    def __init__(self, key: paramiko.PKey, engine: Path) -> None:
        self._key, self._engine = key, engine
        self.doors: dict[int, tuple[str, int]] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL if key == self._key else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self,
        chanid: int,
        origin: tuple[str, int],
        destination: tuple[str, int],
    ) -> int:
        self.doors[chanid] = destination
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        work = self._lead if b"dial-stdio" in command else self._say
        threading.Thread(target=work, args=(channel,), daemon=True).start()
        return True

    def _say(self, channel: paramiko.Channel) -> None:
        time.sleep(1.0)
        channel.sendall(_recorded())
        channel.send_exit_status(0)
        channel.close()

    def _lead(self, channel: paramiko.Channel) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(self._engine))
            _lead_on(channel, engine)


def _lead_on(channel: paramiko.Channel, there: socket.socket) -> None:
    def back() -> None:
        with contextlib.suppress(OSError):
            while data := there.recv(_CHUNK):
                channel.sendall(data)
        channel.close()

    threading.Thread(target=back, daemon=True).start()
    with contextlib.suppress(OSError):
        while data := channel.recv(_CHUNK):
            there.sendall(data)


def _meet(connection: socket.socket, host_key: paramiko.PKey, key: paramiko.PKey, engine: Path) -> None:
    """One machine's end of a connection."""
    login = _Login(key, engine)
    transport = paramiko.Transport(connection)
    transport.add_server_key(host_key)
    transport.start_server(server=login)
    kept = []  # paramiko closes a channel that nobody holds
    while transport.is_active():
        channel = transport.accept(1.0)
        if channel is None:
            continue
        kept.append(channel)
        if destination := login.doors.get(channel.chanid):
            door = socket.create_connection(destination, 10)
            threading.Thread(target=_lead_on, args=(channel, door), daemon=True).start()


def _recorded() -> bytes:
    """What a shell said, with the time as it is now."""
    now = time.time()
    lines = [line for line in _Answers.words.splitlines() if not line.startswith(b"clock ")]
    return b"\n".join([b"clock %.6f" % (now - 1.0), *lines, b"clock %.6f" % now, b""])


def _serve_machines(folder: Path) -> None:
    done = subprocess.run(script_command(()), check=True, capture_output=True)
    _Answers.words = done.stdout
    host_key = paramiko.Ed25519Key.from_private_key_file(str(folder / "host_key"))
    key = paramiko.Ed25519Key.from_private_key_file(str(folder / "id_ed25519"))
    path = folder / "engine.sock"
    with (
        _Engine(str(path), _Answers) as engine,
        socket.create_server(("127.0.0.1", 0), backlog=512) as listening,
    ):
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_meet, args=(connection, host_key, key, path), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "machines":
        _serve_machines(Path(sys.argv[2]))
    else:
        count, there, round_trip = sys.argv[2:]
        asyncio.run(Distance(int(count), int(there), float(round_trip)).serve())
