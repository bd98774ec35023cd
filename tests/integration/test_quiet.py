"""While a run measures, nothing is sent, hashed, compressed or written: by the agent, nor by the integrator
and its server on the same machine.

Both programs are traced, every thread of them, and the run says by the same clock when it measured.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

RUNS = 2
"""Of each of the two tests of the campaign."""
TRACED = Path(__file__).with_name("traced.py")


@dataclass
class Trace:
    """What one program did: begin, end and function."""

    calls: list[tuple[int, int, str]]

    @classmethod
    def read(cls, path: Path) -> Trace:
        rows = (line.split(" ", 2) for line in path.read_text().splitlines())
        return cls([(int(begin), int(end), name) for begin, end, name in rows])

    def measured(self) -> list[tuple[int, int]]:
        return [(begin, end) for begin, end, name in self.calls if name == "MEASURED"]

    def kinds(self) -> set[str]:
        return {name.partition(".")[0] for *_, name in self.calls}

    def during(self, spans: list[tuple[int, int]]) -> Counter[str]:
        """What was under way while a run measured."""
        return Counter(
            name
            for begin, end, name in self.calls
            if name != "MEASURED" and any(begin < last and end > first for first, last in spans)
        )


def run(tmp_path: Path, tiny_files: list[Path], **environment: str) -> tuple[Trace, Trace, str]:
    """A whole campaign; the traces of the agent and of the integrator, and what the operator saw."""
    (tmp_path / "lab.yaml").write_text("schema_version: 1\nname: lab\nmachines: [{name: box}]\n")
    (tmp_path / "campaign.yaml").write_text(
        f"schema_version: 1\nname: quiet\nmodels: [{{name: tiny, path: {tiny_files[0]}}}]\nruns: {RUNS}\n"
        # No warm-up: a run measures as soon as it can after the heartbeat.
        "measure: {duration_s: 0.3, warmup_s: 0, interval_target: none}\n"
    )
    interpreter = tmp_path / "python"
    interpreter.write_text(
        f"#!{sys.executable} -I\n"
        "import os, runpy, sys\n"
        "arguments = sys.argv[1:]\n"
        'if arguments[:3] != ["-I", "-m", "agent.cli"]:\n'
        "    os.execv(sys.executable, [sys.executable, *arguments])\n"
        f"sys.argv = ['traced.py', {str(tmp_path / 'agent')!r}, *arguments[2:]]\n"
        f"runpy.run_path({str(TRACED)!r}, run_name='__main__')\n"
    )
    interpreter.chmod(0o755)
    options = ["run", "--lab", "lab.yaml", "--campaign", "campaign.yaml", "--out", "out"]
    done = subprocess.run(
        [sys.executable, str(TRACED), str(tmp_path / "integrator"), "integrator.cli", *options],
        cwd=tmp_path,
        env={**os.environ, "TRACE_INTERPRETER": str(interpreter), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Trace.read(tmp_path / "agent"), Trace.read(tmp_path / "integrator"), done.stderr


def test_nothing_moves_while_a_run_measures_and_the_trace_would_show_it(
    tmp_path: Path, tiny_files: list[Path]
) -> None:
    """In the second half an intruder pushes beside the runs, as nobody shall: the same look sees that."""
    agent, integrator, said = run(tmp_path, tiny_files, TRACE_INTRUDER=str(RUNS))
    spans = agent.measured()
    assert len(spans) == 2 * RUNS
    assert all(last - first >= 300_000_000 for first, last in spans)

    assert agent.during(spans[:RUNS]) == {}
    assert integrator.during(spans[:RUNS]) == {}

    for trace, functions in (
        (agent, ("_ssl.write", "_ssl.read", "_hashlib.openssl_sha256")),
        (integrator, ("_cffi_backend.from_buffer", "_hashlib.openssl_sha256", "posix.fsync")),
    ):
        seen = trace.during(spans[RUNS:])
        assert all(seen[function] >= RUNS for function in functions), seen
    assert {"zlib", "posix"} <= agent.kinds()

    standings = re.findall(r"^box: ((?:waiting|running|silent|failed|finished).*)$", said, re.MULTILINE)
    assert standings == ["waiting", "running 0 of 4", "finished, 4 runs"]
