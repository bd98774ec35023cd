"""lab.yaml: the machines, and how an agent is started on each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo

from integrator.config.section import ConfigFile, reading_of
from integrator.config.values import MachineDevice, OneOrMore, choice, refusal, shown
from protocol.documents import Record
from protocol.layout import MachineName

__all__ = ["Lab", "LabMachine", "StartMethod"]

StartMethod = Literal["local"]
"""How a machine's agent is started. A way of its own is added here, and in the launcher that reads it."""


class LabMachine(Record):
    """One machine of the lab."""

    model_config = ConfigDict(title="Machine")

    name: MachineName = Field(
        description="The name that people call the machine by, unique in the lab: 1 to 64 small letters, "
        "digits, - and _. It names the machine's folder on the server and its column on the site."
    )
    devices: Annotated[tuple[MachineDevice, ...], OneOrMore()] = Field(
        default=("CPU",),
        description="OpenVINO devices that are in the machine: CPU, GPU, GPU.1, NPU. GPU and GPU.0 are "
        "the same. Default: CPU.",
    )
    start: Annotated[StartMethod, choice(StartMethod)] = Field(
        default="local",
        description="How the machine's agent is started. local: a process on the integrator's own machine.",
    )


def _unique(machines: tuple[LabMachine, ...], info: ValidationInfo) -> tuple[LabMachine, ...]:
    if not machines:
        raise refusal("the list is empty; a lab has at least one machine")
    seen: dict[str, int] = {}
    for index, machine in enumerate(machines):
        if machine.name in seen:
            first = seen[machine.name]
            reading = reading_of(info)
            line = f" (line {reading.source.line(('machines', first, 'name'))})" if reading else ""
            raise refusal(
                f"{shown(machine.name)} is already the name of machines[{first}]{line}", index, "name"
            )
        seen[machine.name] = index
    return machines


class Lab(ConfigFile):
    """The machines that are benchmarked."""

    model_config = ConfigDict(title="fleetmark lab")

    name: str = Field(min_length=1, max_length=100, description="The lab's name, as the site shows it.")
    machines: Annotated[tuple[LabMachine, ...], AfterValidator(_unique)] = Field(
        json_schema_extra={"minItems": 1},
        description="The machines, at least one, in the order in which they are shown.",
    )
