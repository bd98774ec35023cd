"""Whether the outputs of a model are numbers that a CPU computes at its full speed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from agent.worker.inputs import DTYPES

__all__ = ["check_outputs"]

_WITH_DENORMALS = ("f32", "f64")
"""Small numbers in FP16 are denormal so often (the probabilities of a softmax) that it says nothing."""
_BF16_EXPONENT = 0x7F80
"""All of its bits set: NaN or infinity."""


def check_outputs(outputs: Iterable[tuple[str, Any]]) -> dict[str, bool]:
    """Of outputs, each with its type's name and its memory.

    `outputs_finite`: neither NaN nor infinity; `outputs_normal`: no denormals, but zeros.
    """
    finite = normal = True
    for kind, memory in outputs:
        if kind == "bf16":
            bits = np.frombuffer(memory, dtype=np.uint16)
            finite = finite and not bool(((bits & _BF16_EXPONENT) == _BF16_EXPONENT).any())
        elif kind.startswith("f"):
            values = np.frombuffer(memory, dtype=DTYPES[kind])
            finite = finite and bool(np.isfinite(values).all())
            if normal and kind in _WITH_DENORMALS:
                size = np.abs(values)
                normal = not bool(((size > 0) & (size < np.finfo(values.dtype).tiny)).any())
    return {"outputs_finite": finite, "outputs_normal": normal}
