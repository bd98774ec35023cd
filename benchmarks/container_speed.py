"""Throughput measured in the agent's container beside that outside, as ratios of alternating pairs.

The container is made by the launcher's own settings, of an image that `docker/build` made, on this computer's
engine. Inside as outside the same worker carries out the runs: the checkout's `agent` and `protocol` are
mounted over the image's. What differs is what a container changes: its Python and C library, seccomp, control
groups, file system. OpenVINO has to be the same, to the build.

    docker/build agent
    python -m benchmarks.container_speed [--pairs 31] [--seconds 0.5] [--models small …] [--control]

Rounds of one pair of each test, the order within pairs alternating (outside, inside, inside, outside).
Besides throughput: the CPU time of one inference, which other load on the machine disturbs less. `--control`
measures outside against outside: how far from 1 the machine's own unrest brings a ratio.

The bar: throughput inside ÷ outside at least 0.99 over all. Leaves with 1 where the interval lies below it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.engine_speed import HINTS, MODELS, inputs_of, told
from integrator.config.docker_start import DockerStart
from integrator.launch import container_settings as settings
from integrator.launch.choose import own_openvino
from integrator.launch.engine import Engine
from integrator.launch.interface import Order
from integrator.statistics.interval import median_interval
from protocol.engine import openvino as ov

HERE = Path(__file__).parent
BAR = 0.99
SITE = "/opt/fleetmark/lib/python3.11/site-packages"
BENCH = "/bench"
SIDE = "container_side.py"


class Side:
    """A process that measures when it is told to, and sleeps meanwhile."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts: dict[str, str] = self._answer()

    def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        """One run."""
        assert self._process.stdin is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._answer()
        if "error" in answer:
            raise SystemExit(f"a run failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a side ended without an answer; what it said stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[Side]:
    """A process of this checkout's environment."""
    side = Side([sys.executable, str(HERE / SIDE), str(folder)])
    try:
        yield side
    finally:
        side.close()


@contextlib.contextmanager
def inside(folder: Path, image: str) -> Iterator[Side]:
    """A container as the launcher makes it, with models and code mounted."""
    machine = f"speed-{os.getpid()}"
    start = DockerStart(image=image, environment={"TMPDIR": settings.WORK})
    host = settings.host_settings(start, machine, cpus=None, groups=())
    host["binds"] += [
        f"{folder}:{BENCH}:ro",
        f"{HERE / SIDE}:/{SIDE}:ro",
        *(f"{HERE.parent / package}:{SITE}/{package}:ro" for package in ("agent", "protocol")),
    ]
    made = settings.container_settings(start, machine, Order(machine, "container-speed", None))
    made |= {
        "entrypoint": ["tini", "--", "/opt/fleetmark/bin/python", f"/{SIDE}"],
        "command": [BENCH],
        "stdin_open": True,
        "name": settings.container_name(machine),
    }
    engine = Engine(start)
    with engine.asked("making the container") as client:
        container = client.create_container(
            start.image_for(own_openvino()), host_config=client.create_host_config(**host), **made
        )["Id"]
    try:
        side = Side(["docker", "start", "--attach", "--interactive", container])
        try:
            yield side
        finally:
            side.close()
    finally:
        with engine.asked("removing the container") as client:
            client.remove_container(container, force=True)
            client.remove_volume(start.volume_for(machine))
        engine.close()


def tests_of(models: list[str], folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Every model in both scenarios, as the sides are told of them."""
    tests = []
    for name in models:
        ov.save_model(MODELS[name](), folder / f"{name}.xml", compress_to_fp16=False)
        fed = [(i.name, i.shape, i.element_type) for i in inputs_of(folder / f"{name}.xml")]
        tests += [
            {
                "model": f"{name}.xml",
                "inputs": fed,
                "scenario": scenario,
                "hint": hint.lower(),
                "seconds": seconds,
            }
            for scenario, hint in HINTS.items()
        ]
    for file in folder.iterdir():
        file.chmod(0o644)  # the container's user is another one
    return tests


def compared(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> tuple[list[float], list[float]]:
    """Ratios inside ÷ outside: of throughput, and of CPU time."""
    throughput = [within["per_s"] / without["per_s"] for within, without in pairs]
    cpu = [within["cpu_us"] / without["cpu_us"] for within, without in pairs]
    return throughput, cpu


def line(what: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """A row of the table."""
    throughput, cpu = compared(pairs)
    loads = [load for pair in pairs for run in pair if (load := run["other_load_cores"]) is not None]
    load = f"{statistics.median(loads):.2f}" if loads else "unknown"
    return f"{what} {told(throughput, 11)} {told(cpu, 9)} {load:>11}"


def verdict(ratios: list[float]) -> tuple[str, int]:
    """Whether the bar is met, as words and as an exit code."""
    interval = median_interval(ratios)
    if isinstance(interval, str):
        return f"no verdict: {interval}", 0
    if interval.low >= BAR:
        return f"at least {BAR}: yes", 0
    if interval.high < BAR:
        return f"at least {BAR}: no", 1
    return f"at least {BAR}: the interval holds it, so this machine was not quiet enough to tell", 0


def told_facts(sides: dict[str, Side]) -> None:
    """What the two sides are, and an end where they measure another OpenVINO."""
    first, second = sides.values()
    for name in first.facts | second.facts:
        seen = [side.facts.get(name, "unknown") for side in (first, second)]
        print(
            f"{name:28} {seen[0]}" if seen[0] == seen[1] else f"{name:28} {seen[0]} outside, {seen[1]} inside"
        )
    if first.facts["OpenVINO"] != second.facts["OpenVINO"]:
        raise SystemExit("the image has another OpenVINO; build it anew: docker/build agent")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument(
        "--models", nargs="+", default=["small", "medium", "mobilenet-v2", "resnet-50"], choices=MODELS
    )
    parser.add_argument("--image", default="fleetmark-agent:{openvino}")
    parser.add_argument("--control", action="store_true", help="outside against outside")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        folder.chmod(0o755)
        tests = tests_of(given.models, folder, given.seconds)
        other = outside(folder) if given.control else inside(folder, given.image)
        sides = {"outside": stack.enter_context(outside(folder)), "inside": stack.enter_context(other)}
        told_facts(sides)
        seen: list[list[tuple[dict[str, Any], dict[str, Any]]]] = [[] for _ in tests]
        begin, load_before = time.monotonic(), os.getloadavg()[0]
        for number in range(given.pairs):
            names = list(sides) if number % 2 == 0 else list(sides)[::-1]
            for pairs, test in zip(seen, tests, strict=True):
                pair = {name: sides[name].measure(test) for name in names}
                if pair["inside"]["settings"] != pair["outside"]["settings"]:
                    raise SystemExit(f"the settings differ: {pair}")
                pairs.append((pair["inside"], pair["outside"]))
        minutes = (time.monotonic() - begin) / 60
    what = "outside ÷ outside, a control" if given.control else "inside ÷ outside"
    print(
        f"{given.pairs} alternating pairs of {given.seconds:g} s in {minutes:.1f} min; load average "
        f"{load_before:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end; medians of {what}"
    )
    head = f"{'model':14} {'scenario':8} {'throughput':>11} {'95 %':>13}"
    print(f"{head} {'CPU time':>9} {'95 %':>13} {'other cores':>11}")
    for test, pairs in zip(tests, seen, strict=True):
        print(line(f"{test['model'].removesuffix('.xml'):14} {test['scenario']:8}", pairs))
    together = [pair for pairs in seen for pair in pairs]
    print(line(f"{'all':23}", together))
    words, code = verdict(compared(together)[0])
    print(words)
    return code


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
