"""Bans by a clock, quotas by what lies on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftp_server.limits import Bans, Limits
from ftp_server.usage import BLOCK, Usage


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_too_many_failures_are_a_ban_that_ends() -> None:
    clock = Clock()
    bans = Bans(Limits(failed_logins=3, ban_s=60), clock)
    assert [bans.failed("a") for _ in range(3)] == [False, False, True]
    assert bans.remaining_s("a") == 60
    assert bans.remaining_s("b") == 0
    clock.now += 59
    assert bans.remaining_s("a") == 1
    bans.succeeded("a")  # somebody who was logged in already
    assert bans.remaining_s("a") == 1
    clock.now += 1
    assert bans.remaining_s("a") == 0
    assert not bans.failed("a")  # and the count begins anew


def test_failures_are_forgotten_by_a_login_and_by_time() -> None:
    clock = Clock()
    bans = Bans(Limits(failed_logins=2, ban_s=60), clock)
    bans.failed("a")
    bans.succeeded("a")
    assert not bans.failed("a")
    clock.now += 60
    assert not bans.failed("a")


def test_no_limit_bans_nobody() -> None:
    bans = Bans(Limits(failed_logins=0))
    assert not any(bans.failed("a") for _ in range(1000))
    assert bans.remaining_s("a") == 0


def test_no_number_of_addresses_fills_the_memory() -> None:
    bans = Bans(Limits(failed_logins=1, ban_s=1000), Clock())
    for number in range(20_000):
        bans.failed(str(number))
    assert len(bans._records) == 10_000
    assert bans.remaining_s("19999") == 1000  # the latest are remembered


@given(st.lists(st.tuples(st.sampled_from("fsw"), st.floats(0, 100)), max_size=60))
def test_whoever_fails_is_never_refused_for_longer_than_the_ban(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    bans = Bans(Limits(failed_logins=2, ban_s=50), clock)
    for step, seconds in steps:
        if step == "f":
            bans.failed("a")
        elif step == "s":
            bans.succeeded("a")
        else:
            clock.now += seconds
        assert 0 <= bans.remaining_s("a") <= 50 + 1e-9  # sums of floats


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "machines/box/camp/results"
    folder.mkdir(parents=True)
    return folder


FOLDERS = 2 * BLOCK  # camp, results


def test_usage_counts_what_is_there_and_what_comes(tmp_path: Path, results: Path) -> None:
    (results / "small").write_bytes(b"1")
    (results / "large").write_bytes(bytes(3 * BLOCK))
    (results / "link").symlink_to("/dev/zero")
    usage = Usage(tmp_path, Clock())
    taken = FOLDERS + BLOCK + 3 * BLOCK + BLOCK
    assert usage.fits("box", 100, taken + 100)
    assert not usage.fits("box", 101, taken + 100)
    usage.add("box", 60)
    assert usage.fits("box", 40, taken + 100)
    assert not usage.fits("box", 41, taken + 100)
    usage.remove("box", 1)
    assert usage.fits("box", 40 + BLOCK, taken + 100)
    assert usage.fits("other", 100, 100)  # has no folder


def test_what_the_integrator_took_away_is_room_again(tmp_path: Path, results: Path) -> None:
    (results / "large").write_bytes(bytes(3 * BLOCK))
    clock = Clock()
    usage = Usage(tmp_path, clock)
    quota = FOLDERS + 3 * BLOCK
    assert not usage.fits("box", BLOCK, quota)
    (results / "large").unlink()
    assert not usage.fits("box", BLOCK, quota)  # not all files are counted again at once
    clock.now += 1
    assert usage.fits("box", BLOCK, quota)


def test_files_of_a_machine_within_its_quota_are_not_counted_for_each_upload(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Path] = []

    def count(folder: Path) -> int:
        counted.append(folder)
        return 0

    monkeypatch.setattr("ftp_server.usage._size", count)
    clock = Clock()
    usage = Usage(tmp_path, clock)
    for _ in range(1000):
        clock.now += 3
        assert usage.fits("box", 10, 1 << 20)
        usage.add("box", 10)
    assert len(counted) == 1


def test_counting_for_a_machine_over_its_quota_takes_a_small_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, walks = Clock(), 0

    def slow(folder: Path) -> int:
        nonlocal walks
        walks += 1
        clock.now += 2
        return 100

    monkeypatch.setattr("ftp_server.usage._size", slow)
    usage = Usage(tmp_path, clock)
    began = clock.now
    while clock.now - began < 1000:
        assert not usage.fits("box", 1, 100)
        clock.now += 0.5
    assert 20 <= walks <= 26  # of 2 s each: some 5 %
