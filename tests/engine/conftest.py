"""The real worker, under the newest OpenVINO and under the oldest that fleetmark works on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.execute import Ending, execute
from agent.outcome import judge
from agent.stop import Stop
from agent.template import Template
from agent.worker.spec import InputSpec, RunSpec
from protocol.result import Status

ROOT = Path(__file__).parents[2]
OLDEST = ROOT / ".venv-oldest/bin/python"
TIMEOUT_S = 60.0

IMAGE = InputSpec(name="image", shape=(1, 3, 32, 32), element_type="f32", low=0.0, high=1.0)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: what the agent makes of it, and what the worker wrote."""

    status: Status
    reason: str
    report: dict[str, Any]
    ending: Ending


def pinned(release: str) -> str:
    """The OpenVINO that the lock of `newest` or `oldest` names."""
    lock = (ROOT / "requirements" / {"newest": "run.lock", "oldest": "oldest.lock"}[release]).read_text()
    return lock.partition("\nopenvino==")[2].split(maxsplit=1)[0]


@pytest.fixture(params=["newest", "oldest"])
def release(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets the agent start its processes under the newest or the oldest OpenVINO: `newest` or `oldest`."""
    name: str = request.param
    if name == "oldest":
        if not OLDEST.exists():
            pytest.skip(f"{OLDEST.relative_to(ROOT)} is missing: make oldest")
        monkeypatch.setattr(sys, "executable", str(OLDEST))
    return name


Run = Callable[..., Ended]


@pytest.fixture(scope="session")
def template() -> Iterator[Template]:
    """What all runs of these tests are forked from; it starts again where the release changes."""
    with Template() as forks:
        yield forks


@pytest.fixture
def run(release: str, tmp_path: Path, tiny_files: list[Path], template: Template) -> Run:
    """Carries out one run of the tiny model; any field of its RunSpec can be given."""

    def carry_out(**changes: Any) -> Ended:
        fields: dict[str, Any] = {
            "model": str(tiny_files[0]),
            "inputs": (IMAGE,),
            "device": "CPU",
            "scenario": "sync",
            "hint": "latency",
            "streams": None,
            "threads": None,
            "requests": None,
            "duration_s": 0.05,
            "min_iterations": 20,
            "max_iterations": 100_000,
            "warmup_s": 0.01,
            "memory_mb": None,
            "seed": 1,
        }
        with Stop() as stop:
            ending = execute(
                RunSpec(**{**fields, **changes}), tmp_path, timeout_s=TIMEOUT_S, stop=stop, template=template
            )
        outcome = judge(ending, timeout_s=TIMEOUT_S)
        return Ended(outcome.status, outcome.reason, ending.report or {}, ending)

    return carry_out
