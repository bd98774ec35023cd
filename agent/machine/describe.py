"""The machine's description. Every path is below `root`, so that recorded machines can be read too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.machine.configuration import Process, read_configuration
from agent.machine.files import Facts, Tree
from agent.machine.fingerprint import read_fingerprint
from agent.machine.probe import probe_devices
from protocol.machine import MachineDescription

__all__ = ["describe", "list_devices"]

_DEVICES_TIMEOUT_S = 120


def list_devices() -> dict[str, Any]:
    """What OpenVINO sees, asked in a process of its own.

    Raises:
        RuntimeError: the process failed; the message holds its last words.
    """
    try:
        done = subprocess.run(  # our own interpreter and module
            [sys.executable, "-I", "-m", "agent.machine.devices"],
            check=False,
            capture_output=True,
            timeout=_DEVICES_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"listing the devices took more than {_DEVICES_TIMEOUT_S} s") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()[-2000:]
        raise RuntimeError(f"listing the devices ended with code {done.returncode}: {words}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def describe(
    machine: str,
    *,
    root: Path = Path("/"),
    devices: Callable[[], dict[str, Any]] = list_devices,
    process: Process | None = None,
) -> MachineDescription:
    """Describe the machine below `root`; a fact that cannot be had is null, and `unknown` says why."""
    tree, facts = Tree(root), Facts()
    process = process or Process()
    engine = facts.get("devices", devices) or {"version": "unknown", "devices": [], "drivers": {}}
    fingerprint = read_fingerprint(tree, facts, architecture=process.architecture, devices=engine["devices"])
    return MachineDescription(
        machine=machine,
        collected_at=datetime.now(UTC),
        fingerprint=fingerprint,
        configuration=read_configuration(
            tree, facts, process=process, openvino=engine["version"], drivers=engine["drivers"]
        ),
        unknown=facts.unknown,
        probe=probe_devices([device.name for device in fingerprint.devices]),
    )
