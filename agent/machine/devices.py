"""`python -m agent.machine.devices`: OpenVINO's version and devices as JSON on standard output.

A process of its own: a broken driver takes this process down and not the agent, and no plugin stays loaded
beside a measurement.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from protocol.engine import openvino as ov

__all__ = ["list_devices"]


def list_devices() -> dict[str, Any]:
    """The fields of `protocol.machine.Device` for each device, and OpenVINO's version."""
    core = ov.Core()
    return {
        "version": ov.__version__,
        "devices": [
            {
                "name": name,
                "full_name": _read(core, name, "FULL_DEVICE_NAME"),
                "architecture": _read(core, name, "DEVICE_ARCHITECTURE"),
                "capabilities": _read(core, name, "OPTIMIZATION_CAPABILITIES") or [],
            }
            for name in core.available_devices
        ],
    }


def _read(core: ov.Core, device: str, name: str) -> Any:
    try:
        return core.get_property(device, name)
    except RuntimeError:
        return None  # not every plugin knows every property


if __name__ == "__main__":
    json.dump(list_devices(), sys.stdout)
