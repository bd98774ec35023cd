"""Tests across campaigns: values, changes by hand, what the machines say, the feed."""

from __future__ import annotations

import base64
import gzip
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from integrator.merged import run_table
from integrator.site.history import feed, shards
from integrator.site.history.changes import Changes, changes
from integrator.site.history.machines import alike, machine_steps
from integrator.site.history.sparkline import HEIGHT, WIDTH, sparkline
from integrator.site.history.table import percent, rows
from integrator.site.ids import row_id
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION, history
from integrator.site.render import Renderer
from integrator.site.source import CampaignFacts, CampaignResults
from integrator.statistics.compare import compare


def _load_sample() -> ModuleType:
    path = Path(__file__).parents[1] / "site" / "sample.py"
    spec = util.spec_from_file_location("fleetmark_history_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sample = _load_sample()
EVIL = "</script><script>alert(1)</script>\u202e]]>&lt;"
ATOM = "{http://www.w3.org/2005/Atom}"


def campaign(month: int, tests: Iterable[dict[str, Any]], **settings: Any) -> CampaignResults:
    """A campaign of that month; `values` of a test are its runs: latencies of sync, rates of others."""
    table, runs = [], []
    for given in tests:
        test: dict[str, Any] = {"machine": "nuc", "test_id": "a", "scenario": "sync", **given}
        values = test.pop("values", [])
        key = "latency_ms" if test["scenario"] == "sync" else "throughput_fps"
        if values:
            test |= {key: float(np.median(values)), "runs": len(values)}
            table.append(sample.row(**test))
        else:
            table.append(sample.failure(test.pop("status", "failed"), "why", **test))
        for run, value in enumerate(values):
            numbers = (value, math.nan) if key == "latency_ms" else (math.nan, value)
            runs.append((test["machine"], test["test_id"], run, "ok", *numbers))
    facts = CampaignFacts(
        id=f"c-{month:02}",
        title=settings.pop("title", f"Month {month}"),
        created_at=datetime(2026, month, 1, tzinfo=UTC),
        complete=True,
    )
    given_results: CampaignResults = sample.results(*table, facts=facts, runs=run_table(runs), **settings)
    return given_results


def site_of(*campaigns: CampaignResults) -> Site:
    return Site(tuple(sorted(campaigns, key=lambda each: each.facts.created_at, reverse=True)))


def changed(*campaigns: CampaignResults) -> Changes:
    found = changes(site_of(*campaigns))
    assert found is not None
    return found


FAST, SLOW = [10.0, 10.1, 10.2, 10.3], [12.0, 12.1, 12.2, 12.3]


class TestTimeline:
    def test_each_campaign_is_compared_with_the_last_one_that_has_runs(self) -> None:
        site = site_of(
            campaign(4, [{"values": FAST}]),
            campaign(5, [{}]),
            campaign(6, [{"values": SLOW}]),
        )
        timeline = site.timeline
        assert [each.id for each in timeline.campaigns] == ["c-04", "c-05", "c-06"]
        assert timeline.status.tolist() == [["ok", "failed", "ok"]]
        assert timeline.before.tolist() == [[-1, -1, 0]]
        alone = compare(FAST, SLOW)
        assert alone.interval
        for found, expected in (
            (timeline.ratio["latency_ms"], alone.ratio),
            (timeline.ratio_low["latency_ms"], alone.interval.low),
            (timeline.ratio_high["latency_ms"], alone.interval.high),
        ):
            assert np.isnan(found[0, :2]).all()
            assert found[0, 2] == pytest.approx(expected)
        assert timeline.certain("latency_ms").tolist() == [[False, False, True]]
        assert np.isnan(timeline.ratio["throughput_fps"]).all()

    def test_tests_keep_the_newest_tables_order_and_those_that_are_gone_come_last(self) -> None:
        site = site_of(
            campaign(5, [{"test_id": "old"}, {"test_id": "b"}]),
            campaign(6, [{"test_id": "b"}, {"test_id": "new"}]),
        )
        timeline = site.timeline
        assert timeline.tests["test_id"].tolist() == ["b", "new", "old"]
        assert timeline.tests["row"].tolist() == [row_id("nuc", each) for each in ("b", "new", "old")]
        assert [bool(href) for href in timeline.tests["href"]] == [True, True, False]
        assert timeline.status.tolist() == [["failed", "failed"], ["", "failed"], ["failed", ""]]

    def test_runs_of_one_machine_are_not_those_of_another(self) -> None:
        tests = [{"machine": "a", "values": FAST}, {"machine": "b", "values": SLOW}]
        site = site_of(campaign(5, tests), campaign(6, tests[::-1]))
        assert site.timeline.ratio["latency_ms"][:, 1].tolist() == pytest.approx([1, 1])

    def test_no_test_and_no_run(self) -> None:
        timeline = site_of(campaign(5, []), campaign(6, [])).timeline
        assert timeline.status.shape == (0, 2)
        assert len(site_of(campaign(6, [{"values": FAST}])).timeline.tests) == 1


class TestChanges:
    def test_one_campaign_has_none(self) -> None:
        assert changes(site_of(campaign(6, [{"values": FAST}]))) is None

    def test_gains_and_losses_by_the_measure_of_their_scenario(self) -> None:
        found = changed(
            campaign(5, [{"values": FAST}, {"test_id": "b", "scenario": "async", "values": FAST}]),
            campaign(6, [{"values": SLOW}, {"test_id": "b", "scenario": "async", "values": SLOW}]),
        )
        (loss,), (gain,) = found.losses, found.gains
        assert (loss.test.row, loss.measure.key) == (row_id("nuc", "a"), "latency_ms")
        assert (gain.test.row, gain.measure.key) == (row_id("nuc", "b"), "throughput_fps")
        assert (loss.before, loss.after) == pytest.approx((10.15, 12.15))
        assert gain.ratio == pytest.approx(compare(FAST, SLOW).ratio)
        assert (loss.faster, gain.faster, loss.since.id, loss.now.id) == (False, True, "c-05", "c-06")
        assert (found.compared, found.equivalent, found.inconclusive, found.in_doubt) == (2, 0, 0, 0)
        assert not found.nothing

    def test_the_largest_come_first(self) -> None:
        tests = [{"test_id": each, "values": FAST} for each in "ab"]
        later = [{"test_id": "a", "values": SLOW}, {"test_id": "b", "values": [30.0, 31, 32, 33]}]
        assert [each.test.row for each in changed(campaign(5, tests), campaign(6, later)).losses] == [
            row_id("nuc", "b"),
            row_id("nuc", "a"),
        ]

    @pytest.mark.parametrize(
        "doubt", [{"verdict": "noisy"}, {"verdict": "invalid"}, {"model_sha256": "1" * 64}]
    )
    def test_what_is_in_doubt_is_no_change(self, doubt: dict[str, str]) -> None:
        for first, second in ((doubt, {}), ({}, doubt)):
            found = changed(
                campaign(5, [{"values": FAST, **first}]), campaign(6, [{"values": SLOW, **second}])
            )
            assert (found.gains, found.losses) == ((), ())
            assert found.other_model == ("model_sha256" in doubt)
            assert found.compared == found.in_doubt == ("model_sha256" not in doubt)

    def test_too_few_runs_are_no_change(self) -> None:
        found = changed(campaign(5, [{"values": [10.0]}]), campaign(6, [{"values": [20.0]}]))
        assert (found.losses, found.compared) == ((), 0)

    def test_failures(self) -> None:
        before: list[dict[str, Any]] = [
            {"test_id": "a", "values": FAST},
            {"test_id": "b", "status": "crashed"},
            {"test_id": "c"},
        ]
        after: list[dict[str, Any]] = [
            {"test_id": "a", "status": "out_of_memory"},
            {"test_id": "b", "values": FAST},
            {"test_id": "c"},
            {"test_id": "d"},
        ]
        found = changed(campaign(5, before), campaign(6, after))
        ((failure,), (fixed,)) = found.new_failures, found.fixed
        assert (failure.test.row, failure.status, failure.before) == (
            *(row_id("nuc", "a"), "out of memory", "ok"),
        )
        assert failure.reason == "why"
        assert (fixed.test.row, fixed.status, fixed.before) == (row_id("nuc", "b"), "ok", "crashed")

    def test_what_has_not_run_is_no_failure(self) -> None:
        found = changed(campaign(5, [{"values": FAST}]), campaign(6, [{"status": "not_run"}]))
        assert (found.new_failures, found.fixed) == ((), ())
        assert found.nothing

    def test_machines_and_models_that_come_and_go(self) -> None:
        found = changed(
            campaign(5, [{"machine": "old", "model": "m"}, {"machine": "nuc", "model": "n"}]),
            campaign(6, [{"machine": "nuc", "model": "n"}, {"machine": "new", "model": "k"}]),
        )
        assert (found.new_machines, found.gone_machines) == (("new",), ("old",))
        assert (found.new_models, found.gone_models) == (("k",), ("m",))

    def test_ranks(self) -> None:
        ranks = {
            "c-05": {("vision", "a"): "1", ("vision", "b"): "2", ("vision", "gone"): "3"},
            "c-06": {("vision", "a"): "1–2", ("vision", "b"): "2", ("vision", "new"): "3"},
        }
        found = changes(site_of(campaign(5, []), campaign(6, [])), ranks.__getitem__)
        assert found is not None
        (change,) = found.ranks
        assert (change.task, change.machine, change.before, change.after) == ("vision", "a", "1", "1–2")

    def test_a_change_says_in_what_the_machine_differs(self) -> None:
        tests = ([{"values": FAST}], [{"values": SLOW}])
        was, now = (sample.description("nuc") for _ in range(2))
        now = now.model_copy(update={"configuration": now.configuration.model_copy(update={"kernel": "7"})})
        (loss,) = changed(
            campaign(5, tests[0], machines={"nuc": was}), campaign(6, tests[1], machines={"nuc": now})
        ).losses
        assert loss.badge == "differs in: kernel"


class TestMachines:
    def test_what_is_unknown_is_no_change(self) -> None:
        was = sample.description("nuc")
        configuration = was.configuration.model_copy(update={"kernel": None, "microcode": "0x1"})
        now = was.model_copy(update={"configuration": configuration})
        assert (
            machine_steps([campaign(5, [], machines={"nuc": was}), campaign(6, [], machines={"nuc": now})])
            == ()
        )

    def test_other_hardware_is_told_apart_and_a_silent_campaign_is_stepped_over(self) -> None:
        was = sample.description("nuc")
        same = was.model_copy(update={"configuration": was.configuration.model_copy(update={"kernel": "7"})})
        other = sample.description("nuc", memory_gib=64.0)
        steps = machine_steps(
            [
                campaign(7, [], machines={"nuc": other}),
                campaign(4, [], machines={"nuc": was}),
                campaign(5, []),
                campaign(6, [], machines={"nuc": same}),
            ]
        )
        assert [(step.before.id, step.after.id, step.other_hardware) for step in steps] == [
            ("c-04", "c-06", False),
            ("c-06", "c-07", True),
        ]
        assert [each.label for each in steps[0].differences] == ["kernel"]
        assert {each.label for each in steps[1].differences} == {"memory", "kernel"}

    def test_one_change_on_many_machines_is_told_once(self) -> None:
        was = sample.description("x")
        now = was.model_copy(update={"configuration": was.configuration.model_copy(update={"kernel": "7"})})
        other = sample.description("x", memory_gib=64.0)
        steps = machine_steps(
            [
                campaign(5, [], machines={"a": was, "b": was, "c": was}),
                campaign(6, [], machines={"a": now, "b": now, "c": other}),
                campaign(7, [], machines={"a": was}),
            ]
        )
        told = [(step.after.id, machines, step.other_hardware) for step, machines in alike(steps)]
        assert told == [("c-07", ("a",), False), ("c-06", ("c",), True), ("c-06", ("a", "b"), False)]


class TestPicture:
    def test_by_hand(self) -> None:
        """Twice as much: the lowest end is at the bottom edge, the highest at the top."""
        found = sparkline([10, 20], [9, 19], [11, 21], ["ok", "doubtful"])
        assert [(mark.x, mark.kind) for mark in found.marks] == [(5, "ok"), (WIDTH - 5, "doubtful")]
        assert (found.marks[0].low, found.marks[1].high) == (HEIGHT - 5, 5)
        assert found.marks[0].y == round(HEIGHT - 5 - (10 - 9) / (21 - 9) * (HEIGHT - 10), 1)
        assert found.line == f"5,{found.marks[0].y:g} {WIDTH - 5},{found.marks[1].y:g}"

    def test_noise_stays_flat(self) -> None:
        found = sparkline([100, 100.5], [math.nan] * 2, [math.nan] * 2, ["ok", "ok"])
        assert abs(found.marks[0].y - found.marks[1].y) < 0.1 * HEIGHT

    def test_what_is_not_there(self) -> None:
        nothing = [math.nan] * 3
        found = sparkline([5.0, math.nan, math.nan], nothing, nothing, ["ok", "bad", ""])
        assert [mark.kind for mark in found.marks] == ["ok", "bad"]
        assert found.line == ""


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(1.0821, "+8.2 %"), (0.924, "\u22127.6 %"), (1.0, "±0.0 %"), (2.314, "2.31 ×"), (0.25, "0.250 ×")],
)
def test_a_change_in_per_cent(ratio: float, words: str) -> None:
    assert percent(ratio) == words


