"""What a run feeds its model, and the preprocessing that it puts in front of it."""

from __future__ import annotations

from typing import Any

from agent.worker.spec import InputSpec
from protocol.engine import openvino as ov
from protocol.preprocessing import Preprocessing, add_preprocessing

__all__ = ["model_shape", "preprocess"]


def model_shape(spec: InputSpec) -> tuple[int, ...]:
    """The shape of the model's own input."""
    return tuple(spec.preprocess["model_shape"]) if spec.preprocess else spec.shape


def preprocess(model: ov.Model, inputs: tuple[InputSpec, ...]) -> None:
    """Make preprocessing a part of a model that has its final shapes.

    Raises:
        RuntimeError: OpenVINO cannot, in its words.
    """
    add_preprocessing(model, [_preprocessing(spec) for spec in inputs])


def _preprocessing(spec: InputSpec) -> Preprocessing | None:
    if spec.preprocess is None:
        return None
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in spec.preprocess.items()
    }
    return Preprocessing(shape=spec.shape, element_type=spec.element_type, **given)
