"""Going on with a campaign that was interrupted, however that happened."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from integrator.conduct.campaign import Audience, Setting, go_on
from integrator.conduct.state import Undertaking, WorkFolder
from integrator.config.settings import LimitsSection
from integrator.models import PreparedModel
from integrator.plan import Plan
from integrator.store import CampaignRecord, CampaignStore
from protocol.errors import UserError
from protocol.job import Job, ModelRef

__all__ = ["lab_file_of", "resume"]


def lab_file_of(store: CampaignStore) -> Path | None:
    """The lab.yaml of the campaign that lies here; None where it has none: all machines are this one.

    Raises:
        UserError: no campaign lies here, or one that cannot be gone on with.
    """
    store.read_record()
    undertaking = _undertaking(store)
    return Path(undertaking.lab_file) if undertaking.lab_file else None


def resume(store: CampaignStore, audience: Audience, setting: Setting) -> bool:
    """Carry out what is missing; as `conduct`. What is there is not repeated.

    Raises:
        UserError: no campaign lies here, somebody conducts it already, or the lab has lost a machine of it.
    """
    record = store.read_record()
    work = WorkFolder(store.work)
    with work.held():
        undertaking = _undertaking(store)
        jobs = store.read_jobs(record)
        if setting.lab is not None:
            known = {machine.name for machine in setting.lab.machines}
            if lost := [name for name in record.machines if name not in known]:
                raise UserError(
                    f"the lab has no machine {', '.join(lost)}, and the campaign does",
                    advice="Go on with the lab.yaml that the campaign was started with: --lab FILE.",
                )
        return go_on(_plan(record, undertaking, jobs), record, store, audience, setting)


def _plan(record: CampaignRecord, undertaking: Undertaking, jobs: tuple[Job, ...]) -> Plan:
    models: dict[str, ModelRef] = {model.sha256: model for job in jobs for model in job.models}
    return Plan(
        campaign=record.campaign,
        title=record.title,
        lab=record.lab,
        created_at=record.created_at,
        jobs=jobs,
        models=tuple(
            PreparedModel(model, Path(undertaking.models.get(sha256, "")), ())
            for sha256, model in models.items()
        ),
        left_out=(),
        limits=LimitsSection(
            machine_deadline=_time(undertaking.machine_deadline_s),
            campaign_deadline=_time(undertaking.campaign_deadline_s),
            restarts=undertaking.restarts,
        ),
    )


def _time(seconds: float | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds is not None else None


def _undertaking(store: CampaignStore) -> Undertaking:
    undertaking = WorkFolder(store.work).read_undertaking()
    if undertaking is None:
        raise UserError(
            f"{store.folder}: what is needed to go on with this campaign is not here",
            advice="It was run by an older fleetmark, or .work was deleted. Run it anew into another folder.",
        )
    return undertaking
