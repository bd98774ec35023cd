"""What a run costs in wall time beyond reading, compiling, warming up and measuring.

Carries out runs as an agent does, each in a fresh process, with the smallest of models so that nothing else
counts, and times each from the call that starts it to its result being on the FTP server.

    python benchmarks/run_cost.py [--runs 20]

The bar is 0.15 s on two cores; the predecessor needs about 0.6 s for a test.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from agent.carry_out import JobRunner
from agent.lease import LeaseKeeper
from agent.models import ModelCache
from agent.stop import Stop
from ftp_server.permissions import Role
from ftp_server.server import FtpServer
from integrator.deliver import deliver
from integrator.models import InputTemplate, PreparedModel, model_sha256
from integrator.plan import Plan
from integrator.topologies import build
from protocol.engine import openvino as ov
from protocol.job import (
    Hint,
    Job,
    Limits,
    Measure,
    ModelFile,
    ModelRef,
    PlannedTest,
    Scenario,
    ScheduledRun,
)
from protocol.layout import CampaignFolder, result_name
from protocol.result import Result
from protocol.transfer import TransferClient


def prepared(folder: Path) -> PreparedModel:
    """mobilenet-v2, as a plan makes it."""
    ov.save_model(build("mobilenet-v2"), folder / "model.xml", compress_to_fp16=False)
    files = tuple(
        ModelFile(name=f.name, size=f.stat().st_size, sha256=hashlib.sha256(f.read_bytes()).hexdigest())
        for f in (folder / "model.xml", folder / "model.bin")
    )
    sha256 = model_sha256({file.name: file.sha256 for file in files})
    ref = ModelRef(name="mobilenet-v2", precision="FP32", sha256=sha256, entry="model.xml", files=files)
    return PreparedModel(ref, folder, (InputTemplate("image", (None, 3, 224, 224), "f32", 0, 1),))


def job_of(model: PreparedModel, runs: int) -> Job:
    """One test, run `runs` times."""
    test = PlannedTest(
        id="cost",
        model="mobilenet-v2",
        precision="FP32",
        model_sha256=model.ref.sha256,
        inputs=model.with_batch(1),
        device="CPU",
        scenario=Scenario.SYNC,
        hint=Hint.LATENCY,
        batch=1,
    )
    return Job(
        campaign="cost",
        machine="box",
        created_at=datetime.now(UTC),
        seed=1,
        measure=Measure(duration_s=0.5, warmup_s=0.1),
        limits=Limits(),
        models=(model.ref,),
        tests=(test,),
        schedule=tuple(ScheduledRun(test="cost", run=run) for run in range(runs)),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name, Stop() as stop:
        folder = Path(name)
        (folder / "model").mkdir()
        model = prepared(folder / "model")
        job = job_of(model, runs)
        with (
            FtpServer(folder / "server") as server,
            TransferClient(server.add_account("integrator", Role.INTEGRATOR)) as operator,
            TransferClient(server.add_account("box", Role.MACHINE)) as client,
        ):
            deliver(Plan("cost", "cost", "cost", job.created_at, (job,), (model,), ()), operator)
            arrivals: list[float] = []
            lease = LeaseKeeper("box", "cost", client)
            lease.acquire(60.0, stop=stop)
            runner = JobRunner(
                job,
                client,
                lease=lease,
                work=folder / "work",
                models=ModelCache(folder / "models"),
                stop=stop,
            )
            carry_out = runner._carry_out  # noqa: SLF001  # one run is what is timed

            def timed(entry: ScheduledRun) -> None:
                begin = time.perf_counter()
                carry_out(entry)
                arrivals.append(time.perf_counter() - begin)

            runner._carry_out = timed  # type: ignore[method-assign]  # noqa: SLF001
            runner.run()
            results = CampaignFolder("box", "cost").results
            costs = []
            for run, seconds in enumerate(arrivals):
                path = results / result_name("cost", run)
                result = Result.from_gzip(operator.read(path, max_bytes=Result.max_bytes), source=str(path))
                phases = result.phases
                own = (
                    phases.read_ms,
                    phases.compile_ms,
                    phases.first_inference_ms,
                    phases.warmup_ms,
                    phases.measure_ms,
                )
                costs.append(seconds - sum(value or 0.0 for value in own) / 1e3)
    print(f"{runs} runs: cost of a run beyond its own work, in seconds")
    print(f"minimum {min(costs):.3f}  median {statistics.median(costs):.3f}  maximum {max(costs):.3f}")


if __name__ == "__main__":
    main()
