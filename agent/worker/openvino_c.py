"""OpenVINO's C API through ctypes: as much of it as a run needs.

The C API and not the Python package, because the measuring loop calls it: a call costs 0.1 µs instead of 7
(the package makes a dictionary of arrays of every inference's outputs), a process is ready in a third of the
time, and the same functions are there in all releases. Signatures: the headers `openvino/c/*.h` in the wheel.

Nothing but models is freed: the process ends with its run.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = [
    "OK",
    "Callback",
    "CompiledModel",
    "Core",
    "InferRequest",
    "Model",
    "OpenVinoError",
    "Port",
    "Tensor",
    "last_error",
    "version",
]

OK = 0
_TYPES = (
    "boolean", "bf16", "f16", "f32", "f64", "i4", "i8", "i16", "i32", "i64",
    "u1", "u2", "u3", "u4", "u6", "u8", "u16", "u32", "u64",
)  # fmt: skip
"""`ov_element_type_e` after `dynamic`; releases before 2026 count from one more than later ones."""
_F32_BYTES = 4


class OpenVinoError(RuntimeError):
    """OpenVINO refused a call, in its own words."""


class Callback(ctypes.Structure):
    """`ov_callback_t`: what is called, in a thread of OpenVINO, when a request is done."""

    function = ctypes.CFUNCTYPE(None, c_void_p)
    _fields_ = (("callback_func", function), ("args", c_void_p))


class _Version(ctypes.Structure):
    _fields_ = (("build_number", c_char_p), ("description", c_char_p))


class _Dimension(ctypes.Structure):
    _fields_ = (("min", c_int64), ("max", c_int64))


class _PartialShape(ctypes.Structure):
    _fields_ = (("rank", _Dimension), ("dims", c_void_p))


class _Shape(ctypes.Structure):
    _fields_ = (("rank", c_int64), ("dims", ctypes.POINTER(c_int64)))


class _Devices(ctypes.Structure):
    _fields_ = (("names", ctypes.POINTER(c_char_p)), ("size", c_size_t))


def _find_library() -> str:
    """The library that the installed openvino package brings; else the system's."""
    package = importlib.util.find_spec("openvino")
    for folder in (package.submodule_search_locations if package else None) or ():
        for found in sorted(Path(folder).glob("libs/libopenvino_c.so*")):
            return str(found)
    from ctypes.util import find_library  # noqa: PLC0415  # slow to import, and seldom needed

    if name := find_library("openvino_c"):
        return name
    raise OpenVinoError("libopenvino_c is not here: install the Python package openvino (2024.6 or newer)")


_NAME = _find_library()
_LIBRARY = ctypes.CDLL(_NAME)
_HELD = ctypes.PyDLL(_NAME)
"""The same library, called without letting go of the interpreter: for calls that nothing else waits for."""
_LIBRARY.ov_get_last_err_msg.restype = c_char_p
_LIBRARY.ov_partial_shape_to_string.restype = c_void_p
_LIBRARY.ov_partial_shape_to_string.argtypes = [_PartialShape]


def last_error() -> OpenVinoError:
    """What OpenVINO says of the last call that failed."""
    text = _LIBRARY.ov_get_last_err_msg()
    return OpenVinoError(text.decode(errors="replace").strip() if text else "no reason was given")


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the C API; integers are passed as size_t.

    Raises:
        OpenVinoError: its status is not OK.
    """
    converted = [c_size_t(value) if isinstance(value, int) else value for value in arguments]
    if _LIBRARY[name](*converted) != OK:
        raise last_error()


def _take_text(pointer: c_char_p | c_void_p) -> str:
    """The text behind a pointer that is ours to free."""
    address = ctypes.cast(pointer, c_void_p)
    text = ctypes.string_at(address).decode(errors="replace") if address.value else ""
    _LIBRARY.ov_free(address)
    return text


def version() -> str:
    """OpenVINO's version, as its Python package gives it."""
    found = _Version()
    _call("ov_get_openvino_version", byref(found))
    return (found.build_number or b"").decode()