def test_only_what_is_certain_has_a_tone() -> None:
    tests = [{"test_id": each, "values": FAST} for each in "abcd"]
    later: list[dict[str, Any]] = [
        {"test_id": "a", "values": SLOW},
        {"test_id": "b", "values": SLOW, "verdict": "noisy"},
        {"test_id": "c", "values": FAST},
        {"test_id": "d", "values": SLOW, "model_sha256": "1" * 64},
    ]
    timeline = site_of(campaign(5, tests), campaign(6, later)).timeline
    cells = [row.cells[1] for row in rows(timeline, range(4), range(2))]
    assert [(cell.change, cell.tone, cell.doubt) for cell in cells] == [
        ("+19.7 % slower", "slower", ""),
        ("+19.7 %, in doubt", "", "noisy"),
        ("inconclusive", "", ""),
        ("another model file", "", ""),
    ]
    assert cells[0].detail == (
        f"ratio to Month 5: {compare(FAST, SLOW).ratio:.3f}, 95 % interval 1.165 to 1.230"
    )


class TestShards:
    def test_numbers_come_back(self) -> None:
        site = site_of(
            campaign(5, [{"values": FAST}, {"machine": EVIL, "values": FAST}]),
            campaign(6, [{"values": SLOW}, {"machine": EVIL, "values": SLOW, "model": EVIL}]),
        )
        found = dict(shards.files(site))
        assert list(found) == ["assets/history/nuc.js", shards.shard_path(EVIL)]
        for content in found.values():
            text = content.decode("ascii")
            start = text.index("] = ") + len("] = ")
            shard = json.loads(text[start:].rstrip(";\n"))
            values = np.frombuffer(base64.b64decode(shard["measures"]["latency_ms"]["value"]), "<f4")
            assert values.tolist() == pytest.approx([10.15, 12.15])
            assert base64.b64decode(shard["measures"]["latency_ms"]["certain"]) == b"\0\1"
            assert base64.b64decode(shard["measures"]["latency_ms"]["outcome"])[1] == 1  # slower

    def test_every_path_is_safe(self) -> None:
        assert "/../" not in shards.shard_path("../../x")
        assert shards.shard_path("A") != shards.shard_path("a")


