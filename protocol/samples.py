"""What a run measured: every latency, packed so that ten million of them travel."""

from __future__ import annotations

import base64
import zlib
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from protocol.documents import Record
from protocol.job import MAX_ITERATIONS

__all__ = ["Encoding", "Nanoseconds", "Samples", "Stopped"]

Encoding = Literal["values", "differences"]
"""What is packed: the values, or of values that never fall, each one's difference from the one before it (of
the first: itself)."""
Stopped = Literal["precise", "time", "iterations"]
"""Why a run ended: its interval was narrower than asked for, its time was up, or it had `max_iterations`."""

_Values = npt.NDArray[np.uint64]
_WIDTHS = (1, 2, 4, 8)
_NATIVE = np.dtype(np.uint64)


class Nanoseconds(Record):
    """A sequence of durations or instants: unsigned numbers of 64 bits.

    `base64` holds `count` numbers of `width` bytes, the lowest byte of each first, then the next of each, and
    so on, compressed with zlib. High bytes hardly change from one latency to the next and take no room.
    """

    count: int = Field(ge=0, le=MAX_ITERATIONS)
    encoding: Encoding
    width: Literal[1, 2, 4, 8]
    base64: str

    @model_validator(mode="after")
    def _holds_what_it_says(self) -> Self:
        _ = self.values
        return self

    @property
    def values(self) -> _Values:
        """The numbers, unpacked anew at each call.

        Raises:
            ValueError: `base64` is not what `count` and `width` say, however much it would unpack to.
        """
        planes = np.frombuffer(_inflate(self.base64, self.count * self.width), dtype=np.uint8)
        numbers = np.zeros((self.count, 8), dtype=np.uint8)
        numbers[:, : self.width] = planes.reshape(self.width, self.count).T
        values = numbers.reshape(-1).view("<u8").astype(np.uint64, copy=False)
        if self.encoding == "values":
            return values
        values = np.cumsum(values, dtype=np.uint64)
        if _falls(values):
            raise ValueError("the differences add up to more than 64 bits")
        return values

    @classmethod
    def pack(cls, values: _Values, *, encoding: Encoding = "values") -> Self:
        """Pack numbers in as few bytes as hold them all.

        Raises:
            ValueError: differences are asked for, and a value is smaller than the one before it.
        """
        numbers = values
        if encoding == "differences":
            if _falls(values):
                raise ValueError("the values fall, so their differences cannot be packed")
            numbers = np.diff(values, prepend=np.uint64(0))
        largest = int(numbers.max(initial=0))
        width = next(width for width in _WIDTHS if largest < 1 << 8 * width)
        planes = numbers.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T
        packed = base64.b64encode(zlib.compress(planes.tobytes())).decode()
        return cls.model_validate(
            {"count": values.size, "encoding": encoding, "width": width, "base64": packed}
        )


class Samples(Record):
    """Every inference of the timed region, in the order of their starts.

    A run is measured in one or more segments; pauses between them are cut out of `start_ns` and `wall_ns`.
    """

    start_ns: Nanoseconds
    """Counted from the first start."""
    latency_ns: Nanoseconds
    wall_ns: int = Field(ge=0)
    """From the first start to after the last completion."""
    segments: int = Field(ge=1)
    stopped: Stopped | None
    """None: nobody noted it (version 1)."""
    harness_ns: float | None = Field(ge=0)
    """The harness's own cost of an inference, measured on this machine by the same loop over a request that
    does nothing. None: nobody measured it (version 1)."""

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if self.start_ns.count != self.latency_ns.count:
            raise ValueError("as many starts as latencies are needed")
        return self

    @classmethod
    def pack(
        cls,
        start_ns: bytes,
        latency_ns: bytes,
        *,
        wall_ns: int,
        segments: int,
        stopped: Stopped | None,
        harness_ns: float | None,
    ) -> Self:
        """Samples from numbers as `array("Q").tobytes()` has them, put into the order of the starts.

        Raises:
            ValueError: the two are not of one length, or not whole numbers of 8 bytes.
        """
        starts, latencies = (np.frombuffer(data, dtype=_NATIVE) for data in (start_ns, latency_ns))
        if starts.size != latencies.size:
            raise ValueError(f"{starts.size} starts and {latencies.size} latencies")
        if _falls(starts):
            order = np.argsort(starts, kind="stable")
            starts, latencies = starts[order], latencies[order]
        return cls(
            start_ns=Nanoseconds.pack(starts, encoding="differences"),
            latency_ns=Nanoseconds.pack(latencies),
            wall_ns=wall_ns,
            segments=segments,
            stopped=stopped,
            harness_ns=harness_ns,
        )


def _falls(values: _Values) -> bool:
    return bool((values[1:] < values[:-1]).any())


def _inflate(text: str, size: int) -> bytes:
    """What `text` unpacks to, if that is `size` bytes; never more than one byte beyond that is unpacked.

    That byte of room lets zlib reach the end of what fits, where it compares its checksum.
    """
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text, validate=True), size + 1)
    except ValueError as error:
        raise ValueError(f"not base64: {error}") from error
    except zlib.error as error:
        raise ValueError(f"not compressed by zlib: {error}") from error
    if len(data) > size:
        raise ValueError(f"it holds more than the {size} bytes that count and width make")
    if len(data) < size or not stream.eof:
        raise ValueError(f"it ends after {len(data)} of the {size} bytes that count and width make")
    if stream.unused_data:
        raise ValueError(f"{len(stream.unused_data)} bytes follow its end")
    return data
