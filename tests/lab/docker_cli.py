"""The docker command line: what the lab is built with, so that it does not lean on what it tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

__all__ = ["DockerError", "docker", "docker_ok", "lines_of"]

_TIMEOUT_S = 120.0


class DockerError(Exception):
    """A docker command failed: the command and what it said."""


def docker(*words: str, stdin: str | None = None, timeout_s: float = _TIMEOUT_S) -> str:
    """What a docker command says on stdout.

    Raises:
        DockerError: it failed, or took longer than `timeout_s` seconds.
    """
    shown = f"docker {' '.join(words)}"
    try:
        done = subprocess.run(
            ["docker", *words], check=False, capture_output=True, text=True, input=stdin, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise DockerError(f"{shown}: no end after {timeout_s:g} s") from error
    if done.returncode != 0:
        raise DockerError(f"{shown}: code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def docker_ok(*words: str, timeout_s: float = _TIMEOUT_S) -> bool:
    """Whether a docker command succeeds."""
    try:
        docker(*words, timeout_s=timeout_s)
    except DockerError:
        return False
    return True


def lines_of(text: str) -> Iterable[str]:
    """The lines that are not empty."""
    return [line for line in text.splitlines() if line.strip()]
