"""The key `start: docker:` of lab.yaml: which engine, which image, what of the machine a container gets."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from integrator.config.engine_address import DEFAULT_SOCKET, EngineAddress, parse_engine_address
from integrator.config.files import ExistingFile, NamedFile
from integrator.config.values import OneOrMore, refusal, shown
from protocol.documents import Record

__all__ = ["DockerStart", "TlsFiles"]

DEFAULT_IMAGE = "fleetmark-agent:{openvino}"
_SIZE = re.compile(r"([1-9][0-9]{0,15})([kmg])", re.IGNORECASE)
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SMALLEST = 1 << 20
_CPUS = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?(?:,[0-9]{1,5}(?:-[0-9]{1,5})?)*")
_DEVICE = re.compile(r"/dev(?:/[A-Za-z0-9_][A-Za-z0-9_.:-]*)+")
_IMAGE = re.compile(
    r"[a-z0-9][a-z0-9._/-]*(?::[0-9]+/[a-z0-9._/-]+)?(?::(?:[\w.-]|\{openvino\})+)?(?:@sha256:[0-9a-f]{64})?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def _host(value: object) -> object:
    if not isinstance(value, str):
        raise refusal(f"{shown(value)} is not the address of a Docker Engine, such as ssh://user@host")
    try:
        return str(parse_engine_address(value))
    except ValueError as error:
        # A password is not repeated in a message.
        raise refusal(f"{shown(re.sub(r':[^/@]+@', ':…@', value))} {error}") from None


def _size(value: object) -> object:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        size = int(match[1]) * _UNITS[match[2].lower()]
        if _SMALLEST <= size < 1 << 60:
            return size
    elif isinstance(value, int) and not isinstance(value, bool) and _SMALLEST <= value < 1 << 60:
        return value
    raise refusal(f"{shown(value)} is not a size of 1m or more, such as 512m or 8g")


def _cpus(value: object) -> object:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if _CPUS.fullmatch(text):
        ends = [list(map(int, part.split("-"))) for part in text.split(",")]
        if all(part[0] <= part[-1] for part in ends):
            return text
    raise refusal(f"{shown(value)} is not a set of CPUs, such as 0-7 or 0,2,4")


def _device(value: object) -> object:
    if isinstance(value, str) and _DEVICE.fullmatch(value):
        return value
    raise refusal(f"{shown(value)} is not the path of a device, such as /dev/dri")


def _image(value: object) -> object:
    if isinstance(value, str) and _IMAGE.fullmatch(value):
        return value
    raise refusal(f"{shown(value)} is not the name of an image, such as fleetmark-agent:2026.4")


def _name(value: object) -> object:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise refusal(f"{shown(value)} is not a name; expected 2 to 128 letters, digits, _, . and -")


def _network(value: object) -> object:
    if value == "none":
        raise refusal('with network "none" the agent could not reach the server')
    return _name(value)


def _environment(value: object) -> object:
    if not isinstance(value, dict):
        raise refusal(f"{shown(value)} is not a mapping of variables and texts")
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise refusal(f"{shown(name)} is not the name of a variable", name)
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise refusal(f"{shown(text)} is not text; put it in quotes", name)
        if "\0" in str(text):
            raise refusal("a variable cannot hold a null character", name)
    return {name: str(text) for name, text in value.items()}


_Size = Annotated[
    int,
    BeforeValidator(
        _size,
        json_schema_input_type=Annotated[str, Field(pattern="^[1-9][0-9]{0,15}[kmgKMG]$")] | int,
    ),
]
_Environment = Annotated[
    dict[str, str], BeforeValidator(_environment, json_schema_input_type=dict[str, str | int | float])
]


class TlsFiles(Record):
    """Certificates for an engine that listens on tcp://."""

    model_config = ConfigDict(title="TLS")

    ca: ExistingFile = Field(description="Certificate of the CA that vouches for the engine (PEM).")
    certificate: ExistingFile = Field(description="Certificate that the engine knows this client by (PEM).")
    key: ExistingFile = Field(description="The certificate's private key (PEM), which only you can read.")


