"""What two slices of the results have in common. Pure.

A slice is what one machine measured in one campaign with one release of OpenVINO. A configuration is a model
in one setting: its test id, which is the same on every machine and in every campaign. A test that asks for a
release has that release in its id, so between releases a configuration is the id that the same setting has
where the release is left open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from integrator.setting import FURTHER, Setting
from protocol.job import AUTO, Hint, Scenario, TimedRegion
from protocol.result import Status

__all__ = ["ANY_RELEASE", "GOT", "Shared", "configuration_ids", "in_common"]

ANY_RELEASE = "*"
"""All releases of a slice: its configurations are then told apart by release too."""
GOT = {
    "streams": "streams",
    "threads": "threads",
    "effective_precision": "effective precision",
    "execution_devices": "devices",
}
"""Columns of what a test got, whatever was asked for, and how they are called where they differ."""

_SIDES = {"first": "A", "second": "B"}
_ASKED = {"streams": "s", "threads": "t", "requests": "r"}
_IDENTITY = ["test_id", "model", "precision", "device", "scenario", "hint", "batch", "timed_region"]
_ID = re.compile(r"(?P<stem>.+)-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Shared:
    """Two slices side by side."""

    rows: pd.DataFrame
    """A row for each configuration that both planned: the columns of the frame with `_first` and `_second`,
    `configuration`, `counted` (ok and valid on both sides) and `differs` (what each got otherwise)."""
    only_first: pd.DataFrame
    """Rows of the frame that the second has no counterpart of."""
    only_second: pd.DataFrame

    @property
    def counted(self) -> int:
        """Configurations that a mean may be of."""
        return int(self.rows["counted"].sum())

    def why_not(self) -> Mapping[str, int]:
        """What keeps the other shared configurations out, in words, with how many, the most first."""
        out = self.rows[~self.rows["counted"]]
        return dict(Counter(_why(row) for row in out.to_dict("records")).most_common())


def in_common(first: pd.DataFrame, second: pd.DataFrame, ids: Mapping[str, str], *, exact: bool) -> Shared:
    """Hold two slices (rows of `Site.frames`) against each other, in the order of the first.

    `ids` is what `configuration_ids` found; with `exact` tests that ask for different releases are not the
    same. A slice that names a configuration twice counts its first row.
    """
    sides = []
    for frame in (first, second):
        key = frame["test_id"] if exact else frame["test_id"].map(lambda test: ids.get(test, test))
        sides.append(frame.assign(configuration=key).drop_duplicates("configuration"))
    one, other = sides
    rows = one.merge(other, on="configuration", how="inner", suffixes=("_first", "_second"))
    rows["counted"] = rows["rank_ok_first"].astype(bool) & rows["rank_ok_second"].astype(bool)
    rows["differs"] = _differing(rows)
    return Shared(
        rows,
        one[~one["configuration"].isin(other["configuration"])],
        other[~other["configuration"].isin(one["configuration"])],
    )


def configuration_ids(frames: Iterable[pd.DataFrame]) -> dict[str, str]:
    """For each test id that asks for a release: the id of the same setting with the release left open.

    A setting is read from the row and counts where it gives the row's own id again. Where it does not (its
    inputs are preprocessed, which the table does not hold), the readable part of the id stands for it, as
    long as it stands for one test of each release alone. What cannot be told is not there.
    """
    found: dict[str, str] = {}
    loose: dict[tuple[str, str], list[str]] = {}
    for frame in frames:
        asked = frame[~frame["openvino"].isin(["", AUTO])].drop_duplicates("test_id")
        columns = [*dict.fromkeys([*_IDENTITY, "settings", "openvino", "model_sha256"])]
        for row in asked[columns].to_dict("records"):
            test, release = str(row["test_id"]), str(row["openvino"])
            if test in found:
                continue
            if (setting := _setting(row)) and setting.test_id() == test:
                found[test] = replace(setting, openvino=AUTO).test_id()
            elif match := _ID.fullmatch(test):
                word = "-ov" + re.sub(r"[^a-z0-9_]+", "-", release)
                if word in match["stem"]:
                    stem = match["stem"].replace(word, "", 1)
                    name = f"{stem} {row['settings']} {row['model_sha256']}"
                    tests = loose.setdefault((name, release), [])
                    tests += [test] * (test not in tests)
    unclear = {name for (name, _), tests in loose.items() if len(tests) > 1}
    found |= {tests[0]: name for (name, _), tests in loose.items() if name not in unclear}
    return found


def _setting(row: Mapping[Any, Any]) -> Setting | None:
    """The setting that a row of the table tells of; None where it cannot be one."""
    words = str(row["test_id"]).rpartition(f"-b{row['batch']:g}-{row['hint']}-")[2].split("-")
    given: dict[str, Any] = {
        key: int(word.removeprefix(letter))
        for key, letter in _ASKED.items()
        for word in words
        if re.fullmatch(rf"{letter}[0-9]+", word)
    }
    further: dict[str, Any] = dict(
        part.split("=", 1) for part in str(row["settings"]).split(" ") if "=" in part
    )
    if "preprocess" in further:
        return None
    given |= {key: _count(further.pop(key)) for key in FURTHER if key in further}
    try:
        return Setting(
            model=row["model"],
            precision=row["precision"],
            device=row["device"],
            scenario=Scenario(row["scenario"]),
            hint=Hint(row["hint"]),
            batch=int(row["batch"]),
            **given,
            properties=tuple(sorted(further.items())),
            timed_region=row["timed_region"] if row["timed_region"] in get_args(TimedRegion) else "inference",
            openvino=row["openvino"],
        )
    except ValueError:  # a word that is no scenario or hint, or no batch
        return None


def _count(value: str) -> int | str:
    return int(value) if value.isascii() and value.isdigit() else value


def _why(row: Mapping[Any, Any]) -> str:
    """Which side is not ok and valid, and what it is instead."""
    states = {name: _state(row, side) for side, name in _SIDES.items() if not row[f"rank_ok_{side}"]}
    if len(set(states.values())) < len(states):
        return f"{next(iter(states.values()))} on both"
    return " and ".join(f"{state} on {name}" for name, state in states.items())


def _state(row: Mapping[Any, Any], side: str) -> str:
    status = str(row[f"status_{side}"])
    if status == Status.OK:
        return str(row[f"verdict_{side}"]) or "without a verdict"
    return status.replace("_", " ")


def _differing(rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.object_]]:
    """In words what was got otherwise on both sides; what is unknown on one side does not differ."""
    words = np.full(len(rows), "", dtype=object)
    for column, name in GOT.items():
        one, other = rows[f"{column}_first"], rows[f"{column}_second"]
        known = (one.notna() & other.notna() & (one != "") & (other != "")).to_numpy(dtype=bool)
        differ = known & (one != other).to_numpy(dtype=bool)
        words[differ] = np.where(words[differ] == "", name, words[differ] + f", {name}")
    return words
