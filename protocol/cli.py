"""How every program of fleetmark ends: messages on standard error, and an exit code that means something."""

from __future__ import annotations

import errno
import io
import logging
import sys
import traceback
from typing import NoReturn

import typer

from protocol.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_USER,
    ConfigurationError,
    FleetmarkError,
)

__all__ = ["EXIT_CODES", "log_to_stderr", "run_program"]

EXIT_CODES = "Exit codes: 0 done · 1 your mistake, or a run that failed · 2 a bug · 130 interrupted"


_TYPER_USAGE_ERROR = 2
_OF_THE_MACHINE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""Failures of files that are not the program's: no permission, no space, a file in a folder's place."""


def run_program(name: str, app: typer.Typer) -> NoReturn:
    """Run the command line and leave with the exit code that its ending stands for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few characters loses some, not the program
    try:
        app(prog_name=name)
    except SystemExit as ended:
        # typer leaves with 2 where the command line is wrong, which here is the user's mistake and no bug.
        sys.exit(EXIT_USER if ended.code == _TYPER_USAGE_ERROR else ended.code)
    except KeyboardInterrupt:
        _print(f"{name}: interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        sys.exit(_explain(name, error))
    sys.exit(EXIT_DONE)


def _explain(name: str, error: Exception) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, FleetmarkError):
        problems = error.problems if isinstance(error, ConfigurationError) else [f"{name}: {error}"]
        for text in (*problems, error.advice):
            if text:
                _print(text)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE and error.filename is not None:
        _print(f"{name}: {error.filename}: {error.strerror}")
        return EXIT_USER
    _print("".join(traceback.format_exception(error)))
    _print(f"{name}: this is a bug in fleetmark; please report it with the lines above")
    return EXIT_BUG


def log_to_stderr(*, verbose: bool) -> None:
    """Send fleetmark's own log lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("fleetmark")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def _print(text: str) -> None:
    sys.stderr.write(text.rstrip("\n") + "\n")
