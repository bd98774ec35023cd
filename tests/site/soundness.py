"""What holds for every page of a built site, asked of its files."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import html5lib  # type: ignore[import-untyped]

HTML = "{http://www.w3.org/1999/xhtml}"
LOADING = {"script", "img", "iframe", "source", "audio", "video", "embed", "track", "image", "use"}
"""Elements whose address a browser loads on its own, besides `link`."""


def pages(site: Path) -> list[Path]:
    """Every page of the site."""
    return sorted(site.rglob("*.html"))


def kinds(site: Path) -> list[Path]:
    """A page of each kind: those of the root, and the largest of each folder."""
    chosen: list[Path] = []
    for folder in sorted({page.parent for page in pages(site)}):
        own = [page for page in pages(site) if page.parent == folder]
        chosen += own if folder == site else [max(own, key=lambda page: page.stat().st_size)]
    return chosen


def parse(html: str) -> Any:
    """The document's tree; any error of the HTML5 parsing algorithm raises."""
    return html5lib.HTMLParser(strict=True).parse(html)


def text_of(element: Any) -> str:
    """All text below it."""
    return "".join(element.itertext())


def check_tables(tree: Any) -> None:
    """Every row of every table fills exactly the same columns."""
    for table in tree.iter(f"{HTML}table"):
        widths = []
        spans: list[int] = []  # columns that a cell above still takes, for how many rows
        for row in table.iter(f"{HTML}tr"):
            widths.append(sum(int(cell.get("colspan", 1)) for cell in row) + len(spans))
            spans = [left - 1 for left in spans if left > 1]
            spans += [rows - 1 for cell in row if (rows := int(cell.get("rowspan", 1))) > 1]
        assert len(set(widths)) == 1, (text_of(table)[:200], widths)


def check_page(file: Path) -> None:
    """A sound document: tables with captions and scopes, one heading, ids that are there once."""
    tree = parse(file.read_text("utf-8"))
    check_tables(tree)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), {name for name in ids if ids.count(name) > 1}
    for element in tree.iter():
        for attribute in ("aria-labelledby", "aria-describedby", "aria-controls", "for"):
            for name in (element.get(attribute) or "").split():
                assert name in ids, f"{attribute} names {name}, which is not on the page"
    for table in tree.iter(f"{HTML}table"):
        assert table.find(f"{HTML}caption") is not None or table.get("aria-labelledby"), text_of(table)[:200]
        for cell in table.iter(f"{HTML}th"):
            assert cell.get("scope"), f"a heading without scope: {text_of(cell)[:80]}"
    assert len(list(tree.iter(f"{HTML}h1"))) == 1
    assert text_of(next(tree.iter(f"{HTML}title"))).strip()
    for text in _shown(tree):
        wrong = re.search(
            r"(?<![\w-])(nan|NaT|undefined|<NA>|\[object)(?![\w-])|^\s*(None|null|NaN)\s*$", text
        )
        assert not wrong, text[:200]


def _shown(element: Any) -> Iterator[str]:
    """Texts that a reader sees or hears: scripts and styles are none."""
    if element.tag in {f"{HTML}script", f"{HTML}style"}:
        return
    if element.text and isinstance(element.tag, str):
        yield element.text
    for child in element:
        yield from _shown(child)
        if child.tail:
            yield child.tail


class _Addresses(HTMLParser):
    """Ids of a page, what it links to and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if name := given.get("id"):
            self.ids.add(name)
        if tag in {"a", "area"} and "href" in given:
            self.links.append(given["href"])
        loads = tag in LOADING or (tag == "link" and given.get("rel") != "alternate")
        for attribute in ("src", "href", "xlink:href", "srcset", "poster", "data"):
            if attribute in given and (loads or attribute == "src"):
                self.loads.append(given[attribute])
        if tag == "link" and not loads:
            self.links.append(given["href"])
        self.loads += in_style(given.get("style", ""))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loads += in_style(data)


def in_style(css: str) -> list[str]:
    """Addresses that a style sheet loads."""
    found = re.findall(r"""url\(\s*['"]?([^'")]*)|@import\s+['"]([^'"]*)""", css)
    return [first or second for first, second in found]


@cache
def addresses(file: Path) -> _Addresses:
    """Of one page."""
    parser = _Addresses()
    parser.feed(file.read_text("utf-8"))
    parser.close()
    return parser


def broken_links(site: Path) -> list[str]:
    """Links and loaded files that lead nowhere within the site: `page: address`."""
    broken = []
    for page in pages(site):
        found = addresses(page)
        broken += [
            f"{page.relative_to(site)}: {address}"
            for address in dict.fromkeys([*found.links, *found.loads])
            if not _leads_somewhere(page, address)
        ]
    return broken


def _leads_somewhere(page: Path, address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return parts.scheme in {"https", "data"} and bool(parts.netloc or parts.path)
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not file.is_file():
        return False
    anchor = unquote(parts.fragment)
    if not anchor or "=" in anchor or file.suffix != ".html":
        return True  # what is chosen on a page, not a place on it
    return anchor in addresses(file).ids


def loaded_from_elsewhere(site: Path) -> list[str]:
    """Addresses outside the site that a browser would load: `file: address`."""
    found = [(page, address) for page in pages(site) for address in addresses(page).loads]
    found += [
        (file, address) for file in site.rglob("*.css") for address in in_style(file.read_text("utf-8"))
    ]
    return [
        f"{file.relative_to(site)}: {address}"
        for file, address in found
        if re.match(r"([a-z][a-z0-9+.-]*:)?//|https?:", address, re.IGNORECASE)
    ]


def packed(file: Path) -> int:
    """How many bytes travel when a server compresses it."""
    return len(gzip.compress(file.read_bytes(), 9))
