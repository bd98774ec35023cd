"""`python -m agent.machine.devices`: OpenVINO's version and devices as JSON on standard output.

A process of its own: a broken driver takes this process down and not the agent, and no plugin stays loaded
beside a measurement.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from protocol.engine import openvino as ov

__all__ = ["list_devices"]


def list_devices() -> dict[str, Any]:
    """The fields of `protocol.machine.Device` for each device, drivers' versions, and OpenVINO's version."""
    core = ov.Core()
    drivers = {name: _read(core, name, "NPU_DRIVER_VERSION") for name in core.available_devices}
    return {
        "version": ov.__version__,
        "devices": [
            {
                "name": name,
                "full_name": _read(core, name, "FULL_DEVICE_NAME"),
                "architecture": _read(core, name, "DEVICE_ARCHITECTURE"),
                "capabilities": _read(core, name, "OPTIMIZATION_CAPABILITIES") or [],
                "memory_bytes": _read(core, name, "GPU_DEVICE_TOTAL_MEM_SIZE"),
                "uuid_sha256": _hashed(_read(core, name, "DEVICE_UUID")),
            }
            for name in core.available_devices
        ],
        "drivers": {name: str(version) for name, version in drivers.items() if version is not None},
    }


def _read(core: ov.Core, device: str, name: str) -> Any:
    try:
        return core.get_property(device, name)
    except Exception:  # not every plugin knows every property, nor Python every type of OpenVINO
        return None


def _hashed(uuid: Any) -> str | None:
    """None also for an object that prints its address in memory, and not what it is."""
    text = "" if uuid is None else str(uuid)
    return hashlib.sha256(text.encode()).hexdigest() if text and " object at 0x" not in text else None


if __name__ == "__main__":
    json.dump(list_devices(), sys.stdout)