def _type_offset() -> int:
    """By how much this release's `ov_element_type_e` is ahead of `_TYPES`: five elements of f32 tell."""
    dims = (c_int64 * 1)(1)
    tensor, size = c_void_p(), c_size_t()
    candidate = _TYPES.index("f32") + 1
    shape = _Shape(1, dims)
    function = _LIBRARY.ov_tensor_create
    function.argtypes = [c_int, _Shape, ctypes.POINTER(c_void_p)]
    if function(candidate, shape, byref(tensor)) != OK:
        raise last_error()
    _call("ov_tensor_get_byte_size", tensor, byref(size))
    _LIBRARY.ov_tensor_free(tensor)
    return 1 if size.value == _F32_BYTES else 2


class Core:
    """`ov::Core`."""

    def __init__(self) -> None:
        self._handle = c_void_p()
        _call("ov_core_create", byref(self._handle))

    @cached_property
    def available_devices(self) -> list[str]:
        """The devices that OpenVINO sees, by its names."""
        devices = _Devices()
        _call("ov_core_get_available_devices", self._handle, byref(devices))
        return [(devices.names[number] or b"").decode() for number in range(devices.size)]

    def get_property(self, device: str, name: str) -> str:
        """A property of a device, as text."""
        value = c_char_p()
        _call("ov_core_get_property", self._handle, device.encode(), name.encode(), byref(value))
        return _take_text(value)

    def read_model(self, path: str) -> Model:
        """Read a model of any format that OpenVINO reads."""
        handle = c_void_p()
        _call("ov_core_read_model", self._handle, path.encode(), None, byref(handle))
        return Model(handle)

    def compile_model(self, model: Model, device: str, properties: Mapping[str, str]) -> CompiledModel:
        """Compile a model; properties and their values as text."""
        handle = c_void_p()
        texts = [c_char_p(text.encode()) for pair in properties.items() for text in pair]
        _call(
            "ov_core_compile_model",
            self._handle,
            model.handle,
            device.encode(),
            len(texts),
            byref(handle),
            *texts,
        )
        return CompiledModel(handle)


class Model:
    """`ov::Model`."""

    def __init__(self, handle: c_void_p) -> None:
        self.handle = handle

    def input_shape(self, number: int) -> str:
        """The shape of an input as OpenVINO writes it: `[?,3,224,224]`."""
        port, shape = c_void_p(), _PartialShape()
        _call("ov_model_const_input_by_index", self.handle, number, byref(port))
        _call("ov_port_get_partial_shape", port, byref(shape))
        return _take_text(c_void_p(_LIBRARY.ov_partial_shape_to_string(shape)))

    def reshape(self, shapes: Mapping[int, Sequence[int]]) -> None:
        """Give inputs, by their numbers, new shapes."""
        function = _LIBRARY.ov_partial_shape_create_static
        function.argtypes = [c_int64, c_void_p, c_void_p]
        numbers = (c_size_t * len(shapes))(*shapes)
        made = (_PartialShape * len(shapes))()
        for target, shape in zip(made, shapes.values(), strict=True):
            if function(len(shape), (c_int64 * len(shape))(*shape), byref(target)) != OK:
                raise last_error()
        _call("ov_model_reshape_by_port_indexes", self.handle, numbers, made, len(shapes))

    def free(self) -> None:
        """Let go of it; what was compiled of it remains."""
        _LIBRARY.ov_model_free(self.handle)
        self.handle = c_void_p()


