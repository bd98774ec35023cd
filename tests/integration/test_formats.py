"""TensorFlow, TensorFlow Lite and PaddlePaddle files, from the user's folder to a measured run.

The frameworks are gigabytes, so the files are written here, byte by byte, as the frameworks lay them out.
Each holds the same network, relu(x · w + b), so that one line of numpy says what all of them have to compute.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from agent.execute import execute
from agent.outcome import judge
from agent.stop import Stop
from agent.worker.spec import InputSpec, RunSpec
from integrator.config import ModelEntry, load_campaign
from integrator.models import PreparedModel, prepare
from integrator.topologies import TOPOLOGIES
from protocol.engine import openvino as ov
from protocol.errors import ConfigurationError, ModelError
from protocol.job import Scenario
from protocol.result import Status

pytestmark = pytest.mark.engine

Floats = npt.NDArray[np.float32]
Shape = Sequence[int]
"""-1 stands for an open dimension, as in all three formats."""

FEATURES, UNITS = 4, 3
WEIGHTS: Floats = np.random.default_rng(7).normal(size=(FEATURES, UNITS)).astype(np.float32)
BIAS: Floats = np.array([0.5, -0.25, 0.125], dtype=np.float32)


# Protocol buffers: TensorFlow's and PaddlePaddle's.

Field = int | str | bytes
"""A number, a text, or a nested message; floats and packed fields are not needed."""


def message(*fields: tuple[int, Field]) -> bytes:
    """A message of (field number, value) pairs; a repeated field is a number that is there again."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Field) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # a negative number is written as its two's complement
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


# FlatBuffers: TensorFlow Lite's.

Flat = Mapping[int, "Flat"] | Sequence["Flat"] | npt.NDArray[Any] | np.generic
"""A table by field number, a vector of tables, a vector of numbers (a text is one of bytes), a number."""


def flatbuffer(root: Mapping[int, Flat], identifier: bytes) -> bytes:
    """A file around `root`. What an offset points to follows it, so that every offset is positive."""
    out = bytearray(4) + identifier
    _point(out, 0, _put(out, root))
    return bytes(out)


def _put(out: bytearray, value: Flat) -> int:
    """Append a table or a vector; where it begins."""
    if isinstance(value, Mapping):
        return _put_table(out, value)
    assert not isinstance(value, np.generic)
    _pad(out, 16, 4)  # elements on the 16 bytes that the schema asks for where weights are
    at = len(out)
    out += struct.pack("<I", len(value))
    if isinstance(value, np.ndarray):
        out += value.tobytes() + b"\0"  # which ends a text, and is not part of any vector
        return at
    out += bytes(4 * len(value))
    for number, element in enumerate(value):
        _point(out, at + 4 + 4 * number, _put(out, element))
    return at


def _put_table(out: bytearray, fields: Mapping[int, Flat]) -> int:
    """A table after its vtable; every field has four bytes, whatever it needs of them."""
    places = {slot: 4 + 4 * number for number, slot in enumerate(sorted(fields))}
    slots = max(fields, default=-1) + 1
    sizes = (4 + 2 * slots, 4 + 4 * len(fields))
    vtable = struct.pack(f"<{2 + slots}H", *sizes, *(places.get(slot, 0) for slot in range(slots)))
    _pad(out, 4, len(vtable))
    out += vtable
    at = len(out)
    out += struct.pack("<i", len(vtable)) + bytes(4 * len(fields))
    for slot, place in places.items():
        value = fields[slot]
        if isinstance(value, np.generic):
            out[at + place : at + place + value.nbytes] = value.tobytes()
        else:
            _point(out, at + place, _put(out, value))
    return at


def _pad(out: bytearray, alignment: int, ahead: int) -> None:
    """Bytes of nothing, so that what comes after the next `ahead` bytes is aligned."""
    out += bytes(-(len(out) + ahead) % alignment)


def _point(out: bytearray, at: int, target: int) -> None:
    struct.pack_into("<I", out, at, target - at)


