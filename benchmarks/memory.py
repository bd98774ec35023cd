"""Memory of the measuring process beside a C++ loop's over the same model: what the harness adds to it.

The highest resident size of each process while it measures, read from /proc. Needs g++.

    python benchmarks/memory.py [--models small mobilenet-v2 resnet-50]

The bar: at most 60 MB more.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.engine_speed import HINTS, MODELS, build_native, ours
from protocol.engine import openvino as ov

SECONDS = 2.0


def highest_mb(process: int) -> float:
    """VmHWM of a process, in MB; 0 where it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0].split()[1]) * 1024 / 1e6 if found else 0.0


def native_mb(program: Path, model: Path, scenario: str) -> float:
    """The C++ loop's highest resident size."""
    command = [str(program), str(model), scenario, str(SECONDS), HINTS[scenario], "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    highest = 0.0
    while process.poll() is None:
        highest = max(highest, highest_mb(process.pid))
        time.sleep(0.02)
    return highest


def ours_mb(model: Path, scenario: str) -> float:
    """The measuring process's highest resident size: of all processes below this one, the largest."""
    over = threading.Event()
    highest = [0.0]

    def watch() -> None:
        while not over.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    mine = b"agent.worker" in entry.read_bytes().split(b"\0")
                except OSError:
                    continue
                if mine:
                    highest[0] = max(highest[0], highest_mb(int(entry.parent.name)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    ours(model, scenario, SECONDS)
    over.set()
    watcher.join()
    return highest[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["small", "mobilenet-v2", "resnet-50"], choices=MODELS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build_native(folder)
        if program is None:
            raise SystemExit("g++ is needed for the C++ loop: apt-get install g++")
        print(f"{'model':14} {'scenario':8} {'ours MB':>8} {'C++ MB':>8} {'more MB':>8}")
        for model in given.models:
            path = folder / f"{model}.xml"
            ov.save_model(MODELS[model](), path, compress_to_fp16=False)
            for scenario in HINTS:
                mine, theirs = ours_mb(path, scenario), native_mb(program, path, scenario)
                print(f"{model:14} {scenario:8} {mine:8.0f} {theirs:8.0f} {mine - theirs:8.0f}", flush=True)


if __name__ == "__main__":
    main()
