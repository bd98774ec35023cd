"""`python -m agent.worker FOLDER`: carry out the run that FOLDER/spec.json describes."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import sys
import time
from pathlib import Path

from agent.worker.spec import RunSpec

_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when the agent is gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def main() -> None:
    """Run, and leave without unloading anything: what is reported is on disk, the rest is the kernel's."""
    folder = Path(sys.argv[1])
    _die_with_parent(int(sys.argv[2]))
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    spec = RunSpec.read(folder)
    if spec.memory_mb is not None:
        limit = spec.memory_mb << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    begin = time.perf_counter_ns()
    from agent.worker.run import carry_out  # noqa: PLC0415  # loading OpenVINO is a phase of the run

    carry_out(spec, folder, import_ns=time.perf_counter_ns() - begin)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
