"""How long `fleetmark doctor --lab` takes for many machines that are far away.

    python -m benchmarks.doctor_scale [--machines 50] [--round-trip 0.2] [--target 10]

Leaves with 1 where it takes longer than the target. What is real and what is simulated: `doctor_rig`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from integrator.doctor.finding import LabHealth


def main() -> int:
    """Print how long it took; 1 where that was too long, or a machine failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=50)
    parser.add_argument("--round-trip", type=float, default=0.2, help="seconds")
    parser.add_argument("--target", type=float, default=10.0, help="seconds for all of them")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _lab(folder, wanted.machines, wanted.round_trip) as lab:
            began = time.monotonic()
            done = subprocess.run(
                [Path(sys.executable).with_name("fleetmark"), "doctor", "--lab", lab, "--json"],
                check=False,
                capture_output=True,
            )
            seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = LabHealth.from_bytes(done.stdout, source="report")
    wrong = [
        f"{machine.machine}: {finding.check}: {finding.said}"
        for machine in report.machines
        for finding in machine.findings
        if finding.health == "fail"
    ]
    slowest = max(machine.seconds for machine in report.machines)
    print(
        f"{len(report.machines)} machines, {wanted.round_trip * 1e3:.0f} ms for a round trip: {seconds:.2f} s"
    )
    print(
        f"slowest machine {slowest:.1f} s; largest process {used.ru_maxrss >> 10} MB; failures: {len(wrong)}"
    )
    print("\n".join(wrong[:5]))
    return int(bool(wrong) or seconds > wanted.target)


@contextlib.contextmanager
def _lab(folder: Path, machines: int, round_trip_s: float) -> Iterator[Path]:
    """As many machines as asked for, each behind a port of its own; the lab.yaml."""
    for name in ("host_key", "id_ed25519"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with (
        _rig("machines", str(folder)) as there,
        _rig("distance", str(machines), there.strip(), str(round_trip_s)) as said,
    ):
        ports = [int(word) for word in said.split()]
        key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text("".join(f"[127.0.0.1]:{port} {key}" for port in ports))
        lab = folder / "lab.yaml"
        lab.write_text(json.dumps(_document(folder, ports)))
        yield lab


def _document(folder: Path, ports: list[int]) -> dict[str, object]:
    login = {"key_file": str(folder / "id_ed25519"), "known_hosts": str(folder / "known_hosts")}
    return {
        "schema_version": 1,
        "name": "far-away",
        "server": {"listen": "127.0.0.2", "advertise": "127.0.0.2"},
        "machines": [
            {"name": f"box-{n}", "start": {"docker": {"host": f"ssh://fleet@127.0.0.1:{port}", **login}}}
            for n, port in enumerate(ports)
        ],
    }


@contextlib.contextmanager
def _rig(*arguments: str) -> Iterator[str]:
    """A part of the rig as a process; the line that it says once it is ready."""
    command = [sys.executable, "-m", "benchmarks.doctor_rig", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline()
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
