"""Writes the results site to a folder, whole or not at all."""

from __future__ import annotations

import gc
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

from integrator.resources import find
from integrator.site.cells import clean_text
from integrator.site.charts.draw import draw
from integrator.site.downloads.inventory import SUMS, files_in, sums
from integrator.site.files import FILES
from integrator.site.page import Asset, Page, Site
from integrator.site.pages import NAVIGATION, PAGES, data
from integrator.site.render import Renderer
from integrator.site.source import CampaignResults
from protocol.errors import UserError
from protocol.layout import MACHINE_NAME

__all__ = ["build_site"]

_OURS = Path("data") / "results.json"


def build_site(target: Path, campaigns: Sequence[CampaignResults]) -> Path:
    """Write the site of one or more campaigns to the folder `target`, in place of the site that is there.

    Args:
        target: the folder; it may be missing or empty, or hold a site built before.
        campaigns: at least one; the site is about the one that was planned last.

    Returns:
        The page to open, `target/index.html`.

    Raises:
        UserError: `target` is a file, or a folder with something else in it.
    """
    target = target.resolve()
    if target.exists() and not _is_ours(target):
        raise UserError(
            f"{target}: there is something here that fleetmark did not build", advice="Choose another folder."
        )
    newest_first = sorted(campaigns, key=lambda each: (each.facts.created_at, each.facts.id), reverse=True)
    site = Site(tuple(map(_ready, newest_first)))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        staged, previous = Path(temporary) / "new", Path(temporary) / "previous"
        with _no_collection():
            _write(staged, site)
        if target.exists():
            target.rename(previous)
        try:
            staged.rename(target)
        except OSError:
            if previous.exists():
                previous.rename(target)
            raise
    return target / "index.html"


@contextmanager
def _no_collection() -> Iterator[None]:
    """A build makes millions of objects and no rings of them; to look for some is a tenth of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _is_ours(target: Path) -> bool:
    return target.is_dir() and ((target / _OURS).is_file() or not any(target.iterdir()))


def _write(folder: Path, site: Site) -> None:
    (folder / "data").mkdir(parents=True)
    for campaign in site.campaigns:
        if campaign.raw:
            _copy_raw(campaign.raw, campaign.raw_names, folder / "data" / "raw" / campaign.facts.id)
    for kind in ("css", "js"):
        shutil.copytree(find("templates") / kind, folder / "assets" / kind)
    for files in FILES:
        _put_all(folder, files(site))
    _write_pages(folder, site)
    _put(folder / "data" / SUMS, sums(folder / "data"))


def _write_pages(folder: Path, site: Site) -> None:
    renderer = Renderer(site, NAVIGATION)
    with_charts: list[Page] = []
    for page in chain.from_iterable(pages(site) for pages in PAGES):
        if page.charts:
            with_charts.append(page)
        else:
            _put(folder / page.path, renderer.html(page).encode())
    # All at once, so that the processes which draw start once.
    drawings = draw({(page.path, name): spec for page in with_charts for name, spec in page.charts.items()})
    for page in with_charts:
        drawn = {name: drawings[page.path, name] for name in page.charts}
        _put(folder / page.path, renderer.html(page, drawn).encode())
    for page in data.pages(site, files_in(folder / "data")):
        _put(folder / page.path, renderer.html(page).encode())


def _put_all(folder: Path, assets: Iterable[Asset]) -> None:
    """What has the content of the file before it is a second name of that file, where the disk knows such."""
    before, last = b"", folder
    for path, content in assets:
        file = folder / path
        if content is before:
            try:
                file.hardlink_to(last)
                continue
            except OSError:
                pass
        _put(file, content)
        before, last = content, file


def _put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _ready(campaign: CampaignResults) -> CampaignResults:
    """As the pages take it: names and words as they are drawn, and the raw results that can be published."""
    return replace(
        campaign,
        raw_names=_publishable(campaign),
        tasks={clean_text(model): clean_text(task) for model, task in campaign.tasks.items()},
        offers={
            clean_text(machine): replace(offer, currency=clean_text(offer.currency))
            for machine, offer in campaign.offers.items()
        },
    )


def _publishable(campaign: CampaignResults) -> dict[str, tuple[str, ...]]:
    """The raw results that are there, and nothing that is none: a link could publish any file from here."""
    found: dict[str, tuple[str, ...]] = {}
    source = campaign.raw
    for folder in sorted(source.iterdir()) if source and source.is_dir() else ():
        if folder.is_symlink() or not folder.is_dir() or not re.fullmatch(MACHINE_NAME, folder.name):
            continue
        taken = frozenset(campaign.raw_names.get(folder.name, ()))
        with os.scandir(folder) as entries:
            files = [
                each.name for each in entries if each.name in taken and each.is_file(follow_symlinks=False)
            ]
        found[folder.name] = tuple(sorted(files))
    return found


def _copy_raw(source: Path, names: Mapping[str, Collection[str]], target: Path) -> None:
    for machine, files in names.items():
        if files:
            (target / machine).mkdir(parents=True, exist_ok=True)
        for name in files:
            shutil.copyfile(source / machine / name, target / machine / name, follow_symlinks=False)
