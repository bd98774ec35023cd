"""Campaigns at the edge: texts that mean ill, and tables with next to nothing in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd

from integrator.merge import to_csv
from integrator.rejected import RejectedFiles, Rejection
from integrator.site.source import CampaignResults, Offer
from protocol.machine import Device, MachineDescription
from tests.site import sample

RTL = "\u202eexe.tab\u202c"
NASTY = (
    "<script>window.owned=1</script>",
    "</script></style></title></table><img src=x onerror=window.owned=1>",
    "\"' onmouseover=window.owned=1 x='",
    "{{ 7 * 7 }}{% raw %}",
    "=cmd|'/c calc'!A1",
    RTL,
    "&lt;b&gt; &amp;",
    "]]><!-- --!> <!--",
    "line\u2028separator\u2029and paragraph",
    "../../etc/passwd#a?b=c&d%2F\\",
    "lone \ud800 surrogate \x1b[31m\x00",
    "long " + "x" * 10_000,
)
"""As names of machines, models, settings and reasons."""


def hostile() -> CampaignResults:
    """A campaign of such texts alone: each is a machine, a model, a reason and a setting."""
    rows = []
    for number, text in enumerate(NASTY):
        other = NASTY[number - 1]
        names: dict[str, Any] = {"machine": text, "model": other, "test_id": f"{text}-{number}"}
        texts = dict.fromkeys(
            ("device", "precision", "settings", "execution_devices", "effective_precision"), text
        )
        rows += [
            sample.row(**names, **texts, verdict="noisy", verdict_reasons=text),
            sample.row(machine=text, model="resnet50", test_id="t1"),
            sample.row(machine=text, model="resnet50", test_id="t2", scenario="async", requests=4),
            sample.failure("failed", text, machine=text, model=other, test_id=f"f{number}"),
            sample.row(machine=text, model=f"{other} {number}", test_id=f"n{number}", latency_p99_ms=text),
        ]
    sendable = [text for text in NASTY if text.isprintable() or text == RTL]  # in a document of an agent's
    return sample.results(
        *rows,
        csv=to_csv(sample.table(*rows)).encode("utf-8", "replace"),
        facts=replace(sample.campaign(title=NASTY[1], complete=False), id="hostile"),
        machines={text: _describe(text) for text in sendable if len(text) < 100},
        tasks=dict(zip(NASTY, reversed(NASTY), strict=True)) | {"resnet50": NASTY[0]},
        offers={text: Offer(price=100, currency=text[:40]) for text in NASTY},
        rejected=RejectedFiles(
            files=tuple(
                Rejection(machine="nuc-13", name=text[:400], reason=text[:400], found="server")
                for text in sendable
            ),
            more={"folder": 3},
        ),
    )


def _describe(text: str) -> MachineDescription:
    described = sample.description(
        "nuc-13", cpu_model=text, isa=(text,), devices=(Device(name=text, full_name=text),)
    )
    return described.model_copy(update={"unknown": {"governor": text}})


def edges() -> Mapping[str, Sequence[CampaignResults]]:
    """By name: campaigns of a site of which each page must still make sense."""
    row, failure, results = sample.row, sample.failure, sample.results
    failures = [failure(status, reason, test_id=f"t-{status}") for status, reason in sample.FAILURES.items()]
    one = [row(test_id="sync"), row(test_id="async", scenario="async", streams=4, requests=4)]
    nothing = {"throughput_fps": None, "latency_ms": None, "fps": None, "effective_precision": None}
    nulls = pd.DataFrame([dict.fromkeys(sample.CSV_COLUMNS)] * 2)
    priced = {"a": Offer(price=100, currency="EUR"), "b": Offer(watts=15)}
    return {
        "empty": [results()],
        "no columns": [replace(results(), table=pd.DataFrame())],
        "one test": [results(row())],
        "one machine": [results(*one, machines=sample.sample_machines())],
        "one model": [results(*(row(machine=name, latency_ms=10.0 + n) for n, name in enumerate("abc")))],
        "only failures": [results(*failures)],
        "nothing measured": [results(*(row(**nothing, test_id=f"t{n}") for n in range(3)))],
        "all null": [replace(results(row()), table=nulls)],
        "pandas NA": [replace(results(*one), table=sample.table(*one, *failures).convert_dtypes())],
        "one run a test": [results(*(row(machine=name, runs=1, latency_low_ms=math.nan) for name in "ab"))],
        "price without watts": [
            results(*(row(machine=name, test_id=f"t{n}") for name in "ab" for n in range(2)), offers=priced)
        ],
        "one test twice": [results(row(), row())],
        "disjoint campaigns": [_monthly(0, "ab", "xy"), _monthly(1, "cd", "xy"), _monthly(2, "ef", "z")],
    }


def _monthly(number: int, machines: str, models: str) -> CampaignResults:
    facts = sample.campaign()
    rows = (
        sample.row(machine=machine, model=model, test_id=f"{model}-sync")
        for machine in machines
        for model in models
    )
    created = facts.created_at + timedelta(30 * number)
    return sample.results(*rows, facts=replace(facts, id=f"month-{number}", created_at=created))
