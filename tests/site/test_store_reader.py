"""Rows go through Python's packing and the browser's reading, and come out as they went in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from integrator.resources import find
from integrator.site.store.pack import EXACT_ROWS, MOST_ROWS, pack, script_name

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
READ = """
    const [models, done] = arguments;
    window.fleetmark.rows("c", models ? { models } : {}).then(async (rows) => {
      await rows.need(rows.columns);
      const all = Array.from({ length: rows.length }, (_, i) => i);
      const number = (value) => Number.isNaN(value) ? "NaN" : String(value);
      const columns = {};
      for (const key of rows.columns) {
        columns[key] = rows.isNumber(key)
          ? all.map((i) => rows.note(key, i) || number(rows.number(key, i)))
          : all.map((i) => rows.text(key, i));
      }
      const found = all.map((i) => rows.find(rows.text("row", i)));
      done({ exact: rows.exact, length: rows.length, columns, found, lost: rows.find("taaaaaaaaaaaa") });
    }, (error) => done(String(error)));
"""

texts = st.one_of(
    st.sampled_from(
        ["", "nuc", "</script>", "=cmd|' /C calc'!A0", "\u202e\u2066rtl", '"\\\n\t\u2028', "\U0001f680"]
    ),
    st.text(max_size=20),
)
numbers = st.one_of(
    st.just(math.nan), st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 64).map(float)
)
ids = st.text("0123456789abcdef", min_size=12, max_size=12).map("t{}".format)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 40))
    few = draw(st.lists(texts, min_size=1, max_size=4))

    def several(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    names = pd.Series(several(st.one_of(ids, texts) if draw(st.booleans()) else ids), dtype=object)
    noted = several(st.sampled_from(["", "", "needs 512 more"]))
    return pd.DataFrame(
        {
            "machine": pd.Series(several(st.sampled_from(few)), dtype=object),
            "model": pd.Series(several(st.sampled_from(few)), dtype=object),
            "reason": pd.Series(several(texts), dtype=object),
            "batch": np.array(several(st.sampled_from([1.0, 2.0, math.nan])), dtype=np.float64),
            "latency_ms": np.array(several(numbers), dtype=np.float64),
            "latency_p99_ms": np.where(np.array(noted, dtype=object) == "", 1.5, np.nan),
            "latency_p99_ms__note": pd.Series(noted, dtype=object),
            "rank_ok": np.array(several(st.booleans()), dtype=bool),
            "row": names,
            "href": "machines/x.html#" + names,
        }
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    if missing:
        pytest.skip(f"Chromium and chromedriver are not installed: no {' and no '.join(missing)}")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    driver = webdriver.Chrome(options=options, service=Service(executable_path=str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def through(
    browser: webdriver.Chrome,
    folder: Path,
    frame: pd.DataFrame,
    models: list[str] | None = None,
    most_rows: int = MOST_ROWS,
) -> Any:
    for name, script in pack(frame, "c", most_rows=most_rows):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(script)
    entry = json.dumps({"campaigns": [{"id": "c", "script": script_name("c")}]})
    (folder / "store.js").write_bytes((find("templates") / "js" / "store.js").read_bytes())
    (folder / "page.html").write_text(
        f"""<!doctype html><meta charset="utf-8"><script>
        window.fleetmark = {{
          site: {entry},
          loadScript: (path) => new Promise((done, failed) => {{
            const script = document.createElement("script");
            script.src = path;
            script.onload = done;
            script.onerror = () => failed(new Error("no " + path));
            document.head.append(script);
          }}),
        }};
        </script><script src="store.js"></script>""",
        encoding="utf-8",
    )
    browser.get((folder / "page.html").as_uri())
    answer = browser.execute_async_script(READ, models)
    assert isinstance(answer, dict), answer
    return answer


def expected(frame: pd.DataFrame, key: str) -> list[str | float]:
    if frame[key].dtype == bool:
        return [str(int(value)) for value in frame[key]]
    if frame[key].dtype == object:
        return list(frame[key])
    notes = frame.get(f"{key}__note", [""] * len(frame))
    return [note or value for note, value in zip(notes, frame[key], strict=True)]


def same(read: list[str], frame: pd.DataFrame, key: str) -> None:
    for got, want in zip(read, expected(frame, key), strict=True):
        if isinstance(want, str):
            assert got == want
        else:
            assert float(got) == want or (math.isnan(float(got)) and math.isnan(want))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames(), most_rows=st.sampled_from([3, 1000]))
def test_what_goes_in_comes_out(
    browser: webdriver.Chrome, tmp_path: Path, frame: pd.DataFrame, most_rows: int
) -> None:
    answer = through(browser, tmp_path, frame, most_rows=most_rows)
    assert answer["exact"] is True
    assert answer["length"] == len(frame)
    assert set(answer["columns"]) == {key for key in frame.columns if not key.endswith("__note")}
    for key in answer["columns"]:
        same(answer["columns"][key], frame, key)
    first = {name: index for index, name in reversed(list(enumerate(frame["row"])))}
    assert answer["found"] == [first[name] for name in frame["row"]]
    assert answer["lost"] == first.get("taaaaaaaaaaaa", -1)


def large(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    order = random.permutation(rows)  # the table's order is none that compresses
    return pd.DataFrame(
        {
            "machine": [f"machine {n % 20}" for n in order],
            "model": [f"model {n // 20 % 9}" for n in order],
            "latency_ms": random.lognormal(2, 4, rows),
            "compile_ms": np.where(random.random(rows) < 0.2, np.nan, random.lognormal(5, 1, rows)),
            "started_at": [f"2026-01-01T00:00:00.{n}" for n in order],
            "row": [f"t{n:06d}abcdef" for n in order],
        }
    )


@pytest.mark.parametrize("most_rows", [MOST_ROWS, 5_000])
def test_large_campaigns_keep_six_digits_and_the_order(
    browser: webdriver.Chrome, tmp_path: Path, most_rows: int
) -> None:
    frame = large(EXACT_ROWS + 500)
    answer = through(browser, tmp_path, frame, most_rows=most_rows)
    assert answer["exact"] is False
    for key in ("machine", "model", "started_at", "row"):
        assert answer["columns"][key] == list(frame[key])
    for key in ("latency_ms", "compile_ms"):
        for got, want in zip(answer["columns"][key], frame[key], strict=True):
            assert math.isnan(want) if got == "NaN" else float(got) == float(f"{want:.5e}")
    assert answer["found"] == list(range(len(frame)))


def test_some_models_of_a_sharded_campaign(browser: webdriver.Chrome, tmp_path: Path) -> None:
    frame = large(900)
    answer = through(browser, tmp_path, frame, ["model 3"], most_rows=100)
    own = frame[frame["model"].isin(set(answer["columns"]["model"]))]
    assert "model 3" in set(own["model"])
    assert len(own) < 500
    assert answer["columns"]["row"] == list(own["row"])
    assert through(browser, tmp_path, frame, ["none"], most_rows=100)["length"] == 0
