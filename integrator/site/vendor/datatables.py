"""DataTables with its extensions, out of the package itables, as a script and a style sheet."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

__all__ = ["script", "style", "versions"]

_EXPORT = re.compile(r"export\s*\{([^{}]*)\}\s*;?")
_NAMED = {"default": "DataTable", "jQuery": "jQuery"}
"""What the bundle exports, and the name under which `window` has it."""
_VERSION = re.compile(r"\(\*!\s+(?:\* )?(DataTables|jQuery JavaScript Library) v?([\d.]+)")


def script() -> bytes:
    """The bundle as a classic script, which browsers run from a folder too, as they do not run modules.

    Inside a function of its own, and strict as modules are; `window.DataTable` and `window.jQuery` are what
    it exports.

    Raises:
        ValueError: the bundle is not the module that it was when this was written.
    """
    source = _read("dt_bundle.js")
    exports = list(_EXPORT.finditer(source))
    if not exports or "import(" in source or re.search(r"(?:^|;)import[\s{*\"']", source):
        raise ValueError("itables: dt_bundle.js is no module of one file that ends in its exports")
    statement = exports[-1]  # a string before it may look like one
    pairs = [part.split(" as ") for part in statement[1].split(",") if " as " in part]
    names = {exported.strip(): name.strip() for name, exported in pairs}
    if missing := set(_NAMED) - set(names):
        raise ValueError(f"itables: dt_bundle.js does not export {' and '.join(sorted(missing))}")
    assignments = "".join(f"window.{name}={names[exported]};" for exported, name in _NAMED.items())
    body = source[: statement.start()] + assignments + source[statement.end() :]
    return f'(()=>{{"use strict";{body}}})();\n'.encode()


def style() -> bytes:
    """The style sheet of the bundle, which loads nothing."""
    return _read("dt_bundle.css").encode()


def versions() -> dict[str, str]:
    """What the bundle says of itself."""
    return {name.split()[0]: version for name, version in _VERSION.findall(_read("dt_bundle.js"))}


def _read(name: str) -> str:
    # By its place: the package reads a configuration from the user's home when it is imported.
    file = metadata.distribution("itables").locate_file(f"itables/html/{name}")
    return Path(str(file)).read_text(encoding="utf-8")
