"""Models of the user's own: what becomes of files, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from integrator.config import InputRange, ModelEntry
from integrator.model_file import inspect_file
from integrator.models import PrecisionMismatchError, PreparedModel, prepare
from integrator.topologies import TOPOLOGIES
from integrator.topologies.opset import ops
from protocol.engine import openvino as ov
from protocol.errors import ModelError
from tests.support import make_tiny_model

pytestmark = pytest.mark.engine


def onnx_file(path: Path, shape: list[int | None], *, external: str | None = None) -> Path:
    """y = x · w, with w in the file or beside it."""
    weights = onnx.numpy_helper.from_array(np.ones((512, 4), dtype=np.float32), "w")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None] * len(shape))
    graph = onnx.helper.make_graph([node], "g", [x], [y], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=external is not None, location=external, size_threshold=0)
    return path


def entry(path: Path, **changes: object) -> ModelEntry:
    return ModelEntry.model_validate({"name": "mine", "path": path, **changes})


def test_one_file_is_known_by_its_own_hash(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx", [1, 512])
    model = prepare(entry(path), "native", [1, 8], tmp_path / "cache")
    assert model.ref.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.ref.entry, model.ref.precision, len(model.ref.files)) == ("model.onnx", "FP32", 1)
    assert [i.shape for i in model.with_batch(8)] == [(8, 512)]


def test_several_files_are_known_by_their_listing(tmp_path: Path) -> None:
    ov.save_model(make_tiny_model(), tmp_path / "tiny.xml", compress_to_fp16=False)
    model = prepare(entry(tmp_path / "tiny.xml"), "FP32", [1], tmp_path / "cache")
    listing = "".join(
        f"{hashlib.sha256((tmp_path / f'tiny.{end}').read_bytes()).hexdigest()}  model.{end}\n"
        for end in ("bin", "xml")
    )
    assert model.ref.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert {file.name for file in model.ref.files} == {"model.xml", "model.bin"}


@pytest.mark.parametrize("name", ["renamed.onnx", "my model (v2).ONNX", "модель.onnx"])
def test_a_file_is_the_same_model_under_any_name(tmp_path: Path, name: str) -> None:
    first = prepare(entry(onnx_file(tmp_path / "m.onnx", [1, 512])), "native", [1], tmp_path / "cache")
    (tmp_path / "m.onnx").rename(tmp_path / name)
    assert prepare(entry(tmp_path / name), "native", [1], tmp_path / "cache") == first


def test_a_further_file_whose_name_cannot_travel_is_refused(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx", [1, 512], external="my weights.data")
    with pytest.raises(ModelError, match=r"my weights\.data: cannot travel under this name"):
        prepare(entry(path, files=[tmp_path / "my weights.data"]), "native", [1], tmp_path / "cache")


def test_what_was_interrupted_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a full disk, in the middle of copying."""
    path = onnx_file(tmp_path / "m.onnx", [1, 512], external="m.data")
    mine = entry(path, files=[tmp_path / "m.data"])
    copy = shutil.copyfile

    def interrupted(source: Path, target: Path) -> None:
        copy(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("integrator.models.shutil.copyfile", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(mine, "native", [1], tmp_path / "cache")
    assert list((tmp_path / "cache/models").iterdir()) == []
    assert len(prepare(mine, "native", [1], tmp_path / "cache").ref.files) == 2


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"low": -5, "high": 5}, "input x of type u8 holds 0 to 255, not -5 to below 5"),
        ({"low": 0, "high": 257}, "input x of type u8 holds 0 to 255, not 0 to below 257"),
        ({"low": 0.5, "high": 3}, "input x of type u8 takes whole numbers for low and high"),
    ],
)
def test_values_that_an_input_cannot_hold_are_refused(
    tmp_path: Path, values: dict[str, float], sentence: str
) -> None:
    parameter = ops.parameter([1, 4], ov.Type.u8)
    parameter.output(0).get_tensor().set_names({"x"})
    model = ov.Model([ops.result(ops.convert(parameter, "f32"))], [parameter], "bytes")
    ov.save_model(model, tmp_path / "m.xml")
    with pytest.raises(ModelError, match=sentence):
        prepare(entry(tmp_path / "m.xml", inputs={"x": values}), "native", [1], tmp_path / "cache")


