"""Where each thing lies on the FTP server, and which names are names.

Paths are absolute on the server:

/models/<sha256>/<file>                               read-only to machines
/machines/<machine>/<campaign>/job.json               written by the integrator
/machines/<machine>/<campaign>/status.json            the agent's heartbeat
/machines/<machine>/<campaign>/machine.json           what the machine is
/machines/<machine>/<campaign>/results/<test>.<run>.json.gz
/machines/<machine>/lease.<term>.json                 an agent takes the machine; written once
/machines/<machine>/lease.<term>.renewed.json         the same agent goes on, or leaves
/machines/<machine>/clock.json                        written to learn the server's time
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import StringConstraints

__all__ = [
    "CAMPAIGN_ID",
    "FILE_NAME",
    "MACHINES",
    "MACHINE_NAME",
    "MODELS",
    "CampaignFolder",
    "CampaignId",
    "FileName",
    "MachineName",
    "ModelName",
    "Sha256",
    "TestId",
    "clock_file",
    "lease_file",
    "machine_folder",
    "model_folder",
    "renewal_file",
    "result_name",
    "split_lease_name",
    "split_result_name",
]

# One strict alphabet for whatever becomes a file name: no separators, no leading dot, no shell characters.
MACHINE_NAME = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"
CAMPAIGN_ID = r"[a-z0-9](?:[a-z0-9_-]{0,94}[a-z0-9])?"
_TEST_ID = r"[a-z0-9](?:[a-z0-9_-]{0,126}[a-z0-9])?"
FILE_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.+-]{0,126}[A-Za-z0-9_])?"

MachineName = Annotated[str, StringConstraints(pattern=rf"^{MACHINE_NAME}$")]
CampaignId = Annotated[str, StringConstraints(pattern=rf"^{CAMPAIGN_ID}$")]
TestId = Annotated[str, StringConstraints(pattern=rf"^{_TEST_ID}$")]
ModelName = Annotated[str, StringConstraints(pattern=rf"^{FILE_NAME}$")]
FileName = Annotated[str, StringConstraints(pattern=rf"^{FILE_NAME}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

MODELS = PurePosixPath("/models")
MACHINES = PurePosixPath("/machines")

_RESULT_NAME = re.compile(rf"({_TEST_ID})\.(0|[1-9][0-9]{{0,3}})\.json\.gz")
_LEASE_NAME = re.compile(r"lease\.([1-9][0-9]{0,8})(\.renewed)?\.json")


def model_folder(sha256: str) -> PurePosixPath:
    """The folder of one model, shared by all machines."""
    return MODELS / sha256


def machine_folder(machine: str) -> PurePosixPath:
    """The folder that holds all campaigns of one machine."""
    return MACHINES / machine


def result_name(test_id: str, run: int) -> str:
    """The file name of one run's result; the same run always has the same name."""
    return f"{test_id}.{run}.json.gz"


def split_result_name(name: str) -> tuple[str, int] | None:
    """The test id and run of a result's file name, or None where it is not one."""
    match = _RESULT_NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def lease_file(machine: str, term: int) -> PurePosixPath:
    """What an agent writes to take a machine: the first to write it has it."""
    return machine_folder(machine) / f"lease.{term}.json"


def renewal_file(machine: str, term: int) -> PurePosixPath:
    """What the agent of this term, and no other, writes again and again."""
    return machine_folder(machine) / f"lease.{term}.renewed.json"


def clock_file(machine: str) -> PurePosixPath:
    """Written by anybody who wants to know what time it is on the server."""
    return machine_folder(machine) / "clock.json"


def split_lease_name(name: str) -> tuple[int, bool] | None:
    """The term of a lease's file name and whether it is a renewal, or None where it is neither."""
    match = _LEASE_NAME.fullmatch(name)
    return (int(match[1]), bool(match[2])) if match else None


class CampaignFolder:
    """The files of one campaign on one machine."""

    def __init__(self, machine: str, campaign: str) -> None:
        self.root = machine_folder(machine) / campaign
        self.job = self.root / "job.json"
        self.status = self.root / "status.json"
        self.machine = self.root / "machine.json"
        self.results = self.root / "results"

    def result(self, test_id: str, run: int) -> PurePosixPath:
        """The file of one run's result."""
        return self.results / result_name(test_id, run)
