"""The layers that the built-in networks are made of.

Every layer takes and gives `openvino.Output`, is named as in the published network, and names its weights
after itself: `layer1.0.conv1`, `layer1.0.conv1.weight`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from integrator.topologies.opset import ops
from integrator.topologies.weights import Weights
from protocol.engine import openvino as ov

__all__ = ["ATTENTION_MASK_BIAS", "BATCH_NORM_EPSILON", "Layers"]

BATCH_NORM_EPSILON = 1e-5
ATTENTION_MASK_BIAS = -10000.0
"""What is added to the attention score of a masked token, as in the published BERT."""

_BIAS_STD = 0.1


def _named(node: ov.Node, name: str) -> ov.Output:
    node.set_friendly_name(name)
    return node.output(0)


def _constant(value: NDArray[np.float32 | np.int64], name: str) -> ov.Output:
    return _named(ops.constant(value), name)


def _integers(values: int | Sequence[int], name: str) -> ov.Output:
    return _constant(np.array(values, dtype=np.int64), name)


class Layers:
    """Builds the layers of one topology.

    `gain` is the variance of a layer's output over the mean square of its input, where biases are left out:
    weights have the variance gain / fan-in (He et al. 2015, arXiv:1502.01852, eq. 10). A gain of 2 keeps the
    mean square through a ReLU.
    """

    def __init__(self, topology: str) -> None:
        self._topology = topology
        self._weights = Weights(topology)
        self._parameters: list[ov.op.Parameter] = []

    def input(self, name: str, shape: Sequence[int], element_type: str) -> ov.Output:
        """A model input and tensor called `name`."""
        node = ops.parameter(list(shape), getattr(ov.Type, element_type), name=name)
        node.output(0).set_names({name})
        self._parameters.append(node)
        return node.output(0)

    def model(self, outputs: Mapping[str, ov.Output]) -> ov.Model:
        """The model that answers `outputs`, each under its tensor name."""
        results = []
        for name, output in outputs.items():
            output.set_names({name})
            results.append(ops.result(output, name=f"{name}.result"))
        return ov.Model(results, self._parameters, self._topology)

    def constant(self, name: str, value: NDArray[np.float32 | np.int64]) -> ov.Output:
        """A constant that is no weight, such as a grid."""
        return _constant(value, name)

    def conv(
        self,
        x: ov.Output,
        name: str,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        gain: float = 2.0,
        bias_std: float = 0.0,
    ) -> ov.Output:
        """A square convolution of [N, C, H, W], with a bias where `bias_std` is positive.

        The padding is kernel // 2 unless it is given.
        """
        inputs = x.shape[1] // groups
        std = math.sqrt(gain / (inputs * kernel * kernel))
        pads = [kernel // 2 if padding is None else padding] * 2
        geometry = ([stride] * 2, pads, pads, [1, 1])
        if groups == 1:
            weight = self._weight(f"{name}.weight", (channels, inputs, kernel, kernel), std)
            node = ops.convolution(x, weight, *geometry)
        else:
            shape = (groups, channels // groups, inputs, kernel, kernel)
            node = ops.group_convolution(x, self._weight(f"{name}.weight", shape, std), *geometry)
        y = _named(node, name)
        if bias_std:
            bias = self._weight(f"{name}.bias", (1, channels, 1, 1), bias_std)
            y = self.add(y, bias, f"{name}.add_bias")
        return y

    def batch_norm(self, x: ov.Output, name: str, *, scale: float = 1.0) -> ov.Output:
        """Batch normalisation of [N, C, …], with gamma near `scale`.

        The running mean is near 0 and the running variance near 1.
        """
        shape = (x.shape[1],)
        gamma = self._weight(f"{name}.weight", shape, 0.1 * scale, mean=scale)
        beta = self._weight(f"{name}.bias", shape, _BIAS_STD)
        mean = self._weight(f"{name}.running_mean", shape, 0.1)
        variance = self._weight(f"{name}.running_var", shape, 0.1, mean=1.0)
        return _named(ops.batch_norm_inference(x, gamma, beta, mean, variance, BATCH_NORM_EPSILON), name)

    def linear(self, x: ov.Output, name: str, features: int, *, gain: float = 1.0) -> ov.Output:
        """A fully connected layer with a bias over the last axis."""
        rank, inputs = len(x.shape), x.shape[-1]
        weight = self._weight(f"{name}.weight", (features, inputs), math.sqrt(gain / inputs))
        bias = self._weight(f"{name}.bias", (1,) * (rank - 1) + (features,), _BIAS_STD)
        return self.add(self.matmul(x, weight, name, transpose_b=True), bias, f"{name}.add_bias")

    def embedding(self, ids: ov.Output, name: str, rows: int, width: int) -> ov.Output:
        """The rows of a table that `ids` [N, T] choose: [N, T, width]. Ids must lie in [0, rows)."""
        table = self._weight(f"{name}.weight", (rows, width), 1.0)
        return _named(ops.gather(table, ids, _integers(0, f"{name}.axis")), name)

    def layer_norm(self, x: ov.Output, name: str, *, epsilon: float) -> ov.Output:
        """Layer normalisation over the last axis, as three operations: normalise, scale, shift."""
        shape = (1,) * (len(x.shape) - 1) + (x.shape[-1],)
        axes = _integers([-1], f"{name}.axes")
        y = _named(ops.mvn(x, axes, True, epsilon, "inside_sqrt"), f"{name}.normalize")
        y = self.multiply(y, self._weight(f"{name}.weight", shape, 0.1, mean=1.0), f"{name}.scale")
        return self.add(y, self._weight(f"{name}.bias", shape, _BIAS_STD), name)

    def relu(self, x: ov.Output, name: str) -> ov.Output:
        """max(x, 0)."""
        return _named(ops.relu(x), name)

    def relu6(self, x: ov.Output, name: str) -> ov.Output:
        """`x` clamped to [0, 6]."""
        return _named(ops.clamp(x, 0.0, 6.0), name)

    def silu(self, x: ov.Output, name: str) -> ov.Output:
        """`x` · sigmoid(x)."""
        return _named(ops.swish(x, _constant(np.array(1, dtype=np.float32), f"{name}.beta")), name)

    def gelu(self, x: ov.Output, name: str) -> ov.Output:
        """`x` · Φ(x), with the error function."""
        return _named(ops.gelu(x.get_node(), "erf"), name)

    def tanh(self, x: ov.Output, name: str) -> ov.Output:
        """The hyperbolic tangent."""
        return _named(ops.tanh(x), name)

    def sigmoid(self, x: ov.Output, name: str) -> ov.Output:
        """1 / (1 + exp(-x))."""
        return _named(ops.sigmoid(x), name)

    def softmax(self, x: ov.Output, name: str) -> ov.Output:
        """Softmax over the last axis."""
        return _named(ops.softmax(x, -1), name)

    def add(self, a: ov.Output, b: ov.Output, name: str) -> ov.Output:
        """`a` + `b`, broadcast."""
        return _named(ops.add(a, b), name)

    def multiply(self, a: ov.Output, b: ov.Output, name: str) -> ov.Output:
        """`a` · `b`, broadcast."""
        return _named(ops.multiply(a, b), name)

    def scale(self, x: ov.Output, factor: float, name: str) -> ov.Output:
        """`x` times a number."""
        return self.multiply(x, _constant(np.array(factor, dtype=np.float32), f"{name}.factor"), name)

    def square(self, x: ov.Output, name: str) -> ov.Output:
        """`x` squared, as a power, the way it is exported."""
        return _named(ops.power(x, _constant(np.array(2, dtype=np.float32), f"{name}.exponent")), name)

    def matmul(self, a: ov.Output, b: ov.Output, name: str, *, transpose_b: bool = False) -> ov.Output:
        """The product of the last two axes."""
        return _named(ops.matmul(a, b, False, transpose_b), name)

    def max_pool(self, x: ov.Output, name: str, kernel: int, *, stride: int, padding: int) -> ov.Output:
        """The maximum of square windows of [N, C, H, W]."""
        pads = [padding] * 2
        return _named(ops.max_pool(x, [stride] * 2, [1, 1], pads, pads, [kernel] * 2), name)

    def global_average(self, x: ov.Output, name: str) -> ov.Output:
        """The mean over height and width: [N, C, H, W] to [N, C]."""
        y = _named(ops.reduce_mean(x, _integers([2, 3], f"{name}.axes"), True), name)
        return self.reshape(y, f"{name}.flatten", [0, -1])

    def upsample(self, x: ov.Output, name: str) -> ov.Output:
        """Twice the height and width by the nearest neighbour."""
        scales = _constant(np.array([2, 2], dtype=np.float32), f"{name}.scales")
        node = ops.interpolate(
            x,
            scales,
            "nearest",
            "scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=_integers([2, 3], f"{name}.axes"),
        )
        return _named(node, name)

    def concat(self, parts: Sequence[ov.Output], axis: int, name: str) -> ov.Output:
        """The parts side by side."""
        return _named(ops.concat(list(parts), axis), name)

    def split(self, x: ov.Output, name: str, axis: int, lengths: Sequence[int]) -> list[ov.Output]:
        """The parts of `lengths` along `axis`."""
        node = ops.variadic_split(x, _integers(axis, f"{name}.axis"), _integers(lengths, f"{name}.lengths"))
        node.set_friendly_name(name)
        return list(node.outputs())

    def reshape(self, x: ov.Output, name: str, shape: Sequence[int]) -> ov.Output:
        """Another shape; 0 copies the dimension of `x`, so the batch stays free."""
        return _named(ops.reshape(x, _integers(shape, f"{name}.shape"), True), name)

    def transpose(self, x: ov.Output, name: str, order: Sequence[int]) -> ov.Output:
        """The axes in another order."""
        return _named(ops.transpose(x, _integers(order, f"{name}.order")), name)

    def pick(self, x: ov.Output, name: str, index: int, axis: int) -> ov.Output:
        """One slice along `axis`, which disappears."""
        return _named(ops.gather(x, _integers(index, f"{name}.index"), _integers(axis, f"{name}.axis")), name)

    def mask_bias(self, mask: ov.Output, name: str) -> ov.Output:
        """What is added to attention scores [N, heads, T, T]: [N, 1, 1, T].

        `mask` [N, T] holds 1 for a token that counts and 0 for padding.
        """
        y = _named(ops.unsqueeze(mask, _integers([1, 2], f"{name}.axes")), f"{name}.unsqueeze")
        y = _named(ops.convert(y, "f32"), f"{name}.convert")
        y = _named(ops.subtract(_constant(np.array(1, dtype=np.float32), f"{name}.one"), y), f"{name}.invert")
        return self.scale(y, ATTENTION_MASK_BIAS, name)

    def _weight(self, name: str, shape: Sequence[int], std: float, *, mean: float = 0.0) -> ov.Output:
        return _constant(self._weights.uniform(name, shape, std=std, mean=mean), name)