def test_external_data_has_to_be_named(tmp_path: Path) -> None:
    """An agent gets what is listed and no more, so a plan must not find what an agent will miss."""
    path = onnx_file(tmp_path / "m.onnx", [1, 512], external="m.data")
    with pytest.raises(ModelError, match="not a model that OpenVINO can read"):
        prepare(entry(path), "native", [1], tmp_path / "cache")
    model = prepare(entry(path, files=[tmp_path / "m.data"]), "native", [1], tmp_path / "cache")
    assert {file.name for file in model.ref.files} == {"model.onnx", "m.data"}


def test_half_precision_is_made_from_single(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "m.onnx", [None, 512])
    single = prepare(entry(path), "FP32", [1], tmp_path / "cache")
    half = prepare(entry(path), "FP16", [1, 4], tmp_path / "cache")
    assert (single.ref.precision, half.ref.precision) == ("FP32", "FP16")
    assert inspect_file(half.folder / half.ref.entry).precision == "FP16"
    assert weights_size(half) == 512 * 4 * 2
    with pytest.raises(PrecisionMismatchError, match="mine has FP16 weights"):
        prepare(entry(half.folder / half.ref.entry), "FP32", [1], tmp_path / "cache")


def weights_size(model: PreparedModel) -> int:
    return next(file.size for file in model.ref.files if file.name.endswith(".bin"))


@pytest.mark.parametrize(
    ("shape", "changes", "batch", "sentence"),
    [
        ([None, None], {}, 1, r"mine: input x has open dimensions \[\?, \?\]"),
        ([1, 512], {"shapes": {"z": ["N", 512]}}, 1, "mine has no input z; its inputs are x"),
        ([1, 512], {"inputs": {"z": InputRange(low=0, high=1)}}, 1, "mine has no input z; its inputs are x"),
        ([1, 512], {"shapes": {"x": [1, 512]}}, 2, "mine has no batch dimension to set to 2"),
        ([1, 512], {"shapes": {"x": ["N", 100]}}, 1, r"cannot be reshaped to \[\[1, 100\]\]"),
    ],
)
def test_shapes_that_do_not_fit_are_told_before_anything_runs(
    tmp_path: Path, shape: list[int | None], changes: dict[str, object], batch: int, sentence: str
) -> None:
    path = onnx_file(tmp_path / "m.onnx", shape)
    with pytest.raises(ModelError, match=sentence) as caught:
        prepare(entry(path, **changes), "native", [batch], tmp_path / "cache")
    assert str(tmp_path / "cache") not in str(caught.value)


@pytest.mark.parametrize("suffix", ["xml", "onnx", "tflite", "pb", "pdmodel"])
@pytest.mark.parametrize(
    "content", [b"", b"no model\n", bytes(range(256)) * 20], ids=["empty", "text", "bytes"]
)
def test_no_content_takes_the_integrator_down(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a model that OpenVINO can read"):
        inspect_file(path)


def test_a_built_in_model_is_built_once(tmp_path: Path) -> None:
    name = "mobilenet-v2"
    first = prepare(ModelEntry(name=name), "native", [1], tmp_path)
    stamp = next((tmp_path / "built").iterdir()).stat().st_mtime_ns
    again = prepare(ModelEntry(name=name), "FP32", [1, 2], tmp_path)
    assert first.ref == again.ref
    assert next((tmp_path / "built").iterdir()).stat().st_mtime_ns == stamp
    assert {i.name: i.shape for i in first.with_batch(2)} == {
        i.name: (2, *i.shape[1:]) for i in TOPOLOGIES[name].inputs
    }
    half = prepare(ModelEntry(name=name), "FP16", [1], tmp_path)
    assert half.ref.sha256 != first.ref.sha256
    assert weights_size(half) < 0.6 * weights_size(first)
