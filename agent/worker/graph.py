"""What only OpenVINO's Python package can do with a model: preprocessing, and asking who runs which layer.

It is imported by the runs that need it, and by no other.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from agent.worker.preprocessing import model_shape, preprocess
from agent.worker.spec import RunSpec
from protocol.engine import openvino as ov

__all__ = ["split", "unsupported_layers", "write_preprocessed"]

_NOT_LAYERS = frozenset({"Constant", "Parameter", "Result"})


def write_preprocessed(spec: RunSpec, folder: Path) -> str:
    """Write the model with its preprocessing in front of it; the path of what is to be read.

    Raises:
        RuntimeError: OpenVINO cannot, in its words.
    """
    path = folder / "preprocessed.xml"
    ov.serialize(_prepared(ov.Core(), spec), path, path.with_suffix(".bin"))
    return str(path)


def split(spec: RunSpec) -> dict[str, int]:
    """How many layers of the model HETERO puts on each device.

    Raises:
        RuntimeError: a device of the list cannot be asked.
    """
    core = ov.Core()
    model = _prepared(core, spec)
    where = core.query_model(model, spec.device)
    layers = [node.get_friendly_name() for node in model.get_ops() if node.get_type_name() not in _NOT_LAYERS]
    return dict(Counter(str(where[name]) for name in layers if name in where))


def unsupported_layers(spec: RunSpec) -> list[str]:
    """The layers that the device does not run; none where it cannot tell."""
    core = ov.Core()
    model = _prepared(core, spec)
    try:
        supported = core.query_model(model, spec.device)
    except RuntimeError:
        return []
    return [node.get_friendly_name() for node in model.get_ops() if node.get_friendly_name() not in supported]


def _prepared(core: ov.Core, spec: RunSpec) -> ov.Model:
    model = core.read_model(spec.model)
    shapes = {number: ov.PartialShape(list(model_shape(entry))) for number, entry in enumerate(spec.inputs)}
    if any(model.inputs[number].partial_shape != shape for number, shape in shapes.items()):
        model.reshape(shapes)
    preprocess(model, spec.inputs)
    return model
