"""The key `preprocess` of a model: an input as an application has it, and what is done with it first."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from integrator.config.values import choice, refusal, shown
from protocol.documents import Record

__all__ = ["PreprocessEntry"]

_LETTERS = "NCDHW"
_MAX_LENGTH = 1 << 20
_Type = Literal["u8", "i8", "f16", "f32"]


def _layout(value: object) -> object:
    if isinstance(value, str) and value and set(value) <= set(_LETTERS) and len(set(value)) == len(value):
        return value
    raise refusal(f"{shown(value)} is not a layout; expected letters of {_LETTERS}, each once, such as NHWC")


def _numbers(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _truth(value: object) -> object:
    words = {"yes": True, "on": True, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in words:
        return words[value]
    raise refusal(f"{shown(value)} is neither yes nor no")


def _two(value: object) -> object:
    if value is None or (isinstance(value, list | tuple) and len(value) == 2):  # noqa: PLR2004
        return value
    raise refusal(f"{shown(value)} is not a size; expected [height, width], as [720, 1280]")


Layout = Annotated[str, BeforeValidator(_layout)]
_Length = Annotated[int, Field(strict=True, ge=1, le=_MAX_LENGTH)]
_Numbers = Annotated[
    tuple[Annotated[float, Field(strict=True)], ...],
    BeforeValidator(_numbers, json_schema_input_type=float | list[float]),
]


class PreprocessEntry(Record):
    """An input as an application has it; what is done with it first is measured with the model."""

    model_config = ConfigDict(title="Preprocessing")

    type: Annotated[_Type, choice(_Type)] = Field(
        default="u8", description="Type of what is fed: u8, i8, f16, f32. Default: u8."
    )
    layout: Layout = Field(
        default="NHWC", description="Layout of what is fed, N the batch, C the channels. Default: NHWC."
    )
    model_layout: Layout = Field(default="NCHW", description="Layout of the model's input. Default: NCHW.")
    resize: Annotated[
        tuple[_Length, _Length] | None,
        BeforeValidator(_two, json_schema_input_type=tuple[_Length, _Length] | None),
    ] = Field(
        default_factory=lambda: None,  # a plain default would have editors write "resize: null"
        description="Height and width of what is fed, which is resized (linear) to the model's. Default: the "
        "model's.",
    )
    mean: _Numbers = Field(
        default=(), description="What is subtracted: a number, or one for each channel. Default: nothing."
    )
    scale: _Numbers = Field(
        default=(), description="What is divided by: a number, or one for each channel. Default: nothing."
    )
    reverse_channels: Annotated[
        bool,
        BeforeValidator(_truth, json_schema_input_type=Literal["yes", "no", "on", "off", True, False]),
    ] = Field(
        default=False,
        description="Whether the order of the channels is reversed, as BGR to RGB: yes or no. Default: no.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if sorted(self.layout) != sorted(self.model_layout):
            raise refusal(
                f"{self.layout} and model_layout {self.model_layout} do not have the same letters", "layout"
            )
        if self.resize and not set("HW") <= set(self.layout):
            raise refusal(f"a height and a width need H and W in the layout ({self.layout})", "resize")
        for key in ("mean", "scale", "reverse_channels"):
            value = getattr(self, key)
            of_channels = value is True or (isinstance(value, tuple) and len(value) > 1)
            if of_channels and "C" not in self.layout:
                raise refusal(f"this is about channels, and the layout ({self.layout}) has no C", key)
        if 0 in self.scale:
            raise refusal("0 cannot be divided by", "scale")
        return self
