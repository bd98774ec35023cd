"""What this machine is: the agent's code, asked as a process."""

from __future__ import annotations

import subprocess
import sys

from protocol.errors import UserError
from protocol.machine import MachineDescription

__all__ = ["describe_here"]

_TIMEOUT_S = 600.0


def describe_here(name: str, *, timeout_s: float = _TIMEOUT_S) -> MachineDescription:
    """Describe this machine under `name`; its devices are probed, which takes a second for each.

    Raises:
        UserError: the process failed or did not answer within `timeout_s` seconds; its last words are in it.
        DocumentError: it answered something else.
    """
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-I", "-m", "agent.machine", name],
            check=False,
            capture_output=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"describing this machine took more than {timeout_s:g} s") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()[-2000:]
        raise UserError(f"describing this machine ended with code {done.returncode}: {words}")
    return MachineDescription.from_bytes(done.stdout, source="the description of this machine")
