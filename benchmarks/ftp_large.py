"""How fast a large model reaches several agents at once over TLS, beside vsftpd.

Each agent is a process that reads the model and drops it; the first round is checked by SHA-256 and not
timed. The servers take turns.

    python benchmarks/ftp_large.py [--megabytes 500] [--agents 8] [--rounds 5]
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ftp_rig import Client, Served, fleetmark, has_vsftpd, vsftpd

_PATH = f"/models/{'0' * 64}/model.bin"
_PATIENCE_S = 1800.0


def _put(server: Served, megabytes: int) -> None:
    """The model, on the server's disk: the same bytes on both."""
    file = server.root / _PATH.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        for number in range(megabytes):
            stream.write(hashlib.shake_256(str(number).encode()).digest(1000) * 1000)
    for path in (file, file.parent, file.parent.parent):
        path.chmod(0o755)


def _fetch(server: Served, number: int, gate: Any, whole: Any, checked: str) -> None:
    client = Client(server, server.accounts[number])
    digest, size = hashlib.sha256(), 0

    def take(chunk: bytes) -> None:
        nonlocal size
        size += len(chunk)
        if checked:
            digest.update(chunk)

    gate.wait(_PATIENCE_S)
    client.fetch(_PATH, take)
    with whole.get_lock():
        whole.value += size if not checked or digest.hexdigest() == checked else 0
    gate.wait(_PATIENCE_S)


def fetch_all(server: Served, size: int, *, checked: str = "") -> float:
    """One round; megabytes per second, of all agents together."""
    context = multiprocessing.get_context("fork")
    agents = len(server.accounts)
    gate, whole = context.Barrier(agents + 1), context.Value("q", 0)
    processes = [
        context.Process(target=_fetch, args=(server, number, gate, whole, checked))
        for number in range(agents)
    ]
    for process in processes:
        process.start()
    gate.wait(_PATIENCE_S)
    begin = time.perf_counter()
    gate.wait(_PATIENCE_S)
    seconds = time.perf_counter() - begin
    for process in processes:
        process.join()
    if whole.value != agents * size:
        raise SystemExit(f"{server.name}: {whole.value:,} of {agents * size:,} bytes arrived")
    return agents * size / 1e6 / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    size = options.megabytes * 1_000_000
    with tempfile.TemporaryDirectory() as name, fleetmark(Path(name), options.agents) as own:
        _put(own, options.megabytes)
        with (own.root / _PATH.lstrip("/")).open("rb") as stream:
            checked = hashlib.file_digest(stream, "sha256").hexdigest()
        fetch_all(own, size, checked=checked)
        if not has_vsftpd():
            rates = [fetch_all(own, size) for _ in range(options.rounds)]
            print(f"fleetmark {statistics.median(rates):.0f} MB/s; vsftpd is not there, or this is not root")
            return
        with vsftpd(Path(name), options.agents) as other:
            os.link(own.root / _PATH.lstrip("/"), _place(other))
            fetch_all(other, size, checked=checked)
            pairs = [(fetch_all(own, size), fetch_all(other, size)) for _ in range(options.rounds)]
            peak = own.peak_mib()
    for ours, theirs in pairs:
        print(f"fleetmark {ours:6.0f} MB/s   vsftpd {theirs:6.0f} MB/s   ratio {ours / theirs:.2f}")
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    print(
        f"{options.megabytes} MB to {options.agents} agents: ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); peak of fleetmark's server {peak:.0f} MiB"
    )


def _place(server: Served) -> Path:
    file = server.root / _PATH.lstrip("/")
    file.parent.mkdir(parents=True)
    return file


if __name__ == "__main__":
    main()
