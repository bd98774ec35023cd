"""The keys `measure` and `limits`: the records of the job, with numbers taken strictly and described."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, GetCoreSchemaHandler
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, core_schema

from protocol.documents import Record
from protocol.job import Limits, Measure

__all__ = ["LimitsKey", "MeasureKey"]


def _described(**texts: str) -> Any:
    def extend(schema: JsonDict) -> None:
        properties = schema["properties"]
        assert isinstance(properties, dict)  # noqa: S101 - pydantic's own shape
        for name, text in texts.items():
            entry = properties[name]
            assert isinstance(entry, dict)  # noqa: S101
            entry["description"] = text
            bare = name.removesuffix("_s").removesuffix("_mb")  # the unit is in the description
            entry["title"] = bare.replace("_", " ").capitalize()

    return extend


class MeasureSection(Measure):
    """How long each run measures."""

    model_config = ConfigDict(
        strict=True,
        title="Measure",
        json_schema_extra=_described(
            duration_s="Seconds that a run measures, at least; see min_iterations. Default: 5.",
            min_iterations="Inferences that a run makes at least, even when its time is up. Default: 10.",
            max_iterations="Inferences after which a run stops, before its time is up. Default: 1000000.",
            warmup_s="Seconds of warm-up; every infer request is warmed up at least once. Default: 0.5.",
        ),
    )


class LimitsSection(Limits):
    """What a run may take before it is ended."""

    model_config = ConfigDict(
        strict=True,
        title="Limits",
        json_schema_extra=_described(
            run_timeout_s="Seconds from the start of a run's process to its forced end. Default: 300.",
            memory_mb="Address space of a run's process in MiB, or null for no limit. Default: null.",
        ),
    )


class _ReadAs:
    """Annotates a record of the job: it is read as `section`, a stricter subclass, and becomes the record."""

    def __init__(self, section: type[Record]) -> None:
        self._section = section

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        section = handler.generate_schema(self._section)

        def record(value: Record) -> Record:
            made: Record = source(**value.model_dump())
            return made

        def given(value: object) -> object:
            return value.model_dump() if isinstance(value, source) else value

        read = core_schema.no_info_after_validator_function(record, section)
        return core_schema.no_info_before_validator_function(given, read)


MeasureKey = Annotated[Measure, _ReadAs(MeasureSection)]
LimitsKey = Annotated[Limits, _ReadAs(LimitsSection)]
