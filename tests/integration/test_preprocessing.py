"""Preprocessing inside the model: checked against numpy, on the way through plan, job and agent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from agent.worker.preprocessing import model_shape, preprocess
from agent.worker.spec import InputSpec
from integrator.config import ModelEntry, load_both
from integrator.models import PreparedModel, prepare
from integrator.plan import make_plan
from integrator.topologies.opset import ops
from protocol.engine import openvino as ov
from protocol.errors import ConfigurationError, ModelError
from protocol.job import Job, Measure
from protocol.result import FedInput, Status
from tests.integration.conftest import Bench
from tests.support import make_job, planned_test

pytestmark = pytest.mark.engine

STEPS: dict[str, Any] = {
    "resize": [8, 12],
    "mean": [10.0, 20.0, 30.0],
    "scale": [2.0, 4.0, 8.0],
    "reverse_channels": True,
}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A model that gives back its input, of 3 × 4 × 6, plus one."""
    parameter = ops.parameter([1, 3, 4, 6], ov.Type.f32, name="x")
    parameter.output(0).get_tensor().set_names({"x"})
    node = ops.add(parameter, ops.constant(np.float32(1)))
    ov.save_model(ov.Model([ops.result(node)], [parameter], "plain"), tmp_path / "plain.xml", False)
    return tmp_path / "plain.xml"


def prepared(plain: Path, cache: Path, *, batch: int = 1, **steps: Any) -> PreparedModel:
    entry = ModelEntry.model_validate({"name": "plain", "path": plain, "preprocess": {"x": steps}})
    return prepare(entry, "native", [batch], cache)


def specs(model: PreparedModel, batch: int) -> tuple[InputSpec, ...]:
    return tuple(
        InputSpec(
            i.name,
            i.shape,
            i.element_type,
            i.low,
            i.high,
            i.preprocess.model_dump() if i.preprocess else None,
        )
        for i in model.with_batch(batch)
    )


def computed(plain: Path, inputs: tuple[InputSpec, ...], image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    core = ov.Core()
    model = core.read_model(plain)
    model.reshape(list(model_shape(inputs[0])))
    preprocess(model, inputs)
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result: npt.NDArray[np.float32] = compiled(image)[0]
    return result


def test_it_computes_what_numpy_does(plain: Path, tmp_path: Path) -> None:
    inputs = specs(prepared(plain, tmp_path / "cache", batch=2, **STEPS), 2)
    assert (inputs[0].shape, inputs[0].element_type, inputs[0].high) == ((2, 8, 12, 3), "u8", 256)
    image = np.random.default_rng(1).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    # Half the size, linear: each pixel is the mean of four.
    small = image.astype(np.float32).reshape(2, 4, 2, 6, 2, 3).mean(axis=(2, 4))
    expected = (small[..., ::-1] - STEPS["mean"]) / STEPS["scale"]
    np.testing.assert_allclose(
        computed(plain, inputs, image), expected.transpose(0, 3, 1, 2) + 1, rtol=1e-4, atol=1e-3
    )


def test_without_steps_only_type_and_layout_change(plain: Path, tmp_path: Path) -> None:
    inputs = specs(prepared(plain, tmp_path / "cache"), 1)
    image = np.random.default_rng(1).integers(0, 256, (1, 4, 6, 3), dtype=np.uint8)
    np.testing.assert_allclose(computed(plain, inputs, image), image.transpose(0, 3, 1, 2) + np.float32(1))


def test_a_run_feeds_the_image_and_says_so(plain: Path, tmp_path: Path, bench: Bench) -> None:
    model = prepared(plain, tmp_path / "cache", **STEPS)
    tests = [
        planned_test(model.ref, id="with", inputs=model.with_batch(1)),
        planned_test(
            model.ref,
            id="without",
            inputs=tuple(replace(i, preprocess=None).with_batch(1) for i in model.inputs),
        ),
    ]
    job = make_job([model.ref], tests, runs=1, measure=Measure(duration_s=0.02, warmup_s=0))
    folder = bench.deliver(job, [model.folder / file.name for file in model.ref.files])
    assert bench.run_agent()
    results = bench.results(folder)
    assert {result.status for result in results.values()} == {Status.OK}
    fed, own = results["with", 0], results["without", 0]
    assert (fed.preprocessing, own.preprocessing) == (True, False)
    assert fed.inputs == (FedInput(name="x", shape=(1, 8, 12, 3), element_type="u8"),)
    assert own.inputs == (FedInput(name="x", shape=(1, 3, 4, 6), element_type="f32"),)


def planned(plain: Path, cache: Path, models: str) -> Job:
    (plain.parent / "lab.yaml").write_text("schema_version: 1\nname: lab\nmachines: [{name: box}]\n")
    text = f"schema_version: 1\nname: demo\nmatrix: {{scenarios: sync}}\nmodels:\n{models}"
    (plain.parent / "campaign.yaml").write_text(text)
    lab, campaign = load_both(plain.parent / "lab.yaml", plain.parent / "campaign.yaml", ["mobilenet-v2"])
    plan = make_plan(
        lab, campaign, lambda entry, precision, batches: prepare(entry, precision, batches, cache)
    )
    return plan.jobs[0]


def test_a_plan_has_it_in_the_job_and_in_the_id(plain: Path, tmp_path: Path) -> None:
    models = (
        "  - {name: a, path: plain.xml}\n  - {name: b, path: plain.xml, preprocess: {x: {}}}\n"
        "  - {name: mobilenet-v2, preprocess: {x: {resize: [10, 20]}}}\n"
    )
    without, own, builtin = planned(plain, tmp_path / "cache", models).tests
    assert without.inputs[0].preprocess is None
    assert own.inputs[0].preprocess is not None
    assert own.inputs[0].preprocess.model_shape == (1, 3, 4, 6)
    assert (builtin.inputs[0].shape, builtin.inputs[0].element_type) == ((1, 10, 20, 3), "u8")
    assert "-pre-" in own.id
    assert "-pre-" not in without.id


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ({"layout": "NC", "model_layout": "NC"}, "model_layout NC has 2 letters, the input is [N, 3, 4, 6]"),
        ({"model_layout": "CNHW"}, "model_layout CNHW has no N where the batch is: [N, 3, 4, 6]"),
        ({"mean": [1.0, 2.0]}, "mean has 2 values, the input has 3 channels"),
        ({"scale": [1.0, 2.0]}, "scale has 2 values, the input has 3 channels"),
    ],
)
def test_what_does_not_fit_the_model(
    steps: dict[str, Any], sentence: str, plain: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        prepared(plain, tmp_path / "cache", **steps)
    assert str(caught.value) == f"plain: preprocess of input x: {sentence}"


def test_a_plan_says_where_it_does_not_fit(plain: Path, tmp_path: Path) -> None:
    models = (
        "  - {name: a, path: plain.xml, preprocess: {y: {}}}\n"
        "  - {name: mobilenet-v2, preprocess: {x: {mean: [1, 2]}}}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        planned(plain, tmp_path / "cache", models)
    assert [line.replace(str(tmp_path), "D") for line in caught.value.problems] == [
        "D/campaign.yaml:5:21: models[0].path: a has no input y; its inputs are x.",
        (
            "D/campaign.yaml:6:38: models[1].preprocess: mobilenet-v2: preprocess of input x: mean has "
            "2 values, the input has 3 channels."
        ),
    ]
