"""From a lab and a campaign to a job for each machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from integrator.config import Campaign, Lab, ModelEntry
from integrator.config.settings import LimitsSection
from integrator.matrix import LeftOut, expand
from integrator.model_inputs import PreprocessError
from integrator.models import PrecisionMismatchError, PreparedModel
from integrator.offers import MachineOffer, offers_of, tasks_of
from integrator.schedule import START_S, schedule, starts
from integrator.setting import Setting
from integrator.topologies import TOPOLOGIES
from protocol.errors import ConfigurationError, ModelError
from protocol.job import Job, Measure, PlannedTest, ScheduledRun

__all__ = ["Plan", "Prepare", "campaign_id", "estimate_s", "make_plan"]

Prepare = Callable[[ModelEntry, str, Collection[int]], PreparedModel]
"""Makes a model of the campaign ready in a precision and for some batch sizes."""

_BEYOND_MEASURING_S = 1.5
"""What a run takes beside warm-up and measurement, guessed: process, reading, compiling, sending."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a campaign will do."""

    campaign: str
    title: str
    lab: str
    created_at: datetime
    jobs: tuple[Job, ...]
    """One for each machine that has tests."""
    models: tuple[PreparedModel, ...]
    left_out: tuple[LeftOut, ...]
    limits: LimitsSection = field(default_factory=LimitsSection)
    """Of the campaign as a whole; what concerns a run is in the jobs."""
    tasks: Mapping[str, str | None] = field(default_factory=dict)
    """By model, what it does."""
    offers: Mapping[str, MachineOffer] = field(default_factory=dict)
    """By machine, what it costs and draws."""


def make_plan(lab: Lab, campaign: Campaign, prepare: Prepare, *, now: datetime | None = None) -> Plan:
    """Plan a campaign; nothing is written but by `prepare`.

    Raises:
        ConfigurationError: with every problem of the models and the matrix.
    """
    created_at = now or datetime.now(UTC)
    expansion = expand(lab, campaign)
    planner = _Models(campaign, prepare)
    planner.prepare_all(expansion.settings)
    identity = campaign_id(campaign.name, created_at)
    left_out = list(expansion.left_out)
    jobs = []
    made: dict[tuple[str, int], ScheduledRun] = {}
    for machine, settings in expansion.settings.items():
        tests: dict[str, PlannedTest] = {}
        for setting in settings:
            reason = planner.mismatch(setting)
            if reason:
                left_out.append(LeftOut(machine, setting, reason))
                continue
            test = planner.test(setting)
            tests.setdefault(test.id, test)
        if tests:
            models = planner.models(tests.values())
            jobs.append(_job(identity, machine, campaign, tests, models, created_at, made))
        else:
            left_out.append(LeftOut(machine, None, "no test of the campaign is left for this machine"))
    offers = offers_of(lab)
    if not jobs:
        raise ConfigurationError([str(campaign.problem(("matrix", "precisions"), left_out[0].reason))])
    return Plan(
        campaign=identity,
        title=campaign.title or campaign.name,
        lab=lab.name,
        created_at=created_at,
        jobs=tuple(jobs),
        models=planner.models(test for job in jobs for test in job.tests),
        left_out=tuple(left_out),
        limits=campaign.limits,
        tasks=tasks_of(campaign.models, {name: each.task for name, each in TOPOLOGIES.items()}),
        offers={job.machine: offers[job.machine] for job in jobs},
    )


def campaign_id(name: str, created_at: datetime) -> str:
    """The campaign's own id: its name and the second of its making, in UTC."""
    return f"{name}-{created_at.astimezone(UTC):%Y%m%d-%H%M%S}"


def estimate_s(job: Job) -> float:
    """About how long a job takes at most, in seconds: a run that is precise early stops early."""
    return len(job.schedule) * _run_s(job.measure) + (starts(job) - 1) * START_S


def _run_s(measure: Measure) -> float:
    return measure.warmup_s + measure.duration_s + _BEYOND_MEASURING_S


