"""The pages of machines and models name the same best test as the leaderboards of the first page."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from integrator.merge import to_csv
from integrator.site.leaderboard.best import LATENCY, THROUGHPUT, best_values
from integrator.site.page import Site
from integrator.site.pages import machine, model


def _load(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "site" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fleetmark_agrees_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sample = _load("sample")
random_lab = _load("random_lab")


@pytest.mark.parametrize("seed", range(4))
def test_every_page_has_the_same_best(seed: int) -> None:
    """A third of the tests are doubtful: noisy, invalid, or without an interval."""
    table = random_lab.lab(seed=seed, doubtful=0.35, batches=(1,))
    site = Site((sample.results(facts=sample.campaign(), table=table, csv=to_csv(table).encode()),))
    ranked = {
        "latency": best_values(site.frame, LATENCY).ranked,
        "throughput": best_values(site.frame, THROUGHPUT).ranked,
    }
    context: Any
    seen = 0
    for page in machine.pages(site):
        context = page.context
        for name, best in context.get("best", {}).items():
            for measure, values in ranked.items():
                value, test = values.get((context["name"], name)), getattr(best, measure)
                assert (test and test.row) == (value and value.row)
                seen += value is not None
    assert seen > 40
    (listing,) = (page.context for page in model.pages(site) if page.path == "models.html")
    context = listing
    for entry in context["entries"]:
        for measure, choose in (("latency", min), ("throughput", max)):
            own = [value for (_, name), value in ranked[measure].items() if name == entry.name]
            test = getattr(entry, measure)
            assert (test and test.row) == (choose(own, key=lambda each: each.value).row if own else None)
