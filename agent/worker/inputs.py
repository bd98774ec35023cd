"""What the inputs of a model are filled with: seeded, so that every run computes the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent.worker.spec import InputSpec
from protocol.engine import openvino as ov

__all__ = ["fill", "make_values"]


def make_values(spec: InputSpec, dtype: np.dtype[np.generic], seed: int) -> npt.NDArray[np.generic]:
    """Values of one input in [low, high), in the input's shape."""
    random = np.random.default_rng(seed)
    if dtype == np.bool_:
        return random.random(spec.shape) >= spec.low
    if np.issubdtype(dtype, np.integer):
        return random.integers(int(spec.low), int(spec.high), size=spec.shape, dtype=dtype)
    values = random.random(spec.shape, dtype=np.float32)
    return (values * np.float32(spec.high - spec.low) + np.float32(spec.low)).astype(dtype)


def fill(requests: list[ov.InferRequest], inputs: tuple[InputSpec, ...], seed: int) -> None:
    """Copy the same values into the own input tensors of every request, in the order of the model's inputs.

    Raises:
        ValueError: an input has a type that numpy has no counterpart of.
    """
    for number, spec in enumerate(inputs):
        tensors = [request.input_tensors[number] for request in requests]
        try:
            dtype = tensors[0].data.dtype
            values = make_values(spec, dtype, seed + number)
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"input {spec.name}: no {spec.element_type} values can be made: {error}"
            ) from error
        for tensor in tensors:
            tensor.data[...] = values
