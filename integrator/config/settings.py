"""The keys `measure` and `limits`: what the job has of them, taken strictly and described, and the rest."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from integrator.config.values import Duration, IntervalTarget, TimedRegionChoice, refusal
from protocol.job import Limits, Measure

__all__ = ["LimitsSection", "MeasureSection"]


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
    """What a run, a machine and the campaign may take. Only what concerns a run is in the job."""

    model_config = ConfigDict(
        strict=True,
        title="Limits",
        json_schema_extra=_described(
            run_timeout_s="Seconds from the start of a run's process to its forced end. Default: 300.",
            memory_mb="Address space of a run's process in MiB, or null for no limit. Default: null.",
            machine_deadline="How long the campaign waits for one machine, with its unit, such as 90 min, "
            "12 h or 2 d. What it has not run by then is not_run. none: as long as it takes. Default: none.",
            campaign_deadline="How long the whole campaign takes at most, with its unit. none: as long as it "
            "takes. Default: none.",
            restarts="How often a machine's agent is started again without a new result in between. "
            "Default: 3.",
        ),
    )

    machine_deadline: Duration = None
    campaign_deadline: Duration = None
    restarts: int = Field(default=3, ge=0, le=1000)

    def of_job(self) -> Limits:
        """What a machine's agent has to know."""
        return Limits(**self.model_dump(include=set(Limits.model_fields)))
