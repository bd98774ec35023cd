"""A failure of the agent itself over one run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent import carry_out
from agent.lease import LeaseKeeper
from agent.models import ModelCache
from agent.stop import Stop
from protocol.job import ModelFile, ModelRef
from protocol.result import Status
from protocol.transfer import TransferClient
from tests.support import make_job, planned_test


def test_what_nobody_foresaw_is_one_runs_outcome_and_names_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words are bounded and free of paths as those of a run are; else the result could not be written."""
    file = ModelFile(name="tiny.onnx", size=1, sha256="a" * 64)
    model = ModelRef(name="tiny", precision="FP32", sha256="a" * 64, entry="tiny.onnx", files=(file,))
    job = make_job([model], [planned_test(model)])

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(f"{tmp_path}/scratch is gone " + "x" * 100_000)

    monkeypatch.setattr(carry_out, "execute", fail)
    client = cast("TransferClient", SimpleNamespace(write=lambda *_, **__: None))
    with Stop() as stop:
        models = ModelCache(tmp_path / "models")
        lease = cast("LeaseKeeper", None)  # asked before a run, and not for its outcome
        runner = carry_out.JobRunner(job, client, lease=lease, work=tmp_path, models=models, stop=stop)
        result = runner._measure_or_explain(job.schedule[0], job.tests[0])
    assert result is not None
    assert result.status is Status.FAILED
    assert result.reason.startswith("the agent failed over this run: OSError: WORK/scratch is gone")
    assert len(result.reason) <= 20_000
