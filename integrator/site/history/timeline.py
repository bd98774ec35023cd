"""Each test on each machine across the campaigns: values, intervals, and the change from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from integrator.site.cells import clean_text
from integrator.site.source import CampaignFacts, CampaignResults
from integrator.statistics.compare import Outcome
from integrator.statistics.compare_many import OUTCOMES, Comparisons, RunValues, compare_many
from protocol.result import Status

__all__ = ["LATENCY", "MEASURES", "THROUGHPUT", "Measure", "Timeline", "timeline_of"]

_Floats = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]
_Texts = npt.NDArray[np.object_]
_FACTS = ("machine", "model", "label", "scenario", "test_id", "href", "row")
"""Of a test, as the newest campaign that has it says."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is followed through time."""

    key: str
    low: str
    high: str
    unit: str
    heading: str
    higher_is_faster: bool


LATENCY = Measure("latency_ms", "latency_low_ms", "latency_high_ms", "ms", "latency", False)
THROUGHPUT = Measure("throughput_fps", "throughput_low_fps", "throughput_high_fps", "FPS", "throughput", True)
MEASURES = (LATENCY, THROUGHPUT)
"""A sync test is judged by the first, others by the second."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All tests, those of the newest campaign first and in its order; campaigns from the oldest on.

    Arrays have a row for each test, and where they are two-dimensional a column for each campaign.
    """

    campaigns: tuple[CampaignFacts, ...]
    tests: pd.DataFrame
    """machine, model, label, scenario, test_id, row (the test's id); href, where its row stands, empty for
    one that the newest campaign has not; all texts."""
    status: _Texts
    """Empty: the campaign has no such test."""
    verdict: _Texts
    reason: _Texts
    release: _Texts
    """The OpenVINO that measured it."""
    content: _Texts
    """SHA-256 of the model's files."""
    rank_ok: npt.NDArray[np.bool_]
    values: Mapping[str, _Floats]
    """By the keys of `MEASURES` and of their intervals; NaN: none."""
    before: _Places
    """Which campaign the one of this column is compared with: the last before it in which the test ended ok;
    -1: none, or it did not end ok here."""
    outcome: Mapping[str, npt.NDArray[np.int8]]
    """By measure: place in `statistics.compare_many.OUTCOMES`, seen from the campaign `before`."""
    ratio: Mapping[str, _Floats]
    """By measure: this campaign's ÷ that of `before`, with its interval; NaN: unknown."""
    ratio_low: Mapping[str, _Floats]
    ratio_high: Mapping[str, _Floats]

    @property
    def primary(self) -> npt.NDArray[np.int64]:
        """For each test the place in `MEASURES` of what it is judged by."""
        return np.where(self.tests["scenario"].to_numpy() == "sync", 0, 1)

    def certain(self, measure: str) -> npt.NDArray[np.bool_]:
        """Whether a test is known to have become faster or slower.

        Both results may be ranked, and both are of the same model file.
        """
        changed = np.isin(
            self.outcome[measure], [OUTCOMES.index(Outcome.FASTER), OUTCOMES.index(Outcome.SLOWER)]
        )
        found: npt.NDArray[np.bool_] = changed & self._at_both(self.rank_ok) & ~self.other_model
        return found

    @property
    def other_model(self) -> npt.NDArray[np.bool_]:
        """Whether the model's file is another than in the campaign `before`: that is not the same test."""
        at, before = np.arange(len(self.tests))[:, None], self.before
        found: npt.NDArray[np.bool_] = self.content[at, np.maximum(before, 0)] != self.content
        return (before >= 0) & found

    def _at_both(self, true: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        at, before = np.arange(len(self.tests))[:, None], self.before
        found: npt.NDArray[np.bool_] = (before >= 0) & true & true[at, np.maximum(before, 0)]
        return found


def timeline_of(campaigns: Sequence[CampaignResults], frames: Mapping[str, pd.DataFrame]) -> Timeline:
    """The tests of `campaigns`, whose tables are `frames` by campaign id; in any order."""
    newest_first = sorted(campaigns, key=lambda each: (each.facts.created_at, each.facts.id), reverse=True)
    once = [frames[each.facts.id].drop_duplicates(["machine", "test_id"]) for each in newest_first]
    tests = _tests(once)
    row_of = pd.Index(tests["row"])
    places = [row_of.get_indexer(pd.Index(frame["row"])) for frame in once][::-1]
    campaigns, once = newest_first[::-1], once[::-1]
    shape = len(tests), len(campaigns)

    def texts(column: str) -> _Texts:
        found = np.full(shape, "", dtype=object)
        for at, (frame, rows) in enumerate(zip(once, places, strict=True)):
            found[rows, at] = frame[column].to_numpy(dtype=object)
        return found

    def numbers(column: str) -> _Floats:
        found = np.full(shape, np.nan)
        for at, (frame, rows) in enumerate(zip(once, places, strict=True)):
            found[rows, at] = frame[column].to_numpy(dtype=np.float64)
        return found

    rank_ok = np.zeros(shape, dtype=bool)
    for at, (frame, rows) in enumerate(zip(once, places, strict=True)):
        rank_ok[rows, at] = frame["rank_ok"].to_numpy(dtype=bool)
    status = texts("status")
    before = _before(status == Status.OK.value)
    runs = [_runs(each, frame, rows) for each, frame, rows in zip(campaigns, once, places, strict=True)]
    compared = {measure.key: _steps(measure, runs, before) for measure in MEASURES}
    return Timeline(
        campaigns=tuple(replace(each.facts, title=clean_text(each.facts.title)) for each in campaigns),
        tests=tests,
        status=status,
        verdict=texts("verdict"),
        reason=texts("reason"),
        release=texts("openvino_version"),
        content=texts("model_sha256"),
        rank_ok=rank_ok,
        values={key: numbers(key) for each in MEASURES for key in (each.key, each.low, each.high)},
        before=before,
        outcome={key: found.outcome for key, found in compared.items()},
        ratio={key: found.ratio for key, found in compared.items()},
        ratio_low={key: found.low for key, found in compared.items()},
        ratio_high={key: found.high for key, found in compared.items()},
    )


def _tests(newest_first: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Each test once, as the newest campaign that has it describes it; a link only into the newest."""
    described = [frame[list(_FACTS)] for frame in newest_first]
    described[1:] = [frame.assign(href="") for frame in described[1:]]
    return pd.concat(described, ignore_index=True).drop_duplicates("row", ignore_index=True)


def _before(ok: npt.NDArray[np.bool_]) -> _Places:
    """For each place that is ok, the last column before it that is ok, too; else -1."""
    found = np.full(ok.shape, -1, dtype=np.int64)
    last = np.full(ok.shape[0], -1, dtype=np.int64)
    for at in range(ok.shape[1]):
        found[:, at] = np.where(ok[:, at], last, -1)
        last = np.where(ok[:, at], at, last)
    return found


@dataclass(frozen=True, slots=True)
class _Runs:
    """The good runs of one campaign: of which test each is, and its numbers by measure."""

    tests: _Places
    values: Mapping[str, _Floats]


def _runs(campaign: CampaignResults, frame: pd.DataFrame, rows: _Places) -> _Runs:
    runs = campaign.runs
    good = (runs["status"] == Status.OK.value).to_numpy(dtype=bool)
    # Both columns as numbers first: to hash a million pairs of texts takes long.
    machine = pd.factorize(pd.concat([frame["machine"], runs["machine"]], ignore_index=True))[0]
    test = pd.factorize(pd.concat([frame["test_id"], runs["test_id"]], ignore_index=True))[0]
    pair = machine.astype(np.int64) * (int(test.max(initial=0)) + 1) + test
    at = pd.Index(pair[: len(frame)]).get_indexer(pd.Index(pair[len(frame) :]))
    good = good & (at >= 0)
    values = {key: runs[key].to_numpy(dtype=np.float64)[good] for key in (each.key for each in MEASURES)}
    return _Runs(rows[at[good]].astype(np.int64), values)


def _steps(measure: Measure, runs: Sequence[_Runs], before: _Places) -> Comparisons:
    """Every column against the one before it, column by column."""
    size, columns = before.shape
    packed = [RunValues.of(each.values[measure.key], each.tests, size) for each in runs]
    inconclusive = OUTCOMES.index(Outcome.INCONCLUSIVE)
    found = Comparisons(
        np.full(before.shape, inconclusive, dtype=np.int8),
        *(np.full(before.shape, np.nan) for _ in range(3)),
    )
    for at in range(columns):
        for earlier in np.unique(before[:, at][before[:, at] >= 0]).tolist():
            here = np.flatnonzero(before[:, at] == earlier)
            step = compare_many(
                packed[earlier].take(here),
                packed[at].take(here),
                higher_is_faster=measure.higher_is_faster,
            )
            found.outcome[here, at] = step.outcome
            found.ratio[here, at], found.low[here, at] = step.ratio, step.low
            found.high[here, at] = step.high
    return found
