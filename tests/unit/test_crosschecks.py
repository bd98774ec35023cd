"""verify and selftest: what they ask of benchmark_app, how its report is read, what they conclude."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from integrator import benchmark_app
from integrator import selftest as selftesting
from integrator import verify as verifying
from integrator.benchmark_app import Measured, arguments, configuration, read_report
from integrator.models import PreparedModel
from integrator.plan import Plan
from integrator.selftest import sentences
from integrator.statistics.resolution import resolution
from integrator.verify import Check, differences
from protocol.errors import CampaignError
from protocol.job import Hint, Input, Job, ModelFile, ModelRef, PlannedTest, Scenario
from tests.support import make_job, make_samples, planned_test

FOLDER = Path("/tmp/f")
MODEL = ModelRef(
    name="tiny",
    precision="FP32",
    sha256="a" * 64,
    entry="tiny.xml",
    files=(ModelFile(name="tiny.xml", size=1, sha256="a" * 64),),
)
REPORT = {
    "execution_results": {
        "total execution time (ms)": "2000.00",
        "total number of iterations": "400",
        "latency (ms)": "4.90",
        "throughput": "200.00",
    }
}


def planned(**changes: Any) -> PlannedTest:
    return planned_test(MODEL, **changes)


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_benchmark_app_gets_the_same_settings() -> None:
    test = planned(scenario=Scenario.ASYNC, device="GPU.1", hint=Hint.THROUGHPUT, batch=4, requests=6)
    words = arguments(test, Path("/m/tiny.xml"), duration_s=7, folder=FOLDER)
    asked = {o: value(words, o) for o in ("-m", "-d", "-api", "-hint", "-t", "-nireq", "-shape", "-ip")}
    assert asked == {
        "-m": "/m/tiny.xml",
        "-d": "GPU.1",
        "-api": "async",
        "-hint": "throughput",
        "-t": "7",
        "-nireq": "6",
        "-shape": "[4,3,32,32]",
        "-ip": "f32",
    }
    assert (value(words, "-report_folder"), "-json_stats" in words) == (str(FOLDER), True)
    assert "-load_config" not in words


def test_what_is_left_to_openvino_is_left_to_it_there_too() -> None:
    words = arguments(planned(hint=Hint.NONE), Path("m.xml"), duration_s=1, folder=FOLDER)
    assert value(words, "-hint") == "none"
    assert not {"-nireq", "-nstreams", "-nthreads", "-load_config"} & set(words)


@pytest.mark.parametrize(
    ("device", "key"), [("CPU", "CPU"), ("GPU.1", "GPU.1"), ("AUTO:GPU,CPU", "AUTO"), ("AUTO", "AUTO")]
)
def test_streams_and_threads_go_by_a_file_for_the_device(device: str, key: str) -> None:
    test = planned(device=device, hint=Hint.NONE, streams=2, threads=4)
    assert configuration(test) == {key: {"NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "4"}}
    words = arguments(test, Path("m.xml"), duration_s=1, folder=FOLDER)
    assert value(words, "-load_config") == str(FOLDER / "config.json")


def test_several_inputs_are_named() -> None:
    inputs = (
        Input(name="ids", shape=(1, 128), element_type="i64"),
        Input(name="mask", shape=(1, 128), element_type="boolean"),
    )
    words = arguments(planned(inputs=inputs), Path("m.xml"), duration_s=1, folder=FOLDER)
    assert value(words, "-shape") == "ids[1,128],mask[1,128]"
    assert value(words, "-iop") == "ids:i64,mask:bool"


def test_a_report_is_read_and_its_throughput_computed_with_our_batch() -> None:
    assert read_report(REPORT, batch=4) == Measured(latency_ms=4.9, throughput_fps=800.0, iterations=400)


def test_a_report_without_latency_is_one_of_multi() -> None:
    results = {k: v for k, v in REPORT["execution_results"].items() if k != "latency (ms)"}
    assert read_report({"execution_results": results}, batch=1).latency_ms is None


def test_a_report_of_no_time_is_refused() -> None:
    results = REPORT["execution_results"] | {"total execution time (ms)": "0.00"}
    with pytest.raises(ValueError, match="zero"):
        read_report({"execution_results": results}, batch=1)
    with pytest.raises(KeyError):
        read_report({"execution_results": {}}, batch=1)


def test_a_benchmark_app_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"(?s)benchmark_app ended with code 1:.*absent\.xml"):
        benchmark_app.measure(planned(), tmp_path / "absent.xml", duration_s=1, timeout_s=60)


def test_a_benchmark_app_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"took more than 0\.01 s"):
        benchmark_app.measure(planned(), tmp_path / "absent.xml", duration_s=1, timeout_s=0.01)


def measured(latency: float | None, throughput: float) -> Measured:
    return Measured(latency_ms=latency, throughput_fps=throughput, iterations=10)


def test_ratios_are_of_pairs_so_that_drift_cancels() -> None:
    # The machine slows down by half from pair to pair; ours is 10 % faster in each of them.
    check = Check(
        planned(),
        "box",
        1,
        ours=[measured(1.0, 110.0), measured(2.0, 55.0), measured(4.0, 27.5)],
        theirs=[measured(1.1, 100.0), measured(2.2, 50.0), measured(4.4, 25.0)],
    )
    assert check.latency_ratio == pytest.approx(1 / 1.1)
    assert check.throughput_ratio == pytest.approx(1.1)
    assert check.throughput_ratios == pytest.approx((1.1, 1.1))
    assert check.latency_ms == (2.0, 2.2)
    assert check.throughput_fps == (55.0, 50.0)


def test_without_a_latency_there_is_no_ratio_of_it() -> None:
    check = Check(planned(), "box", 1, ours=[measured(1.0, 1.0)], theirs=[measured(None, 1.0)])
    assert (check.latency_ms, check.latency_ratio) == (None, None)
    rounded = Check(planned(), "box", 1, ours=[measured(0.004, 1.0)], theirs=[measured(0.0, 1.0)])
    assert rounded.latency_ratio is None


def test_what_may_differ_names_the_tests_that_it_concerns() -> None:
    short = Check(planned(id="short"), "box", 1, [measured(0.04, 1.0)], [measured(0.04, 1.0)])
    long = Check(planned(id="long"), "box", 1, [measured(40.0, 1.0)], [measured(40.0, 1.0)])
    pool = Check(planned(id="pool", scenario="async", requests=4), "box", 1)
    notes = list(differences([short, long, pool]))
    rounding = [note for note in notes if note.startswith("rounding")]
    assert [note.endswith("12.5% off: short") for note in rounding] == [True]
    requests = [note for note in notes if note.startswith("requests")]
    assert [note.endswith(": pool") for note in requests] == [True]
    assert len(notes) == 5


def test_pairs_take_turns_and_a_failure_ends_them_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def theirs(*_: object, **__: object) -> Measured:
        order.append("theirs")
        if order.count("theirs") > 3:
            raise CampaignError("it broke")
        return measured(1.0, 1.0)

    def ours(*_: object) -> Measured:
        order.append("ours")
        return measured(1.0, 1.0)

    monkeypatch.setattr(verifying, "_ours", ours)
    monkeypatch.setattr(benchmark_app, "measure", theirs)
    plan, job, test = tiny_plan()
    check = verifying.verify(plan, job, test, pairs=4, duration_s=None, say=lambda line: None)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs", "theirs"]
    assert check.reason == "it broke"
    assert check.duration_s == 1  # 0.05 s, rounded up to what benchmark_app takes


def rehearsed(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[Job]:
    """The jobs that a cross-check rehearses; each of their runs is the same."""
    jobs: list[Job] = []

    def rehearse(plan: Plan) -> dict[str, list[Any]]:
        (job,) = plan.jobs
        jobs.append(job)
        runs = [SimpleNamespace(samples=make_samples([0, 10], [10, 10]))] * (
            len(job.schedule) // len(job.tests)
        )
        return {test.id: runs for test in job.tests}

    monkeypatch.setattr(module, "rehearse", rehearse)
    return jobs


def test_beside_benchmark_app_ours_measures_the_same_time_and_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = rehearsed(monkeypatch, verifying)
    monkeypatch.setattr(benchmark_app, "measure", lambda *_, **__: measured(10.0, 100.0))
    plan, job, test = tiny_plan()
    test = test.model_copy(update={"timed_region": "with_input_copy"})
    check = verifying.verify(plan, job, test, pairs=1, duration_s=3, say=lambda line: None)
    assert check.reason == ""
    assert check.throughput_ratio == pytest.approx(1.0)
    (rehearsal,) = jobs
    assert rehearsal.measure.duration_s == 3
    assert rehearsal.measure.interval_target is None
    assert rehearsal.measure.max_iterations == 10_000_000
    assert [each.timed_region for each in rehearsal.tests] == ["inference"]
    assert any(note.startswith("timed region") for note in differences([check]))


def test_a_selftest_stops_as_a_campaign_does(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = rehearsed(monkeypatch, selftesting)
    plan, job, _ = tiny_plan()
    shown = selftesting.selftest(plan, runs=3, duration_s=0.04)
    (rehearsal,) = jobs
    assert rehearsal.measure.interval_target == job.measure.interval_target == 0.01
    assert (rehearsal.measure.duration_s, rehearsal.measure.min_duration_s) == (0.04, 0.04)
    assert (len(shown.a), len(shown.b)) == (3, 3)


def tiny_plan() -> tuple[Plan, Job, PlannedTest]:
    test = planned()
    job = make_job([MODEL], [test, planned(id="other")])
    model = PreparedModel(MODEL, Path("/m"), ())
    plan = Plan(
        job.campaign,
        "t",
        "lab",
        job.created_at,
        (job, job.model_copy(update={"machine": "other-box"})),
        (model,),
        (),
    )
    return plan, job, test


def test_the_first_tests_are_taken_once_however_many_machines_are_this_one() -> None:
    plan, job, test = tiny_plan()
    assert [t.id for _, t in verifying.first_tests(plan, 5)] == [test.id, "other"]
    assert verifying.first_tests(plan, 1) == [(job, test)]


def shown(a: list[float], b: list[float]) -> str:
    return " ".join(sentences("latency", resolution(a, b)))


def test_enough_runs_give_the_smallest_difference_and_the_runs_for_less() -> None:
    text = shown([1.0, 1.01, 1.02, 0.99, 1.0], [1.01, 0.99, 1.0, 1.02, 1.01])
    assert "with 5 runs on each side this machine resolves differences of" in text
    assert "To resolve 1.0 % it needs" in text
    assert "seem to differ" not in text


def test_too_few_runs_are_said_to_be_too_few() -> None:
    text = shown([1.0, 1.01], [1.01, 1.0])
    assert "2 runs on each side are too few" in text
    assert "resolves differences of" not in text


def test_runs_without_scatter_are_not_called_precise() -> None:
    text = shown([1.0] * 5, [1.0] * 5)
    assert "below what the clock can show" in text
    assert "%" not in text


def test_sides_that_differ_are_doubted() -> None:
    steady = [1.0, 1.001, 1.002, 0.999, 1.0]
    assert "seem to differ" in shown(steady, [1.5 * value for value in steady])


def test_the_bound_is_above_what_was_found() -> None:
    found = resolution([1.0, 1.01, 1.02, 0.99, 1.0], [1.01, 0.99, 1.0, 1.02, 1.01])
    assert found.smallest_at_most > found.smallest
    assert replace(found, runs=3).sufficient is False
