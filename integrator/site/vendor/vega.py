"""Vega, Vega-Lite and Vega-Embed as one script, which the package vl-convert-python puts together."""

from __future__ import annotations

import vl_convert

__all__ = ["VEGA_LITE", "script", "versions"]

VEGA_LITE: str = vl_convert.get_vegalite_versions()[-1]
"""The newest Vega-Lite of the package: what runs in the browser and what draws SVG are the same."""


def script() -> bytes:
    """The bundle, inside a function of its own; it takes seconds. `window.vegaEmbed` is what it gives."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;", VEGA_LITE)
    return f"(()=>{{{bundle}}})();\n".encode()


def versions() -> dict[str, str]:
    """Of the three libraries."""
    return {
        "Vega": vl_convert.get_vega_version(),
        "Vega-Lite": VEGA_LITE,
        "Vega-Embed": vl_convert.get_vega_embed_version(),
    }
