"""A campaign as a folder: what was planned, what came back, what was made of it.

campaign.json                           what the campaign is, and each machine's last word
jobs/<machine>.json                     the jobs, as they were put on the server
raw/<machine>/machine.json              what the machine is
raw/<machine>/<test>.<run>.json.gz
rejected.json                           what came and was not taken, and why; only where there is something
results.csv
site/
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from integrator.conduct.state import CampaignState, WorkFolder
from integrator.offers import MachineOffer
from integrator.rejected import Rejections
from protocol.atomic import write_atomically
from protocol.documents import Document, Step
from protocol.errors import DocumentError, UserError
from protocol.job import Job
from protocol.layout import CampaignId, MachineName, ModelName, result_name, split_result_name
from protocol.machine import MachineDescription
from protocol.result import Result

__all__ = ["CampaignRecord", "CampaignStore", "bytes_of", "planned_names", "why_not_planned"]


class CampaignRecord(Document):
    """What the integrator keeps of a campaign."""

    kind: ClassVar[str] = "campaign"
    current_version: ClassVar[int] = 2
    steps: ClassVar[Mapping[int, Step]] = {1: lambda record: record}
    """Version 1 noted neither tasks nor offers."""

    schema_version: Literal[2] = 2
    campaign: CampaignId
    title: str
    lab: str
    created_at: AwareDatetime
    machines: tuple[MachineName, ...]
    absent: dict[MachineName, str] = Field(default_factory=dict)
    """Why results of a machine are missing, in words."""
    tasks: dict[ModelName, str | None] = Field(default_factory=dict)
    """What each model does, in words; null: the campaign does not say. Not here: nobody was asked."""
    offers: dict[MachineName, MachineOffer] = Field(default_factory=dict)
    """What the lab says of its machines for a buyer."""


class CampaignStore:
    """Reads and writes the folder of one campaign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record_file = folder / "campaign.json"
        self._jobs = folder / "jobs"
        self.raw = folder / "raw"
        self.rejected = folder / "rejected.json"
        self.csv = folder / "results.csv"
        self.site = folder / "site"
        self.work = folder / ".work"
        """What the embedded server and the local agents need while a campaign runs."""

    def check_room(self, *, replace: bool = False) -> None:
        """See that a new campaign can be written here; with `replace`, in place of the one that lies here.

        Raises:
            UserError: a campaign lies here and is not to be replaced, something else does, or nothing can be
                written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = {entry.name for entry in self.folder.iterdir()}
        except OSError as error:
            raise UserError(f"{self.folder}: nothing can be written here: {error.strerror}") from error
        if not found - {self.work.name, self._jobs.name} and self.record_file.name not in found:
            return  # nothing, or what was left of a campaign that was killed before it began
        try:
            self.read_record()
        except (UserError, DocumentError) as error:
            raise UserError(
                f"{self.folder}: there is something here that fleetmark did not write",
                advice="Choose another folder with --out.",
            ) from error
        if not replace:
            raise self._is_taken()

    def _is_taken(self) -> UserError:
        """A campaign is in the way: how it is, and what can be done about it."""
        work = WorkFolder(self.work)
        message, advice = f"{self.folder}: a campaign lies here already", "Choose another folder with --out"
        if (process := work.conductor()) is not None:
            return UserError(f"{message}, and is under way (process {process})", advice=f"{advice}.")
        standing = work.read_standing()
        if standing is not None and standing.state is not CampaignState.ENDED:
            message += ", and is not finished"
            advice = f"To go on with it: fleetmark run --resume {self.folder}\n{advice}"
        return UserError(message, advice=f"{advice}, or give --replace to delete that campaign.")

    def make_room(self, *, replace: bool = False) -> None:
        """Get the folder ready for a new campaign. Its lock is to be held.

        Raises:
            UserError: as `check_room`.
        """
        self.check_room(replace=replace)
        self.record_file.unlink(missing_ok=True)  # first: what is left then is no campaign any more
        for path in (self._jobs, self.raw, self.site):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.csv, self.rejected):
            path.unlink(missing_ok=True)
        WorkFolder(self.work).clear()

    def job_file(self, machine: str) -> Path:
        """The job of a machine."""
        return self._jobs / f"{machine}.json"

    def machine_file(self, machine: str) -> Path:
        """The description of a machine."""
        return self.raw / machine / "machine.json"

    def result_folder(self, machine: str) -> Path:
        """The raw results of a machine."""
        return self.raw / machine

    def write_plan(self, record: CampaignRecord, jobs: tuple[Job, ...]) -> None:
        """Keep what was planned."""
        for job in jobs:
            write_atomically(self.job_file(job.machine), job.to_bytes())
        self.write_record(record)

    def write_record(self, record: CampaignRecord) -> None:
        """Keep the record."""
        write_atomically(self.record_file, record.to_bytes())

    def read_record(self) -> CampaignRecord:
        """The record.

        Raises:
            UserError: the folder holds no campaign.
        """
        try:
            data = self.record_file.read_bytes()
        except OSError as error:
            raise UserError(
                f"{self.folder}: no campaign lies here ({self.record_file.name}: {error.strerror})",
                advice="Name a folder that `fleetmark run` or `fleetmark demo` wrote.",
            ) from error
        return CampaignRecord.from_bytes(data, source=str(self.record_file))

    def read_jobs(self, record: CampaignRecord) -> tuple[Job, ...]:
        """The jobs of all machines."""
        return tuple(self.read_job(machine) for machine in record.machines)

    def read_job(self, machine: str) -> Job:
        """The job of a machine.

        Raises:
            UserError: it is gone from the folder.
            DocumentError: it is no job.
        """
        file = self.job_file(machine)
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UserError(
                f"{file}: the job of {machine} cannot be read: {error.strerror}",
                advice="The folder of this campaign is not whole: bring it back from a copy.",
            ) from error
        return Job.from_bytes(data, source=str(file))

    def read_machines(self, record: CampaignRecord, rejected: Rejections) -> dict[str, MachineDescription]:
        """The descriptions that came back and are what they should be; others go to `rejected`."""
        found = {}
        for machine in record.machines:
            file = self.machine_file(machine)
            if self.result_folder(machine).is_symlink() or not os.path.lexists(file):
                continue
            try:
                description = _description_in(file)
            except DocumentError as error:
                rejected.add(machine, file.name, error)
                continue
            if description.machine == machine:
                found[machine] = description
            else:
                rejected.add(machine, file.name, f"describes machine {description.machine}")
        return found

    def read_results(self, job: Job, rejected: Rejections) -> tuple[Result, ...]:
        """The results of a machine that belong to its job, each run once; the rest goes to `rejected`."""
        results = []
        folder = self.result_folder(job.machine)
        planned = planned_names(job)
        if folder.is_symlink():
            rejected.add(job.machine, folder.name, "is a symbolic link")
        elif folder.is_dir():
            for file in sorted(folder.iterdir()):
                if file == self.machine_file(job.machine):
                    continue
                try:
                    results.append(_result_of(file, job, planned))
                except DocumentError as error:
                    rejected.add(job.machine, file.name, error)
        return tuple(results)


def planned_names(job: Job) -> frozenset[str]:
    """The names of the files that the runs of a job leave."""
    return frozenset(result_name(entry.test, entry.run) for entry in job.schedule)


def why_not_planned(name: str, planned: Collection[str]) -> str:
    """Why a file of this name is no result of a job with these; empty where it may be one."""
    if name in planned:
        return ""
    return "is not the result of a planned run" if split_result_name(name) else "is not the name of a result"


def _description_in(file: Path) -> MachineDescription:
    data = bytes_of(file, MachineDescription.max_bytes)
    return MachineDescription.from_bytes(data, source=file.name)


def _result_of(file: Path, job: Job, planned: Collection[str]) -> Result:
    """The result in a file of a machine.

    Raises:
        DocumentError: it is none, or not one of this job.
    """
    if reason := why_not_planned(file.name, planned):
        raise DocumentError(reason)
    result = Result.from_gzip(bytes_of(file, Result.max_bytes), source=file.name)
    if (result.campaign, result.machine) != (job.campaign, job.machine):
        raise DocumentError(f"holds a result of machine {result.machine} in campaign {result.campaign}")
    if result_name(result.test, result.run) != file.name:
        raise DocumentError(f"holds the result of run {result.run} of {result.test}")
    (test,) = (test for test in job.tests if test.id == result.test)
    if result.timed_region != test.timed_region:
        raise DocumentError(f"timed {result.timed_region}, which was not asked for")
    if result.model_sha256 != test.model_sha256:
        raise DocumentError(f"is of the model {result.model_sha256}, which was not asked for")
    return result


def bytes_of(file: Path, limit: int) -> bytes:
    """The content of a plain file that came from a machine.

    Raises:
        DocumentError: it is a link, no file, larger than `limit`, or cannot be read.
    """
    try:
        # Without O_NONBLOCK opening a pipe would wait for somebody to write to it.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise DocumentError("is not a file")
            if status.st_size > limit:
                raise DocumentError(f"{status.st_size:,} bytes; at most {limit:,} are read")
            return stream.read(limit)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DocumentError("is a symbolic link") from error
        raise DocumentError(f"cannot be read: {error.strerror}") from error
