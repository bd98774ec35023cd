"""lab.yaml: the machines, and how an agent is started on each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationInfo

from integrator.config.docker_start import DockerStart
from integrator.config.files import ExistingFile
from integrator.config.section import ConfigFile, reading_of
from integrator.config.server import ServerSection
from integrator.config.values import (
    Amount,
    Currency,
    Day,
    MachineDevice,
    OneOrMore,
    did_you_mean,
    refusal,
    shown,
)
from protocol.documents import Record
from protocol.layout import MachineName

__all__ = ["Lab", "LabMachine", "StartDocker", "StartMethod"]

_WAYS = ("local", "docker", "waiting")


def _way(value: object) -> object:
    """A word, or a mapping with one key; `docker` alone is that with all its defaults."""
    if value == "docker":
        return {"docker": {}}
    if isinstance(value, str):
        if value in _WAYS:
            return value
        near = did_you_mean(value, _WAYS)
        raise refusal(f"{shown(value)} is not one of {', '.join(_WAYS)}{f' ({near})' if near else ''}")
    if isinstance(value, StartDocker):
        return value
    if not isinstance(value, dict) or list(value) != ["docker"]:
        raise refusal(
            f"{shown(value)} is no way to start an agent; expected local, docker, waiting, or a mapping with "
            'the one key "docker"'
        )
    return {"docker": {}} if value["docker"] is None else value


class StartDocker(Record):
    """A mapping with the one key `docker`."""

    model_config = ConfigDict(title="Start in Docker")

    docker: DockerStart = Field(
        title="Docker", description="The machine's engine, and the container's settings."
    )


def _form(value: object) -> str:
    return "word" if isinstance(value, str) else "mapping"


StartMethod = Annotated[
    Annotated[Literal["local", "waiting"], Tag("word")] | Annotated[StartDocker, Tag("mapping")],
    Discriminator(_form),
]
"""How a machine's agent is started. A way of its own is added here, and in `integrator.launch.choose`."""


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
    account: ExistingFile | None = Field(
        default_factory=lambda: None,
        description="Hand-over file of the machine's account on the lab's own FTP server, relative to "
        "lab.yaml: needed with server.account where the integrator starts the agent. Default: none.",
    )
    start: Annotated[
        StartMethod,
        BeforeValidator(_way, json_schema_input_type=Literal["local", "docker", "waiting"] | StartDocker),
    ] = Field(
        default="local",
        description="How the machine's agent is started. local: a process on the integrator's own machine. "
        "docker: a container, on this machine or, as a mapping with the key docker, on any. waiting: by "
        "somebody else; it runs already and polls the server. Default: local.",
    )
    price: Amount | None = Field(
        default_factory=lambda: None,
        description="What one such machine costs, in units of the currency, for the site. Default: not said.",
    )
    currency: Currency | None = Field(
        default_factory=lambda: None,
        description="The price's currency, three capital letters such as EUR. Default: that of the lab.",
    )
    priced_on: Day | None = Field(
        default_factory=lambda: None,
        description="The day of the price, as 2026-11-30. Default: not said.",
    )
    watts: Amount | None = Field(
        default_factory=lambda: None,
        description="Power that the machine draws under load, in watts, for the site. Default: not said.",
    )

    @property
    def docker(self) -> DockerStart | None:
        """How the agent is started in a container; None where it is not."""
        return self.start.docker if isinstance(self.start, StartDocker) else None


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
    currency: Currency | None = Field(
        default_factory=lambda: None,
        description="Currency of the prices of machines that name none, such as EUR. Default: none.",
    )
    server: ServerSection = Field(
        default=ServerSection(),
        description="The FTP server where agents and integrator meet. Default: one inside the integrator, "
        "for machines that are this computer.",
    )
    machines: Annotated[tuple[LabMachine, ...], AfterValidator(_unique)] = Field(
        json_schema_extra={"minItems": 1},
        description="The machines, at least one, in the order in which they are shown.",
    )
