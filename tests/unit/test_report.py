"""The table in the terminal and in a log."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from integrator.report import format_plain, render_table


def _load_sample() -> ModuleType:
    path = Path(__file__).parents[1] / "site" / "sample.py"
    spec = importlib.util.spec_from_file_location("fleetmark_report_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sample = _load_sample()


def printed(*rows: dict[str, Any], width: int = 100, colour: bool = False) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    render_table(sample.table(*rows), console=console)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_fits_and_loses_nothing(width: int) -> None:
    text = printed(*sample.sample_rows(), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    joined = "".join(text.split())
    for reason in sample.FAILURES.values():
        assert "".join(reason.split()) in joined
    assert "30 tests: 24 ok, 6 not ok, 2 noisy, 1 invalid" in text
    assert ("p99" in text) is (width >= 100)
    for word in ("failed [1]", "noisy [2]", "xeon-8480", "5,310", "0.485"):
        assert word in text


def test_reason_is_whole_however_long() -> None:
    reason = "y" * 10_000
    assert (
        re.sub(r"[^y]", "", printed(sample.failure("failed", reason)).split("not ok")[0]).count("y") >= 10_000
    )


def test_text_from_a_machine_is_neither_markup_nor_control() -> None:
    text = printed(sample.failure("failed", "[bold]x[/] \x1b[2J\x07", machine="[red]a[/red]"), colour=True)
    assert "[bold]x[/]" in text
    assert text.count("[red]a[/red]") == 2  # in the table, and above the reason
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "␛[2J" in text


def test_empty_table() -> None:
    assert "0 tests: 0 ok, 0 not ok" in printed()
    assert format_plain(sample.table()) == "0 tests: 0 ok, 0 not ok\n"


def test_plain_is_a_line_for_each_test() -> None:
    rows = sample.sample_rows()
    lines = format_plain(sample.table(*rows)).splitlines()
    assert len(lines) == len(rows) + 1
    assert lines[0] == (
        "nuc-13 resnet50 (FP32 · CPU · sync · latency hint · batch 1 · 1 stream · 8 threads · 1 request): "
        "latency 14.2 ms, p99 18.6 ms, 70.4 FPS, throughput 69.7 FPS; valid"
    )
    assert "failed: Exception from src/inference" in lines[3]
    assert "noisy (drift other_load" in lines[5]
    assert "p99 needs 11 more," in lines[4]


def test_plain_cannot_be_given_a_line() -> None:
    text = format_plain(sample.table(sample.failure("failed", "a\nb\x1b[1A\r c\u2028d")))
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
