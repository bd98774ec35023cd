"""What there is to download: a page of everything under data/, and one of each machine's raw results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from integrator.site.downloads.inventory import SUMS, File
from integrator.site.page import Page, Site
from integrator.words import counted
from protocol.layout import split_result_name

__all__ = ["pages"]

_WHAT = {
    "results.csv": "the table: a row for each test",
    "results.json": "the same with every number in full, the machines, and links to the raw results",
    "runs.csv": "a row for each run: its median latency and its throughput",
}
_SCHEMAS = {
    "campaign": "campaign.json: what the integrator keeps of a campaign",
    "job": "job.json: the tests of one machine, and the order of their runs",
    "machine": "machine.json: what a machine says of itself",
    "result": "a raw result: one run, with every latency",
    "results": "results.json",
    "status": "status.json: the heartbeat of an agent",
}
_SCRIPTS = {"explain": "what stands behind each number", "runs": "the numbers of every run"}
"""Folders of scripts that pages load."""


_TESTS_PER_PAGE = 400
"""Whose runs a page of raw results lists: what stays under 60 KB when it is compressed."""


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    """From data/."""
    words: str
    size: str
    files: int = 1

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.path.rpartition("/")[2]

    @property
    def counted(self) -> str:
        """How many files."""
        return counted(self.files, "file")


@dataclass(slots=True)
class _Folder:
    files: int = 0
    size: int = 0
    tests: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """The runs of each test, and the names of their files."""


def pages(site: Site, found: Sequence[File]) -> Iterator[Page]:
    """The pages of what is found under data/, when everything else has been written."""
    raw = _raw(found)
    newest = [_entry(file) for file in found if file.path in _WHAT]
    campaigns = []
    for campaign in site.campaigns:
        identity = campaign.facts.id
        tables = [_entry(file) for file in found if _is_table(file.path, identity)]
        results = [
            _Entry(f"raw/{identity}/{machine}/index.html", machine, _size(folder.size), folder.files)
            for (owner, machine), folder in raw.items()
            if owner == identity
        ]
        campaigns.append({"facts": campaign.facts, "tables": tables, "raw": results})
    schemas = [_entry(file) for file in found if file.path.startswith("schemas/")]
    yield Page(
        "data/index.html",
        "pages/data.html",
        title="All data",
        nav="data",
        styles=("documents.css",),
        context={
            "newest": newest,
            "campaigns": campaigns,
            "schemas": schemas,
            "loaded": _scripts(found),
            "sums": SUMS,
            "total": _Entry("", "", _size(sum(file.size for file in found)), len(found)),
        },
    )
    for (campaign_id, machine), folder in raw.items():
        yield from _raw_pages(campaign_id, machine, folder)


def _raw_pages(campaign: str, machine: str, folder: _Folder) -> Iterator[Page]:
    tests = sorted(folder.tests)
    names = [
        "index.html" if start == 0 else f"index-{start // _TESTS_PER_PAGE + 1}.html"
        for start in range(0, len(tests), _TESTS_PER_PAGE)
    ]
    for part, name in enumerate(names):
        here = tests[part * _TESTS_PER_PAGE : (part + 1) * _TESTS_PER_PAGE]
        yield Page(
            f"data/raw/{campaign}/{machine}/{name}",
            "pages/raw.html",
            title=f"Raw results of {machine}" + (f", part {part + 1}" if part else ""),
            nav="data",
            styles=("documents.css",),
            context={
                "campaign_id": campaign,
                "machine": machine,
                "tests": {test: sorted(folder.tests[test]) for test in here},
                "parts": names,
                "part": part,
                "total": _Entry("", "", _size(folder.size), folder.files),
            },
        )


def _is_table(path: str, campaign: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == campaign and name in _WHAT


def _entry(file: File) -> _Entry:
    name = file.path.rpartition("/")[2]
    words = _WHAT.get(name) or _SCHEMAS[name.removesuffix(".schema.json")]
    return _Entry(file.path, words, _size(file.size))


def _raw(found: Sequence[File]) -> dict[tuple[str, str], _Folder]:
    folders: dict[tuple[str, str], _Folder] = {}
    for file in found:
        parts = file.path.split("/")
        if len(parts) == 4 and parts[0] == "raw" and (split := split_result_name(parts[3])):  # noqa: PLR2004
            folder = folders.setdefault((parts[1], parts[2]), _Folder())
            folder.files += 1
            folder.size += file.size
            folder.tests.setdefault(split[0], []).append((split[1], parts[3]))
    return folders


def _scripts(found: Sequence[File]) -> list[_Entry]:
    entries = []
    for name, words in _SCRIPTS.items():
        sizes = [file.size for file in found if file.path.startswith(f"{name}/")]
        if sizes:
            entries.append(_Entry(f"{name}/", words, _size(sum(sizes)), len(sizes)))
    return entries


def _size(count: int) -> str:
    """In units of a thousand."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":  # noqa: PLR2004
            break
        value /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{value:.3g} {unit}"
