"""The one capability that a container gets, and how an engine says that it has it not."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from integrator.config.docker_start import DockerStart
from integrator.config.engine_address import parse_engine_address
from integrator.launch import engine_errors
from integrator.launch.container_settings import host_settings
from protocol.errors import FleetmarkError, LaunchError


def refused(words: str) -> FleetmarkError:
    """As `Engine.asked` raises it."""
    error = APIError("500 Server Error", explanation=words)
    try:
        raise engine_errors.explain(
            error, engine="it", doing="starting", address=parse_engine_address("unix:///s"), user="me"
        ) from error
    except FleetmarkError as raised:
        return raised


@pytest.mark.parametrize(
    ("words", "wanting"),
    [
        # Docker Engine 20.10 in a container without SYS_NICE.
        (
            "OCI runtime create failed: runc create failed: unable to apply caps: operation not permitted",
            True,
        ),
        ("OCI runtime create failed: operation not permitted: unknown", False),
        ("no space left on device", False),
    ],
)
def test_a_missing_capability_is_told_from_other_refusals(words: str, wanting: bool) -> None:
    assert engine_errors.is_want_of_capabilities(refused(words)) is wanting


def test_what_no_engine_said_is_no_want_of_capabilities() -> None:
    assert not engine_errors.is_want_of_capabilities(LaunchError("unable to apply caps"))


def test_everything_is_dropped_but_what_placing_memory_needs() -> None:
    start = DockerStart()
    host = host_settings(start, "box", cpus=None, groups=())
    assert (host["cap_drop"], host["cap_add"]) == (["ALL"], ["SYS_NICE"])
    assert host_settings(start, "box", cpus=None, groups=(), capabilities=())["cap_add"] == []
