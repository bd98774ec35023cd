"""The keys `measure` and `limits`: as in the job, with numbers taken strictly and described."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, core_schema

from integrator.config.values import IntervalTarget, TimedRegionChoice, refusal
from protocol.documents import Record
from protocol.job import Limits, Measure

__all__ = ["LimitsKey", "MeasureSection"]


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
    """How each run measures."""

    model_config = ConfigDict(
        strict=True,
        title="Measure",
        json_schema_extra=_described(
            duration_s="Seconds that a run measures at most; but see min_iterations. Default: 5.",
            min_duration_s="Seconds that a run measures at least. Default: 0.25, or duration_s where that is "
            "less.",
            interval_target="How precise a run has to be to stop before duration_s: the 95 % interval of its "
            "median is narrower than ± this share of it, such as 0.01 or 1 %. none: no run stops early. "
            "Default: 1 %.",
            min_iterations="Inferences that a run makes at least, even when its time is up. Default: 10.",
            max_iterations="Inferences after which a run stops, before its time is up. Default: 1000000.",
            warmup_s="Seconds of warm-up; every infer request is warmed up at least once. Default: 0.5.",
            timed_region="What a latency is: inference (the inputs lie in the request before the clock "
            "starts) or with_input_copy (their copying to there is timed, too). Default: inference.",
        ),
    )

    interval_target: IntervalTarget = Measure().interval_target
    timed_region: TimedRegionChoice = "inference"

    def of_job(self) -> Measure:
        """What the job's runs have in common; the timed region is its tests'."""
        return Measure(**self.model_dump(exclude={"timed_region"}))

    @model_validator(mode="after")
    def _least_is_no_more_than_most(self) -> Self:
        if self.min_duration_s > self.duration_s:
            sentence = f"{self.min_duration_s:g} is more than duration_s ({self.duration_s:g})"
            raise refusal(sentence, "min_duration_s")
        return self


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


LimitsKey = Annotated[Limits, _ReadAs(LimitsSection)]
