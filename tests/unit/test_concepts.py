"""docs/concepts.md and docs/formats.md against the code: every worked number, column, status and reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, get_args

import pytest

from integrator.columns import COLUMNS
from integrator.statistics.compare import Comparison, Outcome, compare, geometric_mean, mean_by_group
from integrator.statistics.evenness import unevenness
from integrator.statistics.harness import harness_share
from integrator.statistics.summary import RunSummary, summarise_run, summarise_test
from integrator.statistics.verdict import MIN_RUNS, REASONS, Evidence, Verdict, judge
from protocol.job import Measure, Scenario, TimedRegion
from protocol.result import CompiledSettings, Phases, Result, Status
from protocol.samples import Samples, Stopped
from tests.support import make_samples

DOCS = Path(__file__).parents[2] / "docs"
CONCEPTS = (DOCS / "concepts.md").read_text(encoding="utf-8")
FORMATS = (DOCS / "formats.md").read_text(encoding="utf-8")


@dataclass
class Worked:
    """A worked example: what is given (`key: value`), and what it comes to (`key = value`)."""

    given: dict[str, str] = field(default_factory=dict)
    runs: list[list[float]] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Worked:
        worked = cls()
        for line in text.splitlines():
            key, separator, value = re.fullmatch(r"(\w+)(:| =) (.+)", line).groups()  # type: ignore[union-attr]
            if separator == " =":
                assert key not in worked.expected, line
                worked.expected[key] = value
            elif key == "latencies_ms":
                worked.runs.append(list(numbers(value)))
            else:
                worked.given[key] = value
        return worked

    def results(self) -> dict[str, Any]:
        starts = (
            [float(word) for word in self.given["starts_ms"].split()] if "starts_ms" in self.given else None
        )
        runs = [run_of(latencies, starts) for latencies in self.runs]
        scenario, batch = Scenario(self.given["scenario"]), int(self.given["batch"])
        verdict, reasons = judge(
            Evidence(
                runs=runs,
                planned_runs=len(runs),
                failed_runs=0,
                outputs_finite=True,
            )
        )
        summary = summarise_test(runs, scenario=scenario, batch=batch)
        return asdict(summary) | {
            "verdict": verdict.value,
            "verdict_reasons": " ".join(reasons),
            "uneven_percent": 100 * unevenness([run.parts for run in runs]),
        }


def numbers(text: str) -> Iterator[float]:
    """`10 12*3 1..4` is 10 12 12 12 1 2 3 4."""
    for word in text.split():
        if "*" in word:
            value, times = word.split("*")
            yield from [float(value)] * int(times)
        elif ".." in word:
            first, last = word.split("..")
            yield from (float(value) for value in range(int(first), int(last) + 1))
        else:
            yield float(word)


def samples(latencies_ms: list[float], starts_ms: list[float] | None = None, **changes: Any) -> Samples:
    """Where no starts are given, each iteration starts when the one before it has completed."""
    starts = [0.0, *accumulate(latencies_ms)][:-1] if starts_ms is None else starts_ms
    return make_samples(starts, latencies_ms, **changes)


def run_of(latencies_ms: list[float], starts_ms: list[float] | None) -> RunSummary:
    return summarise_run(samples(latencies_ms, starts_ms))


def fenced(text: str, kind: str) -> list[str]:
    """The contents of the fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def agrees(shown: str, value: object) -> bool:
    """Whether `shown` is `value`, rounded to as many decimals as are shown."""
    if isinstance(value, str):
        return shown == value
    assert isinstance(value, int | float)
    return shown == f"{value:.{len(shown.partition('.')[2])}f}"


BLOCKS = [Worked.parse(text) for text in fenced(CONCEPTS, "worked")]