def _job(
    campaign_id: str,
    machine: str,
    campaign: Campaign,
    tests: Mapping[str, PlannedTest],
    models: tuple[PreparedModel, ...],
    created_at: datetime,
    made: dict[tuple[str, int], ScheduledRun],
) -> Job:
    # Machines get different orders, so that what they share (a switch, a circuit) does not beat in time.
    seed = random.Random(f"{campaign.seed}/{machine}").getrandbits(53)  # noqa: S311  # an order, not a secret
    return Job(
        campaign=campaign_id,
        machine=machine,
        created_at=created_at,
        seed=campaign.seed,
        measure=campaign.measure.of_job(),
        limits=campaign.limits.of_job(),
        models=tuple(model.ref for model in models),
        tests=tuple(tests.values()),
        schedule=schedule(
            {test.id: test.openvino for test in tests.values()},
            campaign.runs,
            seed,
            run_s=_run_s(campaign.measure),
            made=made,
        ),
    )


class _Models:
    """The models of a campaign, each prepared once in each precision that is asked for."""

    def __init__(self, campaign: Campaign, prepare: Prepare) -> None:
        self._campaign = campaign
        self._prepare = prepare
        self._entries = {entry.name: (index, entry) for index, entry in enumerate(campaign.models)}
        self._ready: dict[tuple[str, str], PreparedModel] = {}
        self._mismatches: dict[tuple[str, str], str] = {}
        self._tests: dict[Setting, PlannedTest] = {}
        """Machines have most tests in common."""

    def prepare_all(self, settings: Mapping[str, tuple[Setting, ...]]) -> None:
        batches: dict[tuple[str, str], set[int]] = {}
        for planned in settings.values():
            for setting in planned:
                batches.setdefault((setting.model, setting.precision), set()).add(setting.batch)
        problems = []
        for key, sizes in batches.items():
            index, entry = self._entries[key[0]]
            try:
                self._ready[key] = self._prepare(entry, key[1], sizes)
                for size in sizes:
                    self._ready[key].with_batch(size)
            except PrecisionMismatchError as error:
                self._mismatches[key] = str(error)
            except ModelError as error:
                blamed = "preprocess" if isinstance(error, PreprocessError) else "path"
                sentence = f"{str(error).rstrip('.')}. {error.advice}".rstrip(" ")
                problems.append(self._campaign.problem(("models", index, blamed), sentence))
        if problems:
            raise ConfigurationError([str(problem) for problem in sorted(set(problems))])

    def mismatch(self, setting: Setting) -> str | None:
        return self._mismatches.get((setting.model, setting.precision))

    def test(self, setting: Setting) -> PlannedTest:
        if (planned := self._tests.get(setting)) is None:
            planned = self._tests[setting] = self._test(setting)
        return planned

    def _test(self, setting: Setting) -> PlannedTest:
        model = self._ready[setting.model, setting.precision]
        setting = replace(
            setting.with_precision(model.ref.precision),
            preprocess=model.preprocess,
            timed_region=self._campaign.measure.timed_region,
        )
        return PlannedTest(
            id=setting.test_id(),
            model=setting.model,
            precision=setting.precision,
            model_sha256=model.ref.sha256,
            inputs=model.with_batch(setting.batch),
            device=setting.device,
            scenario=setting.scenario,
            hint=setting.hint,
            batch=setting.batch,
            streams=setting.streams,
            threads=setting.threads,
            requests=setting.requests,
            inference_precision=setting.inference_precision,
            execution_mode=setting.execution_mode,
            pinning=setting.pinning,
            hyper_threading=setting.hyper_threading,
            core_type=setting.core_type,
            hint_requests=setting.hint_requests,
            cache=setting.cache,
            properties=dict(setting.properties),
            timed_region=setting.timed_region,
            openvino=setting.openvino,
        )

    def models(self, tests: Iterable[PlannedTest]) -> tuple[PreparedModel, ...]:
        by_hash = {model.ref.sha256: model for model in self._ready.values()}
        used = dict.fromkeys(test.model_sha256 for test in tests)
        return tuple(by_hash[sha256] for sha256 in used)
