"""What the site gives away: tables that say what the page says, schemas that they keep to, hashes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from integrator.columns import COLUMNS
from integrator.merged import run_table
from integrator.rejected import RejectedFiles, Rejection
from integrator.site.build import build_site
from integrator.site.downloads.files import runs_csv
from integrator.site.downloads.inventory import File
from integrator.site.downloads.results_json import results_json, results_schema
from integrator.site.frame import tidy
from integrator.site.page import Site
from integrator.site.pages import NAVIGATION
from integrator.site.pages.data import pages as data_pages
from integrator.site.render import Renderer
from integrator.site.source import CampaignResults


def _load_sample() -> ModuleType:
    # The tests are no package, so that the browser's tests and these share a file by its path.
    path = Path(__file__).parents[1] / "site" / "sample.py"
    spec = importlib.util.spec_from_file_location("fleetmark_downloads_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


sample = _load_sample()
EVIL = "</script>\u2028 =cmd|' /C calc'!A0, \"q\"\n{}%s {0}"


def as_json(campaign: CampaignResults) -> Any:
    return json.loads(results_json(campaign, tidy(campaign.table)))


def wrong(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Where a value does not keep to a schema; of what JSON Schema knows, as much as ours use."""
    if "const" in schema and value != schema["const"]:
        yield f"{place}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not one of {schema['enum']}"
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    kinds |= {"object": dict, "array": list}
    if given := schema.get("type"):
        allowed = [given] if isinstance(given, str) else given
        if not any(isinstance(value, kinds[kind]) for kind in allowed):
            yield f"{place}: {value!r} is not {allowed}"
    if isinstance(value, dict):
        yield from (f"{place}: no {key}" for key in schema.get("required", ()) if key not in value)
        for key, part in value.items():
            rest = schema.get("additionalProperties")
            inner = schema.get("properties", {}).get(key, rest if isinstance(rest, dict) else {})
            yield from wrong(part, inner, f"{place}/{key}")
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from wrong(part, schema.get("items", {}), f"{place}/{number}")


def test_the_json_has_every_number_in_full_and_keeps_to_its_schema() -> None:
    rows = sample.sample_rows()
    data = as_json(sample.results(*rows, machines=sample.sample_machines()))
    assert list(wrong(data, results_schema())) == []
    assert set(data["rows"][0]) == {*COLUMNS, "row", "raw"}
    assert [machine["name"] for machine in data["machines"]] == ["nuc-13", "xeon-8480", "edge-n100"]
    assert data["summary"]["statuses"]["ok"] == sum(row["status"] == "ok" for row in rows) == 24
    for written, row in zip(data["rows"], rows, strict=True):
        for key in ("latency_ms", "fps", "iterations", "latency_p99_ms"):
            expected = None if row[key] != row[key] else row[key]
            assert written[key] == expected, key
    assert any(isinstance(row["latency_p99_ms"], str) for row in data["rows"])


def test_a_wrong_document_is_seen_to_be_wrong() -> None:
    data = as_json(sample.results(sample.row()))
    data["rows"][0]["status"] = "fine"
    del data["rows"][0]["fps"]
    data["summary"]["tests"] = "1"
    assert len(list(wrong(data, results_schema()))) == 3


def test_any_text_is_text_in_the_json() -> None:
    row = sample.row(model=EVIL, test_id="%s{}", verdict_reasons=EVIL, settings='{"a": "%d"}')
    rejected = RejectedFiles(files=(Rejection(machine="nuc-13", name="x", reason="<b>", found="folder"),))
    data = as_json(sample.results(row, rejected=rejected))
    assert data["rows"][0]["settings"] == '{"a": "%d"}'
    assert data["rows"][0]["test_id"] == "%s{}"
    assert data["rows"][0]["model"].startswith("</script>")
    assert data["rejected"] == [{"machine": "nuc-13", "name": "x", "reason": "<b>"}]


@pytest.mark.parametrize("rows", [[], [sample.failure("failed", "why")]])
def test_an_empty_campaign_is_one_too(rows: list[Any]) -> None:
    data = as_json(sample.results(*rows))
    assert list(wrong(data, results_schema())) == []
    assert (len(data["rows"]), data["summary"]["tests"]) == (len(rows), len(rows))


