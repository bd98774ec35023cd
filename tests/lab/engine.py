"""Whether there is a Docker Engine, and what it means for the tests where there is none."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.lab.docker_cli import DockerError, docker

__all__ = ["need_engine"]

_REQUIRE = "FLEETMARK_REQUIRE_DOCKER"


def need_engine() -> None:
    """Go on with an engine; without one skip, or fail where the environment says that there must be one."""
    reason = _why_none()
    if not reason:
        return
    if os.environ.get(_REQUIRE):
        pytest.fail(f"{_REQUIRE} is set, and {reason}")
    pytest.skip(f"{reason}; {_REQUIRE}=1 makes this a failure")


def _why_none() -> str:
    for program in ("docker", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"the program {program} is not installed"
    try:
        docker("version", "--format", "{{.Server.Version}}", timeout_s=20.0)
    except DockerError as error:
        return f"no Docker Engine answers: {error}"
    return ""