# TensorFlow: a GraphDef, tensorflow/core/framework/graph.proto, on its own or in a SavedModel.

_DT_FLOAT = 1


def tensorflow_file(path: Path, shape: Shape) -> Path:
    """A frozen graph."""
    path.write_bytes(_graph(shape))
    return path


def saved_model(folder: Path, shape: Shape) -> Path:
    """The graph as a SavedModel with one signature, without variables."""
    (folder / "variables").mkdir(parents=True)
    signature = message(
        (1, _signature_entry("input", "x:0", shape)),
        (2, _signature_entry("output", "y:0", [shape[0], UNITS])),
    )
    graph = message(
        (1, message((4, "serve"))),
        (2, _graph(shape)),
        (5, message((1, "serving_default"), (2, signature))),
    )
    (folder / "saved_model.pb").write_bytes(message((1, 1), (2, graph)))
    return folder


def _signature_entry(key: str, tensor: str, shape: Shape) -> bytes:
    return message((1, key), (2, message((1, tensor), (2, _DT_FLOAT), (3, _tensorflow_shape(shape)))))


def _graph(shape: Shape) -> bytes:
    """Placeholder → MatMul with a Const → BiasAdd with a Const → Relu."""
    kind, no = message((6, _DT_FLOAT)), message((5, 0))
    nodes = [
        _node("x", "Placeholder", [], dtype=kind, shape=message((7, _tensorflow_shape(shape)))),
        _node("w", "Const", [], dtype=kind, value=_tensorflow_value(WEIGHTS)),
        _node("b", "Const", [], dtype=kind, value=_tensorflow_value(BIAS)),
        _node("product", "MatMul", ["x", "w"], T=kind, transpose_a=no, transpose_b=no),
        _node("sum", "BiasAdd", ["product", "b"], T=kind, data_format=message((2, "NHWC"))),
        _node("y", "Relu", ["sum"], T=kind),
    ]
    producer = message((1, 1087))
    return message(*((1, node) for node in nodes), (4, producer))


def _node(name: str, operation: str, inputs: Sequence[str], **attributes: bytes) -> bytes:
    entries = [message((1, key), (2, value)) for key, value in attributes.items()]
    return message(
        (1, name), (2, operation), *((3, source) for source in inputs), *((5, entry) for entry in entries)
    )


def _tensorflow_value(value: Floats) -> bytes:
    return message((8, message((1, _DT_FLOAT), (2, _tensorflow_shape(value.shape)), (4, value.tobytes()))))


def _tensorflow_shape(shape: Shape) -> bytes:
    return message(*((2, message((1, n))) for n in shape))


# TensorFlow Lite: tensorflow/lite/schema/schema.fbs.

_FULLY_CONNECTED, _FULLY_CONNECTED_OPTIONS, _FLOAT32, _RELU = 9, 8, 0, 1


def tflite_file(path: Path, shape: Shape) -> Path:
    """FULLY_CONNECTED with a fused RELU; its weights are kept output by input."""
    fixed = [abs(n) for n in shape]  # an open dimension is 1 here and -1 in the signature
    tensors = [
        _tensor("x", fixed, buffer=0) | {7: np.array(shape, dtype=np.int32)},
        _tensor("w", [UNITS, FEATURES], buffer=1),
        _tensor("b", [UNITS], buffer=2),
        _tensor("y", [fixed[0], UNITS], buffer=0),
    ]
    operator: Flat = {
        0: np.uint32(0),
        1: np.array([0, 1, 2], dtype=np.int32),
        2: np.array([3], dtype=np.int32),
        3: np.uint8(_FULLY_CONNECTED_OPTIONS),
        4: {0: np.int8(_RELU)},
    }
    subgraph: Flat = {
        0: tensors,
        1: np.array([0], dtype=np.int32),
        2: np.array([3], dtype=np.int32),
        3: [operator],
    }
    code: Flat = {0: np.int8(_FULLY_CONNECTED), 2: np.int32(1), 3: np.int32(_FULLY_CONNECTED)}
    buffers: list[Flat] = [{}, {0: _as_bytes(WEIGHTS.T.tobytes())}, {0: _as_bytes(BIAS.tobytes())}]
    path.write_bytes(flatbuffer({0: np.uint32(3), 1: [code], 2: [subgraph], 4: buffers}, b"TFL3"))
    return path