def test_many_rows_are_written_in_parts_and_whole() -> None:
    table = pd.DataFrame([sample.row(test_id=f"t{number}", latency_ms=float(number)) for number in range(3)])
    table = table.loc[np.repeat([0, 1, 2], 8000)].reset_index(drop=True)
    table["latency_ms"] = np.arange(24_000) / 7
    rows = as_json(sample.results(table=table))["rows"]
    assert [row["latency_ms"] for row in rows] == (np.arange(24_000) / 7).tolist()


def test_the_run_table_is_read_back_exactly() -> None:
    values = [
        ("box", "t-1", 0, "ok", 1 / 3, 3e-9),
        ("box", "t-1", 1, "crashed", np.nan, np.nan),
        (EVIL, "=t", 2, "ok", 1e22, 5.0),
    ]
    read = list(csv.reader(io.StringIO(runs_csv(run_table(values)).decode())))
    assert read[0] == ["machine", "test_id", "run", "status", "latency_ms", "throughput_fps"]
    assert [row[:4] for row in read[1:]] == [
        ["box", "t-1", "0", "ok"],
        ["box", "t-1", "1", "crashed"],
        [EVIL, "'=t", "2", "ok"],
    ]
    assert [float(text) for row in read[1:] for text in row[4:] if text] == [1 / 3, 3e-9, 1e22, 5.0]
    assert runs_csv(run_table([])) == b"machine,test_id,run,status,latency_ms,throughput_fps\n"


def test_hashes_and_the_list_cover_every_file(tmp_path: Path) -> None:
    site = sample.build_sample(tmp_path).parent
    data = site / "data"
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=data, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    checked = {line.partition(": ")[0] for line in done.stdout.splitlines()}
    assert checked == {
        str(path.relative_to(data))
        for path in data.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    (data / "results.csv").write_text("changed")
    changed = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=data, capture_output=True, check=False)
    assert changed.returncode == 1

    page = (data / "index.html").read_text()
    for name in (
        "results.csv",
        "weekend/runs.csv",
        "schemas/result.schema.json",
        "raw/weekend/nuc-13/index.html",
    ):
        assert f'href="{name}"' in page
        assert (data / name).is_file()
    raw = (data / "raw/weekend/nuc-13/index.html").read_text()
    assert raw.count(".json.gz") == len(list((data / "raw/weekend/nuc-13").glob("*.gz"))) > 0


def test_each_campaign_has_its_tables_and_the_newest_has_them_twice(tmp_path: Path) -> None:
    old = sample.results(sample.row(), sample.row(test_id="t2"), csv=b"old")
    facts = sample.CampaignFacts("later", "Later", old.facts.created_at.replace(year=2027), complete=True)
    new = sample.results(sample.row(), csv=b"new", facts=facts)
    data = build_site(tmp_path / "site", [old, new]).parent / "data"
    assert [
        (data / path).read_bytes() for path in ("results.csv", "later/results.csv", "weekend/results.csv")
    ] == [
        b"new",
        b"new",
        b"old",
    ]
    assert len(json.loads((data / "weekend/results.json").read_text())["rows"]) == 2
    assert len(json.loads((data / "results.json").read_text())["rows"]) == 1
    assert (data / "runs/weekend/nuc-13.js").is_file()


def test_raw_results_of_many_tests_are_listed_in_parts_that_are_small() -> None:
    names = [
        f"mobilenet-v2-fp32-cpu-async-b{number}-throughput-{hash_of(number)}.{run}.json.gz"
        for number in range(900)
        for run in range(10)
    ]
    found = [File(f"raw/weekend/nuc-13/{name}", 2000) for name in names]
    site = Site((sample.results(sample.row()),))
    listed = [page for page in data_pages(site, found) if page.template == "pages/raw.html"]
    assert [page.path.rpartition("/")[2] for page in listed] == ["index.html", "index-2.html", "index-3.html"]
    written = [Renderer(site, NAVIGATION).html(page) for page in listed]
    assert all(sum(f'"{name}"' in html for html in written) == 1 for name in names[::97])
    assert "".join(written).count(".json.gz") == len(names)
    assert max(len(gzip.compress(html.encode())) for html in written) < 60_000


def hash_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:8]
