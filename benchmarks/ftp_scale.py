"""A thousand agents at one FTP server, each pushing its results over TLS, beside vsftpd.

All agents connect, wait for each other, and then push at once: random bytes, under a temporary name that
is changed when the server has them. Afterwards every file on its disk is compared with what was sent.

    python benchmarks/ftp_scale.py [--agents 1000] [--results 20] [--kilobytes 20]

The load comes from this computer too and takes part of it. vsftpd (apt-get install vsftpd, as root) is left
out where it is not there.
"""

from __future__ import annotations

import argparse
import ftplib
import hashlib
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.ftp_rig import Client, Served, fleetmark, has_vsftpd, raise_file_limit, vsftpd

_PROCESSES = 4
_ATTEMPTS = 20
_PATIENCE_S = 1800.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is pushed."""

    agents: int
    results: int
    size: int

    def content(self, agent: int, number: int) -> bytes:
        """The same each time."""
        return random.Random(f"{agent}/{number}").randbytes(self.size)  # noqa: S311 - not a secret

    def path(self, agent: int, number: int) -> str:
        """Where it goes, on the server."""
        return f"/machines/m{agent}/bench/results/scale.{number}.json.gz"


class _Agent:
    """One agent; a connection that breaks is opened anew, as often as an agent would."""

    def __init__(self, server: Served, load: Load, number: int) -> None:
        self._server, self._load, self._number = server, load, number
        self._client: Client | None = None
        self.again = 0

    def connect(self) -> None:
        self._try(lambda _: None)

    def push(self) -> None:
        for number in range(self._load.results):
            data, path = self._load.content(self._number, number), self._load.path(self._number, number)
            self._try(partial(Client.push, path=path, data=data))

    def _try(self, action: Callable[[Client], None]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                if self._client is None:
                    self._client = Client(self._server, self._server.accounts[self._number])
                action(self._client)
            except (ftplib.Error, OSError, EOFError):
                self.again += 1
                if self._client:
                    self._client.close()
                self._client = None
                time.sleep(random.uniform(0, min(5.0, 0.2 * 2**attempt)))  # noqa: S311 - no secret
            else:
                return


def _drive(server: Served, load: Load, numbers: range, gate: Any, again: Any) -> None:
    raise_file_limit()
    threading.stack_size(512 << 10)
    agents = [_Agent(server, load, number) for number in numbers]
    with ThreadPoolExecutor(len(agents)) as pool:
        list(pool.map(_Agent.connect, agents))
        gate.wait(_PATIENCE_S)
        gate.wait(_PATIENCE_S)
        list(pool.map(_Agent.push, agents))
    gate.wait(_PATIENCE_S)
    with again.get_lock():
        again.value += sum(agent.again for agent in agents)


def _lost(server: Served, load: Load) -> int:
    lost = 0
    for agent in range(load.agents):
        for number in range(load.results):
            file = server.root / load.path(agent, number).lstrip("/")
            sent = hashlib.sha256(load.content(agent, number)).digest()
            lost += not file.is_file() or hashlib.sha256(file.read_bytes()).digest() != sent
    return lost


def measure(serve: Callable[[Path, int], AbstractContextManager[Served]], load: Load) -> bool:
    """Put the load on a server and print what came of it; whether nothing was lost."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as name, serve(Path(name), load.agents) as server:
        for agent in range(load.agents):
            folder = (server.root / load.path(agent, 0).lstrip("/")).parent
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        workers = min(_PROCESSES, load.agents)
        gate, again = context.Barrier(workers + 1), context.Value("q", 0)
        processes = [
            context.Process(target=_drive, args=(server, load, range(n, load.agents, workers), gate, again))
            for n in range(workers)
        ]
        begin = time.perf_counter()
        for process in processes:
            process.start()
        gate.wait(_PATIENCE_S)
        connected = time.perf_counter() - begin
        held = server.memory_mib()
        gate.wait(_PATIENCE_S)
        begin = time.perf_counter()
        gate.wait(_PATIENCE_S)
        seconds = time.perf_counter() - begin
        for process in processes:
            process.join()
        lost, count = _lost(server, load), load.agents * load.results
        print(
            f"{server.name}: {load.agents:,} agents connected in {connected:.1f} s, {held:.0f} MiB then "
            f"(all processes); {count:,} results in {seconds:.1f} s, {count / seconds:,.0f} a second; "
            f"peak of the main process {server.peak_mib():.0f} MiB; {again.value} attempts repeated; "
            f"lost {lost}",
            flush=True,
        )
    return lost == 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--results", type=int, default=20)
    parser.add_argument("--kilobytes", type=int, default=20)
    options = parser.parse_args()
    raise_file_limit()
    load = Load(options.agents, options.results, options.kilobytes * 1000)
    whole = measure(fleetmark, load)
    if has_vsftpd():
        whole &= measure(vsftpd, load)
    else:
        print("vsftpd is not there, or this is not root: left out")
    raise SystemExit(0 if whole else 1)


if __name__ == "__main__":
    main()
