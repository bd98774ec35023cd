"""Preprocessing inside the model, by OpenVINO's PrePostProcessor.

The agent measures with it, and the integrator tries it when it plans, so it is here and not with either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.engine import openvino as ov

__all__ = ["Preprocessing", "add_preprocessing"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is fed to one input, and what is done with it before the model.

    The steps, in their order: conversion to f32; resizing (linear) where height or width differ; reversal of
    the channels; minus `mean`; divided by `scale`; conversion to the model's layout and type.
    """

    shape: tuple[int, ...]
    """Of what is fed, in `layout`."""
    element_type: str
    """Of what is fed, by OpenVINO's name."""
    layout: str
    model_layout: str
    model_shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    """One value, or one for each channel; nothing is subtracted where it is empty."""
    scale: tuple[float, ...] = ()
    reverse_channels: bool = False


def add_preprocessing(model: ov.Model, inputs: Sequence[Preprocessing | None]) -> None:
    """Put preprocessing in front of a model that has its final shapes; None leaves an input as it is.

    Raises:
        RuntimeError: OpenVINO cannot, in its words.
    """
    if not any(inputs):
        return
    chain = ov.preprocess.PrePostProcessor(model)
    for number, given in enumerate(inputs):
        if given is None:
            continue
        step = chain.input(number)
        tensor = step.tensor()
        tensor.set_element_type(getattr(ov.Type, given.element_type))
        tensor.set_layout(ov.Layout(given.layout))
        tensor.set_shape(list(given.shape))
        step.model().set_layout(ov.Layout(given.model_layout))
        steps = step.preprocess()
        steps.convert_element_type(ov.Type.f32)
        if _size(given.shape, given.layout) != _size(given.model_shape, given.model_layout):
            steps.resize(ov.preprocess.ResizeAlgorithm.RESIZE_LINEAR)
        if given.reverse_channels:
            steps.reverse_channels()
        if given.mean:
            steps.mean(given.mean[0] if len(given.mean) == 1 else list(given.mean))
        if given.scale:
            steps.scale(given.scale[0] if len(given.scale) == 1 else list(given.scale))
    chain.build()


def _size(shape: tuple[int, ...], layout: str) -> dict[str, int]:
    return {letter: length for letter, length in zip(layout, shape, strict=True) if letter in "HW"}
