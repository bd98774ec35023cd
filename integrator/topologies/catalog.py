"""The built-in networks by name, with the numbers published about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from integrator.topologies.bert import TOKENS, VOCABULARY, bert_base, minilm_l6
from integrator.topologies.mobilenet import mobilenet_v2
from integrator.topologies.resnet import resnet50, resnet152
from integrator.topologies.yolo import IMAGE, yolov5s
from protocol.engine import openvino as ov
from protocol.errors import ModelError

__all__ = ["TOPOLOGIES", "PublishedMacs", "Topology", "TopologyInput", "build"]


@dataclass(frozen=True, slots=True)
class TopologyInput:
    """One input of a network, and what it is filled with: uniform values in [low, high).

    `element_type` is OpenVINO's name (f32, i64); for integer types the values are integers. The first
    dimension of `shape` is the batch, which is 1.
    """

    name: str
    shape: tuple[int, ...]
    element_type: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PublishedMacs:
    """A published number of multiply-adds, which lies within `tolerance` of the true one.

    The tolerance is half a unit of the last digit that was published.
    """

    value: int
    tolerance: int


@dataclass(frozen=True, slots=True)
class Topology:
    """A built-in network.

    `published_parameters` is exact. `published_macs` is for batch 1 in the shapes of `inputs`, and None where
    nobody has published a number. `source` says where both are from.
    """

    name: str
    task: str
    inputs: tuple[TopologyInput, ...]
    published_parameters: int
    published_macs: PublishedMacs | None
    source: str
    build: Callable[[], ov.Model]


def _image(name: str, size: int) -> tuple[TopologyInput, ...]:
    return (TopologyInput(name, (1, 3, size, size), "f32", 0.0, 1.0),)


_TEXT = (
    TopologyInput("input_ids", (1, TOKENS), "i64", 0.0, float(VOCABULARY)),
    TopologyInput("attention_mask", (1, TOKENS), "i64", 1.0, 2.0),
    TopologyInput("token_type_ids", (1, TOKENS), "i64", 0.0, 1.0),
)

_ALL = (
    Topology(
        name="resnet-50",
        task="image classification",
        inputs=_image("x", 224),
        published_parameters=25_557_032,
        published_macs=PublishedMacs(4_090_000_000, 5_000_000),
        source="torchvision, ResNet50_Weights: num_params 25557032, GFLOPS 4.09 (multiply-adds)",
        build=resnet50,
    ),
    Topology(
        name="resnet-152",
        task="image classification",
        inputs=_image("x", 224),
        published_parameters=60_192_808,
        published_macs=PublishedMacs(11_510_000_000, 5_000_000),
        source="torchvision, ResNet152_Weights: num_params 60192808, GFLOPS 11.51 (multiply-adds)",
        build=resnet152,
    ),
    Topology(
        name="mobilenet-v2",
        task="image classification",
        inputs=_image("x", 224),
        published_parameters=3_504_872,
        published_macs=PublishedMacs(301_000_000, 500_000),
        source="torchvision, MobileNet_V2_Weights: num_params 3504872, _ops 0.301 (billion multiply-adds)",
        build=mobilenet_v2,
    ),
    Topology(
        name="bert-base",
        task="language encoding",
        inputs=_TEXT,
        published_parameters=109_482_240,
        published_macs=PublishedMacs(11_170_000_000, 5_000_000),
        source=(
            "Parameters: google-bert/bert-base-uncased. Multiply-adds: README of calflops "
            "(MrYxJ/calculate-flops.pytorch), 11.17 G for a BERT-base at 128 tokens"
        ),
        build=bert_base,
    ),
    Topology(
        name="minilm-l6",
        task="sentence embedding",
        inputs=_TEXT,
        published_parameters=22_713_216,
        published_macs=None,
        source="Parameters: sentence-transformers/all-MiniLM-L6-v2. Multiply-adds: none published",
        build=minilm_l6,
    ),
    Topology(
        name="yolov5s",
        task="object detection",
        inputs=_image("images", IMAGE),
        published_parameters=7_225_885,
        published_macs=PublishedMacs(8_200_000_000, 25_000_000),
        source=(
            "ultralytics/yolov5 v7.0, summary of the fused yolov5s: 7225885 parameters, 16.4 GFLOPs "
            "(two for each multiply-add)"
        ),
        build=yolov5s,
    ),
)

TOPOLOGIES: Mapping[str, Topology] = MappingProxyType({topology.name: topology for topology in _ALL})
"""The built-in networks by name, in the order in which they are listed to users."""


def build(name: str) -> ov.Model:
    """The network of that name, with batch 1 and weights in float32.

    Every call gives a model of its own with the same weights. The batch can be changed with `model.reshape`.

    Raises ModelError for a name that is not in TOPOLOGIES.
    """
    topology = TOPOLOGIES.get(name)
    if topology is None:
        raise ModelError(
            f"there is no built-in model called {name!r}",
            advice=f"the built-in models are {', '.join(TOPOLOGIES)}",
        )
    return topology.build()
