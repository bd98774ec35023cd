"""Results of version 1, and how they become results of version 2.

Two shapes had this number. In the older one `samples` holds its numbers unpacked, 8 bytes each in base64,
and `clock_step_ns`: OpenVINO's own clock took the latencies, and that follows the system's clock. In the
newer one they are packed, as they are today.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from protocol.samples import Samples

__all__ = ["to_version_2"]

_MAX_CLOCK_STEP = 0.001
"""How far the clock may have moved, as a share of the measured time. Beyond that, version 1 called the run
invalid."""


def to_version_2(result: dict[str, Any]) -> dict[str, Any]:
    """Pack the samples of the older shape; the newer one stays as it is.

    Raises:
        ValueError: the samples are not what they say, or the clock was set while they were taken.
    """
    samples = result.get("samples")
    if not isinstance(samples, dict) or "clock_step_ns" not in samples:
        return result
    wall_ns, step_ns = (_whole(samples, key) for key in ("wall_ns", "clock_step_ns"))
    if abs(step_ns) > _MAX_CLOCK_STEP * wall_ns:
        raise ValueError("the system's clock, by which latencies were taken, was set while it measured")
    packed = Samples.pack(
        _plain(samples.get("start_ns")),
        _plain(samples.get("latency_ns")),
        wall_ns=wall_ns,
        segments=1,
        stopped=None,
        harness_ns=None,
    )
    return {**result, "samples": packed.model_dump(mode="json")}


def _whole(samples: dict[str, Any], key: str) -> int:
    value = samples.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 63:
        raise ValueError(f"samples.{key} is no whole number of 64 bits")
    return value


def _plain(values: Any) -> bytes:
    """The numbers as this machine has them in memory."""
    if not isinstance(values, dict) or not isinstance(values.get("base64"), str):
        raise ValueError("samples hold no numbers in base64")  # noqa: TRY004 - of a document, not of a call
    data = base64.b64decode(values["base64"], validate=True)
    if len(data) % 8 or values.get("count") != len(data) // 8:
        raise ValueError(f"{len(data)} bytes are not as many numbers of 8 bytes as count says")
    return np.frombuffer(data, dtype="<u8").astype(np.uint64).tobytes()