def _tensor(name: str, shape: Shape, *, buffer: int) -> dict[int, Flat]:
    return {
        0: np.array(shape, dtype=np.int32),
        1: np.int8(_FLOAT32),
        2: np.uint32(buffer),
        3: _as_bytes(name.encode()),
    }


def _as_bytes(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


# PaddlePaddle: a ProgramDesc, paddle/fluid/framework/framework.proto, and its parameters.

_FP32, _LOD_TENSOR, _FEED_MINIBATCH, _FETCH_LIST = 5, 7, 9, 10
_INT, _BOOLEAN = 0, 6
_PARAMETERS = {"b": BIAS, "w": WEIGHTS}


def paddle_file(path: Path, shape: Shape) -> Path:
    """feed → matmul_v2 → elementwise_add → relu → fetch, and the two parameters beside it."""
    variables = [
        _variable("x", shape),
        _variable("product", [shape[0], UNITS]),
        _variable("sum", [shape[0], UNITS]),
        _variable("y", [shape[0], UNITS]),
        *(_variable(name, value.shape, parameter=True) for name, value in _PARAMETERS.items()),
    ]
    no = [_boolean("trans_x", value=False), _boolean("trans_y", value=False)]
    operations = [
        _operation("matmul_v2", {"X": "x", "Y": "w"}, "product", *no),
        _operation("elementwise_add", {"X": "product", "Y": "b"}, "sum", _integer("axis", -1)),
        _operation("relu", {"X": "sum"}, "y"),
    ]
    path.write_bytes(_program(variables, operations))
    # Parameters have no names in their file: they follow one another in the order of their names.
    path.with_suffix(".pdiparams").write_bytes(
        b"".join(_lod_tensor(_PARAMETERS[n]) for n in sorted(_PARAMETERS))
    )
    return path


def paddle_file_without_parameters(path: Path, shape: Shape) -> Path:
    """feed → relu → fetch: nothing to be kept in a second file."""
    path.write_bytes(
        _program([_variable("x", shape), _variable("y", shape)], [_operation("relu", {"X": "x"}, "y")])
    )
    return path


def _program(variables: Sequence[bytes], operations: Sequence[bytes]) -> bytes:
    """One block, with the feed of `x` and the fetch of `y` that every saved program has."""
    ends = [_end("feed", _FEED_MINIBATCH), _end("fetch", _FETCH_LIST)]
    feed = _operation("feed", {"X": "feed"}, "x", _integer("col", 0))
    fetch = _operation("fetch", {"X": "y"}, "fetch", _integer("col", 0))
    block = message(
        (1, 0),
        (2, -1),
        *((3, variable) for variable in (*ends, *variables)),
        *((4, operation) for operation in (feed, *operations, fetch)),
    )
    return message((1, block), (4, message((1, 0))))


def _end(name: str, kind: int) -> bytes:
    return message((1, name), (2, message((1, kind))), (3, 1))


def _variable(name: str, shape: Shape, *, parameter: bool = False) -> bytes:
    kind = message((1, _LOD_TENSOR), (3, message((1, _tensor_description(shape)))))
    return message((1, name), (2, kind), (3, int(parameter)))


def _tensor_description(shape: Shape) -> bytes:
    return message((1, _FP32), *((2, n) for n in shape))


def _operation(kind: str, inputs: Mapping[str, str], output: str, *attributes: bytes) -> bytes:
    return message(
        *((1, message((1, port), (2, name))) for port, name in inputs.items()),
        (2, message((1, "Out"), (2, output))),
        (3, kind),
        *((4, attribute) for attribute in attributes),
    )


def _integer(name: str, value: int) -> bytes:
    return message((1, name), (2, _INT), (3, value))


def _boolean(name: str, *, value: bool) -> bytes:
    return message((1, name), (2, _BOOLEAN), (10, int(value)))


def _lod_tensor(value: Floats) -> bytes:
    """Version, levels of detail (none), version, the length of the description and it, the values."""
    description = _tensor_description(value.shape)
    return struct.pack("<IQIi", 0, 0, 0, len(description)) + description + value.tobytes()


# What becomes of the files.


@dataclass(frozen=True)
class Format:
    """One way to keep the network, as most files of its kind do."""

    write: Callable[[Path, Shape], Path]
    name: str
    beside: tuple[str, ...]
    shape: tuple[int, ...]
    """A TensorFlow Lite file has a batch of its own; the others leave it open."""
    input: str
    """TensorFlow counts the outputs of an operation; the others name tensors."""


FORMATS = {
    "tensorflow": Format(tensorflow_file, "net.pb", (), (-1, FEATURES), "x:0"),
    "tflite": Format(tflite_file, "net.tflite", (), (1, FEATURES), "x"),
    "paddle": Format(paddle_file, "net.pdmodel", ("net.pdiparams",), (-1, FEATURES), "x"),
}


@dataclass(frozen=True)
class Written:
    """A format, and what `prepare` made of a file of it."""

    kind: Format
    model: PreparedModel


def prepared(path: Path, cache: Path) -> PreparedModel:
    return prepare(ModelEntry(name="mine", path=path), "native", [1, 2], cache)


def network(x: Floats) -> Floats:
    """What every format's file has to compute."""
    values: Floats = np.maximum(x @ WEIGHTS + BIAS, 0)
    return values


def infer(model: PreparedModel, x: Floats) -> Floats:
    """What OpenVINO computes from the files that an agent gets, in single precision on every processor."""
    core = ov.Core()
    read = core.read_model(model.folder / model.ref.entry)
    read.reshape(list(x.shape))
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    values: Floats = compiled(x)[0]
    return values


def features(batch: int) -> Floats:
    """Inputs of both signs, from which some units come out as zero and some do not."""
    return np.random.default_rng(batch).normal(size=(batch, FEATURES)).astype(np.float32)


def run(model: PreparedModel, scenario: Scenario, folder: Path, *, batch: int) -> dict[str, Any]:
    """The report of one real run, in a process of its own as an agent starts it."""
    spec = RunSpec(
        model=str(model.folder / model.ref.entry),
        inputs=tuple(
            InputSpec(i.name, tuple(i.shape), i.element_type, i.low, i.high) for i in model.with_batch(batch)
        ),
        device="CPU",
        scenario=scenario.value,
        hint="latency" if scenario is Scenario.SYNC else "throughput",
        streams=None,
        threads=None,
        requests=None,
        duration_s=0.05,
        min_iterations=20,
        max_iterations=1_000_000,
        warmup_s=0.01,
        memory_mb=None,
        seed=1,
    )
    folder.mkdir()
    with Stop() as stop:
        ending = execute(spec, folder, timeout_s=60, stop=stop)
    assert judge(ending, timeout_s=60) == (Status.OK, "")
    assert ending.report is not None
    assert ending.samples is not None
    return {**ending.report, "iterations": ending.samples.latency_ns.count}


@pytest.fixture(scope="module", params=FORMATS.values(), ids=list(FORMATS))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Each format in turn."""
    kind: Format = request.param
    folder = tmp_path_factory.mktemp("written")
    path = kind.write(folder / kind.name, kind.shape)
    return Written(kind, prepared(path, folder / "cache"))


def test_a_file_becomes_a_model_with_all_that_belongs_to_it(written: Written) -> None:
    kind, model = written.kind, written.model
    names = [name.replace("net.", "model.") for name in (kind.name, *kind.beside)]
    assert (model.ref.entry, model.ref.precision) == (names[0], "FP32")
    assert [file.name for file in model.ref.files] == names
    assert {file.name for file in model.folder.iterdir()} == set(names)
    assert [(i.name, i.shape, i.element_type) for i in model.inputs] == [
        (kind.input, (None, FEATURES), "f32")
    ]
    assert [i.shape for i in model.with_batch(2)] == [(2, FEATURES)]


@pytest.mark.parametrize("batch", [1, 2])
def test_openvino_reads_the_network_that_was_written(written: Written, batch: int) -> None:
    """Otherwise this file would only show that its own mistakes are accepted."""
    x = features(batch)
    wanted = network(x)
    assert (wanted > 0).any()
    assert (wanted == 0).any()
    np.testing.assert_allclose(infer(written.model, x), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_a_model_is_measured(written: Written, tmp_path: Path, scenario: Scenario) -> None:
    """At a batch that is not the file's own, so that the run has to reshape what it reads."""
    report = run(written.model, scenario, tmp_path / "run", batch=2)
    assert report["outputs_finite"] is True
    assert report["iterations"] >= 20


@pytest.mark.parametrize("kind", FORMATS.values(), ids=list(FORMATS))
def test_open_dimensions_are_given_in_the_campaign(tmp_path: Path, kind: Format) -> None:
    path = kind.write(tmp_path / kind.name, (-1, -1))
    with pytest.raises(
        ModelError, match=rf"mine: input {kind.input} has open dimensions \[\?, \?\]"
    ) as caught:
        prepared(path, tmp_path / "cache")
    assert caught.value.advice == f"Give its shape in the campaign: shapes: {{{kind.input}: [N, …]}}"
    campaign = tmp_path / "campaign.yaml"
    campaign.write_text(
        f"schema_version: 1\nname: demo\nmodels:\n"
        f"  - {{name: mine, path: {kind.name}, shapes: {{{kind.input}: [N, {FEATURES}]}}}}\n"
    )
    (entry,) = load_campaign(campaign, TOPOLOGIES).models
    model = prepare(entry, "native", [1, 2], tmp_path / "cache")
    np.testing.assert_allclose(infer(model, features(2)), network(features(2)), rtol=0, atol=1e-6)
    assert run(model, Scenario.SYNC, tmp_path / "run", batch=2)["outputs_finite"] is True


def test_a_paddle_program_without_parameters_is_one_file(tmp_path: Path) -> None:
    path = paddle_file_without_parameters(tmp_path / "net.pdmodel", (-1, FEATURES))
    model = prepared(path, tmp_path / "cache")
    assert [file.name for file in model.ref.files] == ["model.pdmodel"]
    np.testing.assert_array_equal(infer(model, features(2)), np.maximum(features(2), 0))


def test_a_paddle_program_whose_parameters_are_gone_is_told_before_anything_runs(tmp_path: Path) -> None:
    path = paddle_file(tmp_path / "net.pdmodel", (-1, FEATURES))
    path.with_suffix(".pdiparams").unlink()
    with pytest.raises(ModelError, match=r"not a model that OpenVINO can read: .*\.pdiparams"):
        prepared(path, tmp_path / "cache")


def test_a_saved_model_folder_is_refused(tmp_path: Path) -> None:
    """OpenVINO reads it, but fleetmark delivers files: better told in the campaign than found by an agent."""
    folder = saved_model(tmp_path / "saved", (-1, FEATURES))
    assert len(ov.Core().read_model(folder).inputs) == 1
    campaign = tmp_path / "campaign.yaml"
    campaign.write_text("schema_version: 1\nname: demo\nmodels:\n  - {name: mine, path: saved}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_campaign(campaign, TOPOLOGIES)
    place = f"{campaign}:4:24: models[0].path"
    assert list(caught.value.problems) == [f'{place}: "{folder}" is a directory; expected the model\'s file']


def test_the_file_inside_of_a_saved_model_is_no_model(tmp_path: Path) -> None:
    """Who is told that a folder will not do tries its file next."""
    folder = saved_model(tmp_path / "saved", (-1, FEATURES))
    with pytest.raises(ModelError, match="not a model that OpenVINO can read"):
        prepared(folder / "saved_model.pb", tmp_path / "cache")