def test_there_are_worked_examples_of_both_scenarios() -> None:
    assert len(BLOCKS) >= 4
    assert {block.given["scenario"] for block in BLOCKS} == {"sync", "async"}
    assert all(block.expected and block.runs for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_worked_number_is_what_the_code_computes(block: Worked) -> None:
    results = block.results()
    wrong = {
        key: f"{shown} is shown, {results[key]} is computed"
        for key, shown in block.expected.items()
        if not agrees(shown, results[key])
    }
    assert not wrong


def comparison(text: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What a compared example shows, and what the code computes."""
    pairs = [re.split("(: | = )", line, maxsplit=1) for line in text.splitlines()]
    given = {key: value for key, sign, value in pairs if sign == ": "}
    result: Any
    if "ratios" in given:
        ratios = [None if word == "unknown" else float(word) for word in given["ratios"].split()]
        result = geometric_mean([Comparison(Outcome.INCONCLUSIVE, "", ratio, None) for ratio in ratios])
        if "models" in given:
            result = mean_by_group(ratios, given["models"].split())
    else:
        result = compare(list(numbers(given["first"])), list(numbers(given["second"])))
    low, high = result.interval or (None, None)
    computed = {name: getattr(result, name, None) for name in ("ratio", "outcome", "reason", "coverage")}
    return {key: value for key, sign, value in pairs if sign == " = "}, computed | {"low": low, "high": high}


@pytest.mark.parametrize("text", fenced(CONCEPTS, "compared"))
def test_every_compared_number_is_what_the_code_computes(text: str) -> None:
    shown, computed = comparison(text)
    assert shown
    assert not {key: computed[key] for key in shown if not agrees(shown[key], computed[key])}


def test_a_wrong_comparison_is_seen() -> None:
    texts = fenced(CONCEPTS, "compared")
    assert {comparison(text)[1]["outcome"] for text in texts} >= {"slower", "equivalent", "inconclusive"}
    shown, computed = comparison(texts[0].replace("high = 1.0", "high = 1.1"))
    assert not agrees(shown["high"], computed["high"])


def test_a_wrong_number_is_seen() -> None:
    right = "scenario: sync\nbatch: 8\nstarts_ms: 0 11 22 35\nlatencies_ms: 10 10 12 20\nfps = 727.3"
    for text, good in ((right, True), (right.replace("727.3", "727.4"), False)):
        block = Worked.parse(text)
        assert agrees(block.expected["fps"], block.results()["fps"]) is good


@pytest.mark.parametrize("name", [*COLUMNS, *Status, *Verdict, *REASONS])
def test_every_name_in_the_table_has_an_entry(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", CONCEPTS, re.MULTILINE)


def test_columns_are_listed_in_their_order() -> None:
    section = CONCEPTS.partition("\n## The columns of results.csv\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == COLUMNS


@pytest.mark.parametrize("name", Outcome)
def test_every_outcome_is_explained(name: str) -> None:
    section = CONCEPTS.partition("\n## Comparisons\n")[2]
    assert re.search(rf"^\|[^|]*`{name}`", section, re.MULTILINE)


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_has_its_verdict(name: str) -> None:
    assert f"\n| `{name}` | `{REASONS[name].verdict}` |" in CONCEPTS


def test_the_lines_that_decode_a_result_do(tmp_path: Path) -> None:
    latencies_ms = [10.0, 12.5, 20.0]
    result = Result(
        campaign="c",
        machine="m",
        test="t",
        run=0,
        model_sha256="0" * 64,
        status=Status.OK,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        phases=Phases(total_ms=1.0),
        samples=samples(latencies_ms),
    )
    file = tmp_path / "t.0.json.gz"
    file.write_bytes(result.to_gzip())
    (code,) = (text for text in fenced(FORMATS, "python") if "gzip" in text)
    names: dict[str, Any] = {"FILE": file}
    exec(code, names)
    assert names["latencies_ms"] == latencies_ms
    assert names["starts_ms"] == [0.0, 10.0, 22.5]


def test_the_worked_share_of_the_harness() -> None:
    text = " ".join(CONCEPTS.split())
    worked = re.search(
        r"A cost of (\d+) µs, (\d+) iterations and (\d+) s are ([\d.]+) %; "
        r"with (\d+) streams and (\d+) requests ([\d.]+) %\.",
        text,
    )
    assert worked
    cost_us, iterations, seconds, sync, streams, requests, side_by_side = (float(n) for n in worked.groups())
    of_run = samples([1e3 * seconds / iterations] * int(iterations), harness_ns=1e3 * cost_us)
    compiled = CompiledSettings(streams=int(streams), requests=int(requests))
    for scenario, percent in ((Scenario.SYNC, sync), (Scenario.ASYNC, side_by_side)):
        share = harness_share(summarise_run(of_run), of_run, scenario=scenario, compiled=compiled)
        assert share == pytest.approx(percent / 100)


def test_the_worked_example_of_littles_law() -> None:
    worked = re.search(
        r"(\d+) requests of (\d+) ms each make (\d+) ÷ ([\d.]+) s = (\d+) iterations", CONCEPTS
    )
    assert worked
    requests, latency_ms, again, latency_s, rate = (float(number) for number in worked.groups())
    assert (again, latency_s) == (requests, latency_ms / 1e3)
    count = int(requests) * 1000
    starts = [latency_ms * (number // int(requests)) for number in range(count)]
    run = run_of([latency_ms] * count, starts)
    assert run.iterations / run.wall_s == pytest.approx(rate)


def test_the_worked_precision_is_the_default_target() -> None:
    target = Measure.model_fields["interval_target"].default
    assert target is not None
    assert f"({100 * target:g} % by default)" in CONCEPTS
    worked = re.search(
        r"a median of ([\d.]+) ms that lies between ([\d.]+) and ([\d.]+) ms is precise, "
        r"one between ([\d.]+) and ([\d.]+) ms is not yet",
        " ".join(CONCEPTS.split()),
    )
    assert worked
    median, low, high, far_low, far_high = (float(number) for number in worked.groups())
    assert (high - low) / 2 / median < target < (far_high - far_low) / 2 / median


@pytest.mark.parametrize("name", [*get_args(TimedRegion), *get_args(Stopped)])
def test_every_word_in_a_cell_is_explained(name: str) -> None:
    section = CONCEPTS.partition("\n## What is timed\n")[2].partition("\n## ")[0]
    assert f"`{name}`" in section


def test_the_fewest_runs_are_those_of_the_code() -> None:
    assert f"Fewer than {MIN_RUNS} runs ended well" in CONCEPTS
    assert f"Set `runs` to {MIN_RUNS} or more." in CONCEPTS
