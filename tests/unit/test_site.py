"""The results site: what it says, that its HTML is sound, and that nothing from a machine becomes markup."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from integrator.rejected import RejectedFiles, Rejection
from integrator.site.build import build_site
from integrator.site.cells import clean_text, count_cell, first_words, format_number, number_cell, to_text
from integrator.site.frame import tidy
from integrator.site.leaderboard.summary import summary_of
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION, index
from integrator.site.render import Renderer
from protocol.errors import UserError
from tests.site import sample
from tests.site.soundness import HTML, check_tables, parse, text_of

RTL = "\u202eexe.tab\u202c"
NASTY = [
    "<script>alert(1)</script>",
    "</script></style></title></table>",
    "\"' onmouseover=alert(1) x='",
    "{{ 7 * 7 }}{% raw %}",
    '=HYPERLINK("x";"y")',
    RTL,
    "&lt;b&gt; &amp;",
    "]]><!-- --!>",
]


def page_of(*rows: dict[str, Any], **settings: Any) -> str:
    """The first page of a campaign with these rows; `settings` are fields of `CampaignResults`."""
    site = Site((sample.results(*rows, **settings),))
    page = next(iter(index.pages(site)))
    return Renderer(site, NAVIGATION).html(page)


def test_sample_page_is_html5_and_whole() -> None:
    rows = sample.sample_rows()
    tree = parse(page_of(*rows, machines=sample.sample_machines(), facts=sample.campaign(complete=False)))
    check_tables(tree)
    text = re.sub(r"\s+", " ", text_of(tree))
    for reason in sample.FAILURES.values():
        assert first_words(reason, 80).removesuffix(" …") in text
    assert "partial: 29 of 30 tests" in text
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        href = element.get("href") or ""
        if href.startswith("#"):
            assert href[1:] in ids
        if label := element.get("aria-labelledby"):
            assert label in ids


@pytest.mark.parametrize("text", NASTY)
def test_text_from_a_machine_stays_text(text: str) -> None:
    names = ("machine", "model", "device", "verdict_reasons", "openvino_version", "hint", "latency_p99_ms")
    html = page_of(
        sample.row(**dict.fromkeys(names, text), verdict="noisy"),
        sample.failure(text, text, machine=text, test_id=text),
        facts=sample.campaign(title=text),
        machines={"m": sample.description("m", cpu_model=text)},
    )
    tree = parse(html)
    check_tables(tree)
    assert {text_of(script) for script in tree.iter(f"{HTML}script")} == {""}
    assert not [name for element in tree.iter() for name in element.attrib if name.startswith("on")]
    assert "49{%" not in html
    for section in ("answer", "boards", "coverage"):
        (found,) = (element for element in tree.iter(f"{HTML}section") if element.get("id") == section)
        assert text in text_of(found)
    assert text in text_of(tree.find(f".//{HTML}title"))
    # Wherever it is drawn it is isolated, so that it cannot reverse what stands beside it.
    holders = [
        element for element in tree.find(f"{HTML}body").iter() if element.text and text in element.text
    ]
    assert holders
    assert {element.tag for element in holders} == {f"{HTML}bdi"}


@pytest.mark.parametrize("text", NASTY)
def test_rejected_files_are_listed_and_stay_text(text: str) -> None:
    files = tuple(Rejection(machine="m", name=text, reason=f"{text} {n}", found="server") for n in range(150))
    html = page_of(sample.row(), rejected=RejectedFiles(files=files, more={"folder": 7}))
    tree = parse(html)
    section = next(element for element in tree.iter(f"{HTML}section") if element.get("id") == "rejected")
    assert f"{text} 99" in text_of(section)
    assert f"{text} 100" not in text_of(section)
    assert "57 more are not listed here" in text_of(section)
    assert {text_of(script) for script in tree.iter(f"{HTML}script")} == {""}
    assert {element.tag for element in section.iter() if element.text and text in element.text} == {
        f"{HTML}bdi"
    }


def test_without_rejected_files_there_is_no_word_of_them() -> None:
    assert "ejected" not in page_of(sample.row())


def test_control_characters_are_shown_and_do_not_break_the_page() -> None:
    reason = "\x1b[31mred\x00 \ud800 \uffff \U0001fffe \x9b end"
    assert "␛[31mred␀" in text_of(parse(page_of(sample.failure("crashed", reason))))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [sample.row()],
        [sample.failure(status, reason) for status, reason in sample.FAILURES.items()],
        [dict.fromkeys(sample.CSV_COLUMNS)],
        [sample.row(latency_ms=None, throughput_fps=math.nan, model=None, verdict=None)] * 2,
    ],
    ids=["empty", "one row", "only failures", "all null", "null columns and one id twice"],
)
def test_edges_still_make_a_page(rows: list[dict[str, Any]]) -> None:
    for complete in (True, False):
        tree = parse(page_of(*rows, facts=sample.campaign(complete=complete)))
        check_tables(tree)
        assert {"answer", "find", "boards", "changed", "coverage"} <= {
            element.get("id") for element in tree.iter(f"{HTML}section")
        }
        text = text_of(tree)
        assert "nan" not in text.lower().replace("finance", "")
        assert "None" not in text


def test_table_without_columns_makes_a_page() -> None:
    assert "No test in this campaign." in text_of(parse(page_of(table=pd.DataFrame())))


def test_table_read_back_from_csv_gives_the_same_page() -> None:
    rows = sample.sample_rows()
    frame = sample.table(*rows)
    texts = pd.read_csv(io.StringIO(frame.to_csv(index=False)), dtype=str)
    guessed = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    pages = {page_of(table=table) for table in (frame, texts, guessed)}
    assert len(pages) == 1


def test_the_label_names_all_that_was_set() -> None:
    frame = tidy(sample.table(sample.row(settings="pinning=no", timed_region="with_input_copy")))
    assert frame["label"][0] == (
        "FP32 · CPU · sync · latency hint · batch 1 · 1 stream · 8 threads · 1 request · with input copy"
        " · pinning=no"
    )


def test_summary_counts() -> None:
    facts = sample.campaign(complete=False)
    summary = summary_of(tidy(sample.table(*sample.sample_rows())), facts, machines=3)
    assert (summary.machines, summary.models, summary.tests, summary.ok) == (3, 5, 30, 24)
    assert dict(summary.not_ok) == dict.fromkeys(
        ["failed", "timeout", "crashed", "out of memory", "unsupported", "not run"], 1
    )
    assert (summary.noisy, summary.invalid, summary.done) == (2, 1, 29)
    assert summary.partial == "partial: 29 of 30 tests"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.012345, "0.0123"), (0.9999, "1.00"), (4.5678, "4.57"), (99.96, "100"), (999.6, "1,000"),
        (12345.6, "12,300"), (1e-7, "1.00e-07"), (-3.14159, "-3.14"), (5e15, "5.00e+15"),
    ],
)  # fmt: skip
def test_three_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_cells() -> None:
    assert number_cell("12.5", "ms").exact == "12.5 ms"
    assert number_cell(np.float32(0.5)).sort == 0.5
    assert number_cell("needs 3 more").kind == "note"
    assert number_cell(math.inf).kind == "note"
    assert [number_cell(empty).kind for empty in (None, math.nan, pd.NA, "", np.nan)] == ["missing"] * 5
    assert count_cell(12345.0).text == "12,345"
    assert to_text(["CPU", "GPU.0"]) == "CPU, GPU.0"
    assert clean_text("a\r\nb\tc") == "a\nb\tc"
    assert first_words("short", 10) == "short"
    assert first_words("one two three", 9) == "one two …"
    assert first_words("x" * 50, 9) == "x" * 9 + " …"


def build_in(folder: Path, **settings: Any) -> Path:
    rows = (sample.row(), sample.failure("failed", "why", test_id="t2"))
    return build_site(folder, [sample.results(*rows, **{"csv": b"x", **settings})])


def test_build_writes_the_whole_site(tmp_path: Path) -> None:
    page = sample.build_sample(tmp_path)
    site = tmp_path / "site"
    assert page == site / "index.html"
    files = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert {
        "index.html",
        "assets/css/base.css",
        "assets/js/core.js",
        "data/results.csv",
        "data/results.json",
    } <= files
    tree = parse(page.read_text("utf-8"))
    links = {element.get("href") or element.get("src") for element in tree.iter()} - {None}
    local = {link.partition("#")[0] for link in links if not link.startswith(("#", "data:"))}
    assert {link for link in local - files if not link.startswith(("machines/", "method"))} == set()
    assert sorted(os.listdir(tmp_path)) == ["raw", "site"]  # noqa: PTH208
    data = json.loads((site / "data" / "results.json").read_text())
    assert (
        len(data["rows"])
        == len(list(csv.DictReader(io.StringIO((site / "data" / "results.csv").read_text()))))
        == 30
    )
    assert data["rows"][0]["latency_ms"] == 14.2
    assert data["rows"][3]["latency_ms"] is None
    assert data["rows"][0]["raw"][0]["href"] == "data/raw/weekend/nuc-13/resnet50-sync.0.json.gz"


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    site = sample.build_sample(tmp_path).parent
    for name in ("index.html", "assets/css/base.css", "assets/js/core.js"):
        text = (site / name).read_text("utf-8")
        assert not re.search(
            r"https?:|//[a-z]|url\(|@import|fetch\(|XMLHttpRequest",
            text.replace("// ", "").replace("http://www.w3.org/", ""),
        ), name


def test_build_replaces_its_own_site_and_nothing_else(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build_in(site, csv=b"old")
    (site / "data" / "stray").write_text("from the old site")
    source = tmp_path / "new.csv"
    source.write_bytes(b"new")
    build_in(site, csv=source)
    assert (site / "data" / "results.csv").read_bytes() == b"new"
    assert not (site / "data" / "stray").exists()

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="did not build"):
        build_in(mine)
    assert (mine / "thesis.txt").read_text() == "mine"


def test_failed_build_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    build_in(site, csv=b"old")
    with pytest.raises(FileNotFoundError):
        build_in(site, csv=tmp_path / "missing.csv")

    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("the disk is gone")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="disk is gone"):
        build_in(site, csv=b"new")
    assert (site / "data" / "results.csv").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["site"]  # noqa: PTH208


def test_only_raw_results_are_published(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "nuc-13").mkdir(parents=True)
    (raw / "Not A Machine").mkdir()
    secret = tmp_path / "t1.9.json.gz"
    secret.write_text("secret")
    (raw / "nuc-13" / "t1.0.json.gz").write_text("raw")
    (raw / "nuc-13" / "notes.txt").write_text("notes")
    (raw / "nuc-13" / "t1.1.json.gz").symlink_to(secret)
    (raw / "Not A Machine" / "t1.0.json.gz").write_text("raw")
    (raw / "nuc-13" / "t1.2.json.gz").write_text("not taken")
    (raw / "linked").symlink_to(raw / "nuc-13")
    names = dict.fromkeys(("nuc-13", "linked", "Not A Machine"), ("t1.0.json.gz", "t1.1.json.gz"))
    site = build_in(tmp_path / "site", raw=raw, raw_names=names).parent
    assert sorted(str(path.relative_to(site / "data/raw")) for path in (site / "data/raw").rglob("*.*")) == [
        "weekend/nuc-13/index.html",
        "weekend/nuc-13/t1.0.json.gz",
    ]
