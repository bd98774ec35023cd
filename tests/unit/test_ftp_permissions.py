"""Who may do what: the whole table, and that what is not in it is refused."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from ftp_server.permissions import Role, allowed, may_rename, written_once
from protocol.transfer import final_name, temporary_name

LETTERS = "elradfmwMT"
PART = ".part-0123456789abcdef"
MINE = "/machines/box/camp"

# Everything that the machine "box" may do. Each path not named for a letter must be refused.
MACHINE = {
    "/": "el",
    "/models": "elr",
    "/models/abc": "elr",
    "/models/abc/model.bin": "elr",
    "/machines": "el",
    "/machines/box": "elr",
    MINE: "elr",
    f"{MINE}/job.json": "elr",
    f"{MINE}/job.json{PART}": "elr",
    f"{MINE}/status.json": "elrwf",
    f"{MINE}/status.json{PART}": "elrwf",
    f"{MINE}/machine.json": "elrwf",
    f"{MINE}/machine.json{PART}": "elrwf",
    f"{MINE}/results": "elrm",
    f"{MINE}/results/t1.0.json.gz": "elrf",
    f"{MINE}/results/t1.0.json.gz{PART}": "elrwf",
    f"{MINE}/results/t1.0.json.gz{PART}{PART}": "elr",
    f"{MINE}/results/t1.0.json.gz.part-": "elr",
    f"{MINE}/results/t1.0.json.gz.part-0123456789ABCDEF": "elr",
    f"{MINE}/results/t1.0.json": "elr",
    f"{MINE}/results/T1.0.json.gz": "elr",
    f"{MINE}/results/t1.json.gz": "elr",
    f"{MINE}/results/t1.0.json.gz\n": "elr",
    f"{MINE}/results/status.json": "elr",
    f"{MINE}/results/more/t1.0.json.gz": "elr",
    f"{MINE}/results/more": "elr",
    f"{MINE}/t1.0.json.gz": "elr",
    f"{MINE}/other": "elr",
    f"{MINE}/other/status.json": "elr",
    "/machines/box/status.json": "elr",
    "/machines/box/lease.1.json": "elrwf",
    f"/machines/box/lease.1.json{PART}": "elrwf",
    "/machines/box/lease.1.renewed.json": "elrwf",
    "/machines/box/clock.json": "elrwf",
    "/machines/box/lease.0.json": "elr",
    "/machines/box/lease.json": "elr",
    f"{MINE}/lease.1.json": "elr",
    f"{MINE}/clock.json": "elr",
    "/machines/other/lease.1.json": "",
    "/machines/other/clock.json": "",
    "/machines/box/results": "elr",
    "/machines/box/Camp/status.json": "elr",
    "/machines/box/Camp/results": "elr",
    "/machines/other": "",
    "/machines/other/camp/status.json": "",
    "/machines/other/camp/results": "",
    "/machines/other/camp/results/t1.0.json.gz": "",
    "/machines/boxes": "",
    "/machines/boxes/camp/status.json": "",
    "/models-secret": "",
    "/model": "",
    "/etc/passwd": "",
    "/box/camp/status.json": "",
    "//machines/box/camp/status.json": "",
    "machines/box/camp/status.json": "",
    "/machines/box/../other/camp/status.json": "",
    "/machines/box/../../models": "",
    "/models/../machines/other": "",
}


def permitted(role: Role, user: str, path: str) -> set[str]:
    return {letter for letter in LETTERS if allowed(role, user, letter, PurePosixPath(path))}


@pytest.mark.parametrize("path", MACHINE)
def test_a_machine_may_do_what_the_table_says(path: str) -> None:
    assert permitted(Role.MACHINE, "box", path) == set(MACHINE[path])


@pytest.mark.parametrize("path", ["/", "/models/a/b", "/machines/box/camp/job.json", "/elsewhere"])
def test_the_integrator_may_do_everything_inside_the_root(path: str) -> None:
    assert permitted(Role.INTEGRATOR, "integrator", path) == set(LETTERS)


@pytest.mark.parametrize("path", ["/../etc/passwd", "/models/../../etc", "models", "//models"])
def test_nobody_leaves_the_root(path: str) -> None:
    assert permitted(Role.INTEGRATOR, "integrator", path) == set()


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", ["", "el", "x", "R"])
def test_an_unknown_letter_permits_nothing(role: Role, permission: str) -> None:
    assert not allowed(role, "box", permission, PurePosixPath("/models"))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (f"{MINE}/status.json{PART}", f"{MINE}/status.json", True),
        (f"{MINE}/results/t1.0.json.gz{PART}", f"{MINE}/results/t1.0.json.gz", True),
        (f"{MINE}/status.json{PART}", f"{MINE}/machine.json", False),
        (f"{MINE}/results/t1.0.json.gz{PART}", f"{MINE}/results/t1.1.json.gz", False),
        (f"{MINE}/status.json", f"{MINE}/machine.json", False),
        (f"{MINE}/status.json", f"{MINE}/status.json", False),
        (f"{MINE}/results/t1.0.json.gz", f"{MINE}/results/t1.0.json.gz{PART}", False),
        (f"{MINE}/results/t1.0.json.gz", f"{MINE}/results/t2.0.json.gz", False),
        (f"{MINE}/status.json{PART}", "/machines/box/camp2/status.json", False),
        (f"{MINE}/job.json{PART}", f"{MINE}/job.json", False),
        ("/machines/other/camp/status.json" + PART, "/machines/other/camp/status.json", False),
    ],
)
def test_a_machine_renames_only_to_finish_an_upload(source: str, target: str, expected: bool) -> None:
    assert may_rename(Role.MACHINE, "box", PurePosixPath(source), PurePosixPath(target)) is expected


def test_the_integrator_renames_what_it_likes() -> None:
    assert may_rename(Role.INTEGRATOR, "integrator", PurePosixPath("/models/a"), PurePosixPath("/models/b"))


def test_only_results_and_takings_are_written_once_and_only_by_machines() -> None:
    result = PurePosixPath(f"{MINE}/results/t1.0.json.gz")
    assert written_once(Role.MACHINE, result)
    assert not written_once(Role.INTEGRATOR, result)
    assert not written_once(Role.MACHINE, PurePosixPath(f"{MINE}/status.json"))
    assert written_once(Role.MACHINE, PurePosixPath("/machines/box/lease.1.json"))
    assert not written_once(Role.MACHINE, PurePosixPath("/machines/box/lease.1.renewed.json"))


def test_a_temporary_name_stands_for_its_own_and_is_another_one_for_another_upload() -> None:
    names = {temporary_name("a", owner=o, tag=t) for o in ("box", "box-2") for t in ("1", "2")}
    assert len(names) == 4
    assert {final_name(name) for name in names} == {"a"}
    assert final_name("status.json") is None
