"""Tests as the tables of pages show them: every cell a text, made by the column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.site.cells import first_words
from integrator.site.frame import machine_page
from integrator.site.ids import file_name
from integrator.site.numbers import exact_numbers, format_counts, format_intervals, format_numbers
from integrator.statistics.verdict import REASONS, Reason
from protocol.result import Status

__all__ = ["TestText", "doubts_of", "model_page", "test_texts"]

_T = TypeVar("_T")
_SHORT, _FULL = 110, 2000
"""Letters of a reason that are seen at once, and that a page holds at most; results.csv has all."""
_FLOATING = {"f32": "FP32", "f16": "FP16", "bf16": "BF16"}


class TestText(NamedTuple):
    """One test, ready for a table; what is missing is empty."""

    row: str
    href: str
    """Of its row, from the site's root."""
    machine: str
    machine_href: str
    model: str
    model_href: str
    label: str
    ran_in: str
    """The precision that the device ran, where it is not that of the model's file."""
    kind: str
    """`valid`, `noisy`, `invalid` or `failed`."""
    status: str
    """In words; empty for a test that ended well."""
    reason: str
    """Its beginning."""
    reason_full: str
    """Empty where the beginning is all of it."""
    doubts: str
    runs: str
    latency: str
    latency_exact: str
    latency_interval: str
    p90: str
    p99: str
    single_pass: str
    throughput: str
    throughput_exact: str
    throughput_interval: str


def test_texts(frame: pd.DataFrame) -> list[TestText]:
    """The rows of a tidy frame, in their order."""
    status = frame["status"].to_numpy(dtype=object)
    ok = status == Status.OK.value
    kind = np.where(
        ok, np.where(frame["verdict"].isin(["noisy", "invalid"]), frame["verdict"], "valid"), "failed"
    )
    reasons = _each(frame["reason"], lambda text: (first_words(text, _SHORT), text))
    beginnings = [short for short, _ in reasons]
    return list(
        map(
            TestText,
            frame["row"].tolist(),
            frame["href"].tolist(),
            frame["machine"].tolist(),
            _each(frame["machine"], machine_page),
            frame["model"].tolist(),
            _each(frame["model"], model_page),
            frame["label"].tolist(),
            _ran_in(frame),
            kind.tolist(),
            _each(frame["status"], lambda word: "" if word == Status.OK.value else word.replace("_", " ")),
            beginnings,
            ["" if short == text else _cut(text) for short, text in reasons],
            _each(frame["verdict_reasons"], lambda words: ", ".join(words.split()).replace("_", " ")),
            format_counts(_numbers(frame, "runs")),
            format_numbers(_numbers(frame, "latency_ms")),
            exact_numbers(_numbers(frame, "latency_ms")),
            format_intervals(_numbers(frame, "latency_low_ms"), _numbers(frame, "latency_high_ms")),
            _or_note(frame, "latency_p90_ms"),
            _or_note(frame, "latency_p99_ms"),
            format_numbers(_numbers(frame, "single_pass_ms")),
            format_numbers(_numbers(frame, "throughput_fps")),
            exact_numbers(_numbers(frame, "throughput_fps")),
            format_intervals(_numbers(frame, "throughput_low_fps"), _numbers(frame, "throughput_high_fps")),
        )
    )


def doubts_of(verdict_reasons: Iterable[str]) -> list[tuple[str, Reason]]:
    """The reasons of verdicts that occur, in words, with what they mean and what to do."""
    names = dict.fromkeys(name for words in dict.fromkeys(verdict_reasons) for name in words.split())
    return [(name.replace("_", " "), REASONS[name]) for name in names if name in REASONS]


def model_page(model: str) -> str:
    """The page of a model, from the site's root."""
    return f"models/{file_name(model)}.html"


def _numbers(frame: pd.DataFrame, key: str) -> npt.NDArray[np.float64]:
    return frame[key].to_numpy(dtype=np.float64)


def _or_note(frame: pd.DataFrame, key: str) -> list[str]:
    """Numbers, and where there is none the sentence that says why."""
    texts = format_numbers(_numbers(frame, key))
    if f"{key}__note" not in frame:
        return texts
    return [text or note for text, note in zip(texts, frame[f"{key}__note"], strict=True)]


def _each(values: pd.Series, make: Callable[[str], _T]) -> list[_T]:
    """Each different value once."""
    codes, different = pd.factorize(values)
    made = [make(value) for value in different]
    return [made[code] for code in codes.tolist()]


def _ran_in(frame: pd.DataFrame) -> list[str]:
    made: dict[tuple[str, str], str] = {}
    ran = frame["effective_precision"].where(frame["status"] == Status.OK.value, "")
    pairs = zip(ran.tolist(), frame["precision"].tolist(), strict=True)
    return [made[pair] if pair in made else made.setdefault(pair, _other(*pair)) for pair in pairs]


def _other(ran: str, asked: str) -> str:
    name = _FLOATING.get(ran.lower(), "")
    return name if name and asked in _FLOATING.values() and name != asked else ""


def _cut(text: str) -> str:
    return text if len(text) <= _FULL else f"{text[:_FULL]} […] (the rest is in results.csv)"
