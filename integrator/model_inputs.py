"""The inputs of a model: what the model takes, what it is fed, and what is done in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from integrator.config import ModelEntry, PreprocessEntry
from protocol.errors import ModelError
from protocol.job import Input, Preprocess
from protocol.preprocessing import Preprocessing

__all__ = [
    "InputTemplate",
    "PreprocessError",
    "preprocessing_of",
    "refuse_unknown",
    "with_batch",
    "with_preprocessing",
]


class PreprocessError(ModelError):
    """What a campaign asks to be done with an input does not fit the model."""


@dataclass(frozen=True, slots=True)
class InputTemplate:
    """An input whose batch is still open: None in `shape`."""

    name: str
    shape: tuple[int | None, ...]
    element_type: str
    low: float
    high: float
    preprocess: PreprocessEntry | None = None
    """What is done with what is fed; `shape` and `element_type` are the model's own."""

    def with_batch(self, batch: int) -> Input:
        """The input at a batch size, as it is fed."""
        shape = tuple(batch if n is None else n for n in self.shape)
        if self.preprocess is None:
            return Input(
                name=self.name, shape=shape, element_type=self.element_type, low=self.low, high=self.high
            )
        return Input(
            name=self.name,
            low=self.low,
            high=self.high,
            shape=_fed_shape(self.preprocess, shape),
            element_type=self.preprocess.type,
            preprocess=Preprocess(
                model_shape=shape, **self.preprocess.model_dump(exclude={"type", "resize"})
            ),
        )


def with_batch(name: str, inputs: Sequence[InputTemplate], batch: int) -> tuple[Input, ...]:
    """The inputs of the model `name` at a batch size.

    Raises:
        ModelError: the model has no batch dimension.
    """
    if batch != 1 and not any(None in entry.shape for entry in inputs):
        raise ModelError(
            f"{name} has no batch dimension to set to {batch}",
            advice="Give its inputs' shapes with N in the place of the batch.",
        )
    return tuple(entry.with_batch(batch) for entry in inputs)


def refuse_unknown(entry: ModelEntry, names: Sequence[str]) -> None:
    """Refuse what a campaign says of inputs that the model does not have.

    Raises:
        ModelError: there is such a thing.
    """
    for given in (*entry.shapes, *entry.inputs, *entry.preprocess):
        if given not in names:
            raise ModelError(f"{entry.name} has no input {given}; its inputs are {', '.join(names)}")


def with_preprocessing(entry: ModelEntry, template: InputTemplate) -> InputTemplate:
    """The input as the campaign wants it fed.

    Raises:
        PreprocessError: layout, mean or scale do not fit the model's input.
    """
    given = entry.preprocess.get(template.name)
    if given is None:
        return template
    where = f"{entry.name}: preprocess of input {template.name}"
    shape, layout = template.shape, given.model_layout
    shown = ", ".join("N" if n is None else str(n) for n in shape)
    if len(layout) != len(shape):
        raise PreprocessError(
            f"{where}: model_layout {layout} has {len(layout)} letters, the input is [{shown}]"
        )
    lengths = dict(zip(layout, shape, strict=True))
    if None in shape and lengths.get("N", 0) is not None:
        raise PreprocessError(f"{where}: model_layout {layout} has no N where the batch is: [{shown}]")
    channels = lengths.get("C")
    for key, values in (("mean", given.mean), ("scale", given.scale)):
        if len(values) > 1 and len(values) != channels:
            raise PreprocessError(
                f"{where}: {key} has {len(values)} values, the input has {channels} channels"
            )
    if template.name in entry.inputs:
        low, high = template.low, template.high
    else:
        low, high = {"u8": (0.0, 256.0), "i8": (-128.0, 128.0)}.get(given.type, (0.0, 1.0))
    return replace(template, low=low, high=high, preprocess=given)


def preprocessing_of(given: Input) -> dict[str, Any] | None:
    """The fields of `protocol.preprocessing.Preprocessing`, or None where the input is fed as it is."""
    if given.preprocess is None:
        return None
    steps = given.preprocess.model_dump()
    return asdict(Preprocessing(shape=given.shape, element_type=given.element_type, **steps))


def _fed_shape(given: PreprocessEntry, model_shape: tuple[int, ...]) -> tuple[int, ...]:
    lengths = dict(zip(given.model_layout, model_shape, strict=True))
    if given.resize:
        lengths["H"], lengths["W"] = given.resize
    return tuple(lengths[letter] for letter in given.layout)
