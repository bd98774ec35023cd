"""assets/history/: each machine's tests across the campaigns, for the browser.

A file for each machine is a classic script that sets `fleetmark.histories[<file>]`; the page loads the one
that is looked at. Numbers are packed as base64 of little-endian arrays, row by row: a value for each campaign
of the first test, then of the second.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.site.history.machines import MachineStep, machine_steps
from integrator.site.history.timeline import MEASURES, Timeline
from integrator.site.ids import file_name
from integrator.site.page import Asset, Site

__all__ = ["files", "shard", "shard_path"]

_FOLDER = "assets/history"


def shard_path(machine: str) -> str:
    """Where the tests of a machine lie, from the site's root."""
    return f"{_FOLDER}/{file_name(machine)}.js"


def files(site: Site) -> Iterable[Asset]:
    """A file for each machine that any campaign has tests of."""
    timeline = site.timeline
    steps = machine_steps(site.campaigns)
    certain = {measure.key: timeline.certain(measure.key) for measure in MEASURES}
    other_model = timeline.other_model
    for machine, places in timeline.tests.groupby("machine", sort=False).indices.items():
        here = [step for step in steps if step.machine == machine]
        content = shard(timeline, np.asarray(places), here, certain=certain, other_model=other_model)
        key = json.dumps(file_name(str(machine)))
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        script = f"(window.fleetmark.histories = window.fleetmark.histories || {{}})[{key}] = {text};\n"
        yield shard_path(str(machine)), script.encode()


def shard(
    timeline: Timeline,
    places: npt.NDArray[np.intp],
    steps: Sequence[MachineStep],
    *,
    certain: dict[str, npt.NDArray[np.bool_]],
    other_model: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """The tests at these places, as JSON values."""
    tests = timeline.tests.iloc[places]
    measures = {}
    for measure in MEASURES:
        key = measure.key
        measures[key] = {
            "value": _floats(timeline.values[key][places]),
            "low": _floats(timeline.values[measure.low][places]),
            "high": _floats(timeline.values[measure.high][places]),
            "ratio": _floats(timeline.ratio[key][places]),
            "ratioLow": _floats(timeline.ratio_low[key][places]),
            "ratioHigh": _floats(timeline.ratio_high[key][places]),
            "outcome": _bytes(timeline.outcome[key][places]),
            "certain": _bytes(certain[key][places].astype(np.int8)),
        }
    page = tests["href"].str.partition("#")[0]
    return {
        "count": len(places),
        "row": tests["row"].tolist(),
        "page": _words(page.to_numpy()),
        "model": _words(tests["model"].to_numpy()),
        "label": _words(tests["label"].to_numpy()),
        "scenario": _words(tests["scenario"].to_numpy()),
        "status": _words(timeline.status[places]),
        "verdict": _words(timeline.verdict[places]),
        "release": _words(timeline.release[places]),
        "before": _bytes(timeline.before[places].astype(np.int16), "i2"),
        "otherModel": _bytes(other_model[places].astype(np.int8)),
        "measures": measures,
        "steps": [
            {
                "before": step.before.id,
                "after": step.after.id,
                "otherHardware": step.other_hardware,
                "differences": [
                    [each.label, each.first, each.second, each.kind] for each in step.differences
                ],
            }
            for step in steps
        ],
    }


def _words(texts: npt.NDArray[np.object_]) -> dict[str, Any]:
    """Each text once, and the place of each cell's."""
    codes, different = pd.factorize(texts.ravel())
    return {"words": different.tolist(), "codes": _bytes(codes.astype(np.uint32), "u4")}


def _floats(values: npt.NDArray[np.float64]) -> str:
    return _bytes(values.astype(np.float32), "f4")


def _bytes(values: npt.NDArray[Any], kind: str = "i1") -> str:
    return base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()
