"""The columns of the results table: their order, headings, units, and what they mean in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["COLUMNS", "GROUPS", "Column", "Group"]

Better = Literal["", "lower", "higher"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column, named as in the CSV file."""

    key: str
    heading: str
    meaning: str
    kind: Literal["text", "count", "number"] = "text"
    unit: str = ""
    better: Better = ""
    usual: str | None = None
    """Left out of the page where every test has this or nothing; None: always there."""


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that share a heading."""

    heading: str
    columns: tuple[Column, ...]


def _milliseconds(key: str, heading: str, meaning: str) -> Column:
    return Column(key, heading, meaning, kind="number", unit="ms", better="lower")


def _frames(key: str, heading: str, meaning: str) -> Column:
    return Column(key, heading, meaning, kind="number", unit="FPS", better="higher")


GROUPS: tuple[Group, ...] = (
    Group(
        "Test",
        (
            Column("machine", "machine", "The machine, by the name that the lab calls it."),
            Column("model", "model", "The model."),
        ),
    ),
    Group(
        "Setting",
        (
            Column(
                "precision",
                "precision",
                "The precision of the model's file. A second line says so where the device ran another.",
            ),
            Column("device", "device", "The OpenVINO device that was asked for."),
            Column(
                "scenario",
                "scenario",
                "How requests are issued. sync: one inference after another. "
                "async: a pool of infer requests, each started again as soon as it is idle.",
            ),
            Column("hint", "hint", "OpenVINO's performance hint; none sets no hint."),
            Column("batch", "batch", "Frames in one inference.", kind="count"),
            Column("streams", "streams", "Streams, as the compiled model reports them.", kind="count"),
            Column("threads", "threads", "Threads, as the compiled model reports them.", kind="count"),
            Column("requests", "requests", "Infer requests that were used.", kind="count"),
            Column(
                "openvino",
                "OpenVINO",
                "The release of OpenVINO that was asked for. A second line says which one measured.",
                usual="auto",
            ),
            Column("settings", "further settings", "What else was asked for beside the defaults.", usual=""),
            Column(
                "timed_region",
                "timed",
                "inference: the inputs lie in the request's tensors before the clock starts. "
                "with_input_copy: their copying to there is timed, too.",
                usual="inference",
            ),
        ),
    ),
    Group(
        "Outcome",
        (
            Column(
                "status",
                "status",
                "How the test ended: ok, failed, timeout, crashed, out of memory, unsupported (device or "
                "model not available on this machine) or not run. Where it is not ok, the reason follows.",
            ),
            Column(
                "verdict",
                "verdict",
                "Whether the numbers can be trusted: valid, noisy or invalid, with the reasons. "
                "An invalid test is never among the best. Open the reasons to see what to do about them.",
            ),
        ),
    ),
    Group(
        "Latency",
        (
            _milliseconds(
                "latency_ms",
                "median",
                "Median time of one batch (sync), or of one request from start to completion (async). "
                "Below it, the interval that holds the true median with 95 % confidence.",
            ),
            _milliseconds(
                "latency_p90_ms",
                "p90",
                "90 of 100 batches or requests took at most this long. Needs 64 samples; "
                "with fewer, the cell says how many are missing.",
            ),
            _milliseconds(
                "latency_p99_ms",
                "p99",
                "99 of 100 batches or requests took at most this long. Needs 662 samples; "
                "with fewer, the cell says how many are missing.",
            ),
            _milliseconds("single_pass_ms", "single pass", "Total time of all batches ÷ iterations."),
        ),
    ),
    Group(
        "Throughput",
        (
            _frames(
                "fps",
                "FPS",
                "sync: batch ÷ median latency. async: batch × iterations ÷ total time.",
            ),
            _frames(
                "throughput_fps",
                "throughput",
                "Frames completed ÷ wall-clock time. Below it, its 95 % interval.",
            ),
        ),
    ),
    Group(
        "Energy",
        (
            Column(
                "energy_mj_per_inference",
                "energy",
                "Energy of all CPU packages during a run ÷ its inferences.",
                kind="number",
                unit="mJ",
                better="lower",
                usual="",
            ),
        ),
    ),
    Group(
        "Start-up",
        (
            _milliseconds("compile_ms", "compile", "Time to compile the model for the device."),
            _milliseconds("first_inference_ms", "first inference", "Time of the first inference of all."),
        ),
    ),
    Group(
        "Sample",
        (
            Column("runs", "runs", "Executions of the test, each in a fresh process.", kind="count"),
            Column("iterations", "iterations", "Inferences that were measured.", kind="count"),
            Column(
                "stopped",
                "stopped",
                "Why the runs ended: precise (the median was known well enough), time (theirs was up) or "
                "iterations (their greatest number).",
                usual="",
            ),
            Column(
                "harness_percent",
                "harness",
                "Share of an inference that is the harness's own.",
                kind="number",
                unit="%",
                better="lower",
                usual="",
            ),
        ),
    ),
)

COLUMNS: tuple[Column, ...] = tuple(column for group in GROUPS for column in group.columns)
