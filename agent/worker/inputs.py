"""What the inputs of a model are filled with: seeded, so that every run computes the same."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.random  # otherwise loaded with the first use, in the middle of a run
import numpy.typing as npt

from agent.worker.measure import Copy
from agent.worker.openvino_c import InferRequest
from agent.worker.spec import InputSpec

__all__ = ["DTYPES", "Feed", "make_values"]

DTYPES: dict[str, type[np.generic]] = {
    "boolean": np.bool_,
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
}
"""OpenVINO's types by their names, as numpy has them."""


def make_values(spec: InputSpec, element_type: str, seed: int) -> npt.NDArray[np.generic]:
    """Values of one input in [low, high), in the input's shape.

    Raises:
        ValueError: an input of a type that has no values here.
    """
    random = np.random.default_rng(seed)
    if element_type == "boolean":
        return random.random(spec.shape) >= spec.low
    if element_type != "bf16" and element_type not in DTYPES:
        raise ValueError(f"input {spec.name}: no {spec.element_type} values can be made")
    dtype = np.dtype(DTYPES.get(element_type, np.float32))
    if np.issubdtype(dtype, np.integer):
        return random.integers(int(spec.low), int(spec.high), size=spec.shape, dtype=dtype)
    values = random.random(spec.shape, dtype=np.float32)
    values = (values * np.float32(spec.high - spec.low) + np.float32(spec.low)).astype(dtype)
    if element_type == "bf16":  # the upper half of an f32
        return (values.view(np.uint32) >> 16).astype(np.uint16)
    return values


@dataclass(frozen=True)
class Feed:
    """The values of all inputs, kept where they can be copied from."""

    values: tuple[npt.NDArray[np.generic], ...]

    @classmethod
    def make(cls, request: InferRequest, inputs: Sequence[InputSpec], seed: int) -> Feed:
        """Values for the inputs of a model, in their order.

        Raises:
            ValueError: an input of a type that has no values here.
        """
        return cls(
            tuple(
                np.ascontiguousarray(
                    make_values(spec, request.input_tensor(number).element_type, seed + number)
                )
                for number, spec in enumerate(inputs)
            )
        )

    def copy_to(self, request: InferRequest) -> tuple[Copy, ...]:
        """Fill the request's own input tensors; what was copied, to be copied again.

        Raises:
            ValueError: a tensor is not as large as the values.
        """
        copies = []
        for number, values in enumerate(self.values):
            tensor = request.input_tensor(number)
            target, source, size = tensor.address, values.ctypes.data, values.nbytes
            if tensor.byte_size != size:
                raise ValueError(f"input {number} takes {tensor.byte_size} bytes, not {size}")
            ctypes.memmove(target, source, size)
            copies.append((target, source, size))
        return tuple(copies)
