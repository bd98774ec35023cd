"""`fleetmark selftest`: the smallest difference that this machine can resolve."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from integrator.commands.common import errors, plan_from_files
from integrator.words import duration as in_words
from protocol.job import Scenario

if TYPE_CHECKING:
    from integrator.plan import Plan
    from integrator.selftest import Selftest
    from integrator.statistics.resolution import Resolution

__all__ = ["selftest"]


def selftest(
    model: Annotated[
        str, typer.Option(help="A built-in model; `fleetmark models` lists them.")
    ] = "mobilenet-v2",
    device: Annotated[str, typer.Option(help="The device to measure on.")] = "CPU",
    scenario: Annotated[Scenario, typer.Option(help="How requests are issued.")] = Scenario.SYNC,
    runs: Annotated[int, typer.Option(help="Runs on each side.", min=2, max=500)] = 10,
    duration: Annotated[
        float, typer.Option(help="Seconds that each run measures at most.", min=0.05, max=3600)
    ] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure one test against itself, and say what the smallest difference is that this machine resolves.

    The test is run as A and as B, in turns, like any campaign. Whatever differs is scatter of the machine.
    Its runs stop early where a campaign's do. Takes about a minute at most. Keeps nothing.

    Example:  fleetmark selftest --model resnet-50 --runs 15
    """
    console = errors()
    plan = _plan(model, device, scenario, console)
    from integrator import selftest as selftesting
    from integrator.plan import estimate_s

    job = plan.jobs[0]
    each = estimate_s(job) / len(job.schedule) - job.measure.duration_s + duration
    console.print(f"{2 * runs} runs, at most about {in_words(2 * runs * each)}")
    shown = selftesting.selftest(plan, runs=runs, duration_s=duration)
    measures = {"latency": shown.latency, "throughput": shown.throughput}
    words = {name: list(selftesting.sentences(name, value)) for name, value in measures.items()}
    if as_json:
        json.dump(_as_json(shown, measures, words), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    _print(shown, measures, words)


def _plan(model: str, device: str, scenario: Scenario, console: Console) -> Plan:
    """The plan of one test. JSON is YAML: whatever the options hold stays one value."""
    lab = {
        "schema_version": 1,
        "name": "selftest",
        "machines": [{"name": "this-machine", "devices": [device]}],
    }
    campaign = {
        "schema_version": 1,
        "name": "selftest",
        "models": [model],
        "matrix": {"devices": [device], "scenarios": [scenario.value], "batch": [1]},
        "runs": 1,
    }
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as made:
        files = Path(made) / "lab.yaml", Path(made) / "campaign.yaml"
        for file, content in zip(files, (lab, campaign), strict=True):
            file.write_text(json.dumps(content))
        return plan_from_files(*files, console)


def _print(shown: Selftest, measures: dict[str, Resolution], words: dict[str, list[str]]) -> None:
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("")
    for name in ("B ÷ A", "95 % interval", "scatter\nof runs", "smallest\ndifference", "at most\n(95 %)"):
        table.add_column(name, justify="right")
    for name, value in measures.items():
        table.add_row(
            name,
            f"{value.ratio:.4f}",
            f"{value.low:.4f}–{value.high:.4f}",
            f"{value.scatter:.2%}",
            f"{value.smallest:.2%}",
            f"{value.smallest_at_most:.2%}",
        )
    test = shown.test
    console.print(
        Text(f"{test.model} {test.precision} on {test.device}, {test.scenario}, hint {test.hint}\n")
    )
    console.print(table)
    console.print()
    for lines in words.values():
        console.print(Text(" ".join(lines)))


def _as_json(shown: Selftest, measures: dict[str, Resolution], words: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "test": shown.test.model_dump(mode="json", exclude={"id", "inputs"}),
        "duration_s": shown.job.measure.duration_s,
        "runs": {
            side: [
                {"latency_ms": run.median_ms, "inferences_per_s": run.iterations / run.wall_s} for run in of
            ]
            for side, of in (("a", shown.a), ("b", shown.b))
        },
        "measures": {
            name: asdict(value)
            | {"sides_agree": value.sides_agree, "sufficient": value.sufficient, "words": words[name]}
            for name, value in measures.items()
        },
    }