class CompiledModel:
    """`ov::CompiledModel`."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = handle

    def get_property(self, name: str) -> str:
        """A property of the compiled model, as text."""
        value = c_char_p()
        _call("ov_compiled_model_get_property", self._handle, name.encode(), byref(value))
        return _take_text(value)

    @property
    def inputs(self) -> Iterator[Port]:
        """What it takes."""
        count = c_size_t()
        _call("ov_compiled_model_inputs_size", self._handle, byref(count))
        for number in range(count.value):
            port = c_void_p()
            _call("ov_compiled_model_input_by_index", self._handle, number, byref(port))
            yield Port(port)

    @property
    def outputs_size(self) -> int:
        """How many outputs it has."""
        count = c_size_t()
        _call("ov_compiled_model_outputs_size", self._handle, byref(count))
        return count.value

    def create_infer_request(self) -> InferRequest:
        """A new infer request."""
        handle = c_void_p()
        _call("ov_compiled_model_create_infer_request", self._handle, byref(handle))
        return InferRequest(handle)


class Port:
    """An input or an output of a compiled model."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = handle

    @property
    def shape(self) -> list[int]:
        """Its dimensions."""
        return _shape("ov_const_port_get_shape", self._handle)

    @property
    def element_type(self) -> str:
        """OpenVINO's name of its type."""
        return _element_type("ov_port_get_element_type", self._handle)


class Tensor:
    """A tensor of an infer request, which owns its memory."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = handle

    @property
    def shape(self) -> list[int]:
        """Its dimensions."""
        return _shape("ov_tensor_get_shape", self._handle)

    @property
    def element_type(self) -> str:
        """OpenVINO's name of its type; empty for those that no run can fill."""
        return _element_type("ov_tensor_get_element_type", self._handle)

    @property
    def byte_size(self) -> int:
        """The length of its memory."""
        size = c_size_t()
        _call("ov_tensor_get_byte_size", self._handle, byref(size))
        return size.value

    @property
    def address(self) -> int:
        """Where its memory begins."""
        data = c_void_p()
        _call("ov_tensor_data", self._handle, byref(data))
        return data.value or 0

    @property
    def memory(self) -> memoryview[int]:
        """Its bytes, to be written and read in place while the infer request lives."""
        return memoryview((ctypes.c_ubyte * self.byte_size).from_address(self.address)).cast("B")


class InferRequest:
    """`ov::InferRequest`. The loops take `handle` and the functions below, one call per inference."""

    infer_function = _HELD["ov_infer_request_infer"]
    """One inference, completed: takes a handle, returns a status. It holds the interpreter meanwhile, which
    saves two changes of hands; so no Python may run in a callback of the same request."""
    start_function = _LIBRARY["ov_infer_request_start_async"]
    set_callback_function = _HELD["ov_infer_request_set_callback"]

    def __init__(self, handle: c_void_p) -> None:
        self.handle = handle

    def infer(self) -> None:
        """One inference, completed.

        Raises:
            OpenVinoError: it failed.
        """
        _call("ov_infer_request_infer", self.handle)

    def wait(self) -> None:
        """Wait for the inference that was started.

        Raises:
            OpenVinoError: it failed.
        """
        _call("ov_infer_request_wait", self.handle)

    def input_tensor(self, number: int) -> Tensor:
        """One of its input tensors."""
        return self._tensor("ov_infer_request_get_input_tensor_by_index", number)

    def output_tensor(self, number: int) -> Tensor:
        """One of its output tensors."""
        return self._tensor("ov_infer_request_get_output_tensor_by_index", number)

    def _tensor(self, function: str, number: int) -> Tensor:
        handle = c_void_p()
        _call(function, self.handle, number, byref(handle))
        return Tensor(handle)


def _shape(function: str, handle: c_void_p) -> list[int]:
    shape = _Shape()
    _call(function, handle, byref(shape))
    return [shape.dims[number] for number in range(shape.rank)]


def _element_type(function: str, handle: c_void_p) -> str:
    value = c_int()
    _call(function, handle, byref(value))
    position = value.value - _OFFSET
    return _TYPES[position] if 0 <= position < len(_TYPES) else ""


_OFFSET = _type_offset()
for _function in (InferRequest.infer_function, InferRequest.start_function):
    _function.argtypes = [c_void_p]
InferRequest.set_callback_function.argtypes = [c_void_p, c_void_p]
