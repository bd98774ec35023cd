"""Pages to HTML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

import jinja2

from integrator.resources import CACHE, find
from integrator.site.cells import clean_text, first_words
from integrator.site.page import Page, Site
from protocol.version import __version__

__all__ = ["Renderer"]

_SCRIPTS = ("js/core.js", "js/state.js", "js/explain.js")
"""Of every page, in this order."""
_STYLES = ("base.css", "explain.css")
_NONE: Mapping[str, object] = MappingProxyType({})


class Renderer:
    """Draws the pages of one site; templates are read once."""

    def __init__(self, site: Site, navigation: tuple[tuple[str, str, str], ...]) -> None:
        templates = find("templates")
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates),
            bytecode_cache=_compiled(),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters["first_words"] = first_words
        self._environment.filters["clean"] = clean_text
        self._environment.globals.update(site=site, version=__version__, navigation=navigation)

    def html(self, page: Page, drawn: Mapping[str, object] = _NONE) -> str:
        """The page.

        Args:
            page: What to draw.
            drawn: Its charts, by the names in `page.charts`.
        """
        template = self._environment.get_template(page.template)
        return template.render(
            {
                **page.context,
                "page": page,
                "root": page.root,
                "charts": drawn,
                "scripts": [self._script(name) for name in (*_SCRIPTS, *page.scripts)],
                "styles": [*_STYLES, *page.styles],
            }
        )

    @staticmethod
    def _script(name: str) -> str:
        return f"assets/{name}" if name.startswith("js/") else name


def _compiled() -> jinja2.BytecodeCache | None:
    """Compiled templates, kept from one build to the next: a third of a small site's time.

    None where nothing can be written; they are compiled each time then.
    """
    folder = CACHE / "templates"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return jinja2.FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None
