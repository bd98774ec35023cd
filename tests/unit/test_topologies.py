"""The built-in networks: what was published about them, and that their values stay normal."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from integrator.topologies import TOPOLOGIES, Topology, build, count_macs, count_parameters
from integrator.topologies.bert import POSITIONS, TOKEN_TYPES
from integrator.topologies.blocks import Layers
from integrator.topologies.opset import ops
from integrator.topologies.weights import Weights
from integrator.topologies.yolo import ANCHORS, IMAGE
from protocol.engine import openvino as ov
from protocol.errors import ModelError

Array = NDArray[np.float32 | np.int64]

SMALLEST_NORMAL = np.finfo(np.float32).tiny

# Convolutions, depthwise convolutions, matrix products, batch and layer normalisations. ResNet: three
# convolutions a block, one for the stem and four for the shortcuts. MobileNetV2: the stem, 16 blocks of three
# and one of two, and the last. BERT: six linear layers and two products of attention a layer, and the pooler.
# YOLOv5s: 57 convolutions of layers 0 to 23, and three to detect.
STRUCTURE = {
    "resnet-50": (3 * 16 + 1 + 4, 0, 1, 53, 0),
    "resnet-152": (3 * 50 + 1 + 4, 0, 1, 155, 0),
    "mobilenet-v2": (52 - 17, 17, 1, 52, 0),
    "bert-base": (0, 0, 8 * 12 + 1, 0, 2 * 12 + 1),
    "minilm-l6": (0, 0, 8 * 6 + 1, 0, 2 * 6 + 1),
    "yolov5s": (57 + 3, 0, 0, 0, 0),
}

OUTPUTS: dict[str, dict[str, list[int]]] = {
    "resnet-50": {"logits": [1, 1000]},
    "resnet-152": {"logits": [1, 1000]},
    "mobilenet-v2": {"logits": [1, 1000]},
    "bert-base": {"last_hidden_state": [1, 128, 768], "pooler_output": [1, 768]},
    "minilm-l6": {"last_hidden_state": [1, 128, 384], "pooler_output": [1, 384]},
    "yolov5s": {"output0": [1, 25200, 85]},
}

# A model is known to results by its checksum, so its weights may not change unnoticed.
WEIGHTS: dict[str, str] = {
    "resnet-50": "d9195bddf3e676589bbd9481f0d6a3220b5b81e74d669005e9a4d2ea7b643963",
    "resnet-152": "3682b1f9e4c94817be5783c949a324317a572297bdd155a892999fec540f96d9",
    "mobilenet-v2": "3a4fca78620c4b271c90aec229a642eba8e812ffdaadb12226c3b4241d8d0179",
    "bert-base": "c02642b7f7050cff524f24f91b3f9e074ec42c1b303373f6b23a40e4161b67e6",
    "minilm-l6": "008fe4209b79a5bed81037cc252f08cc85a1d31d290397eba119e2804a186e99",
    "yolov5s": "aaa1ba14b8aac092fc1be241f03a55cf1ad804cf7251c1979591bc1baa55f09e",
}


@pytest.fixture(scope="module", params=list(TOPOLOGIES))
def topology(request: pytest.FixtureRequest) -> Topology:
    return TOPOLOGIES[request.param]


@pytest.fixture(scope="module")
def model(topology: Topology) -> ov.Model:
    return build(topology.name)


def filling(topology: Topology, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        field.name: (
            rng.uniform(field.low, field.high, field.shape).astype(np.float32)
            if field.element_type == "f32"
            else rng.integers(int(field.low), int(field.high), field.shape)
        )
        for field in topology.inputs
    }


def infer(model: ov.Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    compiled = ov.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    )
    results = compiled.create_infer_request().infer(dict(inputs))
    return {key.get_any_name(): value for key, value in results.items()}


def constants(model: ov.Model) -> Iterator[tuple[str, Array]]:
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            yield node.get_friendly_name(), node.data


def digest(model: ov.Model) -> str:
    checksum = hashlib.sha256()
    for name, values in sorted(constants(model), key=lambda item: item[0]):
        checksum.update(f"{name} {values.dtype} {values.shape}\n".encode())
        checksum.update(np.ascontiguousarray(values).data)
    return checksum.hexdigest()


def output_shape(model: ov.Model, name: str) -> list[int]:
    (node,) = (node for node in model.get_ordered_ops() if node.get_friendly_name() == name)
    return list(node.output(0).shape)


# ---- what was published


def test_the_list_names_the_six_networks() -> None:
    assert list(TOPOLOGIES) == [
        "resnet-50",
        "resnet-152",
        "mobilenet-v2",
        "bert-base",
        "minilm-l6",
        "yolov5s",
    ]
    assert all(name == topology.name for name, topology in TOPOLOGIES.items())


def test_parameters_are_exactly_as_published(topology: Topology, model: ov.Model) -> None:
    assert count_parameters(model) == topology.published_parameters


def test_multiply_adds_are_as_published(topology: Topology, model: ov.Model) -> None:
    if topology.published_macs is None:
        assert topology.name == "minilm-l6"  # held against the formula below
        return
    assert abs(count_macs(model) - topology.published_macs.value) <= topology.published_macs.tolerance


@pytest.mark.parametrize(
    ("topology", "layers", "hidden"), [("bert-base", 12, 768), ("minilm-l6", 6, 384)], indirect=["topology"]
)
def test_encoders_cost_and_hold_what_the_formulas_say(
    topology: Topology, model: ov.Model, layers: int, hidden: int
) -> None:
    tokens, wide = 128, 4 * hidden
    linear = 4 * hidden * hidden + 2 * hidden * wide
    assert count_macs(model) == layers * tokens * (linear + 2 * tokens * hidden) + hidden * hidden
    biases_and_norms = 5 * hidden + wide + 4 * hidden
    tables = (30522 + POSITIONS + TOKEN_TYPES) * hidden + 2 * hidden
    assert count_parameters(model) == layers * (linear + biases_and_norms) + tables + hidden * hidden + hidden


def test_layers_are_as_many_as_published(topology: Topology, model: ov.Model) -> None:
    kinds = Counter(node.get_type_name() for node in model.get_ordered_ops())
    counted = tuple(
        kinds[kind] for kind in ("Convolution", "GroupConvolution", "MatMul", "BatchNormInference", "MVN")
    )
    assert counted == STRUCTURE[topology.name]


def test_outputs_have_the_published_names_and_shapes(topology: Topology, model: ov.Model) -> None:
    assert {output.any_name: list(output.shape) for output in model.outputs} == OUTPUTS[topology.name]


def test_inputs_are_as_declared(topology: Topology, model: ov.Model) -> None:
    found = [
        (value.any_name, tuple(value.shape), value.get_element_type().get_type_name())
        for value in model.inputs
    ]
    assert found == [(field.name, field.shape, field.element_type) for field in topology.inputs]
    assert all(field.shape[0] == 1 for field in topology.inputs)


@pytest.mark.parametrize("topology", ["resnet-50", "resnet-152"], indirect=True)
def test_resnet_has_its_stride_in_the_3x3(topology: Topology, model: ov.Model) -> None:
    for stage, side in ((2, 56), (3, 28), (4, 14)):
        assert output_shape(model, f"layer{stage}.0.conv1")[2:] == [side, side]
        assert output_shape(model, f"layer{stage}.0.conv2")[2:] == [side // 2, side // 2]


def test_every_operation_has_a_name_of_its_own(topology: Topology, model: ov.Model) -> None:
    names = Counter(node.get_friendly_name() for node in model.get_ordered_ops())
    assert [name for name, times in names.items() if times > 1] == []
    made_up = [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_friendly_name() == node.get_name()
    ]
    assert made_up == []


# ---- weights


def test_weights_are_dense_and_do_not_change(topology: Topology, model: ov.Model) -> None:
    sparse = [
        name
        for name, values in constants(model)
        if name.endswith((".weight", ".bias")) and np.count_nonzero(values) != values.size
    ]
    assert sparse == []
    assert digest(model) == WEIGHTS[topology.name]


@pytest.mark.parametrize("topology", ["mobilenet-v2", "minilm-l6", "yolov5s"], indirect=True)
def test_another_build_has_the_same_weights(topology: Topology, model: ov.Model) -> None:
    other = build(topology.name)
    assert other is not model
    assert digest(other) == digest(model)


@pytest.mark.parametrize("topology", ["mobilenet-v2", "minilm-l6", "yolov5s"], indirect=True)
@pytest.mark.parametrize("half", [False, True])
def test_saved_models_are_the_same_bytes_and_count_the_same(
    topology: Topology, model: ov.Model, half: bool, tmp_path: Path
) -> None:
    ov.save_model(model, tmp_path / "one.xml", compress_to_fp16=half)
    ov.save_model(build(topology.name), tmp_path / "two.xml", compress_to_fp16=half)
    for suffix in ("xml", "bin"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    loaded = ov.Core().read_model(tmp_path / "one.xml")
    assert count_parameters(loaded) == topology.published_parameters
    assert count_macs(loaded) == count_macs(model)


def test_weights_depend_on_names_and_nothing_else() -> None:
    weights = Weights("one")
    first = weights.uniform("a", (3, 5), std=1.0)
    weights.uniform("b", (7,), std=1.0)
    again = weights.uniform("a", (3, 5), std=1.0)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != weights.uniform("b", (3, 5), std=1.0).tobytes()
    assert first.tobytes() != Weights("two").uniform("a", (3, 5), std=1.0).tobytes()


def test_weights_have_the_moments_asked_for() -> None:
    values = Weights("one").uniform("a", (1000, 1001), std=0.5, mean=3.0)
    assert values.dtype == np.float32
    assert values.shape == (1000, 1001)
    # Four standard errors of the mean and of the deviation of a million uniform values.
    assert abs(values.mean(dtype=np.float64) - 3.0) < 0.002
    assert abs(values.std(dtype=np.float64) - 0.5) < 0.001
    assert abs(values - 3.0).max() <= 0.5 * np.sqrt(3) + 1e-6


# ---- values


def abnormal(name: str, values: Array) -> list[str]:
    size = np.abs(values)
    problems = []
    if not np.isfinite(values).all():
        return [f"{name}: not finite"]
    if ((size > 0) & (size < SMALLEST_NORMAL)).any():
        problems.append(f"{name}: denormal")
    if size.max() >= 1e3:
        problems.append(f"{name}: as large as {size.max()}")
    if values.std() <= 1e-3:
        problems.append(f"{name}: all about {values.mean()}")
    if name.endswith(("relu", "relu1", "relu2", "relu3", ".2")) and np.mean(size > 0) < 0.1:
        problems.append(f"{name}: nearly all zero")
    return problems


@pytest.mark.engine
def test_values_stay_normal_after_every_layer(topology: Topology, model: ov.Model) -> None:
    probed = model.clone()
    quiet = ("Constant", "Parameter", "Result", "Reshape", "Transpose", "Convert")
    outputs = [
        output
        for node in probed.get_ordered_ops()
        for output in node.outputs()
        if node.get_type_name() not in quiet
        and output.get_element_type() == ov.Type.f32
        # All zero, because the mask that is fed hides nothing.
        and not node.get_friendly_name().startswith("attention_mask_bias")
    ]
    for output in outputs:
        output.set_names({f"{output.get_node().get_friendly_name()}:{output.get_index()}"})
    already = {output.get_node().input_value(0) for output in probed.outputs}
    probed.add_outputs([output for output in outputs if output not in already])
    results = infer(probed, filling(topology, seed=1))
    assert len(results) == len(outputs)
    problems = [
        problem for name, values in results.items() for problem in abnormal(name.rpartition(":")[0], values)
    ]
    assert problems == []


def test_abnormal_values_are_noticed() -> None:
    good = np.linspace(-1, 1, 50, dtype=np.float32)
    assert abnormal("conv", good) == []
    assert abnormal("conv", np.append(good, np.float32(np.inf))) == ["conv: not finite"]
    assert abnormal("conv", np.append(good, np.float32(1e-40))) == ["conv: denormal"]
    assert abnormal("conv", good * np.float32(2e3)) == ["conv: as large as 2000.0"]
    assert abnormal("conv", good * np.float32(1e-4)) != []
    assert abnormal("relu", np.maximum(good - np.float32(0.95), 0)) == ["relu: nearly all zero"]


@pytest.mark.engine
def test_a_batch_of_two_answers_as_each_alone(topology: Topology, model: ov.Model) -> None:
    one, two = filling(topology, seed=1), filling(topology, seed=2)
    pair = model.clone()
    pair.reshape({field.name: [2, *field.shape[1:]] for field in topology.inputs})
    assert count_macs(pair) == 2 * count_macs(model)
    together = infer(pair, {name: np.concatenate([one[name], two[name]]) for name in one})
    alone = infer(model, one)
    for name, expected in alone.items():
        found = together[name]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[:1], expected, rtol=0, atol=1e-3 * scale, err_msg=name)
        assert np.abs(found[1] - found[0]).max() > 1e-2 * scale, f"{name} does not depend on the input"


@pytest.mark.parametrize("batch", [2, 3, 64])
def test_every_batch_has_a_shape(topology: Topology, model: ov.Model, batch: int) -> None:
    reshaped = model.clone()
    reshaped.reshape({field.name: [batch, *field.shape[1:]] for field in topology.inputs})
    shapes = {output.any_name: list(output.shape) for output in reshaped.outputs}
    assert shapes == {name: [batch, *shape[1:]] for name, shape in OUTPUTS[topology.name].items()}


@pytest.mark.engine
@pytest.mark.parametrize("topology", ["minilm-l6"], indirect=True)
def test_masked_tokens_have_no_say(topology: Topology, model: ov.Model) -> None:
    inputs = filling(topology, seed=1)
    inputs["attention_mask"] = np.where(np.arange(128) < 100, 1, 0)[np.newaxis]
    changed = dict(inputs, input_ids=inputs["input_ids"].copy())
    changed["input_ids"][0, 100:] = 7
    seen, unseen = infer(model, inputs), infer(model, changed)
    np.testing.assert_allclose(
        seen["last_hidden_state"][:, :100], unseen["last_hidden_state"][:, :100], atol=1e-4
    )
    assert np.abs(seen["last_hidden_state"] - unseen["last_hidden_state"])[:, 100:].max() > 0.1


@pytest.mark.engine
@pytest.mark.parametrize("topology", ["yolov5s"], indirect=True)
def test_boxes_lie_about_their_cells_and_anchors(topology: Topology, model: ov.Model) -> None:
    rows = infer(model, filling(topology, seed=1))["output0"][0]
    start = 0
    for stride, anchors in ANCHORS.items():
        side = IMAGE // stride
        end = start + len(anchors) * side * side
        grid = rows[start:end].reshape(len(anchors), side, side, 85)
        cell = np.arange(side)
        x, y = grid[..., 0] / stride - cell, grid[..., 1] / stride - cell[:, np.newaxis]
        for offset in (x, y):
            assert -0.5 < offset.min() < 0.5 < offset.max() < 1.5
        ratio = grid[..., 2:4] / np.array(anchors).reshape(len(anchors), 1, 1, 2)
        assert 0 < ratio.min() < 1 < ratio.max() < 4
        start = end
    assert start == len(rows)
    assert 0 < rows[:, 4:].min() < rows[:, 4:].max() < 1


# ---- errors and counting


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'resnet-51'") as caught:
        build("resnet-51")
    assert all(name in caught.value.advice for name in TOPOLOGIES)


@pytest.mark.parametrize("topology", ["mobilenet-v2"], indirect=True)
def test_multiply_adds_of_a_dynamic_shape_are_refused(topology: Topology, model: ov.Model) -> None:
    dynamic = model.clone()
    dynamic.reshape([-1, 3, 224, 224])
    assert count_parameters(dynamic) == topology.published_parameters
    with pytest.raises(ModelError, match="dynamic"):
        count_macs(dynamic)


def test_counting_sees_transposes_half_precision_and_sharing() -> None:
    x = ops.parameter([5, 2], ov.Type.f32, name="x")
    half = ops.convert(ops.constant(np.ones((5, 3), dtype=np.float16)), "f32")
    square = ops.constant(np.ones((3, 3), dtype=np.float32))
    y = ops.matmul(x, half, True, False)  # [2, 3]
    y = ops.add(ops.constant(np.ones((1, 3), dtype=np.float32)), y)
    y = ops.matmul(ops.matmul(y, square, False, False), square, False, False)
    y = ops.multiply(y, ops.constant(np.ones((1, 3), dtype=np.float32)))  # no scale of a normalisation
    model = ov.Model([y], [x], "small")
    assert count_parameters(model) == 5 * 3 + 3 + 3 * 3
    assert count_macs(model) == 2 * 3 * 5 + 2 * (2 * 3 * 3)


def test_counting_sees_groups_and_leaves_statistics_out() -> None:
    net = Layers("small")
    x = net.input("x", (1, 6, 8, 8), "f32")
    y = net.conv(x, "conv", 12, 3, stride=2, groups=3)
    model = net.model({"y": net.batch_norm(y, "bn")})
    assert count_parameters(model) == 12 * 2 * 9 + 2 * 12
    assert count_macs(model) == 12 * 4 * 4 * 2 * 9
