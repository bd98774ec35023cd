"""Building the results site: time of each part and peak memory, beside a converter like the predecessor's.

Each measurement is a process of its own that makes the same seeded lab, builds its site once and tells how
long that took; the two take turns, and the quickest of each counts. Making the lab, and loading Python's
modules, is not counted. The peer is written here after the description of the predecessor's: it reads the CSV
file, and looks through all rows for each cell of one page of nested tables. Its work grows with the square of
the rows, so it is not asked beyond `--peer-rows`.

    python benchmarks/site_build.py [--rows 10000 100000] [--times 3] [--peer-rows 10000]

The bars: beyond charts 1 s for 10,000 rows, and 10 s and 1 GB for 100,000.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrator.site import build
from integrator.site.charts.draw import draw
from integrator.site.files import FILES
from integrator.site.pages import PAGES
from integrator.site.pages import machine as machine_page
from integrator.site.pages import model as model_page
from integrator.site.render import Renderer
from integrator.site.source import CampaignResults
from tests.site import synthetic

CHARTS = "charts"
CHARTS_OF = (
    (machine_page, "dots"),
    (model_page, "pareto"),
    (model_page, "scaling"),
    (model_page, "ladder"),
    (model_page, "scenarios"),
)
"""What makes their specifications, where it is called from."""
BARS = {10_000: (1.0, 1000.0), 100_000: (10.0, 1000.0)}
"""By rows: seconds beyond charts, megabytes."""


Seconds = tuple[float, float]
"""By the clock, and of this process's work: they differ where others work too, and where it waits."""


class Parts:
    """How long each part of a build took; a part within a part counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, Seconds] = defaultdict(lambda: (0.0, 0.0))
        self._within: list[Seconds] = []

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """A part."""
        self._within.append((0.0, 0.0))
        start = _now()
        try:
            yield
        finally:
            took = _minus(_now(), start)
            self.seconds[name] = _plus(self.seconds[name], _minus(took, self._within.pop()))
            if self._within:
                self._within[-1] = _plus(self._within[-1], took)

    def call(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, measured; where it gives things one by one, until the last of them."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.measured(name):
                found = function(*args, **kwargs)
                return list(found) if isinstance(found, Iterator) else found

        return measured


def _now() -> Seconds:
    return time.perf_counter(), time.process_time()


def _plus(first: Seconds, second: Seconds) -> Seconds:
    return first[0] + second[0], first[1] + second[1]


def _minus(first: Seconds, second: Seconds) -> Seconds:
    return first[0] - second[0], first[1] - second[1]


def ours(campaign: CampaignResults, folder: Path) -> dict[str, Seconds]:
    """Seconds of each part of the site's build."""
    parts = Parts()
    build.PAGES = tuple(  # type: ignore[attr-defined]
        parts.call(f"data: {_room(each)}", each) for each in PAGES
    )
    build.FILES = tuple(  # type: ignore[attr-defined]
        parts.call(f"files: {_room(each)}", each) for each in FILES
    )
    Renderer.html = parts.call("templates", Renderer.html)  # type: ignore[method-assign]
    build.draw = parts.call(CHARTS, draw)  # type: ignore[attr-defined]
    for page, name in CHARTS_OF:
        setattr(page, name, parts.call(CHARTS, getattr(page, name)))
    with parts.measured("frame, copying, writing"):
        build.build_site(folder / "site", [campaign])
    return dict(parts.seconds)


def _room(function: Callable[..., Any]) -> str:
    return function.__module__.removeprefix("integrator.site.").removeprefix("pages.")


def peer(campaign: CampaignResults, folder: Path) -> dict[str, Seconds]:
    """Seconds of the converter."""
    assert isinstance(campaign.csv, bytes)
    (folder / "table.csv").write_bytes(campaign.csv)
    start = _now()
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (folder / "table.html").write_text(nested_tables(rows), encoding="utf-8")
    return {"all": _minus(_now(), start)}


