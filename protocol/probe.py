"""What OpenVINO says of a device, by performance hint: the table by which machines are compared."""

from __future__ import annotations

from pydantic import Field

from protocol.documents import Record
from protocol.job import Hint

__all__ = ["DeviceProbe", "HintProbe"]


class HintProbe(Record):
    """What a small model shows of itself, compiled with one hint. Null where the device does not say."""

    hint: Hint
    optimal_requests: int | None = None
    """OPTIMAL_NUMBER_OF_INFER_REQUESTS"""
    streams: int | None = None
    """NUM_STREAMS"""
    threads: int | None = None
    """INFERENCE_NUM_THREADS, of the CPU"""
    hint_requests: int | None = None
    """PERFORMANCE_HINT_NUM_REQUESTS; 0 means that none was given."""
    queue_priority: str | None = Field(default=None, max_length=64)
    """GPU_QUEUE_PRIORITY"""
    precision: str | None = Field(default=None, max_length=64)
    """INFERENCE_PRECISION_HINT: what an FP32 model is computed in"""
    execution_devices: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    """The names of the properties that the compiled model lists."""
    reason: str = Field(default="", max_length=2000)
    """Why there are no values: what OpenVINO said when it was asked to compile."""


class DeviceProbe(Record):
    """One device, or AUTO over all of them."""

    device: str = Field(max_length=256)
    properties: dict[str, str] = Field(default_factory=dict)
    """The device's supported properties: name to `RO` (can be read) or `RW` (can be set). Values are left
    out, because some name the very device (DEVICE_UUID, DEVICE_LUID)."""
    streams_range: tuple[int, int] | None = None
    """RANGE_FOR_STREAMS: lowest, highest"""
    requests_range: tuple[int, int, int] | None = None
    """RANGE_FOR_ASYNC_INFER_REQUESTS: lowest, highest, step"""
    hints: tuple[HintProbe, ...] = ()
    reason: str = Field(default="", max_length=2000)
    """Why nothing is known: how the process that asked ended."""
