"""What a page is, and what all pages are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from integrator.site.cells import clean_text
from integrator.site.frame import tidy
from integrator.site.history.timeline import Timeline, timeline_of
from integrator.site.result_rows import TestText, test_texts
from integrator.site.source import CampaignFacts, CampaignResults

__all__ = ["Asset", "Page", "Site"]

Asset = tuple[str, bytes]
"""A file of the site that is no page: its path from the root, and its content."""


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML file: a template and what it draws."""

    path: str
    """From the site's root, with at most one folder: `machines/nuc.html`."""
    template: str
    """Below templates/, such as `pages/machine.html`."""
    title: str
    nav: str = ""
    """The entry of the navigation that it stands under, such as `machines`."""
    context: Mapping[str, object] = field(default_factory=dict)
    scripts: Sequence[str] = ()
    """Below templates/js, in the order in which they run, after those of every page; others by their path
    from the site's root, such as `assets/manifest.js`."""
    styles: Sequence[str] = ()
    """Below templates/css, after those of every page."""
    charts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Vega-Lite specifications by the name under which the template draws them."""

    @property
    def root(self) -> str:
        """The way back to the site's root: empty, or `../`."""
        return "../" * self.path.count("/")


@dataclass(frozen=True)
class Site:
    """Everything that the site shows; the newest campaign comes first."""

    campaigns: tuple[CampaignResults, ...]

    @property
    def newest(self) -> CampaignResults:
        """The campaign that the site is about."""
        return self.campaigns[0]

    @property
    def facts(self) -> CampaignFacts:
        """Of the newest campaign."""
        return self.newest.facts

    @cached_property
    def frames(self) -> Mapping[str, pd.DataFrame]:
        """By campaign id, its table as `frame.tidy` makes it."""
        return {campaign.facts.id: tidy(campaign.table) for campaign in self.campaigns}

    @property
    def frame(self) -> pd.DataFrame:
        """That of the newest campaign."""
        return self.frames[self.facts.id]

    @cached_property
    def tests(self) -> list[TestText]:
        """The rows of the frame as texts, at the same places."""
        return test_texts(self.frame)

    @cached_property
    def timeline(self) -> Timeline:
        """Each test across the campaigns."""
        return timeline_of(self.campaigns, self.frames)

    @cached_property
    def machines(self) -> tuple[str, ...]:
        """Names of the newest campaign's machines, in the table's order, then those without a test."""
        described = sorted(map(clean_text, self.newest.machines))
        return tuple(dict.fromkeys([*self.frame["machine"], *described]))

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the newest campaign's models, in the table's order."""
        return tuple(dict.fromkeys(self.frame["model"]))
