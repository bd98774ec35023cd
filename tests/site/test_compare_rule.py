"""The comparison in the browser is that of Python: the same numbers, and the same words."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from selenium import webdriver

from integrator.resources import find
from integrator.site.compare.differences import badge, differences
from integrator.site.compare.scripts import machine_facts_of, rule
from integrator.statistics.compare import compare, mean_by_group, mean_of_ratios, student
from tests.unit.test_site_differences import machine

pytestmark = pytest.mark.browser

COUNTS = (1, 2, 3, 4, 5, 6, 8, 12, 33, 40)
FREEDOMS = 60


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    script = (find("templates") / "js" / "compare-core.js").read_text(encoding="utf-8")
    content = f"<!doctype html><title>rule</title><script>{script}</script>"
    content += f"<script>window.rule = {json.dumps(rule(COUNTS, FREEDOMS))}</script>"
    file = tmp_path_factory.mktemp("rule") / "page.html"
    file.write_text(content, encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def scripted(window: webdriver.Chrome, page: str) -> webdriver.Chrome:
    window.get(page)
    return window


def ask(scripted: webdriver.Chrome, script: str, values: object) -> Any:
    """What the script returns for each of the values; numbers that are none in JSON travel as words."""
    text = json.dumps(values).replace("NaN", '"NaN"').replace("Infinity", '"Infinity"')
    body = (
        "const read = (key, value) => value === 'NaN' ? NaN : value === 'Infinity' ? Infinity : value;"
        f"return JSON.stringify(JSON.parse(arguments[0], read).map((value) => {script}));"
    )
    return json.loads(scripted.execute_script(body, text))


def near(value: float | None, other: float | None, tolerance: float = 1e-12) -> bool:
    if value is None or other is None:
        return value is other
    return math.isclose(value, other, rel_tol=tolerance, abs_tol=0)


def samples() -> list[list[list[float]]]:
    """Pairs of samples: smooth ones, ones with ties, few runs, none, and values that cannot be."""
    random = np.random.default_rng(20261201)
    found: list[list[list[float]]] = []
    for number in range(600):
        sizes = random.choice([0, *COUNTS], 2)
        shift, spread = random.normal(0, 0.1), random.choice([1e-4, 0.01, 0.1, 1.0])
        pair = [np.exp(random.normal(0, spread, size)).tolist() for size in sizes]
        pair[1] = [value * math.exp(shift) for value in pair[1]]
        if number % 3 == 0:  # clocks that tick slowly make ties
            pair = [[max(round(value, 1), 0.1) for value in side] for side in pair]
        if number % 20 == 0 and pair[1]:
            pair[number // 20 % 2 if pair[0] else 1][0] = [0.0, -1.0, math.nan, math.inf][number // 20 % 4]
        found.append(pair)
    return found


@pytest.mark.parametrize("higher_is_faster", [False, True])
def test_a_comparison(scripted: webdriver.Chrome, *, higher_is_faster: bool) -> None:
    pairs = samples()
    flag = str(higher_is_faster).lower()
    found = ask(scripted, f"fleetmark.comparison.compare(rule, value[0], value[1], {flag})", pairs)
    outcomes = set()
    for (first, second), seen in zip(pairs, found, strict=True):
        expected = compare(first, second, higher_is_faster=higher_is_faster)
        assert seen["outcome"] == expected.outcome
        assert seen["reason"] == expected.reason
        assert near(seen["ratio"], expected.ratio)
        if expected.interval is None:
            assert seen["interval"] is None
        else:
            assert near(seen["interval"][0], expected.interval.low)
            assert near(seen["interval"][1], expected.interval.high)
        outcomes.add((expected.outcome, expected.interval is None, expected.ratio is None))
    assert len(outcomes) == 6  # every outcome, and each way not to know


def test_a_mean(scripted: webdriver.Chrome) -> None:
    random = np.random.default_rng(5)
    cases = []
    for _ in range(200):
        size = int(random.integers(0, 61))
        ratios = [
            None if random.random() < 0.2 else float(value) for value in np.exp(random.normal(0, 0.5, size))
        ]
        cases.append([ratios, random.integers(0, random.integers(1, 9), size).tolist()])
    plain = ask(scripted, "fleetmark.comparison.meanOfRatios(rule, value[0])", cases)
    grouped = ask(scripted, "fleetmark.comparison.meanByGroup(rule, value[0], value[1])", cases)
    for (ratios, groups), *seen in zip(cases, plain, grouped, strict=True):
        for mean, expected in zip(seen, (mean_of_ratios(ratios), mean_by_group(ratios, groups)), strict=True):
            assert (mean["known"], mean["of"], mean["reason"]) == (
                expected.known,
                expected.of,
                expected.reason,
            )
            assert near(mean["ratio"], expected.ratio)
            assert (mean["interval"] is None) == (expected.interval is None)
            if expected.interval is not None:
                assert all(map(near, mean["interval"], expected.interval))


def test_students_quantiles_beyond_the_table(scripted: webdriver.Chrome) -> None:
    freedoms = [1, FREEDOMS, FREEDOMS + 1, 100, 500, 4000]
    found = ask(scripted, "fleetmark.comparison.student(rule, value)", freedoms)
    assert all(near(seen, student(freedom), 1e-6) for freedom, seen in zip(freedoms, found, strict=True))


def test_what_differs(scripted: webdriver.Chrome) -> None:
    machines = {
        "plain": machine(kernel="6.1"),
        "newer": machine(kernel="6.8", turbo=True, openvino="2026.1"),
        "other": machine({"governor": "no file"}, cpu_model="N100", sockets=2, kernel="6.1"),
        "hostile": machine(kernel="</script><b>", cpu_model="\u202e=cmd|'/C calc'!A0"),
    }
    shipped = machine_facts_of({"c": machines})
    names = [*machines, "nobody"]
    cases = [[one, other] for one in names for other in names]
    script = """(() => {
      const found = fleetmark.comparison.differences(window.facts, ["c", value[0]], ["c", value[1]]);
      return { found, badge: fleetmark.comparison.badge(found) };
    })()"""
    scripted.execute_script("window.facts = arguments[0]", shipped)
    for (one, other), seen in zip(cases, ask(scripted, script, cases), strict=True):
        expected = differences(machines.get(one), machines.get(other))
        assert seen["badge"] == badge(expected)
        assert [(each["label"], each["first"], each["second"], each["kind"]) for each in seen["found"]] == [
            (each.label, each.first, each.second, each.kind) for each in expected
        ]
        assert [each["certain"] for each in seen["found"]] == [each.certain for each in expected]
