"""Writes the results site to a folder, whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import jinja2
from pandas import DataFrame

from integrator.rejected import NOTHING_REJECTED, RejectedFiles
from integrator.resources import find
from integrator.site.cells import clean_text, first_words
from integrator.site.data import CampaignFacts, View, as_json, view_of
from integrator.site.machines import fact_labels
from protocol.errors import UserError
from protocol.layout import MACHINE_NAME
from protocol.machine import MachineDescription

__all__ = ["build_site", "render_index"]

_ASSETS = ("site.css", "site.js")
_OURS = Path("data") / "results.json"


def build_site(
    target: Path,
    *,
    table: DataFrame,
    machines: Mapping[str, MachineDescription],
    campaign: CampaignFacts,
    raw: Path | None,
    raw_names: Mapping[str, Collection[str]],
    csv: bytes | Path,
    rejected: RejectedFiles = NOTHING_REJECTED,
) -> Path:
    """Write the site of one campaign to the folder `target`, in place of the site that is there.

    Args:
        target: the folder; it may be missing or empty, or hold a site built before.
        table: the merged table, a row for every test.
        machines: the machines' own descriptions; any may be missing.
        campaign: what is said of the campaign.
        raw: a folder of raw results, `<machine>/<test_id>.<run>.json.gz`.
        raw_names: by machine, those of them that the table is made of; the site carries these.
        csv: the table as a CSV file, which the site carries as `data/results.csv`.
        rejected: what machines sent and was not taken.

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
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        staged, previous = Path(temporary) / "new", Path(temporary) / "previous"
        raw_files = _copy_raw(raw, raw_names, staged / "data" / "raw") if raw else {}
        view = view_of(table, machines=machines, campaign=campaign, raw_files=raw_files, rejected=rejected)
        _write(staged, view, csv)
        if target.exists():
            target.rename(previous)
        try:
            staged.rename(target)
        except OSError:
            if previous.exists():
                previous.rename(target)
            raise
    return target / "index.html"


def render_index(view: View) -> str:
    """The HTML of the main page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["first_words"] = first_words
    environment.filters["clean"] = clean_text
    template = environment.get_template("index.html")
    return template.render(view=view, columns=view.columns, groups=view.groups, fact_labels=fact_labels())


def _is_ours(target: Path) -> bool:
    return target.is_dir() and ((target / _OURS).is_file() or not any(target.iterdir()))


def _write(folder: Path, view: View, csv: bytes | Path) -> None:
    (folder / "assets").mkdir(parents=True)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "index.html").write_text(render_index(view), encoding="utf-8")
    for name in _ASSETS:
        shutil.copyfile(find("templates") / name, folder / "assets" / name)
    (folder / "data" / "results.csv").write_bytes(csv if isinstance(csv, bytes) else csv.read_bytes())
    text = json.dumps(as_json(view), indent=1, allow_nan=False)
    (folder / _OURS).write_text(text + "\n", encoding="utf-8")


def _copy_raw(source: Path, names: Mapping[str, Collection[str]], target: Path) -> dict[str, list[str]]:
    """Copy the raw results, and nothing that is not one: links could publish any file of this machine."""
    copied: dict[str, list[str]] = {}
    for folder in sorted(source.iterdir()) if source.is_dir() else ():
        if folder.is_symlink() or not folder.is_dir() or not re.fullmatch(MACHINE_NAME, folder.name):
            continue
        for file in sorted(folder.iterdir()):
            if file.is_symlink() or not file.is_file() or file.name not in names.get(folder.name, ()):
                continue
            (target / folder.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / folder.name / file.name)
            copied.setdefault(folder.name, []).append(file.name)
    return copied
