"""Third-party scripts: out of packages, once, whole, with their licences, and within the budget."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from integrator.site.vendor import Kind, library, vendored, vendored_assets

_ROOT = Path(__file__).parents[2]
_KINDS: tuple[Kind, ...] = ("datatables", "vega")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "vendor-cache"  # the bundle takes seconds: made once for all
    monkeypatch.setattr("integrator.site.vendor.libraries.CACHE", folder)
    library.cache_clear()
    return folder


@pytest.mark.parametrize(("kind", "most"), [("vega", 320), ("datatables", 195)])
def test_a_library_stays_within_its_share_of_a_pages_weight(kind: Kind, most: int) -> None:
    files = vendored(kind)
    kilobytes = sum(len(gzip.compress(data, 9)) for name, data in files if name.endswith(".js")) / 1000
    assert 50 < kilobytes <= most


@pytest.mark.parametrize("kind", _KINDS)
def test_a_library_and_all_scripts_of_ours_are_within_500_kb(kind: Kind) -> None:
    """No page loads both libraries: the explorer, which has the large table, draws no charts."""
    ours = [file.read_bytes() for file in sorted((_ROOT / "templates").rglob("*.js"))]
    theirs = [data for name, data in vendored(kind) if name.endswith(".js")]
    assert sum(len(gzip.compress(data, 9)) for data in [*theirs, *ours]) <= 500 * 1024


def test_no_page_loads_both_libraries() -> None:
    pages = (_ROOT / "integrator" / "site" / "pages").glob("*.py")
    assert not [
        page.name
        for page in pages
        if {"datatables.js", "charts.js"} <= set(re.findall(r"[\w-]+\.js", page.read_text()))
    ]


def test_the_tables_script_is_classic() -> None:
    script = dict(vendored("datatables"))["assets/vendor/datatables.js"].decode()
    assert script.startswith('(()=>{"use strict";')
    assert "window.DataTable=" in script
    assert "window.jQuery=" in script
    assert "export{" not in script


def test_style_sheets_load_nothing() -> None:
    style = dict(vendored("datatables"))["assets/vendor/datatables.css"].decode()
    assert "@import" not in style
    assert style.count("url(") == style.count("url(data:")


def test_each_library_comes_with_its_licence_its_version_and_its_hash() -> None:
    assets = dict(vendored_assets(_KINDS))
    licences = assets["assets/LICENSES.txt"].decode()
    for words in ("vl-convert-python", "itables", "Jon Mease", "University of Washington", "SpryMedia"):
        assert words in licences
    about = json.loads(assets["assets/versions.json"])
    scripts = {name for name in assets if name.startswith("assets/vendor/")}
    assert set(about) == scripts
    for name in scripts:
        assert about[name]["sha256"] == hashlib.sha256(assets[name]).hexdigest()
    assert set(about["assets/vendor/vega.js"]["contains"]) == {"Vega", "Vega-Lite", "Vega-Embed"}
    assert set(about["assets/vendor/datatables.js"]["contains"]) == {"DataTables", "jQuery"}


def test_what_was_made_is_kept_and_what_is_damaged_is_made_again(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dict(vendored("datatables"))
    kept = next(own_cache.rglob("datatables.js"))
    library.cache_clear()
    kept.write_bytes(kept.read_bytes()[:-20])
    assert dict(vendored("datatables")) == made
    library.cache_clear()
    monkeypatch.setattr("integrator.site.vendor.datatables._EXPORT", None)
    assert dict(vendored("datatables")) == made


def test_a_cache_that_cannot_be_written_is_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr("integrator.site.vendor.libraries.CACHE", tmp_path / "file")
    assert vendored("datatables")


def test_the_package_of_the_table_is_read_and_not_imported() -> None:
    """It would read a configuration from the user's home, which a container may not have."""
    code = (
        "import sys; from integrator.site.vendor import datatables; datatables.script(); datatables.style(); "
        "sys.exit('itables' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
