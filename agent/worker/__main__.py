"""`python -m agent.worker PARENT`: the template that runs are forked from.

It has loaded what every run needs, and has started nothing: no thread, no device. For each folder that it
reads from its standard input it forks a process, which carries out the run that FOLDER/spec.json describes.
It answers with a line for the process's id, and one for its exit code when it has ended.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import mmap
import os
import resource
import signal
import sys
import time
from pathlib import Path

from agent.worker.spec import STDERR, STDOUT, RunSpec

_PR_SET_PDEATHSIG = 1
_MOST_PAGES = 4096
_SIZE = 4096
"""More than the longest path that Linux takes, and so a whole line."""


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent is gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def main() -> None:
    """Fork a run for each line, until there are no more."""
    _die_with(int(sys.argv[1]))
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begin = time.perf_counter_ns()
    from agent.worker.run import carry_out  # noqa: PLC0415  # what is loaded here is timed

    import_ns = time.perf_counter_ns() - begin
    gc.freeze()
    own = os.getpid()
    while line := os.read(0, _SIZE):
        process = os.fork()
        if process == 0:
            folder = _settle(Path(os.fsdecode(line.rstrip(b"\n"))), own)
            spec = RunSpec.read(folder)
            if spec.memory_mb is not None:
                limit = spec.memory_mb << 20
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            carry_out(spec, folder, import_ns=import_ns)
            sys.stdout.flush()
            sys.stderr.flush()
            # Nothing is unloaded: what is reported is on disk, the rest is the kernel's.
            os._exit(0)
        _lead_group(process)
        os.write(1, b"%d\n" % process)
        _, status = os.waitpid(process, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _settle(folder: Path, template: int) -> Path:
    """Make a process of its own out of what was forked: group, folder, output, place in memory."""
    _lead_group(0)
    _die_with(template)
    os.chdir(folder)
    for number, name in ((0, os.devnull), (1, STDOUT), (2, STDERR)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(name, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Forked processes lie alike in memory, and where code and data lie changes their speed. So that runs stay
    # independent of each other, what this one loads begins some random pages further on.
    pages = 1 + int.from_bytes(os.urandom(2)) % _MOST_PAGES
    globals()["_displacement"] = mmap.mmap(-1, pages * mmap.PAGESIZE, prot=mmap.PROT_READ)
    return folder


def _lead_group(process: int) -> None:
    try:
        os.setpgid(process, 0)
    except OSError:  # the other side was faster, or it has ended
        return


if __name__ == "__main__":
    main()
