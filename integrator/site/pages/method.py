"""What the numbers mean, and how they are made and judged."""

from __future__ import annotations

from collections.abc import Iterator

from integrator.site import method
from integrator.site.columns import GROUPS
from integrator.site.page import Page, Site
from integrator.statistics.verdict import REASONS

__all__ = ["pages"]


def pages(_: Site) -> Iterator[Page]:
    """The page; it is the same for every campaign."""
    yield Page(
        "method.html",
        "pages/method.html",
        title="What the numbers mean",
        nav="method",
        styles=("documents.css",),
        context={
            "formulas": method.FORMULAS,
            "needed": method.NEEDED,
            "groups": GROUPS,
            "statuses": method.STATUSES,
            "verdicts": method.VERDICTS,
            "reasons": REASONS,
            "outcomes": method.OUTCOMES,
            "ranking": method.RANKING,
            "finder": method.FINDER,
            "explorer": method.EXPLORER,
            "facts": method.FACTS,
            "changes": method.CHANGES,
        },
    )
