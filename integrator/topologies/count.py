"""What a model holds and what it costs, counted from its graph."""

from __future__ import annotations

import math
from collections.abc import Iterator

from protocol.engine import openvino as ov
from protocol.errors import ModelError

__all__ = ["count_macs", "count_parameters"]

_CONVOLUTIONS = ("Convolution", "GroupConvolution")
_WITH_BIAS = (*_CONVOLUTIONS, "MatMul")


def count_parameters(model: ov.Model) -> int:
    """The number of trained values in `model`.

    Counted are the constants that are weights of convolutions and matrix products, their biases, tables of
    embeddings, and the scales and shifts of normalisations. The running mean and variance of a batch
    normalisation are statistics and not counted, as in published numbers; neither are grids, anchors, masks
    or shapes. A constant that several operations share counts once, and one stored in half precision counts
    as it would in single.
    """
    sizes = {
        constant.get_name(): math.prod(constant.output(0).shape)
        for node in model.get_ordered_ops()
        for constant in _trained(node)
    }
    return sum(sizes.values())


def count_macs(model: ov.Model) -> int:
    """The multiply-adds of one inference of `model` in the shapes that it has.

    Counted are convolutions, each output value costing (input channels / groups) · kernel area, and matrix
    products, each output value costing the length of the axis summed over. Everything else is left out, as in
    published numbers.

    Raises ModelError where a shape is dynamic.
    """
    try:
        return sum(_macs(node) for node in model.get_ordered_ops())
    except RuntimeError as error:
        raise ModelError(
            f"{model.get_friendly_name()}: multiply-adds cannot be counted, because a shape is dynamic",
            advice="give every input a shape first",
        ) from error


def _macs(node: ov.Node) -> int:
    kind: str = node.get_type_name()
    each: int
    if kind in _CONVOLUTIONS:
        # Filters are [O, I, …] or [groups, O, I, …].
        first = 1 if kind == "Convolution" else 2
        each = math.prod(node.input_value(1).shape[first:])
    elif kind == "MatMul":
        shape = node.input_value(0).shape
        transposed = node.get_attributes()["transpose_a"] and len(shape) > 1
        each = shape[-2 if transposed else -1]
    else:
        return 0
    outputs: int = math.prod(node.output(0).shape)
    return outputs * each


def _trained(node: ov.Node) -> Iterator[ov.Node]:
    kind = node.get_type_name()
    sources = [value.get_node() for value in node.input_values()]
    candidates: list[ov.Node] = []
    if kind in _CONVOLUTIONS:
        candidates = [sources[1]]
    elif kind == "MatMul":
        candidates = sources
    elif kind == "Gather" and sources[0].output(0).get_element_type().is_real():
        candidates = [sources[0]]
    elif kind == "BatchNormInference":
        candidates = sources[1:3]
    elif kind in ("Add", "Multiply"):
        for source, other in (sources, sources[::-1]):
            if _takes_parameter(kind, other):
                candidates = [source]
    for candidate in candidates:
        constant = _constant(candidate)
        if constant is not None:
            yield constant


def _takes_parameter(kind: str, before: ov.Node) -> bool:
    """Whether an addition after `before` is a bias or shift, or a multiplication a normalisation's scale."""
    previous: str = before.get_type_name()
    if kind == "Multiply":
        return previous == "MVN"
    if previous in _WITH_BIAS:
        return True
    return previous == "Multiply" and any(
        value.get_node().get_type_name() == "MVN" for value in before.input_values()
    )


def _constant(node: ov.Node) -> ov.Node | None:
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None
