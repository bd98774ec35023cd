"""pydantic's errors in the user's words, each with the place in the file that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from integrator.config.values import REFUSED, did_you_mean, shown
from integrator.config.yaml_source import KeyPath, Problem, Source
from protocol import layout

__all__ = ["problems_of"]

_NAME = "1 to 64 small letters, digits, - and _, with a letter or digit at both ends"
_FILE = "1 to 128 letters, digits, _, ., + and -, with a letter, digit or _ at both ends"
_PATTERNS = {
    rf"^{layout.MACHINE_NAME}$": _NAME,
    next(item.pattern for item in get_args(layout.ModelName) if hasattr(item, "pattern")): _FILE,
}

_Words = Callable[[Any, Mapping[str, Any]], str]

_SENTENCES: dict[str, _Words] = {
    "int_type": lambda value, _: f"{shown(value)} is not a whole number{_quoted(value)}",
    "int_from_float": lambda value, _: f"{shown(value)} is not a whole number",
    "float_type": lambda value, _: f"{shown(value)} is not a number{_quoted(value)}",
    "finite_number": lambda value, _: f"{shown(value)} is not a finite number",
    "string_type": lambda value, _: _not_text(value),
    "tuple_type": lambda value, _: f"{shown(value)} is not a list",
    "dict_type": lambda value, _: f"{shown(value)} is not a mapping of keys and values",
    "greater_than": lambda value, ctx: f"{shown(value)} is too small; expected more than {ctx['gt']:g}",
    "greater_than_equal": lambda value, ctx: f"{shown(value)} is too small; expected at least {ctx['ge']:g}",
    "less_than": lambda value, ctx: f"{shown(value)} is too large; expected less than {ctx['lt']:,}",
    "less_than_equal": lambda value, ctx: f"{shown(value)} is too large; expected at most {ctx['le']:,}",
    "too_long": lambda value, ctx: f"the list has {len(value)} items; expected at most {ctx['max_length']}",
    "string_too_short": lambda *_: "the text is empty",
    "string_too_long": lambda value, ctx: (
        f"{shown(value)} has {len(value)} characters; expected at most {ctx['max_length']}"
    ),
    "string_pattern_mismatch": lambda value, ctx: (
        f"{shown(value)} is not a name; expected {_PATTERNS.get(ctx['pattern'], ctx['pattern'])}"
    ),
}


def problems_of(error: ValidationError, model: type[BaseModel], source: Source) -> list[Problem]:
    """Every problem that pydantic found in `source`, read as `model`."""
    return [
        _problem(details, model, source) for details in error.errors(include_url=False, include_input=False)
    ]


def _problem(details: ErrorDetails, model: type[BaseModel], source: Source) -> Problem:
    ctx = details.get("ctx", {})
    kind = details["type"]
    location = (*details["loc"], *ctx.get("at", ()))
    path = _in_document(location, source)
    if kind == "extra_forbidden":
        key = str(location[-1])
        return source.problem(path[:-1], _unknown_key(key, _model_at(model, location[:-1])), key=key)
    value = source.value_at(path)
    if kind == "missing":
        sentence = f'the key "{location[-1]}" is missing'
    elif kind == REFUSED:
        sentence = str(ctx["sentence"])
    elif kind in {"model_type", "model_attributes_type"}:
        keys = ", ".join(_model_at(model, location).model_fields)
        sentence = f"{shown(value)} is not a mapping of keys and values; known keys: {keys}"
    elif kind in _SENTENCES:
        sentence = _SENTENCES[kind](value, ctx)
    else:
        sentence = f"{shown(value)} is not accepted: {details['msg']}"
    return source.problem(path, sentence)


def _in_document(location: tuple[str | int, ...], source: Source) -> KeyPath:
    """The location without what only the model has: branches of a union, items of a value that is no list."""
    path: KeyPath = ()
    for part in location:
        if (*path, part) in source.positions:
            path = (*path, part)
    return path


def _model_at(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel]:
    """The model that the value at `location` is read as."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _unknown_key(key: str, model: type[BaseModel]) -> str:
    known = list(model.model_fields)
    near = did_you_mean(key, known)
    return f"unknown key {shown(key)}; {near + ' ' if near else ''}known keys: {', '.join(known)}"


def _not_text(value: object) -> str:
    advice = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    return f"{shown(value)} is not text{advice}"


def _quoted(value: object) -> str:
    quoted = isinstance(value, str) and value.isascii() and value.isdigit()
    return "; write it without quotes" if quoted else ""