def nested_tables(rows: list[dict[str, str]]) -> str:
    """Models and batches down, machines with device, precision and scenario across; the first FPS found."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    batches = {model: _different("batch", (row for row in rows if row["model"] == model)) for model in models}
    machines = list(dict.fromkeys(row["machine"] for row in rows))
    columns = {
        machine: [
            (device, precision, scenario)
            for device in _different("device", (row for row in rows if row["machine"] == machine))
            for precision in _different("precision", (row for row in rows if row["machine"] == machine))
            for scenario in ("sync", "async")
        ]
        for machine in machines
    }
    page = io.StringIO()
    page.write("<table><tr><td>Model</td><td>Batch</td>")
    for machine, below in columns.items():
        inner = "".join(f"<td><table><tr><td>{' '.join(each)}</td></tr></table></td>" for each in below)
        page.write(f"<td><table><tr><td>{machine}</td></tr><tr>{inner}</tr></table></td>")
    page.write("</tr>")
    for model in models:
        page.write(f"<tr><td>{model}</td><td colspan=2><table>")
        for batch in batches[model]:
            page.write(f"<tr><td>{batch}</td>")
            for machine, below in columns.items():
                page.write("<td><table><tr>")
                for key in below:
                    page.write(
                        f"<td><table><tr><td>{_fps(rows, machine, model, batch, key)}</td></tr></table></td>"
                    )
                page.write("</tr></table></td>")
            page.write("</tr>")
        page.write("</table></td></tr>")
    page.write("</table>")
    return page.getvalue()


def _different(key: str, rows: Iterable[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def _fps(rows: list[dict[str, str]], machine: str, model: str, batch: str, key: tuple[str, str, str]) -> str:
    for row in rows:
        if (
            row["machine"] == machine
            and row["model"] == model
            and row["batch"] == batch
            and (row["device"], row["precision"], row["scenario"]) == key
        ):
            return f"{float(row['fps']):.2f}" if row["status"] == "ok" else "-"
    return "N/A"


KINDS = {"ours": ours, "peer": peer}


def once(kind: str, rows: int) -> dict[str, Any]:
    """One build in this process: seconds by part, what it added to the peak memory, what it wrote; in MB."""
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as made:
        folder = Path(made)
        campaign = synthetic.lab(rows=rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = KINDS[kind](campaign, folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {
        "rows": len(campaign.table),
        "seconds": seconds,
        "peak_mb": peak * 1024 / 1e6,
        "lab_mb": before * 1024 / 1e6,
        "written_mb": written / 1e6,
    }


def in_a_process(kind: str, rows: int) -> dict[str, Any]:
    """The same in a fresh one."""
    command = [sys.executable, __file__, "--one", kind, "--rows", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(rows: int, times: int, *, with_peer: bool) -> None:
    """Both in turns, and what came out."""
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(times):
        results["ours"].append(in_a_process("ours", rows))
        if with_peer:
            results["peer"].append(in_a_process("peer", rows))
    best = {
        kind: min(found, key=lambda each: sum(took for took, _ in each["seconds"].values()))
        for kind, found in results.items()
    }
    mine = best["ours"]
    parts = mine["seconds"]
    in_charts = parts.get(CHARTS, (0.0, 0.0))[0]
    total, work = (sum(took[which] for took in parts.values()) for which in range(2))
    print(f"\n{mine['rows']:,} rows, the best of {times}; in brackets the work of the process itself")
    for name, (took, worked) in sorted(parts.items(), key=lambda part: -part[1][0]):
        print(f"  {took:8.3f} s ({worked:.3f})  {name}")
    beyond = total - in_charts
    print(f"  {total:8.3f} s ({work:.3f})  in all, {beyond:.3f} s beyond charts")
    print(f"  {mine['peak_mb']:8.0f} MB peak memory, {mine['lab_mb']:.0f} MB of it before the build")
    print(f"  {mine['written_mb']:8.1f} MB written")
    if "peer" in best:
        theirs = best["peer"]["seconds"]["all"][0]
        print(f"  {theirs:8.3f} s  the converter as the predecessor's: {theirs / beyond:.1f} × ours")
    if rows in BARS:
        most_s, most_mb = BARS[rows]
        met = beyond <= most_s and mine["peak_mb"] <= most_mb
        print(f"  bar: {most_s:g} s beyond charts, {most_mb:g} MB: {'met' if met else 'MISSED'}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--peer-rows", type=int, default=10_000, help="no peer where there are more rows")
    parser.add_argument("--one", choices=KINDS, help="one build in this process, told as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(once(options.one, options.rows[0])))
        return
    for rows in options.rows:
        compare(rows, options.times, with_peer=rows <= options.peer_rows)


if __name__ == "__main__":
    main()
