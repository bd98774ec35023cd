"""`python -m agent.machine NAME`: the description of this machine, under that name, as JSON."""

from __future__ import annotations

import sys

from agent.machine.describe import describe

if __name__ == "__main__":
    sys.stdout.buffer.write(describe(sys.argv[1]).to_bytes())
