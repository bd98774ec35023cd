"""How every program of fleetmark ends: messages on standard error, and an exit code that means something."""

from __future__ import annotations

import logging
import sys
import traceback

import typer

from protocol.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USER, ConfigurationError, FleetmarkError

__all__ = ["EXIT_CODES", "log_to_stderr", "run_program"]

EXIT_CODES = "Exit codes: 0 done · 1 your mistake, or a run that failed · 2 a bug · 130 interrupted"


_TYPER_USAGE_ERROR = 2


def run_program(name: str, app: typer.Typer) -> None:
    """Run the command line and leave with the exit code that its ending stands for."""
    try:
        app(prog_name=name)
    except SystemExit as ended:
        # typer leaves with 2 where the command line is wrong, which here is the user's mistake and no bug.
        sys.exit(EXIT_USER if ended.code == _TYPER_USAGE_ERROR else ended.code)
    except ConfigurationError as error:
        for problem in error.problems:
            _print(problem)
        _advise(error)
        sys.exit(error.exit_code)
    except FleetmarkError as error:
        _print(f"{name}: {error}")
        _advise(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _print(f"{name}: interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except Exception:
        _print(traceback.format_exc())
        _print(f"{name}: this is a bug in fleetmark; please report it with the lines above")
        sys.exit(EXIT_BUG)


def log_to_stderr(*, verbose: bool) -> None:
    """Send fleetmark's own log lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("fleetmark")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def _advise(error: FleetmarkError) -> None:
    if error.advice:
        _print(error.advice)


def _print(text: str) -> None:
    sys.stderr.write(text.rstrip("\n") + "\n")
