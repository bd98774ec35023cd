"""The method page says everything that a row can say, and the numbers that the code computes with."""

from __future__ import annotations

import re

import html5lib  # type: ignore[import-untyped]

from integrator.site import method
from integrator.site.columns import COLUMNS
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION
from integrator.site.pages.method import pages
from integrator.site.render import Renderer
from integrator.statistics.compare import Outcome
from integrator.statistics.verdict import REASONS, Verdict
from protocol.result import Status
from tests.site import sample


def text() -> str:
    site = Site((sample.results(sample.row()),))
    (page,) = pages(site)
    html = Renderer(site, NAVIGATION).html(page)
    tree = html5lib.HTMLParser(strict=True).parse(html)
    return " ".join("".join(tree.itertext()).split())


def test_everything_that_a_row_can_say_is_explained() -> None:
    said = text()
    for column in COLUMNS:
        assert column.meaning in said
    for name, reason in REASONS.items():
        assert name.replace("_", " ") in said
        assert reason.meaning[1:] in said
        assert reason.advice in said


def test_no_status_verdict_or_outcome_is_forgotten() -> None:
    assert list(method.STATUSES) == list(Status)
    assert set(method.VERDICTS) == set(Verdict)
    assert set(method.OUTCOMES) == set(Outcome)


def test_its_numbers_are_those_of_the_code() -> None:
    assert method.NEEDED == (("p90", 64), ("p95", 130), ("p99", 662), ("p99.9", 6636))
    said = text()
    assert "It takes 6 runs" in said
    assert "with 95 % confidence" in said
    assert "between 1 ÷ 1.02 and 1.02" in said


def test_changes_come_newest_first() -> None:
    days = [change.on for change in method.CHANGES]
    assert days == sorted(days, reverse=True)
    assert all(re.fullmatch(r"[A-Z].*\.", change.words) for change in method.CHANGES)
