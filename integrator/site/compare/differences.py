"""In what two machines differ, or one machine at two times, from what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from integrator.site.machines import machine_facts
from protocol.machine import Configuration, Fingerprint, MachineDescription

__all__ = [
    "Difference",
    "Kind",
    "Known",
    "badge",
    "between",
    "differences",
    "known_facts",
    "software_differs",
]

Kind = Literal["hardware", "software", "setting"]

_SOFTWARE = frozenset(
    {
        "operating system",
        "kernel",
        "microcode",
        "BIOS",
        "frequency driver",
        "GPU and NPU drivers",
        "OpenVINO",
        "Python",
        "numpy",
        "fleetmark",
    }
)
_FOLLOWS = {
    "microcode": "CPU",
    "BIOS": "CPU",
    "frequency driver": "CPU",
    "GPU and NPU drivers": "OpenVINO devices",
}
"""Software that is another wherever this hardware is another."""
_FIRST_SETTING = "usable cores"
_BETWEEN_LINES = "; "


@dataclass(frozen=True, slots=True)
class Known:
    """One fact of a machine as it is compared."""

    label: str
    kind: Kind
    text: str | None
    """None: unknown."""
    reason: str = ""
    """Why it is unknown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not known to be the same on both sides."""

    label: str
    first: str | None
    """None: unknown on this side."""
    second: str | None
    kind: Kind

    @property
    def certain(self) -> bool:
        """Whether both sides are known, and so differ; otherwise the fact is unknown on one side."""
        return self.first is not None and self.second is not None


def differences(
    first: MachineDescription | None, second: MachineDescription | None
) -> tuple[Difference, ...]:
    """What is not the same: first the facts that differ, then those that are unknown on one side alone.

    What is unknown on both sides is left out, and so is what OpenVINO says otherwise of the same device in
    another release (its capabilities). A machine that has not described itself (None) is unknown in
    everything. Where neither has, the description itself is what is unknown.
    """
    return between(known_facts(first), known_facts(second))


def between(first: Sequence[Known], second: Sequence[Known]) -> tuple[Difference, ...]:
    """`differences` of machines whose facts are known already."""
    found = [
        Difference(one.label, one.text, other.text, one.kind)
        for one, other in zip(first, second, strict=True)
        if one.text != other.text
    ]
    if all(fact.text is None for fact in (*first, *second)):
        found = [Difference("description", None, None, "hardware")]
    return tuple(sorted(found, key=lambda difference: not difference.certain))


def software_differs(found: Sequence[Difference]) -> tuple[str, ...]:
    """The labels of the software that differs by someone's choice, and not because the hardware does."""
    labels = {difference.label for difference in found if difference.certain}
    return tuple(
        difference.label
        for difference in found
        if difference.certain
        and difference.kind == "software"
        and _FOLLOWS.get(difference.label) not in labels
    )


def badge(found: Sequence[Difference]) -> str:
    """What stands beside a ratio: "same", "same as far as is known", or "differs in: kernel, OpenVINO".

    Several differences in hardware are one word, because it is the hardware that is compared then.
    """
    certain = [difference for difference in found if difference.certain]
    hardware = [difference.label for difference in certain if difference.kind == "hardware"]
    labels = ["hardware"] if len(hardware) > 1 else hardware
    labels += [difference.label for difference in certain if difference.kind != "hardware"]
    if labels:
        return f"differs in: {', '.join(labels)}"
    return "same as far as is known" if found else "same"


def known_facts(description: MachineDescription | None) -> tuple[Known, ...]:
    """All facts that are compared, in the same order for every machine."""
    return (*_shown(description), *_further(description))


def _shown(description: MachineDescription | None) -> Iterator[Known]:
    """The facts that a machine's page shows, with hardware first."""
    kind: Kind = "hardware"
    for fact in machine_facts("", _without_capabilities(description)).facts:
        if fact.label == _FIRST_SETTING:
            kind = "setting"
        yield Known(
            fact.label,
            "software" if fact.label in _SOFTWARE else kind,
            None if fact.unknown else _BETWEEN_LINES.join(fact.lines),
            fact.unknown,
        )


def _further(description: MachineDescription | None) -> Iterator[Known]:
    """Facts that no page shows, because they are the same nearly everywhere."""
    fingerprint = description.fingerprint if description else Fingerprint(architecture="")
    configuration = description.configuration if description else _NO_CONFIGURATION
    yield Known("CPU stepping", "hardware", _text(fingerprint.cpu_stepping))
    yield Known("address randomisation", "setting", _text(configuration.address_randomisation))
    yield Known("isolated processors", "setting", _numbers(configuration.isolated_cpus))
    yield Known("processors without ticks", "setting", _numbers(configuration.nohz_full_cpus))
    yield Known("allowed processors", "setting", _numbers(configuration.cpuset))


_NO_CONFIGURATION = Configuration(usable_cores=1, python="", openvino="", fleetmark="")


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _numbers(values: tuple[int, ...] | None) -> str | None:
    """Numbers of logical processors, with ranges: 0-3 6."""
    if values is None:
        return None
    ranges: list[list[int]] = []
    for value in sorted(set(values)):
        if ranges and value == ranges[-1][-1] + 1:
            ranges[-1][1:] = [value]
        else:
            ranges.append([value])
    return " ".join("-".join(map(str, ends)) for ends in ranges) or "none"


def _without_capabilities(description: MachineDescription | None) -> MachineDescription | None:
    if description is None:
        return None
    devices = tuple(
        device.model_copy(update={"capabilities": ()}) for device in description.fingerprint.devices
    )
    fingerprint = description.fingerprint.model_copy(update={"devices": devices})
    return description.model_copy(update={"fingerprint": fingerprint})
