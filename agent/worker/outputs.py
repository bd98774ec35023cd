"""Whether the outputs of a model are numbers that a CPU computes at its full speed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from protocol.engine import openvino as ov

__all__ = ["check_outputs"]

_WITH_DENORMALS = (ov.Type.f32, ov.Type.f64)
"""Small numbers in FP16 are denormal so often (the probabilities of a softmax) that it says nothing."""


def check_outputs(tensors: Iterable[ov.Tensor]) -> dict[str, bool]:
    """`outputs_finite`: neither NaN nor infinity; `outputs_normal`: no denormals, but zeros."""
    finite = normal = True
    for tensor in tensors:
        if not tensor.element_type.is_real():
            continue
        finite = finite and bool(np.isfinite(tensor.data).all())
        if normal and tensor.element_type in _WITH_DENORMALS:
            size = np.abs(tensor.data)
            normal = not bool(((size > 0) & (size < np.finfo(size.dtype).tiny)).any())
    return {"outputs_finite": finite, "outputs_normal": normal}
