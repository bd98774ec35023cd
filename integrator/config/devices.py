"""Names of devices as OpenVINO spells them, and which devices a composite needs."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = [
    "COMMON",
    "PATTERN",
    "PLAIN_PATTERN",
    "leaves_none",
    "may_use_cpu",
    "needs",
    "parse",
    "parse_plain",
]

COMMON = ("CPU", "GPU", "GPU.0", "GPU.1", "NPU")
"""What a user most likely meant."""

_NAME = r"CPU|(?:GPU|NPU)(?:\.(?:0|[1-9][0-9]?))?"
_PLAIN = re.compile(_NAME)
PLAIN_PATTERN = rf"^(?:{_NAME})$"
"""What the JSON Schema says of a machine's devices."""
PATTERN = rf"^(?:{_NAME}|AUTO|(?:AUTO|MULTI|HETERO|BATCH):.+)$"
"""What the JSON Schema says of a campaign's devices; `parse` is stricter."""
_COMPOSITES = ("AUTO", "MULTI", "HETERO", "BATCH")
_BATCH_SIZE = re.compile(r"\([1-9][0-9]{0,4}\)$")


def parse_plain(name: str) -> str:
    """The canonical name of a device that is in a machine: `GPU.0` is `GPU`.

    Raises:
        ValueError: it is no such name; the message completes a sentence that begins with the name.
    """
    if _PLAIN.fullmatch(name):
        return name.removesuffix(".0")
    if name.partition(":")[0] in _COMPOSITES:
        raise ValueError("is not a device of a machine; AUTO and composites belong in campaign.yaml")
    raise ValueError("is not the name of a device; expected CPU, GPU, GPU.1 or NPU")


def parse(name: str) -> str:
    """The canonical name of a device, of AUTO, or of a composite such as `MULTI:GPU.1,CPU`.

    Raises:
        ValueError: it is no such name; the message completes a sentence that begins with the name.
    """
    kind, colon, listed = name.partition(":")
    if kind not in _COMPOSITES:
        if _PLAIN.fullmatch(name):
            return name.removesuffix(".0")
        raise ValueError("is not the name of a device; expected CPU, GPU, GPU.1, NPU, AUTO or AUTO:GPU,CPU")
    if not colon:
        if kind == "AUTO":
            return name
        raise ValueError(f'does not say which devices it is made of; expected one like "{kind}:GPU"')
    parts = [_candidate(kind, part.strip()) for part in listed.split(",")]
    if both := [part for part in parts if f"-{part}" in parts]:
        raise ValueError(f"lists {both[0]} and excludes it")
    if len(set(parts)) != len(parts):
        raise ValueError("lists a device twice")
    if kind == "BATCH" and len(parts) != 1:
        raise ValueError('lists more than one device; expected one like "BATCH:GPU"')
    return f"{kind}:{','.join(parts)}"


def _candidate(kind: str, part: str) -> str:
    sign = "-" if kind == "AUTO" and part.startswith("-") else ""
    size = _BATCH_SIZE.search(part) if kind == "BATCH" else None
    bare = part.removeprefix(sign).removesuffix(size[0] if size else "")
    if not _PLAIN.fullmatch(bare):
        raise ValueError(f'lists "{part[:60]}", which is not the name of a device')
    if sign:
        return part  # `-GPU` excludes every GPU, `-GPU.0` one
    return f"{bare.removesuffix('.0')}{size[0] if size else ''}"


def needs(device: str) -> tuple[str, ...]:
    """The plain devices that a machine must have to run `device` (canonical); none for bare AUTO."""
    kind, colon, listed = device.partition(":")
    if not colon:
        return () if kind == "AUTO" else (device,)
    return tuple(part.partition("(")[0] for part in listed.split(",") if not part.startswith("-"))


def may_use_cpu(device: str) -> bool:
    """Whether the CPU may do inference for `device` (canonical), so that its settings mean something."""
    kind, colon, listed = device.partition(":")
    if not colon:
        return kind in {"CPU", "AUTO"}
    parts = [part.partition("(")[0] for part in listed.split(",")]
    return "CPU" in parts or (all(part.startswith("-") for part in parts) and "-CPU" not in parts)


def leaves_none(device: str, present: Sequence[str]) -> bool:
    """Whether an AUTO that only excludes (`AUTO:-CPU`) leaves none of the devices of a machine."""
    parts = device.partition(":")[2].split(",")
    if not all(part.startswith("-") for part in parts):
        return False
    excluded = [part.removeprefix("-") for part in parts]
    return all(name in excluded or name.partition(".")[0] in excluded for name in present)
