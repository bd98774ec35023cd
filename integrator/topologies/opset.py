"""OpenVINO's operations, opset 13: the newest that every supported release has."""

from importlib import import_module

from protocol.engine import openvino as ov

__all__ = ["ops"]

# Releases before 2025 keep the operations in openvino.runtime, and later ones have no such module.
ops = import_module("openvino.opset13" if hasattr(ov, "opset13") else "openvino.runtime.opset13")
