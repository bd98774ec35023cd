"""Watching a machine on a real server, which tells what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.conduct.news import News
from integrator.conduct.standing import MachineState
from integrator.conduct.watch import Watch
from protocol.errors import DocumentError, NewerDocumentError
from protocol.job import ModelFile, ModelRef
from protocol.layout import CampaignFolder
from protocol.status import AgentState, Heartbeat
from protocol.transfer import TransferClient
from tests.support import CAMPAIGN, make_job, planned_test

FILE = ModelFile(name="tiny.onnx", size=1, sha256="a" * 64)
MODEL = ModelRef(name="tiny", precision="FP32", sha256="a" * 64, entry="tiny.onnx", files=(FILE,))
STATUS = CampaignFolder("box", CAMPAIGN).status
AHEAD = datetime.now(UTC) + timedelta(days=1)
"""The agent's clock; only the server's counts."""


def heartbeat(state: AgentState, done: int, machine: str = "box") -> bytes:
    return Heartbeat(
        campaign=CAMPAIGN,
        machine=machine,
        state=state,
        done=done,
        total=2,
        updated_at=AHEAD,
        silent_until=AHEAD + timedelta(seconds=300),
        fleetmark_version="1",
    ).to_bytes()


Post = Callable[[bytes], None]


@pytest.fixture
def news(tmp_path: Path) -> News:
    return News(tmp_path / "server")


@pytest.fixture
def post(tmp_path: Path, news: News) -> Iterator[Post]:
    """Store the heartbeat of `box`, as its agent does."""
    with FtpServer(tmp_path / "server", on_stored=news.stored) as server:
        (tmp_path / "server" / STATUS.parent.relative_to("/")).mkdir(parents=True)
        with TransferClient(server.add_account("box", Role.MACHINE)) as client:
            yield lambda data: client.write(STATUS, data)


def test_a_machine_is_waiting_running_silent_and_finished(news: News, post: Post) -> None:
    watch = Watch(make_job([MODEL], [planned_test(MODEL)]))
    assert watch.standing().state is MachineState.WAITING
    assert watch.silent_in_s() is None

    post(heartbeat(AgentState.RUNNING, 1))
    (stored,) = news.rest()
    watch.hear(stored)
    assert str(watch.standing()) == "running 1 of 2"
    seconds = watch.silent_in_s()
    assert seconds is not None
    assert 300 < seconds <= 360
    overdue = watch.overdue_s()
    assert overdue is not None
    assert -360 <= overdue < -300
    later = stored.at + timedelta(seconds=361)
    assert str(watch.standing(later)) == f"silent since {stored.at:%Y-%m-%d %H:%M:%S} UTC, 1 of 2 done"

    post(heartbeat(AgentState.FINISHED, 2))
    watch.hear(*news.rest())
    assert str(watch.standing(later)) == "finished, 2 runs"
    assert watch.silent_in_s() is None
    assert watch.overdue_s() is None


def test_what_is_stored_is_told_before_its_sender_is_answered(news: News, post: Post) -> None:
    """So that the integrator has read it before the agent begins to measure."""
    for done in range(5):
        post(heartbeat(AgentState.RUNNING, done))
        assert [stored.content for stored in news.rest()] == [heartbeat(AgentState.RUNNING, done)]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"[" * 1000, DocumentError, "not JSON"),
        (bytes(5 << 20), DocumentError, r"5,242,880 bytes; at most 4,194,304 are read"),
        (heartbeat(AgentState.RUNNING, 1, machine="twin"), DocumentError, "is of twin in"),
        (b'{"schema_version": 99}', NewerDocumentError, "status of schema version 99, but this program"),
    ],
)
def test_what_is_no_heartbeat_changes_nothing(
    news: News, post: Post, data: bytes, error: type[Exception], words: str
) -> None:
    watch = Watch(make_job([MODEL], [planned_test(MODEL)]))
    post(heartbeat(AgentState.RUNNING, 0))
    watch.hear(*news.rest())
    post(data)
    with pytest.raises(error, match=words):
        watch.hear(*news.rest())
    assert str(watch.standing()) == "running 0 of 2"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    status = tmp_path / STATUS.relative_to("/")
    status.parent.mkdir(parents=True)
    status.symlink_to("/etc/passwd")
    news = News(tmp_path)
    news.stored(STATUS)
    news.stored(PurePosixPath("/machines/box/clock.json"))
    (stored,) = news.rest()
    with pytest.raises(DocumentError, match="is a symbolic link"):
        Watch(make_job([MODEL], [planned_test(MODEL)])).hear(stored)


def test_waiting_ends_when_woken_and_when_its_time_is_up(news: News) -> None:
    assert news.wait(0.01) is None
    news.wake()
    assert news.wait(None) is None
