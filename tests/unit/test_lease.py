"""Who may take a machine, decided from what lies on the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.holder import Holder, holder_name
from agent.lease import Patience, Sighting, newest_term, remaining_s
from protocol.errors import UserError
from protocol.lease import Lease

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


def seen(age_s: float, known_s: float = 0.0, **changes: Any) -> Sighting:
    fields: dict[str, Any] = {"machine": "box", "term": 3, "holder": "first-1", "lifetime_s": 100.0}
    return Sighting(Lease(**{**fields, **changes}), WRITTEN, WRITTEN + timedelta(seconds=age_s), known_s)


@pytest.mark.parametrize(
    ("sighting", "expected"),
    [
        (None, 0.0),
        (seen(0), 105.0),
        (seen(60), 45.0),
        (seen(105), 0.0),
        (seen(86400), 0.0),
        (seen(-86400), 105.0),
        (seen(-86400, known_s=60), 45.0),
        (seen(-86400, known_s=105), 0.0),
        (seen(60, known_s=10), 45.0),
        (seen(0, released=True), 0.0),
        (seen(0, holder="me-1"), 0.0),
    ],
)
def test_how_long_a_machine_is_somebody_elses(sighting: Sighting | None, expected: float) -> None:
    assert remaining_s(sighting, "me-1") == expected


def test_patience_begins_anew_with_each_renewal() -> None:
    clock = [0.0]
    patience = Patience(lambda: clock[0])
    first = seen(0).lease
    renewed = first.model_copy(update={"renewal": 1})
    known = []
    for at, lease, written in (
        (0, first, WRITTEN),
        (50, first, WRITTEN),
        (60, renewed, WRITTEN),
        (90, renewed, WRITTEN),
        (95, renewed, WRITTEN + timedelta(seconds=1)),
    ):
        clock[0] = at
        known.append(patience.known_s(lease, written))
    assert known == [0, 50, 0, 30, 0]


def test_the_newest_term_counts() -> None:
    names = ["camp", "clock.json", "lease.2.json", "lease.10.json", "lease.10.renewed.json", "lease.x.json"]
    assert newest_term(names) == 10
    assert newest_term(["camp", "lease.0.json", "lease.-1.json"]) == 0


def test_a_name_is_kept_and_its_folder_is_for_one_agent(tmp_path: Path) -> None:
    with Holder(tmp_path) as first, pytest.raises(UserError, match="another agent works in this folder"):
        Holder(tmp_path)
    with Holder(tmp_path) as again:
        assert again.name == first.name


def test_a_folder_from_another_machine_brings_no_name(tmp_path: Path) -> None:
    (tmp_path / "agent.lock").write_text("elsewhere-0123abcd")
    with Holder(tmp_path) as holder:
        assert holder.name != "elsewhere-0123abcd"


@pytest.mark.parametrize(
    ("host", "short"),
    [("Node-7.lab.example", "node-7"), ("Jürgens PC", "j-rgens-pc"), ("...", "host"), ("x" * 80, "x" * 63)],
)
def test_a_holder_is_named_by_its_host(host: str, short: str) -> None:
    name = holder_name(host)
    assert name.rpartition("-")[0] == short
    assert Lease(machine="box", term=1, holder=name, lifetime_s=1).holder == name
