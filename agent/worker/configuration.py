"""What a test asks for, as properties of OpenVINO, each placed where OpenVINO takes it.

A device that combines others (AUTO, MULTI, HETERO) keeps what is said to it in words that it does not know
to itself, without an error. So what it does not take goes to each device behind it that does, through
DEVICE_PROPERTIES; and what nobody takes is an error here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent.worker.openvino_c import Core, OpenVinoError
from agent.worker.spec import RunSpec

__all__ = ["candidates", "configuration", "named_devices", "place", "properties_of"]

_COMPOSITES = ("AUTO", "MULTI", "HETERO")
_OWN = frozenset({"PERFORMANCE_HINT", "PERFORMANCE_HINT_NUM_REQUESTS", "EXECUTION_MODE_HINT", "CACHE_DIR"})
"""What a composite takes itself and hands on to its devices, whether it lists it or not (HETERO does not)."""
_NAMES = {
    "inference_precision": "INFERENCE_PRECISION_HINT",
    "execution_mode": "EXECUTION_MODE_HINT",
    "pinning": "ENABLE_CPU_PINNING",
    "hyper_threading": "ENABLE_HYPER_THREADING",
    "core_type": "SCHEDULING_CORE_TYPE",
    "hint_requests": "PERFORMANCE_HINT_NUM_REQUESTS",
}
_VALUES = {
    "yes": "YES",
    "no": "NO",
    "performance": "PERFORMANCE",
    "accuracy": "ACCURACY",
    "any": "ANY_CORE",
    "pcore": "PCORE_ONLY",
    "ecore": "ECORE_ONLY",
}


def properties_of(spec: RunSpec) -> dict[str, str]:
    """What is asked for, by OpenVINO's names; what is left to OpenVINO is not there."""
    given = dict(spec.properties)
    if spec.hint != "none":
        given["PERFORMANCE_HINT"] = spec.hint.upper()
    if spec.streams is not None:
        given["NUM_STREAMS"] = str(spec.streams)
    if spec.threads is not None:
        given["INFERENCE_NUM_THREADS"] = str(spec.threads)
    for key, value in spec.settings.items():
        given[_NAMES[key]] = _VALUES.get(value, value)
    if spec.cache_dir is not None:
        given["CACHE_DIR"] = spec.cache_dir
    return given


def configuration(core: Core, spec: RunSpec) -> dict[str, str]:
    """What `compile_model` is given.

    Raises:
        ValueError: a property that neither the device nor one behind it takes.
    """
    given = properties_of(spec)
    kind = spec.device.partition(":")[0]
    if kind not in _COMPOSITES:
        return given
    behind = {name: _known(core, name) for name in candidates(spec.device, core.available_devices)}
    return place(given, kind, _known(core, kind), behind)


def place(
    given: Mapping[str, str], composite: str, own: Collection[str], behind: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Properties for a composite: its own, and those of the devices behind it in DEVICE_PROPERTIES.

    Args:
        given: Names and values.
        composite: Its name, for the error.
        own: Names that the composite takes.
        behind: Names that each device behind it takes.

    Raises:
        ValueError: nobody takes a property.
    """
    placed: dict[str, str] = {}
    devices: dict[str, list[str]] = {}
    for name, value in given.items():
        takers = [device for device, known in behind.items() if name in known]
        if name in own or name in _OWN:
            placed[name] = value
        elif takers:
            for device in takers:
                devices.setdefault(device, []).append(f"{name}:{value}")
        else:
            raise ValueError(
                f"property {name}: neither {composite} nor a device behind ({', '.join(behind) or 'none'}) "
                "takes it"
            )
    if devices:
        each = (f"{device}:{{{','.join(pairs)}}}" for device, pairs in devices.items())
        placed["DEVICE_PROPERTIES"] = f"{{{','.join(each)}}}"
    return placed


def candidates(device: str, available: Collection[str]) -> list[str]:
    """The devices that may do the work: those that are listed, or for AUTO those that are not excluded."""
    listed = named_devices(device)
    if listed or device.partition(":")[0] != "AUTO":
        return listed
    excluded = [name.removeprefix("-") for name in device.partition(":")[2].split(",") if name]
    return [name for name in available if name not in excluded and name.partition(".")[0] not in excluded]


def named_devices(device: str) -> list[str]:
    """The devices that must be here: what is excluded (`-CPU`) or left to AUTO need not be."""
    head, _, listed = device.partition(":")
    if head in {*_COMPOSITES, "BATCH"}:
        names = [name.partition("(")[0] for name in listed.split(",") if name and not name.startswith("-")]
    else:
        names = [device]
    return [name.removesuffix(".0") for name in names]


def _known(core: Core, device: str) -> set[str]:
    try:
        return set(core.get_property(device, "SUPPORTED_PROPERTIES").split())
    except OpenVinoError:  # a device that cannot be opened says so when the model is compiled
        return set()
