"""From the results of all machines to one table: a row for every planned test. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

import numpy as np
import pandas as pd

from integrator.columns import COLUMNS
from integrator.merged import Explain, Merged, MergedTest, run_table
from integrator.setting import further_settings
from integrator.statistics.conditions import energy_mj_per_inference
from integrator.statistics.harness import harness_share
from integrator.statistics.summary import RunSummary, summarise_run, summarise_test
from integrator.statistics.verdict import Evidence, judge
from protocol.job import Job, PlannedTest
from protocol.result import Result, Status
from protocol.samples import Stopped

__all__ = ["harmless", "merge", "merge_with_runs", "to_csv"]

# From bad to worse: a row shows the worst that happened to its runs.
_GRAVITY = (Status.FAILED, Status.UNSUPPORTED, Status.TIMEOUT, Status.OUT_OF_MEMORY, Status.CRASHED)
_WHOLE_NUMBERS = ("batch", "streams", "threads", "requests", "runs", "iterations")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")


def merge(
    jobs: Sequence[Job],
    results: Mapping[str, Iterable[Result]],
    absent: Mapping[str, str],
) -> pd.DataFrame:
    """Merge the results of each machine into the tests of its job.

    Args:
        jobs: One for each machine of the campaign.
        results: By machine, in any order; a result that is given again counts once. Every summary is computed
            anew from the raw latencies.
        absent: By machine, why results are missing; shown for tests without any.

    Returns:
        A row for each test of each job, with the columns `COLUMNS`.

    Raises:
        ValueError: two results of one run differ, or a test is not the job's.
    """
    return _table([test.row for test in _tests(jobs, results, absent)])


def merge_with_runs(
    jobs: Sequence[Job],
    results: Mapping[str, Iterable[Result]],
    absent: Mapping[str, str],
    *,
    explain: Explain | None = None,
) -> Merged:
    """The same table, and what stands behind it; every summary is computed once.

    Args:
        jobs: As for `merge`, like `results` and `absent`.
        explain: Makes what is kept of each test, while its latencies are at hand: those of a whole campaign
            would take all memory. None: nothing is kept.

    Raises:
        ValueError: as `merge`.
    """
    rows, runs, details = [], [], {}
    for test in _tests(jobs, results, absent):
        rows.append(test.row)
        runs += test.run_values()
        if explain:
            details[test.job.machine, test.test.id] = explain(test)
    return Merged(_table(rows), run_table(runs), details)


def _tests(
    jobs: Sequence[Job], results: Mapping[str, Iterable[Result]], absent: Mapping[str, str]
) -> Iterator[MergedTest]:
    for job in jobs:
        by_test: dict[str, list[Result]] = {test.id: [] for test in job.tests}
        for result in _each_once(job, results.get(job.machine, ())):
            by_test[result.test].append(result)
        planned: dict[str, int] = dict.fromkeys(by_test, 0)
        for entry in job.schedule:
            planned[entry.test] += 1
        why = absent.get(job.machine) or "no result came back"
        for test in job.tests:
            yield _merged(job, test, by_test[test.id], planned[test.id], why)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _each_once(job: Job, results: Iterable[Result]) -> list[Result]:
    """In the order of their runs."""
    tests = {test.id for test in job.tests}
    found: dict[tuple[int, str], Result] = {}
    for result in results:
        if result.test not in tests:
            raise ValueError(f"{result.test} is no test of {job.machine}")
        first = found.setdefault((result.run, result.test), result)
        if first is not result and first != result:
            raise ValueError(f"two results of run {result.run} of {result.test} on {job.machine}")
    return [result for _, result in sorted(found.items())]


def to_csv(table: pd.DataFrame) -> str:
    """The table as CSV text: comma-separated, a header, empty cells for what is unknown.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    written = table.astype(object).map(harmless).astype(object)
    for name in _WHOLE_NUMBERS:
        written[name] = written[name].astype("Int64")  # the integers that know a missing value
    return written.to_csv(index=False, lineterminator="\n")


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet executes."""
    if not isinstance(value, str):
        return value
    # A bare carriage return ends a row for some readers, and is not quoted by the writer.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _merged(job: Job, test: PlannedTest, results: list[Result], planned: int, absent: str) -> MergedTest:
    summaries = {result.run: _summary(result) for result in results if result.status is Status.OK}
    good = {run: summary for run, summary in summaries.items() if summary}
    hollow = [run for run in summaries if run not in good]
    status, reason = _status(results, hollow, planned, absent)
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {
        "campaign": job.campaign,
        "machine": job.machine,
        "model": test.model,
        "precision": test.precision,
        "device": test.device,
        "scenario": test.scenario.value,
        "hint": test.hint.value,
        "batch": test.batch,
        "status": status.value,
        "reason": reason or None,
        "model_sha256": test.model_sha256,
        "test_id": test.id,
        "settings": further_settings(test) or None,
        "timed_region": test.timed_region,
        "openvino": test.openvino,
        "runs": 0,
        "iterations": 0,
    }
    if results:
        row |= _facts(results)
    if good:
        row |= _numbers(test, results, good, planned)
    return MergedTest(job, test, planned, tuple(results), good, row)


def _status(results: list[Result], hollow: list[int], planned: int, absent: str) -> tuple[Status, str]:
    """A test is ok when no run of it went wrong; runs that were not started leave it ok, and doubted."""
    bad = [result for result in results if result.status in _GRAVITY]
    if bad:
        worst = max(bad, key=lambda result: _GRAVITY.index(result.status))
        of = f"run {worst.run + 1} of {planned}: " if planned > 1 else ""
        return worst.status, f"{of}{worst.reason}"
    if hollow:
        return Status.FAILED, f"run {hollow[0] + 1} of {planned}: its latencies are zero"
    if any(result.status is Status.OK for result in results):
        return Status.OK, ""
    return Status.NOT_RUN, results[0].reason if results else absent


def _summary(result: Result) -> RunSummary | None:
    """The run's numbers; None for samples that cannot be: a machine's word is checked, not believed."""
    if result.samples is None:
        return None
    summary = summarise_run(result.samples)
    return summary if summary.median_ms > 0 and summary.wall_s > 0 else None


def _facts(results: list[Result]) -> dict[str, Any]:
    """What the compiled model and the phases say, of the first run that got that far."""
    facts: dict[str, Any] = {
        "openvino_version": next((r.openvino_version for r in results if r.openvino_version), None),
        "started_at": min(result.started_at for result in results).isoformat(timespec="seconds"),
        "compile_ms": _median([result.phases.compile_ms for result in results]),
        "first_inference_ms": _median([result.phases.first_inference_ms for result in results]),
    }
    compiled = next((result.compiled for result in results if result.compiled), None)
    if compiled:
        facts |= {
            "streams": compiled.streams,
            "threads": compiled.threads,
            "requests": compiled.requests,
            "effective_precision": compiled.inference_precision,
            "execution_devices": "+".join(compiled.execution_devices) or None,
        }
    return facts


def _numbers(
    test: PlannedTest, results: list[Result], good: Mapping[int, RunSummary], planned: int
) -> dict[str, Any]:
    runs = list(good.values())
    by_run = {result.run: result for result in results}
    conditions = [by_run[run].conditions for run in good]
    measured = [(run, samples, by_run[n]) for n, run in good.items() if (samples := by_run[n].samples)]
    known = [
        harness_share(run, samples, scenario=test.scenario, compiled=result.compiled)
        for run, samples, result in measured
    ]
    shares = [share for share in known if share is not None]
    verdict, reasons = judge(
        Evidence(
            runs=runs,
            planned_runs=planned,
            failed_runs=sum(r.run not in good and r.status is not Status.NOT_RUN for r in results),
            outputs_finite=all(r.outputs_finite is not False for r in results if r.run in good),
            conditions=conditions,
            outputs_normal=all(r.outputs_normal is not False for r in results if r.run in good),
            harness_shares=shares,
        )
    )
    summary = summarise_test(runs, scenario=test.scenario, batch=test.batch)
    return asdict(summary) | {
        "verdict": verdict.value,
        "verdict_reasons": " ".join(reasons) or None,
        "energy_mj_per_inference": energy_mj_per_inference(runs, conditions),
        "stopped": _stopped([samples.stopped for _, samples, _ in measured]),
        "harness_percent": 100 * float(np.median(shares)) if shares else None,
    }


def _stopped(noted: Sequence[Stopped | None]) -> str | None:
    """Why the runs ended: one word where they agree, else how many for each reason; None: nobody noted it."""
    reasons = [reason for reason in noted if reason]
    counts = Counter(reasons)
    if len(counts) <= 1:
        return reasons[0] if reasons else None
    return ", ".join(f"{counts[reason]} {reason}" for reason in get_args(Stopped) if counts[reason])


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
