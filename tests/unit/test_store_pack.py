"""Rows packed for the browser: sizes and shards. What the browser reads out of them is in tests/site."""

from __future__ import annotations

import base64
import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest

from integrator.site.store.encode import encode_numbers
from integrator.site.store.pack import EXACT_ROWS, pack, script_name


def content(script: bytes) -> dict[str, bytes]:
    found = re.search(rb"Object\.assign\(p\[c\]\|\|\{\},(\{.*?\})\)\}", script, re.DOTALL)
    assert found is not None
    return {name: gzip.decompress(base64.b64decode(text)) for name, text in json.loads(found[1]).items()}


def lab(rows: int, models: int = 10) -> pd.DataFrame:
    random = np.random.default_rng(6)
    number = np.arange(rows)
    return pd.DataFrame(
        {
            "machine": [f"m{n % 25}" for n in number],
            "model": [f"model {n // 25 % models}" for n in number],
            "scenario": [("sync", "async")[n // 500 % 2] for n in number],
            "latency_ms": random.lognormal(2, 1, rows),
            "compile_ms": random.lognormal(5, 1, rows),
        }
    )


def test_a_small_campaign_is_one_script() -> None:
    files = dict(pack(lab(100), "weekend"))
    assert list(files) == [script_name("weekend")]
    assert set(content(files[script_name("weekend")])) == {"index", "0"}


def test_equal_rows_make_equal_files() -> None:
    assert list(pack(lab(500), "weekend")) == list(pack(lab(500), "weekend"))


def test_a_large_campaign_keeps_what_is_rarely_asked_for_apart() -> None:
    files = dict(pack(lab(EXACT_ROWS + 1), "weekend"))
    index = json.loads(content(files[script_name("weekend")])["index"])
    assert index["exact"] is False
    groups = {column["key"]: column["group"] for column in index["columns"]}
    assert groups["compile_ms"] == "more"
    assert groups["latency_ms"] == "core"
    assert len(files) == 2


@pytest.mark.parametrize("limits", [{"most_rows": 1000}, {"most_bytes": 9_000}])
def test_more_than_a_script_may_hold_is_cut_by_model(limits: dict[str, int]) -> None:
    files = dict(pack(lab(5000), "weekend", **limits))
    index = json.loads(content(files[script_name("weekend")])["index"])
    parts = index["parts"]
    assert sum(part["rows"] for part in parts) == 5000
    assert {part["script"] for part in parts} <= set(files)
    assert {model for part in parts for model in part["models"]} == {f"model {n}" for n in range(10)}
    if "most_bytes" in limits:
        assert len(parts) > 1
        packed = [
            gzip.compress(part, mtime=0) for name, file in files.items() for part in content(file).values()
        ]
        assert max(map(len, packed)) <= 9_000 * 1.1


def test_the_script_is_ascii_and_ends_no_element() -> None:
    frame = lab(3)
    frame["model"] = ["</script><script>alert(1)", "\u2028", "\ud800"]
    files = dict(pack(frame, "week</script>end"))
    for file in files.values():
        assert file.isascii()
    index = json.loads(content(next(iter(files.values())))["index"])
    model = next(column for column in index["columns"] if column["key"] == "model")
    assert model["dictionary"] == list(frame["model"])


@pytest.mark.parametrize("value", [1e-300, 3.14159265, 999_999.5, 0.0, -12.5, 123_456_789.0, 1e100])
def test_six_digits(value: float) -> None:
    numbers = pd.Series(np.append(np.linspace(1, 2, 5000), [value, np.nan]))
    planes = encode_numbers("latency_ms", numbers, exact=False).planes
    whole = np.ascontiguousarray(planes[:4].T).view("<i4").ravel()
    exponents = planes[4].view(np.int8)
    assert exponents[-1] == -128
    read = float(f"{whole[-2]}e{exponents[-2]}")
    assert read == pytest.approx(value, rel=5.01e-6, abs=1e-115)
