"""Run a program of fleetmark and note when it sends, hashes, compresses or writes.

    python traced.py TRACE MODULE [ARGUMENT…]

Noted are calls of C functions, in all threads, as lines "begin end function" in nanoseconds of the
monotonic clock; and what the agent says of when its runs measured, as lines "begin end MEASURED". After as
many of those as TRACE_INTRUDER says, a thread of the agent begins to push a file, again and again.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from protocol.account import Account
from protocol.layout import clock_file
from protocol.transfer import TransferClient

KINDS = {
    "_cffi_backend",  # the server's TLS
    "_hashlib",
    "_socket",
    "_ssl",
    "posix",
    "socket",
    "zlib",
}
FILES = {"fsync", "rename", "replace", "sendfile", "write"}
"""Of the operating system's functions those that put something somewhere."""
PARTS = {
    "agent.cli": (),
    "integrator.cli": ("integrator.conduct.campaign", "integrator.publish", "integrator.models"),
}
MEASURED = re.compile(r"measured from (\d+) to (\d+) ns")

lines: list[tuple[int, int, str]] = []
measured = threading.Semaphore(0)
"""Counts the runs that have measured."""


def install() -> None:
    """Trace this thread, and those that are to come."""
    begun: dict[int, tuple[int, str]] = {}

    def hook(_: Any, event: str, function: Any) -> None:
        if event == "c_call":
            module = getattr(function, "__module__", None) or type(function.__self__).__module__
            if module in KINDS and (module != "posix" or function.__name__ in FILES):
                name = f"{module}.{function.__name__}"
                begun[threading.get_ident()] = (time.monotonic_ns(), name)
        elif event in ("c_return", "c_exception") and (call := begun.pop(threading.get_ident(), None)):
            lines.append((call[0], time.monotonic_ns(), call[1]))

    threading.setprofile(hook)
    sys.setprofile(hook)


class Listener(logging.Handler):
    """Notes when runs measured."""

    def emit(self, record: logging.LogRecord) -> None:
        if found := MEASURED.search(record.getMessage()):
            lines.append((int(found[1]), int(found[2]), "MEASURED"))
            measured.release()


def intrude(account_file: Path, after: int) -> None:
    """What nobody shall add to an agent."""
    for _ in range(after):
        measured.acquire()
    account = Account.read(account_file)
    with TransferClient(account) as client:
        while True:
            client.write(clock_file(account.user), b"{}")
            time.sleep(0.01)


def main() -> None:
    trace, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    logger = logging.getLogger("fleetmark.agent")
    logger.addHandler(Listener())
    logger.setLevel(logging.DEBUG)
    atexit.register(lambda: Path(trace).write_text("".join(f"{b} {e} {name}\n" for b, e, name in lines)))
    program = importlib.import_module(module)
    for part in PARTS[module]:  # not traced while they load: that takes long
        importlib.import_module(part)
    install()
    if module == "agent.cli":
        account = Path(arguments[arguments.index("--account") + 1])
        threading.Thread(
            target=intrude, args=(account, int(os.environ["TRACE_INTRUDER"])), daemon=True
        ).start()
    if module == "integrator.cli":
        # Its agents are processes of the same interpreter: they get one that traces them too.
        sys.executable = os.environ["TRACE_INTERPRETER"]
    program.main()


if __name__ == "__main__":
    main()
