"""Each machine's best test of each model: what is ranked, and what stands beside it unranked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from protocol.result import Status

__all__ = ["LATENCY", "MEASURES", "THROUGHPUT", "Best", "Kind", "Measure", "Value", "best_values"]

Kind = Literal["ranked", "unsure", "noisy", "invalid"]
_KINDS: tuple[Kind, ...] = ("ranked", "unsure", "noisy", "invalid")
_NO_NUMBER = len(_KINDS)
_VALUE = ("machine", "model", "kind", "label", "row", "href")


@dataclass(frozen=True, slots=True)
class Measure:
    """A column that machines are ranked by."""

    key: str
    low: str
    high: str
    title: str
    word: str
    unit: str
    better: Literal["lower", "higher"]
    what: str


LATENCY = Measure(
    "latency_ms",
    "latency_low_ms",
    "latency_high_ms",
    "Lowest latency",
    "latency",
    "ms",
    "lower",
    "median time of one batch, one request at a time (sync)",
)
THROUGHPUT = Measure(
    "throughput_fps",
    "throughput_low_fps",
    "throughput_high_fps",
    "Highest throughput",
    "throughput",
    "FPS",
    "higher",
    "frames per second, any scenario",
)
MEASURES = (LATENCY, THROUGHPUT)


@dataclass(frozen=True, slots=True)
class Value:
    """The best test of a model on a machine, among those of its kind."""

    machine: str
    model: str
    kind: Kind
    """ranked: ok, valid and with an interval; unsure: without one; noisy, invalid: by the verdict."""
    value: float
    low: float
    high: float
    """The ends of the interval, NaN where there is none."""
    label: str
    """What was set, on one line."""
    row: str
    href: str
    note: str
    """Why there is no interval: "needs 3 more runs"."""


@dataclass(frozen=True, slots=True)
class Best:
    """Of one measure."""

    ranked: Mapping[tuple[str, str], Value]
    """By machine and model."""
    others: Mapping[tuple[str, str], Value]
    """Where nothing is ranked: the best that there is, unsure before noisy before invalid."""
    why: Mapping[tuple[str, str], str]
    """Where nothing is ranked: how the tests ended, such as "2 failed, 1 noisy"."""


def best_values(frame: pd.DataFrame, measure: Measure) -> Best:
    """The best test of each model on each machine; latency is that of sync, where no request waits.

    Args:
        frame: as `integrator.site.frame.tidy` makes it.
        measure: one of `MEASURES`.
    """
    every = frame[["machine", "model"]].drop_duplicates()
    note = f"{measure.low}__note"
    columns = [*_VALUE[:3], measure.key, measure.low, measure.high, *_VALUE[3:]]
    needed = [*columns, note, "scenario", "status", "verdict", "rank_ok"]
    frame = frame[[key for key in needed if key in frame]]  # copies of the others would take most of the time
    if measure is LATENCY:
        frame = frame[frame["scenario"] == "sync"]
    kinds = _kinds(frame, measure)
    picked = frame.assign(kind=kinds)[kinds < _NO_NUMBER]
    picked = picked.sort_values(
        ["kind", measure.key], ascending=[True, measure.better == "lower"], kind="stable"
    ).drop_duplicates(["machine", "model"])
    notes = picked[note] if note in picked else [""] * len(picked)
    found = {
        (machine, model): Value(machine, model, _KINDS[kind], *rest)
        for machine, model, kind, *rest in zip(*(picked[key] for key in columns), notes, strict=True)
    }
    ranked = {pair: value for pair, value in found.items() if value.kind == "ranked"}
    others = {pair: value for pair, value in found.items() if value.kind != "ranked"}
    return Best(ranked, others, _why(frame, kinds, every, ranked, others))


def _kinds(frame: pd.DataFrame, measure: Measure) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """By row, the index in `_KINDS`; a number that is not positive is none."""
    value, low, high = (frame[key].to_numpy() for key in (measure.key, measure.low, measure.high))
    ok = (frame["status"] == Status.OK.value).to_numpy()
    rank_ok, verdict = frame["rank_ok"].to_numpy(dtype=bool), frame["verdict"].to_numpy()
    with np.errstate(invalid="ignore"):
        number, sure = ok & (value > 0), (low > 0) & (high >= low)
    choices = [~number, rank_ok & sure, rank_ok, verdict == "invalid"]
    return np.select(choices, [_NO_NUMBER, 0, 1, 3], default=2)


def _why(
    frame: pd.DataFrame,
    kinds: np.ndarray[tuple[int], np.dtype[np.int64]],
    every: pd.DataFrame,
    ranked: Mapping[tuple[str, str], Value],
    others: Mapping[tuple[str, str], Value],
) -> dict[tuple[str, str], str]:
    spoken = {word: word.replace("_", " ") for word in frame["status"].unique()}
    status = frame["status"].map(spoken).to_numpy(dtype=object)
    words = np.select(
        [kinds == 0, kinds == 1, kinds == 2, kinds == 3, status == Status.OK.value],  # noqa: PLR2004
        ["", "without an interval", "noisy", "invalid", "without a number"],
        default="",
    ).astype(object)
    words = np.where((words == "") & (kinds == _NO_NUMBER), status, words)
    counts = pd.DataFrame(
        {"machine": frame["machine"].to_numpy(), "model": frame["model"].to_numpy(), "words": words}
    )
    by_pair: dict[tuple[str, str], list[str]] = {}
    sizes = counts.value_counts(sort=False)
    for (machine, model, outcome), count in zip(sizes.index.tolist(), sizes.tolist(), strict=True):
        by_pair.setdefault((machine, model), []).append(f"{count} {outcome}" if count > 1 else outcome)
    why = {}
    for pair in zip(every["machine"], every["model"], strict=True):
        if pair in ranked:
            continue
        value = others.get(pair)
        if value is not None and value.kind == "unsure":
            why[pair] = value.note or "no interval"
        else:
            why[pair] = ", ".join(by_pair.get(pair, ["no sync test"]))
    return why
