"""What is known of each machine, as rows of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrator.site.cells import clean_text
from protocol.machine import Device, MachineDescription

__all__ = ["Fact", "MachineFacts", "fact_labels", "machine_facts"]

_NOT_DESCRIBED = "no description of this machine has arrived"
_NO_REASON = "the agent gave no reason"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of one machine. An unknown one has no lines, and says why."""

    label: str
    lines: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Everything that is shown of one machine; the labels are the same for every machine."""

    name: str
    described: bool
    facts: tuple[Fact, ...]


def fact_labels() -> tuple[str, ...]:
    """The labels of the facts, in their order."""
    return tuple(fact.label for fact in machine_facts("", None).facts)


def machine_facts(name: str, description: MachineDescription | None) -> MachineFacts:
    """The facts of one machine; all unknown where it has not described itself."""
    if description is None:
        facts = tuple(Fact(label, unknown=_NOT_DESCRIBED) for label in _LABELS)
        return MachineFacts(clean_text(name), described=False, facts=facts)
    reader = _Reader(description.unknown)
    fingerprint, configuration = description.fingerprint, description.configuration
    lines: dict[str, Sequence[str] | str] = {
        "CPU": reader.text("cpu_model", fingerprint.cpu_model),
        "architecture": reader.text("architecture", fingerprint.architecture),
        "sockets": reader.text("sockets", fingerprint.sockets),
        "physical cores": reader.text("physical_cores", fingerprint.physical_cores),
        "logical cores": reader.text("logical_cores", fingerprint.logical_cores),
        "usable cores": reader.text("usable_cores", configuration.usable_cores),
        "instruction sets": reader.text("isa", " ".join(fingerprint.isa) or None),
        "memory": reader.text("memory_gib", _memory(fingerprint.memory_gib)),
        "hypervisor": _hypervisor(reader, fingerprint.hypervisor),
        "OpenVINO devices": [_device(device) for device in fingerprint.devices]
        or reader.text("devices", None),
        "operating system": reader.text("os", configuration.os),
        "kernel": reader.text("kernel", configuration.kernel),
        "CPU governor": reader.text("governor", configuration.governor),
        "OpenVINO": reader.text("openvino", configuration.openvino),
        "Python": reader.text("python", configuration.python),
        "fleetmark": reader.text("fleetmark", configuration.fleetmark),
    }
    facts = tuple(
        Fact(label, unknown=value) if isinstance(value, str) else Fact(label, lines=tuple(value))
        for label, value in lines.items()
    )
    return MachineFacts(clean_text(name), described=True, facts=facts)


_LABELS = (
    "CPU",
    "architecture",
    "sockets",
    "physical cores",
    "logical cores",
    "usable cores",
    "instruction sets",
    "memory",
    "hypervisor",
    "OpenVINO devices",
    "operating system",
    "kernel",
    "CPU governor",
    "OpenVINO",
    "Python",
    "fleetmark",
)


class _Reader:
    """Gives a known fact as lines, and the reason of an unknown one as text."""

    def __init__(self, unknown: Mapping[str, str]) -> None:
        # A reason may be filed under the field's name alone or under its path.
        self._unknown = {key.rsplit(".", 1)[-1]: reason for key, reason in unknown.items()}

    def reason(self, field: str) -> str:
        return clean_text(self._unknown.get(field, ""))

    def text(self, field: str, value: object) -> Sequence[str] | str:
        if value is None or value == "":
            return self.reason(field) or _NO_REASON
        return [clean_text(str(value))]


def _hypervisor(reader: _Reader, value: str | None) -> Sequence[str] | str:
    """A machine without a hypervisor is not a machine of which that is unknown."""
    if value is None and not reader.reason("hypervisor"):
        return ["none found"]
    return reader.text("hypervisor", value)


def _memory(gib: float | None) -> str | None:
    return None if gib is None else f"{gib:.4g} GiB"


def _device(device: Device) -> str:
    capabilities = f" ({', '.join(device.capabilities)})" if device.capabilities else ""
    return clean_text(f"{device.name}: {device.full_name or 'name unknown'}{capabilities}")
