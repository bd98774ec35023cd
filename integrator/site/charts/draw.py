"""Specifications to SVG, each once: what was drawn before is kept by its content.

Drawing takes some 0.1 s for a chart, after 0.7 s for each process that draws. So more than a few are drawn by
several processes, which import this module and hardly anything else.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
import multiprocessing
import os
import re
import signal
import zlib
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from integrator.resources import CACHE
from protocol.atomic import write_atomically

__all__ = ["Drawing", "draw", "script_safe"]

_Key = TypeVar("_Key", bound=Hashable)
_LOG = logging.getLogger(__name__)
_DRAWING = 2
"""Counted up where the same specification gives another drawing than before."""
_FEW = 6
"""Charts that one process draws before a second one has started."""
_MOST_BYTES = 64 << 20
"""Of all drawings that are kept."""
_ID = re.compile(r'(id="|url\(#)((?:clip|gradient|pattern)[\w-]*)')
_DEFINED = re.compile(r'id="((clip|gradient|pattern)[\w-]*)"')
_PLACE = re.compile(r' (?:d|transform|x2|y2)="[^"]*"')
_FINE = re.compile(r"(\.\d)\d+")
_ROOT = re.compile(r"<svg\b[^>]*?\bwidth=\"([\d.]+)\" height=\"([\d.]+)\"[^>]*>")


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart, ready for a page."""

    svg: str
    """An `<svg>` element; empty where it could not be drawn."""
    spec: str
    """The specification as JSON that may stand inside a `<script>` element."""
    reason: str = ""
    """Why there is no drawing."""


def draw(specs: Mapping[_Key, Mapping[str, Any]], folder: Path | None = None) -> dict[_Key, Drawing]:
    """Draw all of them; one that fails has a reason and does not concern the others.

    Args:
        specs: By any key. Ids inside a drawing are made of its specification, so that two on a page differ.
        folder: Where drawings are kept; the user's cache if none is given.
    """
    import vl_convert  # noqa: PLC0415  # a process that only starts others has no need of it

    cache = CACHE / "charts" if folder is None else folder
    version = f"{_DRAWING} {metadata.version('vl-convert-python')} {vl_convert.get_vegalite_versions()[-1]}\n"
    texts = {key: _text(spec) for key, spec in specs.items()}
    names = {
        key: hashlib.sha256((version + text).encode("utf-8", "replace")).hexdigest()
        for key, text in texts.items()
    }
    kept = {name: _read(cache / name[:2] / name) for name in set(names.values())}
    missing = {name: texts[key] for key, name in names.items() if kept[name] is None}
    drawn = _draw(missing)
    _keep(cache, {name: svg for name, (svg, reason) in drawn.items() if not reason})
    found: dict[_Key, Drawing] = {}
    for key, name in names.items():
        svg, reason = drawn.get(name) or (kept[name] or "", "")
        if reason:
            _LOG.warning("a chart could not be drawn: %s", reason)
        label = str(specs[key].get("description", "")) or "chart"
        found[key] = Drawing(_scoped(svg, name[:10], label), script_safe(texts[key]), reason)
    return found


def _text(spec: Mapping[str, Any]) -> str:
    """As JSON; what has no JSON is drawn by nobody, and says so."""
    try:
        text = json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        return json.dumps(f"no specification: {error}")
    # In an expression of the library's own a line ends there, also within quotes.
    return text.replace("\u2028", " ").replace("\u2029", " ")


def script_safe(text: str) -> str:
    """JSON that no browser takes for the end of the element or the line that it stands in."""
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def draw_one(spec: str) -> tuple[str, str]:
    """The drawing of one specification, and why there is none."""
    import vl_convert  # noqa: PLC0415

    try:
        # Nothing is loaded from anywhere: all data is in the specification.
        svg = vl_convert.vegalite_to_svg(
            spec, vl_version=vl_convert.get_vegalite_versions()[-1], allowed_base_urls=[]
        )
    except Exception as error:  # whatever it is, it is this chart's alone
        # Without the stack of the JavaScript that drew.
        return "", " ".join(str(error).split()).split(" at ")[0][:300] or type(error).__name__
    # Tenths of a pixel are enough.
    return _numbered(_PLACE.sub(lambda place: _FINE.sub(r"\1", place[0]), svg)), ""


def _numbered(svg: str) -> str:
    """Ids counted from 1: the library counts on from drawing to drawing."""
    ids = {
        name: f"{kind}{number}" for number, (name, kind) in enumerate(dict.fromkeys(_DEFINED.findall(svg)), 1)
    }
    return _ID.sub(lambda used: used[1] + ids.get(used[2], used[2]), svg)


def _draw(specs: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    workers = min(_usable_cores(), (len(specs) + _FEW - 1) // _FEW)
    if workers <= 1:
        return {name: draw_one(spec) for name, spec in specs.items()}
    try:
        drawn = _in_processes(specs, workers)
    except (OSError, BrokenProcessPool) as error:  # no further process may be started here
        _LOG.info("charts are drawn one after another: %s", error)
        drawn = {}
    if not any(svg for svg, _ in drawn.values()):
        return {name: draw_one(spec) for name, spec in specs.items()}
    return drawn


def _in_processes(specs: Mapping[str, str], workers: int) -> dict[str, tuple[str, str]]:
    spawn = multiprocessing.get_context("spawn")  # nothing of this process is copied into them
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_leave_interrupts_to_the_parent)
    try:
        futures = {name: pool.submit(draw_one, spec) for name, spec in specs.items()}
        return {name: _answer(future) for name, future in futures.items()}
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the charts under way, not for all


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _answer(future: Future[tuple[str, str]]) -> tuple[str, str]:
    try:
        return future.result()
    except BrokenProcessPool:
        return "", "the process that drew it ended before it was done"


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _scoped(svg: str, scope: str, label: str) -> str:
    """Ids are the page's, not the drawing's, so each drawing has its own; and it says what it shows."""
    svg = _ID.sub(rf"\g<1>c{scope}-\g<2>", svg)
    return _ROOT.sub(
        lambda root: (
            f'<svg class="marks" width="{root[1]}" height="{root[2]}" viewBox="0 0 {root[1]} {root[2]}"'
            f' role="graphics-document" aria-label="{html.escape(label)}">'
        ),
        svg,
        count=1,
    )


def _read(path: Path) -> str | None:
    try:
        return zlib.decompress(path.read_bytes()).decode()
    except (OSError, zlib.error, UnicodeDecodeError):
        return None


def _keep(folder: Path, drawings: Mapping[str, str]) -> None:
    """Keep new drawings and, where all together are too large, let go of those that were made first."""
    if not drawings:
        return
    try:
        for name, svg in drawings.items():
            write_atomically(folder / name[:2] / name, zlib.compress(svg.encode(), 6), durable=False)
        _bound(folder.glob("??/*"))
    except OSError as error:
        _LOG.warning("drawings could not be kept for the next time: %s", error)


def _bound(files: Iterable[Path]) -> None:
    found = sorted(
        ((file.stat().st_mtime_ns, file.stat().st_size, file) for file in files), key=lambda each: each[:1]
    )
    total = sum(size for _, size, _ in found)
    if total <= _MOST_BYTES:
        return
    for _, size, file in found:
        file.unlink(missing_ok=True)
        total -= size
        if total <= _MOST_BYTES * 3 // 4:
            return
