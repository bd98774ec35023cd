"""What was asked for, setting by setting, beside what the compiled model says it got. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from integrator.setting import FURTHER
from integrator.site.cells import clean_text
from protocol.job import AUTO, Hint, PlannedTest
from protocol.release import is_release, short_version
from protocol.result import CompiledSettings, Result

__all__ = ["CHOSEN", "DIFFERS", "settings_of"]

DIFFERS = "differs"
"""Something was asked for, and there is something else."""
CHOSEN = "chosen"
"""It was left to OpenVINO."""

_FLOATING = ("f32", "f16", "bf16")
_COMPOSITE = ("AUTO", "MULTI", "HETERO", "BATCH")
_GOT = {
    "hint": "hint",
    "streams": "streams",
    "threads": "threads",
    "requests": "requests",
    "inference_precision": "inference_precision",
    "execution_mode": "execution_mode",
    "pinning": "pinning",
    "hyper_threading": "hyper_threading",
    "core_type": "core_type",
    "hint_requests": "hint_requests",
    "cache": "loaded_from_cache",
}
"""The setting to the field of the compiled model."""
_SAME = {"yes": "true", "no": "false", "any": "any_core", "pcore": "pcore_only", "ecore": "ecore_only"}


def settings_of(test: PlannedTest, results: Sequence[Result]) -> list[dict[str, object]]:
    """Every setting in the order of the campaign's file.

    `name`, `asked`, `got` (each different value that a run reports; empty where none does), `mark`:
    `DIFFERS`, `CHOSEN`, or nothing where it is as asked or not known; and `note`, what else is to be known.
    """
    compiled = [result.compiled for result in results if result.compiled]
    rows = [
        _row("weights", test.precision, []),
        _device(test, compiled),
        _row("scenario", test.scenario.value, []),
        _row("batch", str(test.batch), []),
        *(_setting(key, str(getattr(test, key)), test, compiled) for key in _GOT if key not in FURTHER),
        *(_setting(key, str(getattr(test, key)), test, compiled) for key in FURTHER),
        *(_property(name, value, compiled) for name, value in test.properties.items()),
        _row("timed_region", test.timed_region, [result.timed_region for result in results]),
        _openvino(test, results),
    ]
    return [row for row in rows if row]


def _row(name: str, asked: str, found: Sequence[object], mark: str | None = None) -> dict[str, object]:
    got = list(dict.fromkeys(_text(value) for value in found if value is not None))
    if mark is None:
        mark = "" if asked == AUTO and not got else CHOSEN if asked == AUTO else _compared(asked, got)
    return {"name": name, "asked": clean_text(asked), "got": got, "mark": mark, "note": ""}


def _compared(asked: str, got: Sequence[str]) -> str:
    return DIFFERS if any(_plain(value) != _plain(asked) for value in got) else ""


def _plain(value: str) -> str:
    text = value.casefold()
    return _SAME.get(text, text)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean_text(str(value))


def _setting(
    key: str, asked: str, test: PlannedTest, compiled: Sequence[CompiledSettings]
) -> dict[str, object]:
    found = [getattr(one, _GOT[key]) for one in compiled]
    if key == "cache":
        # What is said is whether a run loaded its model from there, which the first run of a test does not.
        return _row(
            key, asked, ["loaded" if value else "compiled" for value in found if value is not None], ""
        )
    if key == "hint" and test.hint is Hint.NONE:
        return _row(key, asked, found, CHOSEN if any(found) else "")
    row = _row(key, asked, found)
    if key == "inference_precision" and asked == AUTO and _other_float(test.precision, found):
        row["note"] = f"the weights are {test.precision}"
    return row


def _other_float(weights: str, found: Sequence[object]) -> bool:
    """Of a quantised model this says nothing: what is reported is that of the layers that are not."""
    own = weights.casefold().replace("fp", "f")
    return own in _FLOATING and any(value is not None and str(value).casefold() != own for value in found)


def _device(test: PlannedTest, compiled: Sequence[CompiledSettings]) -> dict[str, object]:
    got = ["+".join(one.execution_devices) for one in compiled if one.execution_devices]
    if test.device.startswith(_COMPOSITE):
        return _row("device", test.device, got, CHOSEN if got else "")
    same = all(name == test.device or name.partition(".")[0] == test.device for name in got)
    return _row("device", test.device, got, "" if same else DIFFERS)


def _property(name: str, asked: str, compiled: Sequence[CompiledSettings]) -> dict[str, object]:
    """A composite reports the properties of the devices behind it as `CPU.NAME`."""
    found = [
        value
        for one in compiled
        for key, value in one.properties.items()
        if key == name or key.endswith(f".{name}")
    ]
    truths = {"yes": "true", "1": "true", "no": "false", "0": "false"}
    same = all(
        truths.get(v.casefold(), v.casefold()) == truths.get(asked.casefold(), asked.casefold())
        for v in found
    )
    return _row(name, asked, found, "" if same else DIFFERS)


def _openvino(test: PlannedTest, results: Sequence[Result]) -> dict[str, object]:
    found = [result.openvino_version for result in results if result.openvino_version]
    if test.openvino == AUTO:
        return _row("openvino", AUTO, found, "")
    same = all(is_release(version, test.openvino) for version in found)
    return _row("openvino", test.openvino, [short_version(v) for v in found], "" if same else DIFFERS)
