"""ResNet-50 and ResNet-152, version 1.5: torchvision's, with the stride in the 3x3 convolution.

He et al. 2015 (arXiv:1512.03385), table 1; the names are torchvision's.
"""

from __future__ import annotations

from integrator.topologies.blocks import Layers
from protocol.engine import openvino as ov

__all__ = ["resnet50", "resnet152"]

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4

# Gamma of a residual branch's last normalisation. Each block multiplies the mean square of the stream by
# about 1 + 0.2², which is 7 through the 50 blocks of ResNet-152; with 1.0 it would be 2 to the 50th.
_RESIDUAL_SCALE = 0.2
# Pixels are uniform in [0, 1), with a mean square of 1/3.
_PIXEL_GAIN = 3.0


def resnet50() -> ov.Model:
    """ResNet-50: `x` f32 [1, 3, 224, 224] to `logits` f32 [1, 1000]."""
    return _resnet("resnet-50", (3, 4, 6, 3))


def resnet152() -> ov.Model:
    """ResNet-152: `x` f32 [1, 3, 224, 224] to `logits` f32 [1, 1000]."""
    return _resnet("resnet-152", (3, 8, 36, 3))


def _resnet(name: str, depths: tuple[int, ...]) -> ov.Model:
    net = Layers(name)
    x = net.input("x", (1, 3, 224, 224), "f32")
    x = net.conv(x, "conv1", 64, 7, stride=2, gain=_PIXEL_GAIN)
    x = net.relu(net.batch_norm(x, "bn1"), "relu")
    x = net.max_pool(x, "maxpool", 3, stride=2, padding=1)
    for stage, (width, depth) in enumerate(zip(_WIDTHS, depths, strict=True), start=1):
        for block in range(depth):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _bottleneck(net, x, f"layer{stage}.{block}", width, stride)
    return net.model({"logits": net.linear(net.global_average(x, "avgpool"), "fc", 1000)})


def _bottleneck(net: Layers, x: ov.Output, name: str, width: int, stride: int) -> ov.Output:
    y = net.conv(x, f"{name}.conv1", width, 1)
    y = net.relu(net.batch_norm(y, f"{name}.bn1"), f"{name}.relu1")
    y = net.conv(y, f"{name}.conv2", width, 3, stride=stride)
    y = net.relu(net.batch_norm(y, f"{name}.bn2"), f"{name}.relu2")
    y = net.conv(y, f"{name}.conv3", width * _EXPANSION, 1)
    y = net.batch_norm(y, f"{name}.bn3", scale=_RESIDUAL_SCALE)
    if x.shape[1] != y.shape[1]:
        x = net.conv(x, f"{name}.downsample.0", width * _EXPANSION, 1, stride=stride)
        x = net.batch_norm(x, f"{name}.downsample.1")
    return net.relu(net.add(x, y, f"{name}.add"), f"{name}.relu3")
