"""YOLOv5s, releases 6.0 to 7.0: 640x640 pixels, 80 classes, with the box decoding of its export.

The structure is models/yolov5s.yaml of ultralytics/yolov5 at depth 0.33 and width 0.50. As in the exported
graph, batch normalisation is folded into the convolutions, each of which has a bias instead. Names are the
layer numbers of that file.
"""

from __future__ import annotations

import numpy as np

from integrator.topologies.blocks import Layers
from protocol.engine import openvino as ov

__all__ = ["ANCHORS", "CLASSES", "IMAGE", "yolov5s"]

IMAGE = 640
CLASSES = 80
# Width and height in pixels of the three boxes of each scale, and the scale's stride.
ANCHORS = {
    8: ((10, 13), (16, 30), (33, 23)),
    16: ((30, 61), (62, 45), (59, 119)),
    32: ((116, 90), (156, 198), (373, 326)),
}

# SiLU keeps less of the mean square than ReLU does, so with a gain of 2 the biases alone hold the signal up,
# at any depth: it can neither grow nor die out.
_GAIN = 2.0
_BIAS_STD = 0.3
_PIXEL_GAIN = 3.0  # pixels are uniform in [0, 1), with a mean square of 1/3
_DETECT_GAIN = 0.5


def yolov5s() -> ov.Model:
    """YOLOv5s: `images` f32 [1, 3, 640, 640] to `output0` f32 [1, 25200, 85].

    A row is a box (centre x and y, width, height, in pixels), its objectness, and 80 class scores.
    """
    net = Layers("yolov5s")
    x = net.input("images", (1, 3, IMAGE, IMAGE), "f32")
    x = _conv(net, x, "model.0", 32, 6, stride=2, padding=2, gain=_PIXEL_GAIN)
    x = _conv(net, x, "model.1", 64, 3, stride=2)
    x = _c3(net, x, "model.2", 64, 1)
    x = _conv(net, x, "model.3", 128, 3, stride=2)
    p3 = _c3(net, x, "model.4", 128, 2)
    x = _conv(net, p3, "model.5", 256, 3, stride=2)
    p4 = _c3(net, x, "model.6", 256, 3)
    x = _conv(net, p4, "model.7", 512, 3, stride=2)
    x = _c3(net, x, "model.8", 512, 1)
    x = _sppf(net, x, "model.9", 512)

    top = _conv(net, x, "model.10", 256, 1)
    x = net.concat([net.upsample(top, "model.11"), p4], 1, "model.12")
    x = _c3(net, x, "model.13", 256, 1, shortcut=False)
    middle = _conv(net, x, "model.14", 128, 1)
    x = net.concat([net.upsample(middle, "model.15"), p3], 1, "model.16")
    small = _c3(net, x, "model.17", 128, 1, shortcut=False)
    x = net.concat([_conv(net, small, "model.18", 128, 3, stride=2), middle], 1, "model.19")
    medium = _c3(net, x, "model.20", 256, 1, shortcut=False)
    x = net.concat([_conv(net, medium, "model.21", 256, 3, stride=2), top], 1, "model.22")
    large = _c3(net, x, "model.23", 512, 1, shortcut=False)

    boxes = [
        _detect(net, scale, f"model.24.{index}", stride)
        for index, (scale, stride) in enumerate(zip((small, medium, large), ANCHORS, strict=True))
    ]
    return net.model({"output0": net.concat(boxes, 1, "model.24")})


def _conv(
    net: Layers,
    x: ov.Output,
    name: str,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    gain: float = _GAIN,
) -> ov.Output:
    y = net.conv(
        x, f"{name}.conv", channels, kernel, stride=stride, padding=padding, gain=gain, bias_std=_BIAS_STD
    )
    return net.silu(y, f"{name}.act")


def _c3(
    net: Layers, x: ov.Output, name: str, channels: int, depth: int, *, shortcut: bool = True
) -> ov.Output:
    half = channels // 2
    y = _conv(net, x, f"{name}.cv1", half, 1)
    for index in range(depth):
        block = f"{name}.m.{index}"
        z = _conv(net, _conv(net, y, f"{block}.cv1", half, 1), f"{block}.cv2", half, 3)
        y = net.add(y, z, f"{block}.add") if shortcut else z
    y = net.concat([y, _conv(net, x, f"{name}.cv2", half, 1)], 1, f"{name}.concat")
    return _conv(net, y, f"{name}.cv3", channels, 1)


def _sppf(net: Layers, x: ov.Output, name: str, channels: int) -> ov.Output:
    parts = [_conv(net, x, f"{name}.cv1", x.shape[1] // 2, 1)]
    for index in range(3):
        parts.append(net.max_pool(parts[-1], f"{name}.m.{index}", 5, stride=1, padding=2))
    return _conv(net, net.concat(parts, 1, f"{name}.concat"), f"{name}.cv2", channels, 1)


def _detect(net: Layers, x: ov.Output, name: str, stride: int) -> ov.Output:
    """The boxes of one scale: [N, 3·side², 85].

    With s the sigmoid of the convolution's output: xy = (2s + cell - 0.5) · stride, wh = (2s)² · anchor.
    """
    anchors = ANCHORS[stride]
    side = IMAGE // stride
    row = 5 + CLASSES
    y = net.conv(x, f"{name}.m", len(anchors) * row, 1, gain=_DETECT_GAIN, bias_std=_BIAS_STD)
    y = net.reshape(y, f"{name}.reshape", [0, len(anchors), row, side, side])
    y = net.sigmoid(net.transpose(y, f"{name}.transpose", [0, 1, 3, 4, 2]), f"{name}.sigmoid")
    xy, wh, scores = net.split(y, f"{name}.split", 4, [2, 2, 1 + CLASSES])

    shape = (1, len(anchors), side, side, 2)
    rows, columns = np.indices((side, side), dtype=np.float32)
    cells = np.broadcast_to(np.stack((columns, rows), axis=-1) - np.float32(0.5), shape)
    sizes = np.broadcast_to(np.array(anchors, dtype=np.float32).reshape(1, len(anchors), 1, 1, 2), shape)
    xy = net.add(
        net.scale(xy, 2.0, f"{name}.xy.double"), net.constant(f"{name}.grid", cells), f"{name}.xy.cell"
    )
    xy = net.scale(xy, float(stride), f"{name}.xy")
    wh = net.square(net.scale(wh, 2.0, f"{name}.wh.double"), f"{name}.wh.square")
    wh = net.multiply(wh, net.constant(f"{name}.anchor_grid", sizes), f"{name}.wh")
    y = net.concat([xy, wh, scores], 4, f"{name}.concat")
    return net.reshape(y, f"{name}.boxes", [0, len(anchors) * side * side, row])
