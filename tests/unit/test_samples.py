"""Packed latencies: they come back as they went, and nothing else is taken for them."""

from __future__ import annotations

import base64
import struct
import tracemalloc
import zlib
from array import array
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocol.job import MAX_ITERATIONS
from protocol.result import Result
from protocol.samples import Nanoseconds, Samples
from tests.traces.replay import recorded

NUMBERS = st.integers(0, 2**64 - 1)
_MORE: dict[str, Any] = {"wall_ns": 1, "segments": 1, "stopped": "time", "harness_ns": 0.0}


def packed(values: list[int], encoding: Literal["values", "differences"] = "values") -> Nanoseconds:
    return Nanoseconds.pack(np.array(values, dtype=np.uint64), encoding=encoding)


def fields(data: bytes, count: int, **changes: Any) -> dict[str, Any]:
    given_fields = {
        "count": count,
        "encoding": "values",
        "width": 1,
        "base64": base64.b64encode(data).decode(),
    }
    return {**given_fields, **changes}


@given(st.lists(NUMBERS, max_size=50))
def test_values_come_back(values: list[int]) -> None:
    assert packed(values).values.tolist() == values


@given(st.lists(NUMBERS, max_size=50).map(sorted))
def test_differences_come_back(values: list[int]) -> None:
    sequence = packed(values, "differences")
    assert sequence.values.tolist() == values
    assert Nanoseconds.model_validate_json(sequence.model_dump_json()) == sequence


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_samples_are_put_into_the_order_of_their_starts(pairs: list[tuple[int, int]]) -> None:
    starts, latencies = (array("Q", [pair[at] for pair in pairs]).tobytes() for at in (0, 1))
    samples = Samples.pack(starts, latencies, **_MORE)
    inferences = zip(samples.start_ns.values.tolist(), samples.latency_ns.values.tolist(), strict=True)
    assert list(inferences) == sorted(pairs, key=lambda pair: pair[0])


@pytest.mark.parametrize(
    ("largest", "width"), [(0, 1), (255, 1), (256, 2), (65536, 4), (2**32 - 1, 4), (2**32, 8)]
)
def test_numbers_are_as_wide_as_the_largest_needs(largest: int, width: int) -> None:
    assert packed([1, largest]).width == width
    assert packed([1, 1 + largest], "differences").width == width


def test_the_layout_is_the_documented_one() -> None:
    """All lowest bytes first, then all second ones; of the first start, the start itself."""
    assert zlib.decompress(base64.b64decode(packed([0x0102, 0x0304]).base64)) == b"\x02\x04\x01\x03"
    assert zlib.decompress(base64.b64decode(packed([5, 7, 7], "differences").base64)) == b"\5\2\0"


def test_an_empty_sequence_is_one() -> None:
    assert packed([]).values.size == 0


def test_falling_values_have_no_differences() -> None:
    with pytest.raises(ValueError, match="the values fall"):
        packed([2, 1], "differences")


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(16)])
def test_starts_and_latencies_are_as_many(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # numpy's words where it is no whole number of values
        Samples.pack(bytes(8), data, **_MORE)
    one, two = packed([1]), packed([1, 2])
    with pytest.raises(ValidationError, match="as many starts as latencies"):
        Samples(start_ns=one, latency_ns=two, **_MORE)


BAD = {
    "too long": (fields(zlib.compress(bytes(5)), 4), "more than the 4 bytes"),
    "too short": (fields(zlib.compress(bytes(3)), 4), "ends after 3 of the 4 bytes"),
    "not of this width": (fields(zlib.compress(bytes(4)), 4, width=2), "ends after 4 of the 8 bytes"),
    "a width that there is not": (fields(zlib.compress(bytes(12)), 4, width=3), "1, 2, 4 or 8"),
    "an encoding that there is not": (fields(zlib.compress(bytes(4)), 4, encoding="sums"), "values"),
    "cut off": (fields(zlib.compress(bytes(4))[:-1], 4), "ends after 4 of the 4 bytes"),
    "cut off within": (fields(zlib.compress(struct.pack("4B", 1, 9, 4, 7))[:6], 4), "of the 4 bytes"),
    "wrong checksum": (fields(zlib.compress(bytes(4))[:-1] + b"\xff", 4), "not compressed by zlib"),
    "more behind it": (fields(zlib.compress(bytes(4)) + b"x", 4), "1 bytes follow its end"),
    "not compressed": (fields(bytes(4), 4), "not compressed by zlib"),
    "not base64": (fields(b"", 4, base64="~~~~"), "not base64"),
    "not even ASCII": (fields(b"", 4, base64="ä"), "not base64"),
    "nothing": (fields(b"", 4), "ends after 0 of the 4 bytes"),
    "fewer than none": (fields(zlib.compress(b""), -1), "greater than or equal to 0"),
    "too many": (fields(zlib.compress(b""), MAX_ITERATIONS + 1), "less than or equal to 10000000"),
    "differences beyond 64 bits": (
        fields(zlib.compress(b"\xff" * 16), 2, encoding="differences", width=8),
        "add up to more than 64 bits",
    ),
}


@pytest.mark.parametrize(("record", "words"), BAD.values(), ids=list(BAD))
def test_what_is_no_sequence_is_refused(record: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Nanoseconds.model_validate(record)


@pytest.mark.parametrize("count", [0, 1])
def test_a_bomb_is_not_unpacked(count: int) -> None:
    """64 MiB of zeros, of which no more than one byte too many is ever made."""
    record = fields(zlib.compress(bytes(64 << 20)), count)
    tracemalloc.start()
    try:
        with pytest.raises(ValidationError, match=f"more than the {count} bytes"):
            Nanoseconds.model_validate(record)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=40), st.integers(0, 5), st.sampled_from([1, 2, 4, 8]))
def test_any_other_bytes_are_refused_in_words(data: bytes, count: int, width: int) -> None:
    try:
        sequence = Nanoseconds.model_validate(fields(zlib.compress(data), count, width=width))
    except ValidationError:
        assert len(data) != count * width
    else:
        assert sequence.values.size == count


def test_a_result_has_room_for_the_most_that_does_not_compress() -> None:
    """Random bytes, an eighth of them: 16 bytes an inference and all of them incompressible."""
    count = MAX_ITERATIONS // 8
    numbers = np.random.default_rng(1).integers(0, 2**64, count, dtype=np.uint64)
    size = len(Nanoseconds.pack(numbers).base64)
    assert 8 * 2 * size + (4 << 20) <= Result.max_bytes
    assert Result.max_bytes < 8 * 2 * size + (6 << 20)


def test_recorded_latencies_take_at_most_4_bytes_each() -> None:
    """As docs/formats.md says. They were recorded in microseconds; the rest is made up, at random."""
    milliseconds = np.concatenate(recorded().latencies_ms)
    random = np.random.default_rng(1)
    latencies = np.rint(milliseconds * 1e6).astype(np.uint64) + random.integers(
        0, 1000, milliseconds.size, dtype=np.uint64
    )
    starts = list(accumulate(latencies.tolist(), initial=0))[:-1]
    samples = Samples.pack(array("Q", starts).tobytes(), latencies.tobytes(), **_MORE)
    for sequence in (samples.start_ns, samples.latency_ns):
        assert 3 < len(sequence.base64) / sequence.count < 4