class DockerStart(Record):
    """An agent in a container, on this computer or on another."""

    model_config = ConfigDict(title="Start in Docker")

    host: Annotated[str, BeforeValidator(_host)] = Field(
        default=f"unix://{DEFAULT_SOCKET}",
        description="The machine's Docker Engine: unix:///var/run/docker.sock, ssh://user@host:22 (with the "
        "path of the socket behind it where it is another one), or tcp://host:2376. "
        f"Default: unix://{DEFAULT_SOCKET}, this computer's.",
    )
    key_file: ExistingFile | None = Field(
        default_factory=lambda: None,
        description="Private key to log in with over ssh. Default: those of the ssh agent, then those in "
        "~/.ssh.",
    )
    password_file: ExistingFile | None = Field(
        default_factory=lambda: None,
        description="File with the password to log in with over ssh, which only you can read. Default: none.",
    )
    prompt: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Ask for the ssh password, once, in the terminal. Default: false."
    )
    known_hosts: NamedFile | None = Field(
        default_factory=lambda: None,
        description="File with the host keys that ssh may meet. Default: ~/.ssh/known_hosts and "
        "/etc/ssh/ssh_known_hosts.",
    )
    tls: TlsFiles | None = Field(
        default_factory=lambda: None,
        title="TLS",
        description="Certificates; required with tcp://, and for it alone.",
    )
    image: Annotated[str, BeforeValidator(_image)] = Field(
        default=DEFAULT_IMAGE,
        description="The agent's image; {openvino} is replaced by the OpenVINO version that is measured. "
        f"Default: {DEFAULT_IMAGE}.",
    )
    devices: Annotated[tuple[Annotated[str, BeforeValidator(_device)], ...], OneOrMore()] = Field(
        default=(), description="Devices that the container gets: /dev/dri, /dev/accel. Default: none."
    )
    cpuset: Annotated[str | None, BeforeValidator(_cpus, json_schema_input_type=str | int)] = Field(
        default_factory=lambda: None,
        description="CPUs that the container may use, such as 0-7. Default: all.",
    )
    memory: _Size | None = Field(
        default_factory=lambda: None,
        description="Memory that the container may use, such as 8g; it then does not swap. Default: all.",
    )
    shm: _Size | None = Field(
        default_factory=lambda: None, description="Size of /dev/shm, such as 1g. Default: the engine's, 64m."
    )
    numa_node: Annotated[int, Field(strict=True, ge=0, le=1023)] | None = Field(
        default_factory=lambda: None,
        description="NUMA node whose memory the container uses, and whose CPUs where cpuset does not name "
        "others. Default: all.",
    )
    environment: _Environment = Field(
        default_factory=dict,
        description="Environment variables; everybody who may use the engine can read them. Default: none.",
    )
    network: Annotated[str, BeforeValidator(_network)] = Field(
        default="host",
        description="The container's network: host, or a Docker network by its name. Default: host.",
    )
    volume: Annotated[str, BeforeValidator(_name)] | None = Field(
        default_factory=lambda: None,
        description="Docker volume where models, results that wait and compiled models are kept. "
        "Default: fleetmark- and the machine's name.",
    )

    @model_validator(mode="after")
    def _fits_the_host(self) -> Self:
        kind = self.address.kind
        for key in ("key_file", "password_file", "prompt", "known_hosts"):
            if kind != "ssh" and key in self.model_fields_set:
                raise refusal(f"{key} is for ssh://, and host is {self.host}", key)
        logins = [key for key in ("key_file", "password_file", "prompt") if getattr(self, key)]
        if len(logins) > 1:
            raise refusal(f"{logins[1]} cannot go with {logins[0]}: give one of them", logins[1])
        if kind == "tcp" and self.tls is None:
            raise refusal("tcp:// without TLS lets everybody in; give tls: {ca, certificate, key}", "host")
        if kind != "tcp" and self.tls is not None:
            raise refusal(f"tls is for tcp://, and host is {self.host}", "tls")
        return self

    @property
    def address(self) -> EngineAddress:
        """The host, parsed."""
        return parse_engine_address(self.host)

    def image_for(self, openvino: str) -> str:
        """The image that measures this version of OpenVINO."""
        return self.image.replace("{openvino}", openvino)

    def volume_for(self, machine: str) -> str:
        """The volume of a machine's agent."""
        return self.volume or f"fleetmark-{machine}"
