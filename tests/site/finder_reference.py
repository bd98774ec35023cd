"""What *Find my machine* must answer, worked out the slow way: row by row, camera by camera."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
HIGH = {"p50": "latency_high_ms", "p95": "latency_p95_high_ms", "p99": "latency_p99_high_ms"}


@dataclass
class Answer:
    machine: str
    rows: list[int]
    machines: int
    headroom: float
    estimate: bool
    price: float
    currency: str
    watts: float


def find(rows: Sequence[Row], query: Mapping[str, Any], offers: Mapping[str, Any]) -> list[Answer]:
    """The machines that satisfy a query, in order."""
    found = []
    for machine in dict.fromkeys(row["machine"] for row in rows):
        answer = _answer(rows, machine, query, offers.get(machine, {}))
        if answer:
            found.append(answer)

    def key(answer: Answer) -> tuple[float, int, float, str]:
        comparable = answer.currency == query["currency"] and not math.isnan(answer.price)
        return answer.price if comparable else math.inf, answer.machines, -answer.headroom, answer.machine

    return sorted(found, key=key)


def usable(row: Row, query: Mapping[str, Any]) -> bool:
    """Whether a test may be relied on for this query."""
    for key in ("precision", "device"):
        if query[key] and row[key] != query[key]:
            return False
    if row["status"] != "ok" or row["verdict"] != "valid" or not _positive(row["throughput_low_fps"]):
        return False
    if query["bound"] is None:
        return True
    high = row[HIGH[query["percentile"]]]
    return row["batch"] == 1 and _positive(high) and high <= query["bound"]


def _positive(value: object) -> bool:
    return isinstance(value, float) and value > 0


def _answer(
    rows: Sequence[Row], machine: str, query: Mapping[str, Any], offer: Mapping[str, Any]
) -> Answer | None:
    room = 1 - query["headroom"]
    chosen, cameras = [], []
    for number, demand in enumerate(query["demands"]):
        best = -1
        for i, row in enumerate(rows):
            if row["machine"] != machine or row["model"] != demand["model"] or not usable(row, query):
                continue
            if best < 0 or _better(row, rows[best], query):
                best = i
        if best < 0:
            return None
        share = demand["fps"] / rows[best]["throughput_low_fps"]
        if share > room + 1e-9:
            return None
        chosen.append(best)
        cameras += [(share, number, demand["model"])] * demand["cameras"]
    mixed = first_fit(cameras, room)
    apart = [
        each
        for model in dict.fromkeys(demand["model"] for demand in query["demands"])
        for each in first_fit([camera for camera in cameras if camera[2] == model], room)
    ]
    bins = apart if len(apart) <= len(mixed) else mixed
    count = len(bins)
    price, watts = (math.nan if offer.get(key) is None else count * offer[key] for key in ("price", "watts"))
    currency = "" if math.isnan(price) else offer["currency"]
    if query["price"] is not None and not (currency == query["currency"] and price <= query["price"]):
        return None
    if query["watts"] is not None and not watts <= query["watts"]:
        return None
    return Answer(
        machine,
        chosen,
        count,
        1 - max(sum(share for share, _, _ in each) for each in bins),
        any(len({model for _, _, model in each}) > 1 for each in bins),
        price,
        currency,
        watts,
    )


def _better(row: Row, other: Row, query: Mapping[str, Any]) -> bool:
    if row["throughput_low_fps"] != other["throughput_low_fps"]:
        return bool(row["throughput_low_fps"] > other["throughput_low_fps"])
    ends = [each[HIGH[query["percentile"]]] for each in (row, other)]
    return all(map(_positive, ends)) and ends[0] < ends[1]


def first_fit(cameras: list[tuple[float, int, str]], room: float) -> list[list[tuple[float, int, str]]]:
    """Cameras onto machines, the largest share first, each onto the first machine that has room."""
    bins: list[list[tuple[float, int, str]]] = []
    for camera in sorted(cameras, key=lambda each: (-each[0], each[1])):
        for each in bins:
            if sum(share for share, _, _ in each) + camera[0] <= room + 1e-9:
                each.append(camera)
                break
        else:
            bins.append([camera])
    return bins


def fewest(cameras: list[tuple[float, int, str]], room: float) -> int:
    """The fewest machines that hold all cameras, of all ways to deal them out."""
    best = len(cameras)

    def deal(rest: list[float], loads: list[float]) -> None:
        nonlocal best
        if len(loads) >= best:
            return
        if not rest:
            best = len(loads)
            return
        for place in range(len(loads)):
            if loads[place] + rest[0] <= room + 1e-9:
                deal(rest[1:], [*loads[:place], loads[place] + rest[0], *loads[place + 1 :]])
        deal(rest[1:], [*loads, rest[0]])

    deal(sorted((share for share, _, _ in cameras), reverse=True), [])
    return best
