"""One job from its first heartbeat to its last: models, machine, runs in the order of the schedule."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.alive import expect
from agent.attempts import MOST_DEATHS, Attempts
from agent.execute import Ending, execute
from agent.lease import LeaseKeeper
from agent.leftovers import attempts_folder, scratch_folder, spool_folder
from agent.machine.describe import describe
from agent.models import ModelCache
from agent.outcome import Outcome, judge, shortened
from agent.run_spec import run_spec
from agent.spool import Spool
from agent.stop import Stop
from agent.template import Template
from protocol.errors import (
    LoginRefusedError,
    TransferError,
    TransientTransferError,
    UntrustedServerError,
    UserError,
)
from protocol.job import Job, PlannedTest, ScheduledRun
from protocol.layout import CampaignFolder, split_result_name
from protocol.machine import MachineDescription
from protocol.release import is_release, short_version
from protocol.result import CompiledSettings, Conditions, FedInput, Phases, Result, Status
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient
from protocol.version import __version__

__all__ = ["JobRunner"]

_log = logging.getLogger("fleetmark.agent")

_CUT_OFF = (TransientTransferError, LoginRefusedError, UntrustedServerError)
"""No word with the server for now: it is away, or the account or the certificate was replaced. Work goes on
as long as the lease lasts."""
_LAST_PUSH_S = 60.0
"""How long the end of a job waits for a server that does not answer."""

_ROOM_BYTES = 1 << 20
"""What a run writes besides its samples is less than this."""


class JobRunner:
    """Carries out one job of one machine."""

    def __init__(
        self,
        job: Job,
        client: TransferClient,
        *,
        lease: LeaseKeeper,
        work: Path,
        models: ModelCache,
        stop: Stop,
        hand_over: bool = False,
    ) -> None:
        self._job = job
        self._hand_over = hand_over
        self._client = client
        self._lease = lease
        self._stop = stop
        self._folder = CampaignFolder(job.machine, job.campaign)
        self._work = work
        self._cache = models
        self._spool = Spool(spool_folder(work, job.campaign), self._folder)
        self._attempts = Attempts(attempts_folder(work), job.campaign)
        self._scratch = scratch_folder(work)
        self._kept = work / "compiled"
        """Compiled models of tests that ask for a cache."""
        self._tests = {test.id: test for test in job.tests}
        self._models = {model.sha256: model for model in job.models}
        self._unfetched: dict[str, str] = {}
        self._given_up: dict[str, str] = {}
        """Tests that are not repeated, and why."""
        self._done = 0
        self._failed = 0
        self._openvino: str | None = None
        self._template = Template()

    def pending(self) -> list[ScheduledRun]:
        """The runs that have no result yet, neither on the server nor waiting here."""
        there = {*self._client.list(self._folder.results), *self._spool.names()}
        ended = {name for name in map(split_result_name, there) if name}
        return [entry for entry in self._job.schedule if (entry.test, entry.run) not in ended]

    def has_work(self) -> bool:
        """Whether a run is pending, or a result waits here."""
        return bool(self._spool.names()) or bool(self.pending())

    def run(self) -> AgentState:
        """Carry out what is pending, in the order of the schedule. The machine must be held by the lease.

        A run that asks for another release of OpenVINO than is installed here ends as `unsupported`; or, with
        `hand_over`, it and what follows it are left to the agent that comes next.

        Raises:
            LeaseError: another agent has taken the machine over; nothing more was sent.
            TransferError: the server could not be reached before the first run, or results still wait here.
            UserError: a result could be neither kept nor sent; its run is carried out at the next start.
        """
        pending = self.pending()
        self._done = len(self._job.schedule) - len(pending)
        if pending:
            until = datetime.now(UTC) + timedelta(seconds=self._lease.preparing_s)
            self._say(
                AgentState.PREPARING, detail="fetching models, looking at the machine", silent_until=until
            )
            self._describe_machine()
            self._fetch_models(self._until_handed_over(pending))
        next_release = ""
        with self._template:
            for entry in pending:
                if self._stop.is_set():
                    break
                if self._hand_over and not self._is_mine(entry):
                    next_release = self._tests[entry.test].openvino
                    break
                self._carry_out(entry)
        try:
            self._push_the_rest()
        except TransferError as error:
            self._say(AgentState.FAILED, detail=f"results wait on the machine's disk: {error}")
            raise
        if next_release:
            self._say(AgentState.HANDED_OVER, detail=next_release)
            return AgentState.HANDED_OVER
        left = len(self._job.schedule) - self._done
        state = AgentState.STOPPED if left else AgentState.FINISHED
        self._say(state, detail=self._last_words(left))
        return state

    def _is_mine(self, entry: ScheduledRun) -> bool:
        """Whether a run asks for the release of OpenVINO that this agent has."""
        return is_release(self._openvino or "", self._tests[entry.test].openvino)

    def _until_handed_over(self, pending: list[ScheduledRun]) -> list[ScheduledRun]:
        """The runs that this agent will carry out, as far as that can be told."""
        if self._hand_over:
            return list(itertools.takewhile(self._is_mine, pending))
        return [entry for entry in pending if self._is_mine(entry)]

    def _last_words(self, left: int) -> str:
        refused = len(self._spool.refused())
        words = [f"{left} {'run was' if left == 1 else 'runs were'} not started"] if left else []
        if refused:
            results = "1 result was" if refused == 1 else f"{refused} results were"
            words.append(f"{results} put aside: the server has another of the same run")
        return "; ".join(words)

    def _describe_machine(self) -> None:
        description: MachineDescription = describe(self._job.machine)
        self._openvino = description.configuration.openvino
        self._client.write(self._folder.machine, description.to_bytes())

    def _fetch_models(self, pending: list[ScheduledRun]) -> None:
        for sha256 in {self._tests[entry.test].model_sha256: None for entry in pending}:
            if self._stop.is_set():
                return
            model = self._models[sha256]
            self._hold(self._lease.preparing_s)
            try:
                self._cache.fetch(model, self._client)
            except _CUT_OFF:
                raise  # it can be had another time
            except (TransferError, UserError) as error:
                _log.error("model %s: %s", model.name, error)
                self._unfetched[sha256] = f"the model could not be fetched: {self._without_paths(str(error))}"

    def _carry_out(self, entry: ScheduledRun) -> None:
        test = self._tests[entry.test]
        result = self._skip(entry, test)
        if result is not None:
            self._spool.add(result)
        else:
            self._hold(self._job.limits.run_timeout_s + self._lease.after_run_s)
            silent_until = datetime.now(UTC) + timedelta(seconds=self._job.limits.run_timeout_s)
            self._say(AgentState.RUNNING, entry=entry, silent_until=silent_until)
            with self._attempts.under_way(entry, self._stop):
                result = self._measure_or_explain(entry, test)
                if result is None:
                    return  # ended by the word to stop: the run stays pending
                self._spool.add(result)
        self._attempts.settle(entry)
        self._done += 1
        if result.status is not Status.OK:
            self._failed += 1
            self._given_up.setdefault(test.id, f"not repeated: run {entry.run + 1} ended as {result.status}")
        if error := self._push():
            _log.warning("results wait on disk: %s", error)
        if self._spool.unkept:
            self._bring_home()

    def _bring_home(self) -> None:
        """Nothing is measured as long as a result is in memory alone: it waits for room, or for the server.

        Raises:
            UserError: neither came in time.
        """
        _log.warning("a result is not on disk, and measuring waits: %s", self._spool.unkept)
        try:
            self._push_the_rest(enough=self._spool.keep)
        except TransferError as error:
            words = f"{self._spool.unkept}; and the result could not be sent: {error}"
            self._say(AgentState.FAILED, detail=self._without_paths(words))
            advice = "Make room on that disk and start the agent again: it measures that run once more."
            raise UserError(words, advice=advice) from error

    def _hold(self, seconds: float) -> None:
        """See that the machine stays this agent's; nothing is asked from now on until a run has ended.

        Raises:
            LeaseError: another agent has taken it over.
            TransferError: the lease does not last that long, and the server cannot be asked.
        """
        expect(self._work, seconds)
        try:
            self._lease.cover(seconds)
        except _CUT_OFF as error:
            if not self._lease.covers(seconds):
                raise
            _log.warning("the lease lasts, and could not be looked at: %s", error)

    def _push(self) -> TransferError | None:
        """Push what waits, if the machine is still this agent's."""
        try:
            self._lease.check()
        except TransferError as error:
            return error
        return self._spool.try_drain(self._client)

    def _skip(self, entry: ScheduledRun, test: PlannedTest) -> Result | None:
        if self._attempts.deaths(entry) >= MOST_DEATHS:
            words = "the agent ended twice during this run, the machine may have restarted"
            outcome = Outcome(Status.CRASHED, words)
        elif reason := self._unfetched.get(test.model_sha256) or self._given_up.get(test.id):
            outcome = Outcome(Status.NOT_RUN, reason)
        elif not self._is_mine(entry):
            here = short_version(self._openvino or "unknown")
            words = f"this machine's agent has OpenVINO {here}; the test asks for {test.openvino}"
            outcome = Outcome(Status.UNSUPPORTED, words)
        else:
            return None
        return self._result(entry, test, outcome, started_at=datetime.now(UTC), ending=None)

    def _measure_or_explain(self, entry: ScheduledRun, test: PlannedTest) -> Result | None:
        """Measure; what nobody foresaw is the outcome of this run and does not reach the others."""
        started_at = datetime.now(UTC)
        try:
            return self._measure(entry, test)
        except TransferError:
            raise
        except Exception as error:
            _log.exception("%s run %d", test.id, entry.run + 1)
            words = f"the agent failed over this run: {type(error).__name__}: {error}"
            outcome = Outcome(Status.FAILED, shortened(self._without_paths(words)))
            return self._result(entry, test, outcome, started_at=started_at, ending=None)

    def _measure(self, entry: ScheduledRun, test: PlannedTest) -> Result | None:
        timeout_s = self._job.limits.run_timeout_s
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            started_at = datetime.now(UTC)
            spec = run_spec(self._job, test, self._models[test.model_sha256], self._cache.entry, self._kept)
            ending = execute(
                spec, Path(folder), timeout_s=timeout_s, stop=self._stop, template=self._template
            )
            self._template.prepare()
        outcome = judge(ending, timeout_s=timeout_s)
        if outcome.status is not Status.OK and _is_full(self._scratch):
            outcome = outcome._replace(
                reason=shortened(f"No space left on the agent's disk; {outcome.reason}")
            )
        outcome = outcome._replace(reason=self._without_paths(outcome.reason))
        if ending.stopped and ending.report is None:
            return None
        first_line = outcome.reason.partition("\n")[0]
        _log.info("%s run %d: %s %s", test.id, entry.run + 1, outcome.status, first_line)
        if ending.measured_ns:
            _log.debug("measured from %d to %d ns of the monotonic clock", *ending.measured_ns)
        return self._result(entry, test, outcome, started_at=started_at, ending=ending)

    def _result(
        self,
        entry: ScheduledRun,
        test: PlannedTest,
        outcome: Outcome,
        *,
        started_at: datetime,
        ending: Ending | None,
    ) -> Result:
        report = (ending.report if ending else None) or {}
        compiled = report.get("compiled")
        conditions = report.get("conditions")
        return Result(
            campaign=self._job.campaign,
            machine=self._job.machine,
            test=test.id,
            run=entry.run,
            model_sha256=test.model_sha256,
            status=outcome.status,
            reason=outcome.reason,
            started_at=started_at,
            openvino_version=report.get("openvino_version") or self._openvino,
            timed_region=test.timed_region,
            preprocessing=any(entry.preprocess for entry in test.inputs),
            inputs=tuple(FedInput.model_validate(entry) for entry in report.get("inputs", ())),
            compiled=self._compiled(compiled) if compiled else None,
            phases=Phases(**report.get("phases", {}), total_ms=ending.seconds * 1000 if ending else 0.0),
            warmup_inferences=report.get("warmup_inferences"),
            outputs_finite=report.get("outputs_finite"),
            outputs_normal=report.get("outputs_normal"),
            conditions=Conditions.model_validate(conditions) if conditions else None,
            samples=ending.samples if ending else None,
        )

    def _compiled(self, reported: dict[str, Any]) -> CompiledSettings:
        properties = {name: self._without_paths(text) for name, text in reported["properties"].items()}
        return CompiledSettings.model_validate({**reported, "properties": properties})

    def _without_paths(self, text: str) -> str:
        """Results are published, and paths name the users of a machine."""
        text = text.replace(str(self._work), "WORK")
        home = os.environ.get("HOME", "").rstrip("/")
        return text.replace(f"{home}/", "HOME/") if home else text

    def _push_the_rest(self, *, enough: Callable[[], bool] = lambda: False) -> None:
        """Empty the spool; a server that is away for a moment is waited for, unless this agent is to stop.

        Raises:
            TransferError: results still wait on disk.
        """
        deadline = time.monotonic() + _LAST_PUSH_S
        pause = 0.5
        while (error := self._push()) and not enough():
            too_late = self._stop.is_set() or time.monotonic() + pause > deadline
            if too_late or not isinstance(error, TransientTransferError):
                raise error
            self._stop.wait(pause)
            pause *= 2

    def _say(
        self,
        state: AgentState,
        *,
        detail: str = "",
        entry: ScheduledRun | None = None,
        silent_until: datetime | None = None,
    ) -> None:
        heartbeat = Heartbeat(
            campaign=self._job.campaign,
            machine=self._job.machine,
            state=state,
            detail=detail,
            test=entry.test if entry else None,
            run=entry.run if entry else None,
            done=self._done,
            total=len(self._job.schedule),
            failed=self._failed,
            updated_at=datetime.now(UTC),
            silent_until=silent_until,
            fleetmark_version=__version__,
            openvino_version=self._openvino,
        )
        try:
            self._client.write(self._folder.status, heartbeat.to_bytes())
        except _CUT_OFF as error:
            # A heartbeat that gets lost is made good by the next one; the measurement does not wait for it.
            _log.warning("heartbeat: %s", error)


def _is_full(folder: Path) -> bool:
    """Whether a run could not have written what it has to say: it then ends in one of many ways."""
    return shutil.disk_usage(folder).free < _ROOM_BYTES
