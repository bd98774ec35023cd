"""A campaign as a folder: what was planned, what came back, what was made of it.

campaign.json                           what the campaign is, and each machine's last word
jobs/<machine>.json                     the jobs, as they were put on the server
raw/<machine>/machine.json              what the machine is
raw/<machine>/<test>.<run>.json.gz
results.csv
site/
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import AwareDatetime, Field

from protocol.atomic import write_atomically
from protocol.documents import Document
from protocol.errors import DocumentError, UserError
from protocol.job import Job
from protocol.layout import CampaignId, MachineName, split_result_name
from protocol.machine import MachineDescription
from protocol.result import Result

__all__ = ["CampaignRecord", "CampaignStore"]

_log = logging.getLogger("fleetmark.store")


class CampaignRecord(Document):
    """What the integrator keeps of a campaign."""

    kind: ClassVar[str] = "campaign"

    campaign: CampaignId
    title: str
    lab: str
    created_at: AwareDatetime
    machines: tuple[MachineName, ...]
    absent: dict[MachineName, str] = Field(default_factory=dict)
    """Why results of a machine are missing, in words."""


class CampaignStore:
    """Reads and writes the folder of one campaign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record_file = folder / "campaign.json"
        self.raw = folder / "raw"
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
            empty = not any(self.folder.iterdir())
        except OSError as error:
            raise UserError(f"{self.folder}: nothing can be written here: {error.strerror}") from error
        if empty:
            return
        try:
            self.read_record()
        except (UserError, DocumentError) as error:
            raise UserError(
                f"{self.folder}: there is something here that fleetmark did not write",
                advice="Choose another folder with --out.",
            ) from error
        if not replace:
            raise UserError(
                f"{self.folder}: a campaign lies here already",
                advice="Choose another folder with --out, or give --replace to delete that campaign.",
            )

    def make_room(self, *, replace: bool = False) -> None:
        """Get the folder ready for a new campaign.

        Raises:
            UserError: as `check_room`.
        """
        self.check_room(replace=replace)
        for path in (self.folder / "jobs", self.raw, self.site, self.work):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.csv, self.record_file):
            path.unlink(missing_ok=True)

    def job_file(self, machine: str) -> Path:
        """The job of a machine."""
        return self.folder / "jobs" / f"{machine}.json"

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
        files = [self.job_file(machine) for machine in record.machines]
        return tuple(Job.from_bytes(file.read_bytes(), source=str(file)) for file in files)

    def read_machines(self, record: CampaignRecord) -> dict[str, MachineDescription]:
        """The descriptions that came back."""
        found = {}
        for machine in record.machines:
            file = self.machine_file(machine)
            if file.is_file():
                try:
                    found[machine] = MachineDescription.from_bytes(file.read_bytes(), source=str(file))
                except DocumentError as error:
                    _log.warning("left out: %s", error)
        return found

    def read_results(self, job: Job) -> Iterator[Result]:
        """The results of a machine that belong to its job; others are left out with a line in the log."""
        planned = {(entry.test, entry.run) for entry in job.schedule}
        regions = {test.id: test.timed_region for test in job.tests}
        folder = self.result_folder(job.machine)
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = split_result_name(file.name)
            if file == self.machine_file(job.machine):
                continue
            if name not in planned:
                _log.warning("left out: %s is not the result of a planned run", file)
                continue
            try:
                result = Result.from_gzip(file.read_bytes(), source=str(file))
            except DocumentError as error:
                _log.warning("left out: %s", error)
                continue
            if (result.campaign, result.machine, result.test, result.run) != (
                job.campaign,
                job.machine,
                *name,
            ):
                _log.warning("left out: %s holds the result of another run", file)
                continue
            if result.timed_region != regions[result.test]:
                _log.warning("left out: %s timed %s, which was not asked for", file, result.timed_region)
                continue
            yield result
