"""Names that links are made of: the same from one build to the next, whatever else is on the site."""

from __future__ import annotations

import hashlib
import re

__all__ = ["file_name", "row_id"]

_CHARACTERS = 12


def row_id(machine: str, test_id: str) -> str:
    """The id of a test on a machine, in every campaign: 12 hexadecimal digits behind a letter."""
    digest = hashlib.sha256(f"{machine}\0{test_id}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"t{digest[:_CHARACTERS]}"


def file_name(name: str) -> str:
    """The name of a page for a machine or a model: its own where that is safe in a path, else with a hash."""
    safe = re.sub(r"[^a-z0-9._-]+", "-", name.lower())[:80].strip(".-") or "page"
    if safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