class TestPage:
    def html(self, *campaigns: CampaignResults) -> str:
        site = site_of(*campaigns)
        (page,) = history.pages(site)
        return Renderer(site, NAVIGATION).html(page)

    def test_texts_stay_texts(self) -> None:
        tests = [{"machine": EVIL, "model": EVIL, "test_id": EVIL}]
        was = sample.description("x")
        now = sample.description("x", cpu_model=EVIL)
        html = self.html(
            campaign(5, [{**tests[0], "values": FAST}], title=EVIL, machines={EVIL: was}),
            campaign(6, tests, title=EVIL, machines={EVIL: now}),
        )
        assert "<script>alert" not in html
        assert "other hardware under the same name" in html
        assert "1</b> new failure" in html
        known = html.split('id="known">')[1].split("</script>")[0]
        assert json.loads(known)["machines"][0]["name"] == EVIL

    def test_no_text_makes_it_large(self) -> None:
        """What a machine says of itself has any length, and may be such that nothing compresses it."""
        random = np.random.default_rng(1)

        def text() -> str:
            return "".join(map(chr, random.integers(0x4E00, 0x9FFF, 20_000)))

        tests = [{"test_id": f"t{n}"} for n in range(150)]
        names = [f"m{n}" for n in range(30)]
        html = self.html(
            campaign(5, [{**test, "values": FAST} for test in tests]),
            *(
                campaign(
                    month,
                    tests,
                    machines={each: sample.description(each, cpu_model=text()) for each in names},
                )
                for month in range(6, 13)
            ),
        )
        assert html.count("other hardware under the same name") >= 40
        assert len(gzip.compress(html.encode())) < 60_000

    def test_one_campaign_says_so(self) -> None:
        html = self.html(campaign(6, [{"values": FAST}]))
        assert "built from one campaign" in html
        assert 'id="changed"' not in html

    def test_an_empty_campaign(self) -> None:
        assert "No test in any campaign." in self.html(campaign(5, []), campaign(6, []))


