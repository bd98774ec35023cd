"""What a run is told: from a planned test to the spec that the worker reads. Pure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.worker.spec import InputSpec, RunSpec
from protocol.job import AUTO, Count, Job, ModelRef, PlannedTest

__all__ = ["run_spec"]

_FURTHER = (
    "inference_precision",
    "execution_mode",
    "pinning",
    "hyper_threading",
    "core_type",
    "hint_requests",
)
"""Settings that a run hands to OpenVINO where they are not `auto`."""


def run_spec(
    job: Job, test: PlannedTest, model: ModelRef, entry: Callable[[ModelRef], Path], kept: Path
) -> RunSpec:
    """The spec of a run of `test`; `entry` says where a model lies here, compiled ones are in `kept`."""

    def number(count: Count) -> int | None:
        return None if count == AUTO else count

    return RunSpec(
        model=str(entry(model)),
        inputs=tuple(
            InputSpec(
                i.name,
                tuple(i.shape),
                i.element_type,
                i.low,
                i.high,
                i.preprocess.model_dump() if i.preprocess else None,
            )
            for i in test.inputs
        ),
        device=test.device,
        scenario=test.scenario.value,
        hint=test.hint.value,
        streams=number(test.streams),
        threads=number(test.threads),
        requests=number(test.requests),
        duration_s=job.measure.duration_s,
        min_iterations=job.measure.min_iterations,
        max_iterations=job.measure.max_iterations,
        warmup_s=job.measure.warmup_s,
        memory_mb=job.limits.memory_mb,
        seed=job.seed,
        timed_region=test.timed_region,
        interval_target=job.measure.interval_target,
        min_duration_s=job.measure.min_duration_s,
        settings={key: str(value) for key in _FURTHER if (value := getattr(test, key)) != AUTO},
        properties=test.properties,
        cache_dir={AUTO: None, "yes": str(kept), "no": ""}[test.cache],
    )
