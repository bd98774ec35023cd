"""`python -m integrator.model_file`: what OpenVINO makes of a model file, asked in a process of its own.

A file that a user names can be anything. Some of OpenVINO's frontends print what they dislike, and a broken
file may take the process down; here neither reaches the integrator.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from protocol.engine import openvino as ov
from protocol.errors import ModelError
from protocol.preprocessing import Preprocessing, add_preprocessing

__all__ = ["FileFacts", "InputFacts", "inspect_file"]

_TIMEOUT_S = 900
_PRECISIONS = {
    "f32": "FP32", "f64": "FP64", "f16": "FP16", "bf16": "BF16",
    "i8": "INT8", "u8": "INT8", "i4": "INT4", "u4": "INT4",
}  # fmt: skip
_UNREADABLE = "not a model that OpenVINO can read"
_NOBODY_READS_IT = "Unable to read the model"
_ADVICE = (
    "OpenVINO reads IR (.xml), ONNX, TensorFlow Lite, frozen TensorFlow graphs (.pb) and PaddlePaddle "
    "(.pdmodel); another model has to be converted to IR first."
)


@dataclass(frozen=True, slots=True)
class InputFacts:
    """One input; None stands for an open dimension, and a `shape` of None for an open number of them."""

    name: str
    shape: list[int | None] | None
    element_type: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a model file holds. `precision` is that of most bytes of its weights."""

    inputs: list[InputFacts]
    precision: str


def inspect_file(
    path: Path,
    *,
    reshape: list[list[list[int]]] | None = None,
    preprocess: list[list[dict[str, Any] | None]] | None = None,
    save_fp16: Path | None = None,
) -> FileFacts:
    """Read a model file.

    Args:
        path: The file.
        reshape: Sets of input shapes that the model must accept, each in the order of its inputs.
        preprocess: For each of these sets, the fields of `protocol.preprocessing.Preprocessing` of each
            input, None for one that is fed as it is.
        save_fp16: Where to write the model as IR with weights in half precision.

    Raises:
        ModelError: it is not a model, or does not accept the shapes.
    """
    question = {
        "path": str(path),
        "reshape": reshape or [],
        "preprocess": preprocess or [[] for _ in reshape or []],
        "save_fp16": save_fp16 and str(save_fp16),
    }
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-I", "-m", "integrator.model_file", json.dumps(question)],
            check=False,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{path}: OpenVINO did not finish reading it in {_TIMEOUT_S} s") from error
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise ModelError(
            f"{path}: OpenVINO broke down reading it (exit code {done.returncode})", advice=_ADVICE
        )
    answer: dict[str, Any] = json.loads(lines[-1])
    if "error" in answer:
        raise ModelError(f"{path}: {answer['error']}", advice=_ADVICE if answer["unreadable"] else "")
    return FileFacts([InputFacts(**entry) for entry in answer["inputs"]], answer["precision"])


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    try:
        model = ov.Core().read_model(question["path"])
    except RuntimeError as error:
        return {"error": _UNREADABLE + _reason(_words(error)), "unreadable": True}
    if not model.outputs:
        return {"error": f"{_UNREADABLE}: it has no outputs", "unreadable": True}
    facts = FileFacts(
        [_input(number, port) for number, port in enumerate(model.inputs)], _precision_of(model)
    )
    if question["save_fp16"]:
        ov.save_model(model, question["save_fp16"], compress_to_fp16=True)
    for shapes, steps in zip(question["reshape"], question["preprocess"], strict=True):
        try:
            model.reshape({number: ov.PartialShape(shape) for number, shape in enumerate(shapes)})
        except RuntimeError as error:
            return {"error": f"cannot be reshaped to {shapes}: {_words(error)}", "unreadable": False}
        if any(steps):
            try:
                add_preprocessing(model.clone(), [given and Preprocessing(**given) for given in steps])
            except RuntimeError as error:
                return {"error": f"cannot be preprocessed as asked: {_words(error)}", "unreadable": False}
    return asdict(facts)


def _input(number: int, port: Any) -> InputFacts:
    partial = port.get_partial_shape()
    shape = None if partial.rank.is_dynamic else [None if n.is_dynamic else n.get_length() for n in partial]
    name = port.get_any_name() if port.get_names() else f"input_{number}"
    return InputFacts(name, shape, port.get_element_type().get_type_name())


def _precision_of(model: ov.Model) -> str:
    """What most bytes of the weights are; INT8 where a quantised network keeps its weights unpacked."""
    size: Counter[str] = Counter()
    for node in model.get_ops():
        kind = node.get_type_name()
        if kind == "FakeQuantize":
            return "INT8"
        if kind == "Constant":
            name = node.get_output_element_type(0).get_type_name()
            if name in _PRECISIONS:
                size[_PRECISIONS[name]] += node.get_byte_size()
    return size.most_common(1)[0][0] if size else "FP32"


def _reason(words: str) -> str:
    """What a frontend found wrong; nothing where none took the file for its own."""
    return "" if words.startswith(_NOBODY_READS_IT) else f": {words}"


def _words(error: RuntimeError) -> str:
    """The sentence in one of OpenVINO's exceptions: what is left without places in its source code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [
        line for line in lines if not line.startswith(("Exception from", "Check '", "Available frontends"))
    ]
    return " ".join(kept or lines)[:500]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(json.loads(sys.argv[1]))) + "\n")