class TestFeed:
    def parsed(self, *campaigns: CampaignResults) -> ET.Element:
        return ET.fromstring(feed.feed(site_of(*campaigns)))

    def test_is_atom(self) -> None:
        """What RFC 4287 asks of a feed and of each entry: 4.1.1 and 4.1.2."""
        root = self.parsed(
            campaign(5, [{"values": FAST}], title=EVIL + "\x00\x08"), campaign(6, [{"values": SLOW}])
        )
        assert root.tag == f"{ATOM}feed"
        for element in (root, *root.iter(f"{ATOM}entry")):
            for name in ("id", "title", "updated"):
                (found,) = element.findall(f"{ATOM}{name}")
                assert found.text
            datetime.fromisoformat(element.findtext(f"{ATOM}updated", ""))
            assert element.findtext(f"{ATOM}id", "").startswith("urn:uuid:")
            kinds = [(each.get("rel"), each.get("type")) for each in element.findall(f"{ATOM}link")]
            assert ("alternate", "text/html") in kinds
        assert root.findall(f"{ATOM}author/{ATOM}name")
        assert root.findtext(f"{ATOM}updated") == "2026-06-01T00:00:00Z"
        newest, older = root.findall(f"{ATOM}entry")
        assert older.findtext(f"{ATOM}title", "").startswith(EVIL)
        assert newest.findtext(f"{ATOM}summary") == (
            "1 machine, 1 model, 1 test: 1 ok, 0 not. Since "
            + EVIL
            + "\u2400\u2408: 0 tests certainly faster, "
            "1 slower, 0 new failures, 0 fixed."
        )

    def test_ids_stay_from_one_build_to_the_next(self) -> None:
        first = campaign(5, [])
        ids = [each.findtext(f"{ATOM}id") for each in self.parsed(first).iter(f"{ATOM}entry")]
        more = [
            each.findtext(f"{ATOM}id") for each in self.parsed(first, campaign(6, [])).iter(f"{ATOM}entry")
        ]
        assert len(set(more)) == 2
        assert ids == more[1:]

    def test_a_feed_is_that_of_its_lab(self) -> None:
        one, other = (
            replace(campaign(5, []), facts=replace(campaign(5, []).facts, lab=lab)) for lab in ("a", "b")
        )
        assert self.parsed(one).findtext(f"{ATOM}id") != self.parsed(other).findtext(f"{ATOM}id")
        assert self.parsed(one).findtext(f"{ATOM}title") == "a: OpenVINO benchmark campaigns"
