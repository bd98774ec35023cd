"""What the page that compares needs to know in the browser, as scripts.

The rule of `integrator.statistics.compare` is carried out there again, in templates/js/compare-core.js; what
it rests on (ranks, Student's quantiles, the band) is computed here, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from statistics import NormalDist

import numpy as np
import pandas as pd

from integrator.site.cells import clean_text
from integrator.site.compare.configurations import ANY_RELEASE, GOT, configuration_ids
from integrator.site.compare.differences import known_facts
from integrator.site.explain.script import shard
from integrator.site.page import Asset, Site
from integrator.statistics.compare import BAND, missing_runs, rank, student
from integrator.statistics.interval import CONFIDENCE
from protocol.machine import MachineDescription
from protocol.release import short_version

__all__ = ["files", "machine_facts_of", "rule"]

_MOST_FREEDOM = 60
"""Degrees of freedom up to which the quantiles are carried; beyond, an expansion is exact to six digits."""


def files(site: Site) -> Iterator[Asset]:
    """The facts of every machine in every campaign; and the rule, the slices and the configurations."""
    described = {campaign.facts.id: campaign.machines for campaign in site.campaigns}
    yield "assets/machines.js", shard("machines", machine_facts_of(described))
    frames = list(site.frames.values())
    value = {
        "rule": rule(_run_counts(site), _freedoms(frames)),
        "slices": {campaign: _slices(frame) for campaign, frame in site.frames.items()},
        "any": ANY_RELEASE,
        "got": GOT,
        "configurations": configuration_ids(frames),
    }
    yield "assets/compare.js", shard("compare", value)


def rule(counts: Sequence[int], freedoms: int) -> dict[str, object]:
    """What the comparison of runs rests on, for tests of these numbers of runs and so many groups.

    `ranks` has an entry for each pair "n,m" with n ≤ m: the rank of the interval's ends, or below 0 how many
    runs of both tests are missing. `student` begins with one degree of freedom.
    """
    return {
        "band": BAND,
        "percent": f"{100 * BAND:g}",
        "confidence": CONFIDENCE,
        "ranks": {
            f"{n},{m}": -missing if (missing := missing_runs(n, m)) else rank(n, m)
            for n, m in combinations_with_replacement(sorted({0, *counts}), 2)
        },
        "student": [student(freedom) for freedom in range(1, min(freedoms, _MOST_FREEDOM) + 1)],
        "normal": NormalDist().inv_cdf((1 + CONFIDENCE) / 2),
    }


def machine_facts_of(machines: Mapping[str, Mapping[str, MachineDescription]]) -> dict[str, object]:
    """The facts of each machine by campaign: numbers into `texts`, or into `reasons` below 0 (unknown)."""
    texts: dict[str, int] = {}
    reasons: dict[str, int] = {}

    def place(text: str | None, reason: str) -> int:
        if text is None:
            return -1 - reasons.setdefault(reason, len(reasons))
        return texts.setdefault(text, len(texts))

    of = {
        campaign: {
            clean_text(name): [place(fact.text, fact.reason) for fact in known_facts(description)]
            for name, description in described.items()
        }
        for campaign, described in machines.items()
    }
    facts = [{"label": fact.label, "kind": fact.kind} for fact in known_facts(None)]
    return {"facts": facts, "texts": list(texts), "reasons": list(reasons), "of": of}


def _run_counts(site: Site) -> list[int]:
    """How many good runs a test may have, in any campaign."""
    counts: set[int] = set()
    for campaign in site.campaigns:
        runs = campaign.runs
        values = runs[["latency_ms", "throughput_fps"]].to_numpy(dtype=np.float64)
        good = runs[np.isfinite(values).all(axis=1)]
        counts.update(good.groupby(["machine", "test_id"], sort=False).size().unique().tolist())
    return sorted(counts)


def _freedoms(frames: Sequence[pd.DataFrame]) -> int:
    """The most groups, or configurations of one model on one machine, that a mean may be of, less one."""
    models = max((frame["model"].nunique() for frame in frames), default=0)
    tests = max(
        (int(frame.groupby(["machine", "model"], sort=False).size().max()) for frame in frames if len(frame)),
        default=0,
    )
    return max(models, tests) - 1


def _slices(frame: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """By machine and release asked for: the versions of OpenVINO that measured, in short."""
    found: dict[str, dict[str, list[str]]] = {}
    different = frame[["machine", "openvino", "openvino_version"]].drop_duplicates()
    for machine, asked, version in different.itertuples(index=False, name=None):
        versions = found.setdefault(machine, {}).setdefault(asked or "auto", [])
        short = short_version(version) if version else ""
        if short and short not in versions:
            versions.append(short)
    return found
