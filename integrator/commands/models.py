"""`fleetmark models`: the built-in topologies."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from integrator.topologies import TOPOLOGIES

__all__ = ["models"]


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the topologies that a campaign can name without a file.

    Their weights are random and seeded: they measure the speed of the published network, and nothing else.

    Example:  fleetmark models
    """
    rows = [
        {
            "name": topology.name,
            "task": topology.task,
            "inputs": {entry.name: list(entry.shape) for entry in topology.inputs},
            "parameters": topology.published_parameters,
        }
        for topology in TOPOLOGIES.values()
    ]
    if as_json:
        json.dump(rows, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("name", "task", "inputs"):
        table.add_column(name)
    table.add_column("parameters\nmillion", justify="right")
    for topology in TOPOLOGIES.values():
        shapes = ", ".join(f"{i.name} {'×'.join(map(str, i.shape))}" for i in topology.inputs)
        table.add_row(topology.name, topology.task, shapes, f"{topology.published_parameters / 1e6:.1f}")
    Console(highlight=False).print(table)
