"""What the site has beside its pages; a module for each kind of file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from integrator.site.compare import scripts
from integrator.site.downloads import files as downloads
from integrator.site.explain import files as explain
from integrator.site.history import feed, shards
from integrator.site.page import Asset, Site
from integrator.site.store import manifest
from integrator.site.vendor import vendored_assets

__all__ = ["FILES"]


def _libraries(_: Site) -> Iterable[Asset]:
    return vendored_assets(("datatables", "vega"))


FILES: tuple[Callable[[Site], Iterable[Asset]], ...] = (
    _libraries,
    manifest.assets,
    explain.files,
    scripts.files,
    shards.files,
    feed.files,
    downloads.files,
)
"""Each gives its files, the path from the site's root first."""
