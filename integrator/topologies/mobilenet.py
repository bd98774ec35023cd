"""MobileNetV2 at width 1.0, as in torchvision.

Sandler et al. 2018 (arXiv:1801.04381), table 2; the names are torchvision's.
"""

from __future__ import annotations

from integrator.topologies.blocks import Layers
from protocol.engine import openvino as ov

__all__ = ["mobilenet_v2"]

# Expansion, channels, blocks and the first block's stride: table 2 of the paper.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_LAST_CHANNELS = 1280

_RESIDUAL_SCALE = 0.5  # a block adds at most a quarter of the stream's mean square, and there are ten
_PIXEL_GAIN = 3.0  # pixels are uniform in [0, 1), with a mean square of 1/3
_LINEAR_GAIN = 1.0  # into an expansion comes the end of a block, which no activation has halved


def mobilenet_v2() -> ov.Model:
    """MobileNetV2: `x` f32 [1, 3, 224, 224] to `logits` f32 [1, 1000]."""
    net = Layers("mobilenet-v2")
    x = net.input("x", (1, 3, 224, 224), "f32")
    x = _conv_bn_relu6(net, x, "features.0", 32, 3, stride=2, gain=_PIXEL_GAIN)
    index = 1
    for expansion, channels, blocks, first_stride in _STAGES:
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            x = _inverted_residual(net, x, f"features.{index}", channels, stride, expansion)
            index += 1
    x = _conv_bn_relu6(net, x, f"features.{index}", _LAST_CHANNELS, 1, gain=_LINEAR_GAIN)
    return net.model({"logits": net.linear(net.global_average(x, "avgpool"), "classifier.1", 1000)})


def _inverted_residual(
    net: Layers, x: ov.Output, name: str, channels: int, stride: int, expansion: int
) -> ov.Output:
    inputs = x.shape[1]
    hidden = inputs * expansion
    residual = stride == 1 and inputs == channels
    y, layer = x, 0
    if expansion != 1:
        y = _conv_bn_relu6(net, y, f"{name}.conv.0", hidden, 1, gain=_LINEAR_GAIN)
        layer = 1
    y = _conv_bn_relu6(net, y, f"{name}.conv.{layer}", hidden, 3, stride=stride, groups=hidden)
    y = net.conv(y, f"{name}.conv.{layer + 1}", channels, 1)
    y = net.batch_norm(y, f"{name}.conv.{layer + 2}", scale=_RESIDUAL_SCALE if residual else 1.0)
    return net.add(x, y, f"{name}.add") if residual else y


def _conv_bn_relu6(
    net: Layers,
    x: ov.Output,
    name: str,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    gain: float = 2.0,
) -> ov.Output:
    y = net.conv(x, f"{name}.0", channels, kernel, stride=stride, groups=groups, gain=gain)
    return net.relu6(net.batch_norm(y, f"{name}.1"), f"{name}.2")
