"""What a machine might send: valid documents, broken at random. The same seed makes the same bytes."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import zlib
from collections.abc import Callable
from typing import Any

__all__ = ["broken_bytes", "broken_json", "broken_name", "packed"]

# What a JSON writer does not write; each stands for itself in the text.
_LITERALS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0",
    "-1",
    "1e18",
    "1e308",
    "0.5",
    "9" * 19,
    "9" * 40,
    "9" * 4300,
    "9" * 4301,
    "1" + "0" * 400,
    "00",
    '"' + "9" * 400 + '"',
    "true",
    "null",
    "{}",
    "[]",
    '""',
    "[" * 300 + "]" * 300,
    "[" * 5000,
    '{"a":' * 400 + "1" + "}" * 400,
    r'"\ud800"',
    r'"\udfff\ud800"',
    r'"\u0000"',
    r'"\x"',
    '"\x00"',
    '"\x1b[2J"',
    '"../../etc/passwd"',
    '"a\\nb"',
    '"0001-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
    '"2026-01-01T00:00:00"',
    "1e20",
    '"1e20"',
    '"' + "x" * 30_000 + '"',
    '"\U0001f600"',
    '"ok"',
    '"failed"',
)
_NUMBERS = _LITERALS.index("00")
"""How many of them are numbers to a JSON reader; they come first."""
_KEY = re.compile(r'"\w+": ')
_MARK = "\x1a"  # encloses the number of a literal in a text that is written before it is put in
_MAX_STEPS = 4


def broken_bytes(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut, doubled or put in."""
    found = bytearray(data)
    for _ in range(_steps(rng)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(6):
            case 0:
                found[at : at + 1] = rng.randbytes(1)
            case 1:
                del found[at:]
            case 2:
                del found[at : at + rng.randint(1, 40)]
            case 3:
                found[at:at] = found[at : at + rng.randint(1, 200)]
            case 4:
                found[at:at] = rng.randbytes(rng.randint(1, 8))
            case _:
                if at < len(found):
                    found[at] ^= 1 << rng.randrange(8)
    return bytes(found)


def broken_json(rng: random.Random, value: Any) -> bytes:
    """The text of a JSON value with some places of it replaced, removed, added or given twice."""
    root = json.loads(json.dumps(value))
    for _ in range(_steps(rng)):
        _break(rng, root)
    text = json.dumps(root, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1)))
    parts = text.split(json.dumps(_MARK)[1:-1])
    for index in range(1, len(parts), 2):
        parts[index] = _LITERALS[int(parts[index])]
    text = "".join(parts).replace('"@', "").replace('@"', "")
    if rng.random() < 0.1 and (keys := list(_KEY.finditer(text))):
        again = rng.choice(keys)  # a key twice
        text = f"{text[: again.start()]}{again[0]}{rng.choice(_LITERALS)}, {text[again.start() :]}"
    return text.encode("utf-8", "surrogatepass")


def broken_name(rng: random.Random, name: str) -> str:
    """A file name with some characters changed."""
    found = list(name)
    for _ in range(rng.randint(0, _MAX_STEPS)):
        at = rng.randrange(len(found) + 1)
        put = rng.choice(
            ("", ".", "0", "9", "/", "..", "\0", "\n", "-", "é", "٣", "A", ".json.gz", "x" * 128)
        )
        found[at : at + rng.randrange(2)] = put
    return "".join(found)


def packed(rng: random.Random, text: bytes) -> bytes:
    """A document as gzip, which may be broken itself, cut, or have something behind it."""
    data = gzip.compress(text, compresslevel=1, mtime=0)
    match rng.randrange(12):
        case 0:
            return broken_bytes(rng, data)
        case 1:
            return data[: rng.randrange(len(data))]
        case 2:
            return data + rng.randbytes(rng.randint(1, 20))
        case 3:
            return data + data
        case 4:
            return gzip.compress(b"") * rng.randint(1, 20) + data
        case _:
            return data


def _steps(rng: random.Random) -> int:
    """Mostly one: of what is broken in one place, more is taken."""
    return 1 if rng.random() < 0.6 else rng.randint(2, _MAX_STEPS)


def _break(rng: random.Random, root: Any) -> None:
    holder, key = _place(rng, root)
    if key is None:
        return
    value = holder[key]
    literal = f"@{_MARK}{rng.randrange(len(_LITERALS))}{_MARK}@"
    match rng.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("extra", "schema_version", "\x1b[2J", "k" * 5000, "é"))] = value
        case 2 if isinstance(value, (int, float)):
            holder[key] = f"@{_MARK}{rng.randrange(_NUMBERS)}{_MARK}@"
        case 3 | 4 if isinstance(value, str) and len(value) > 10 and key == "base64":
            holder[key] = _PACKED_NUMBERS[rng.randrange(len(_PACKED_NUMBERS))](rng, value)
        case 5 if isinstance(value, int):
            holder[key] = value + rng.choice((-1, 1, 255, -(10**9), 10**7, 1 << 63))
        case _:
            holder[key] = literal


def _place(rng: random.Random, root: Any) -> tuple[Any, Any]:
    """A random place: a list or an object, and the key of a value in it."""
    holder, key = root, None
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return holder, None
        key = rng.choice(keys)
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or rng.random() < 0.2:
            return holder, key
        if not inner:
            return holder, key
        holder = inner


def _other_zlib(rng: random.Random, text: str) -> str:
    return base64.b64encode(broken_bytes(rng, base64.b64decode(text))).decode()


def _other_numbers(rng: random.Random, text: str) -> str:
    planes = _unpacked(text)
    return base64.b64encode(zlib.compress(broken_bytes(rng, planes))).decode()


def _unpacked(text: str) -> bytes:
    """Numbers of version 1 are not compressed."""
    data = base64.b64decode(text)
    try:
        return zlib.decompress(data)
    except zlib.error:
        return data


def _bomb(rng: random.Random, text: str) -> str:
    return _BOMB


def _large(rng: random.Random, text: str) -> str:
    return base64.b64encode(zlib.compress(b"\xff" * len(_unpacked(text)))).decode()


def _letters(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(("=", "\n", "é", " ", "-", "A", "")) + text[at + 1 :]


_BOMB = base64.b64encode(zlib.compress(bytes(16 << 20), 9)).decode()
_PACKED_NUMBERS: tuple[Callable[[random.Random, str], str], ...] = (
    _other_zlib,
    _other_numbers,
    _bomb,
    _large,
    _letters,
)
