"""Drawing: real SVG, each once, and one that fails concerns no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from integrator.site.charts import draw as drawing
from integrator.site.charts.draw import draw, script_safe

NASTY = '</script><script>alert(1)</script> & "quotes" \u202e \u2028'


def spec(title: str = "a title", points: int = 3) -> dict[str, Any]:
    return {
        "data": {"values": [{"x": n, "y": n * n, "name": f"{title} {n}"} for n in range(points)]},
        "mark": {"type": "point", "clip": True, "color": "var(--series-1)"},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": {"title": title}},
            "y": {"field": "y", "type": "quantitative"},
        },
    }


def test_a_drawing_has_its_title_its_marks_and_the_pages_colours(tmp_path: Path) -> None:
    drawn = draw({"one": spec()}, tmp_path)["one"]
    assert drawn.svg.startswith("<svg ")
    assert drawn.svg.count('aria-roledescription="point"') == 3
    assert ">a title</text>" in drawn.svg
    assert 'stroke="var(--series-1)"' in drawn.svg
    assert json.loads(drawn.spec) == spec()
    assert not re.search(r'(?:href|src)="', drawn.svg)


def test_ids_of_two_drawings_differ_and_those_of_one_do_not(tmp_path: Path) -> None:
    drawn = draw({"a": spec("a"), "b": spec("b"), "again": spec("a")}, tmp_path)
    ids = [set(re.findall(r'id="([^"]+)"', drawn[key].svg)) for key in ("a", "b")]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]+)\)", drawn["a"].svg))
    assert used <= ids[0]
    assert drawn["a"] == drawn["again"]


def test_what_was_drawn_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = draw({"a": spec()}, tmp_path)
    monkeypatch.setattr(drawing, "draw_one", lambda text: ("", "not again"))
    assert draw({"b": spec()}, tmp_path)["b"] == first["a"]
    assert draw({"c": spec("another")}, tmp_path)["c"].reason == "not again"


def test_what_is_damaged_is_drawn_again(tmp_path: Path) -> None:
    first = draw({"a": spec()}, tmp_path)
    (kept,) = tmp_path.glob("??/*")
    kept.write_bytes(kept.read_bytes()[:100])
    assert draw({"a": spec()}, tmp_path) == first


def test_one_that_cannot_be_drawn_does_not_stop_the_others(tmp_path: Path) -> None:
    wrong = {"mark": "no such mark", "data": {"values": []}}
    number = {**spec(), "width": float("nan")}
    drawn = draw({"good": spec(), "wrong": wrong, "number": number}, tmp_path)
    assert drawn["good"].svg
    assert not drawn["good"].reason
    for key in ("wrong", "number"):
        assert not drawn[key].svg
        assert drawn[key].reason
    assert len(list(tmp_path.glob("??/*"))) == 1


def test_several_processes_draw_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs: dict[int, dict[str, Any]] = {number: spec(f"chart {number}") for number in range(9)}
    specs[9] = {"mark": "no such mark", "data": {"values": []}}
    monkeypatch.setattr(drawing, "_usable_cores", lambda: 2)
    many = draw(specs, tmp_path / "many")
    monkeypatch.setattr(drawing, "_usable_cores", lambda: 1)
    assert draw(specs, tmp_path / "one") == many
    assert [number for number, each in many.items() if each.reason] == [9]


def test_kept_drawings_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw({0: spec("0")}, tmp_path)
    (first,) = tmp_path.glob("??/*")
    monkeypatch.setattr(drawing, "_MOST_BYTES", int(first.stat().st_size * 3.5))
    for number in range(1, 6):
        draw({number: spec(str(number))}, tmp_path)
    kept = list(tmp_path.glob("??/*"))
    assert sum(file.stat().st_size for file in kept) <= drawing._MOST_BYTES
    assert kept
    assert first not in kept


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert draw({"a": spec()}, tmp_path / "file")["a"].svg


def test_texts_stay_texts(tmp_path: Path) -> None:
    drawn = draw({"a": spec(NASTY)}, tmp_path)["a"]
    assert "<script" not in drawn.svg
    assert "</script" not in drawn.spec
    assert "\u2028" not in drawn.spec
    assert NASTY.count("\u2028") == 1
    assert json.loads(drawn.spec) == spec(NASTY.replace("\u2028", " "))  # it ends a line, also within quotes
    assert json.loads(script_safe(json.dumps(NASTY, ensure_ascii=False))) == NASTY
