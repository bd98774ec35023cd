"""What machines send is read, or refused in words: no other exception, and bounded time and memory."""

from __future__ import annotations

import base64
import gzip
import json
import random
import subprocess
import sys
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.errors import DocumentError
from protocol.layout import split_result_name
from protocol.result import Result
from protocol.status import Heartbeat
from tests.fuzz.targets import TARGETS, Target

_BY_NAME = {target.name: target for target in TARGETS}
_MANY = {"result": 300, "heartbeat": 200, "machine": 300, "name": 200, "folder": 40}
_FEW = 100
_SOME = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=300, database=None)

_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, for numbers out of all range
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_broken_documents_are_read_or_refused(target: Target) -> None:
    @settings(parent=_SOME, max_examples=_MANY.get(target.name, _FEW))
    @given(st.integers(min_value=0))
    def feed(seed: int) -> None:
        target.feed(target.make(random.Random(seed)))

    feed()


@_SOME
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for name in ("result", "heartbeat", "machine"):
        assert not _BY_NAME[name].feed(data)
    assert not _BY_NAME["result"].feed(gzip.compress(data, 1))


@settings(parent=_SOME, max_examples=100)
@given(_values)
def test_any_json(value: Any) -> None:
    for name in ("heartbeat", "machine"):
        assert not _BY_NAME[name].feed(json.dumps(value).encode())
        assert not _BY_NAME[name].feed(json.dumps({"schema_version": 1, "machine": value}).encode())


@_SOME
@given(st.text(max_size=20) | st.from_regex(r"[a-z0-9_-]{1,3}\.[0-9]{1,5}\.json\.gz\n?", fullmatch=True))
def test_any_name(name: str) -> None:
    _BY_NAME["name"].feed(name.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "name", ["a.00.json.gz", "a.01.json.gz", "a.0001.json.gz", "a.٣.json.gz", "a.-0.json.gz"]
)
def test_a_run_has_one_name(name: str) -> None:
    assert split_result_name(name) is None


def test_an_error_shows_a_stranger_s_words_harmless_and_short() -> None:
    key = "\x1b[2J\n" + "k" * 100_000
    with pytest.raises(DocumentError, match=r"\\x1b\[2J\\nk+: Extra inputs") as caught:
        Heartbeat.from_bytes(_heartbeat(**{key: 1}), source="x")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63), "7", 1.0, True, None])
def test_a_count_is_an_integer_of_64_bits(number: object) -> None:
    """Larger ones met the fuzzer in a multiplication by a float."""
    with pytest.raises(DocumentError):
        Heartbeat.from_bytes(_heartbeat(total=number), source="x")
    assert Heartbeat.from_bytes(_heartbeat(total=(1 << 63) - 1), source="x").total == (1 << 63) - 1


def _heartbeat(**changes: Any) -> bytes:
    said = {
        "schema_version": 1,
        "campaign": "c",
        "machine": "box",
        "state": "running",
        "done": 0,
        "total": 1,
        "updated_at": "2026-01-01T00:00:00Z",
        "fleetmark_version": "0",
    }
    return json.dumps(said | changes).encode()


def _bombs() -> list[bytes]:
    full = 32 << 20
    head = b'{"schema_version": 2, '
    return [
        bytes(Result.max_bytes * 2),
        head + b'"reason": "' + b"x" * full,
        head + b'"reason": "' + b"x" * full + "\U0001f600".encode() + b'"}',
        head + b'"x": [' + b"[]," * (full // 3) + b"1]}",
        head + b'"inputs": [' + b"{}," * (full // 3) + b"{}]}",
        head + b'"x": ' + b"[" * (1 << 20),
        head + b'"k":1,' * (full // 6) + b'"k":1}',
    ]


_READER = """
import base64, re, sys
from protocol.errors import DocumentError
from protocol.result import Result
for line in sys.stdin:
    try:
        Result.from_gzip(base64.b64decode(line), source="a bomb")
    except DocumentError as error:
        print(len(str(error)))
# Not ru_maxrss, which begins with what the starting process had.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) >> 10)
"""


def test_bombs_are_refused_in_bounded_memory() -> None:
    """A hundred kilobytes of gzip that unpack to tens of megabytes, which as objects would be gigabytes."""
    lines = [base64.b64encode(gzip.compress(bomb, 1)) for bomb in _bombs()]
    done = subprocess.run(
        [sys.executable, "-c", _READER],
        input=b"\n".join(lines),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    *messages, peak_mib = map(int, done.stdout.split())
    assert len(messages) == len(lines)
    assert max(messages) < 500
    assert peak_mib < 768


def test_numbers_that_unpack_to_more_than_they_say_are_not_unpacked() -> None:
    packed = base64.b64encode(zlib.compress(bytes(64 << 20), 9)).decode()
    sample = {"count": 4, "encoding": "values", "width": 1, "base64": packed}
    said = {"schema_version": 2, "samples": {"start_ns": sample, "latency_ns": sample}}
    with pytest.raises(DocumentError):
        Result.from_bytes(json.dumps(said).encode(), source="x")
