"""Settings that contradict themselves: each rule by its name, and the sentence that refuses a setting.

Pure: a setting goes in, sentences come out. docs/formats.md lists the rules in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from integrator.config.devices import may_use_cpu
from integrator.setting import Setting
from protocol.job import AUTO, Hint, Scenario

__all__ = ["RULES", "Contradiction", "contradictions"]

Contradiction = tuple[str, str, str, Mapping[str, object]]
"""The key that is to blame, what is wrong with it, what to write instead, and the keys of an exclude rule."""

_CPU_KEYS = ("threads", "pinning", "hyper_threading", "core_type")


def _sync_one_request(setting: Setting, _: str) -> Iterator[Contradiction]:
    if setting.scenario is Scenario.SYNC and setting.requests != AUTO and setting.requests > 1:
        what = f"{setting.requests} requests cannot go with scenario sync, which has one request at a time"
        yield "requests", what, "give scenario: async", {"scenario": "sync", "requests": setting.requests}


def _streams_or_hint(setting: Setting, asked: str) -> Iterator[Contradiction]:
    if asked not in {AUTO, Hint.NONE} and setting.streams != AUTO:
        what = f"{setting.streams} streams cannot go with hint {asked}, which chooses the streams itself"
        yield "streams", what, "give hint: none", {"hint": asked, "streams": setting.streams}


def _hint_requests_need_hint(setting: Setting, asked: str) -> Iterator[Contradiction]:
    if setting.hint_requests != AUTO and setting.hint is Hint.NONE:
        became = ", which auto becomes where streams or threads are given" if asked == AUTO else ""
        what = f"hint_requests {setting.hint_requests} cannot go with hint none{became}: it tells a hint more"
        rule = {"hint": "none", "hint_requests": setting.hint_requests}
        yield "hint_requests", what, "give hint: latency or throughput", rule


def _cumulative_needs_several(setting: Setting, _: str) -> Iterator[Contradiction]:
    if setting.hint is Hint.CUMULATIVE_THROUGHPUT and setting.device.partition(":")[0] not in {
        "AUTO",
        "MULTI",
    }:
        what = (
            f"hint {setting.hint} cannot go with device {setting.device}: it runs several devices at once, "
            "which AUTO and MULTI do"
        )
        rule = {"device": setting.device, "hint": setting.hint.value}
        yield "hint", what, "give hint: throughput", rule


def _needs_cpu(setting: Setting, _: str) -> Iterator[Contradiction]:
    if may_use_cpu(setting.device):
        return
    for key in _CPU_KEYS:
        value = getattr(setting, key)
        if value != AUTO:
            what = f"{key} {value} cannot go with device {setting.device}: it is a setting of the CPU"
            yield key, what, f"leave {key} out", {"device": setting.device, key: value}


def _batch_is_one(setting: Setting, _: str) -> Iterator[Contradiction]:
    if setting.device.startswith("BATCH:") and setting.batch > 1:
        what = (
            f"batch {setting.batch} cannot go with device {setting.device}, which makes batches of single "
            "requests: OpenVINO leaves a model that has a batch as it is"
        )
        yield "batch", what, "give batch: 1", {"device": setting.device, "batch": setting.batch}


def _accuracy_or_precision(setting: Setting, _: str) -> Iterator[Contradiction]:
    if setting.execution_mode == "accuracy" and setting.inference_precision in {"bf16", "f16"}:
        precision = setting.inference_precision
        what = f"inference_precision {precision} cannot go with execution_mode accuracy, which it would undo"
        rule = {"execution_mode": "accuracy", "inference_precision": precision}
        yield "inference_precision", what, "give execution_mode: performance", rule


RULES: dict[str, Callable[[Setting, str], Iterator[Contradiction]]] = {
    "sync_one_request": _sync_one_request,
    "streams_or_hint": _streams_or_hint,
    "hint_requests_need_hint": _hint_requests_need_hint,
    "cumulative_needs_several": _cumulative_needs_several,
    "needs_cpu": _needs_cpu,
    "batch_is_one": _batch_is_one,
    "accuracy_or_precision": _accuracy_or_precision,
}
"""Every rule by its name."""


def contradictions(
    setting: Setting, asked_hint: str, *, excludable: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """What contradicts itself in a setting: the key to blame, and a sentence that ends in the rule's name.

    Args:
        setting: The setting, its hint resolved.
        asked_hint: The hint as it stands in the file, `auto` included.
        excludable: Whether the value of a key comes from the matrix, so that `exclude` can leave it out.
    """
    for name, rule in RULES.items():
        for key, what, change, values in rule(setting, asked_hint):
            shown = ", ".join(f"{word}: {_yaml(value)}" for word, value in values.items())
            way_out = f"leave the combination out with exclude: [{{{shown}}}]" if excludable(key) else change
            yield key, f"{what}; {way_out} (rule {name})"


def _yaml(value: object) -> str:
    """A value as it can stand in a flow mapping."""
    text = str(value)
    return f'"{text}"' if ":" in text or "," in text or "(" in text else text
