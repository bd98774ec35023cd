"""What is known of each machine, as rows of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrator.site.cells import clean_text
from protocol.machine import Cache, Configuration, Device, Fingerprint, MachineDescription

__all__ = ["Fact", "MachineFacts", "fact_labels", "machine_facts"]

_NOT_DESCRIBED = "no description of this machine has arrived"
_MOST_LINES = 100
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
    reader = _Reader({})
    configuration = Configuration(usable_cores=1, python="", openvino="", fleetmark="")
    return (*_hardware(reader, Fingerprint(architecture="")), *_setup(reader, configuration))


def machine_facts(name: str, description: MachineDescription | None) -> MachineFacts:
    """The facts of one machine; all unknown where it has not described itself."""
    if description is None:
        facts = tuple(Fact(label, unknown=_NOT_DESCRIBED) for label in fact_labels())
        return MachineFacts(clean_text(name), described=False, facts=facts)
    reader = _Reader(description.unknown)
    rows = {**_hardware(reader, description.fingerprint), **_setup(reader, description.configuration)}
    facts = tuple(
        Fact(label, unknown=value) if isinstance(value, str) else Fact(label, lines=tuple(value))
        for label, value in rows.items()
    )
    return MachineFacts(clean_text(name), described=True, facts=facts)


_Rows = dict[str, Sequence[str] | str]
"""By label: the lines of a known fact, or the reason of an unknown one."""


def _hardware(reader: _Reader, fingerprint: Fingerprint) -> _Rows:
    fast, slow = fingerprint.performance_cores, fingerprint.efficient_cores
    kinds = None if fast is None else f"{fast} fast, {slow} efficient" if slow else "all alike"
    return {
        "CPU": reader.text("cpu_model", fingerprint.cpu_model),
        "architecture": reader.text("architecture", fingerprint.architecture),
        "sockets": reader.text("sockets", fingerprint.sockets),
        "physical cores": reader.text("physical_cores", fingerprint.physical_cores),
        "kinds of cores": reader.text("performance_cores", kinds),
        "logical cores": reader.text("logical_cores", fingerprint.logical_cores),
        "hyper-threading": reader.text("smt", _on(fingerprint.smt)),
        "instruction sets": reader.text("isa", " ".join(fingerprint.isa) or None),
        "caches": reader.items("caches", [_cache(cache) for cache in fingerprint.caches] or None),
        "NUMA nodes": reader.text("numa_nodes", fingerprint.numa_nodes),
        "memory": reader.text("memory_gib", _memory(fingerprint.memory_gib)),
        "hypervisor": _hypervisor(reader, fingerprint.hypervisor),
        "OpenVINO devices": reader.items("devices", [_device(d) for d in fingerprint.devices] or None),
    }


def _setup(reader: _Reader, configuration: Configuration) -> _Rows:
    bios = " of ".join(filter(None, (configuration.bios_version, configuration.bios_date)))
    low, high = configuration.min_frequency_hz, configuration.max_frequency_hz
    limits = None if low is None or high is None else f"{low / 1e9:.2f} to {high / 1e9:.2f} GHz"
    memory = configuration.memory_limit_bytes
    cores = configuration.cpu_limit_cores
    return {
        "usable cores": reader.text("usable_cores", f"{configuration.usable_cores:g}"),
        "container": reader.text("container", configuration.container),
        "CPU limit": reader.limit("cpu_limit_cores", None if cores is None else f"{cores:g} cores"),
        "memory limit": reader.limit(
            "memory_limit_bytes", None if memory is None else _memory(memory / (1 << 30))
        ),
        "operating system": reader.text("os", configuration.os),
        "kernel": reader.text("kernel", configuration.kernel),
        "kernel parameters": reader.items("kernel_parameters", configuration.kernel_parameters),
        "microcode": reader.text("microcode", configuration.microcode),
        "BIOS": reader.text("bios_version", bios),
        "CPU governor": reader.text("governor", configuration.governor),
        "frequency driver": reader.text("frequency_driver", configuration.frequency_driver),
        "frequency limits": reader.text("max_frequency_hz", limits),
        "energy preference": reader.text("energy_preference", configuration.energy_preference),
        "platform profile": reader.text("platform_profile", configuration.platform_profile),
        "turbo": reader.text("turbo", _on(configuration.turbo)),
        "power limits": reader.pairs("power_limits_w", configuration.power_limits_w, unit=" W"),
        "huge pages": reader.text("huge_pages", configuration.huge_pages),
        "unmitigated weaknesses": reader.items("mitigations", _vulnerable(configuration.mitigations)),
        "swap": reader.text("swap_bytes", _swap(configuration.swap_bytes)),
        "clock source": reader.text("clock_source", configuration.clock_source),
        "GPU and NPU drivers": reader.pairs("drivers", configuration.drivers),
        "variables": reader.pairs("environment", configuration.environment),
        "OpenVINO": reader.text("openvino", configuration.openvino),
        "Python": reader.text("python", configuration.python),
        "numpy": reader.text("numpy", configuration.numpy),
        "fleetmark": reader.text("fleetmark", configuration.fleetmark),
    }


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

    def items(self, field: str, values: Sequence[str] | None) -> Sequence[str] | str:
        """Several lines; none is a fact too."""
        if values is None:
            return self.text(field, None)
        shown = [clean_text(value) for value in values[:_MOST_LINES]] or ["none"]
        return [*shown, f"and {len(values) - _MOST_LINES} more"] if len(values) > _MOST_LINES else shown

    def pairs(
        self, field: str, values: Mapping[str, object] | None, *, unit: str = ""
    ) -> Sequence[str] | str:
        """A line for each name."""
        if values is None:
            return self.text(field, None)
        return self.items(field, [f"{name}: {value}{unit}" for name, value in values.items()])

    def limit(self, field: str, value: str | None) -> Sequence[str] | str:
        """A limit may be known not to be there."""
        if value is None and not self.reason(field):
            return ["none"]
        return self.text(field, value)


def _hypervisor(reader: _Reader, value: str | None) -> Sequence[str] | str:
    """A machine without a hypervisor is not a machine of which that is unknown."""
    if value is None and not reader.reason("hypervisor"):
        return ["none found"]
    return reader.text("hypervisor", value)


def _on(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"


def _cache(cache: Cache) -> str:
    kind = {"Data": "d", "Instruction": "i"}.get(cache.type, "")
    size = cache.size_bytes / 1024
    text = f"{size:g} KiB" if size < 1024 else f"{size / 1024:g} MiB"  # noqa: PLR2004
    return clean_text(f"{cache.count} × L{cache.level}{kind} {text}")


def _vulnerable(mitigations: Mapping[str, str] | None) -> list[str] | None:
    if mitigations is None:
        return None
    return [name for name, state in mitigations.items() if state.startswith("Vulnerable")]


def _swap(size: int | None) -> str | None:
    return None if size is None else _memory(size / (1 << 30)) if size else "none"


def _memory(gib: float | None) -> str | None:
    return None if gib is None else f"{gib:.4g} GiB"


def _device(device: Device) -> str:
    capabilities = f" ({', '.join(device.capabilities)})" if device.capabilities else ""
    return clean_text(f"{device.name}: {device.full_name or 'name unknown'}{capabilities}")
