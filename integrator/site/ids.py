"""Names that links are made of: the same from one build to the next, whatever else is on the site."""

from __future__ import annotations

import base64
import hashlib
import re

__all__ = ["file_name", "row_id"]

_CHARACTERS = 10


def row_id(machine: str, test_id: str) -> str:
    """The id of a test on a machine, in every campaign: ten letters and digits (50 bits)."""
    digest = hashlib.sha256(f"{machine}\0{test_id}".encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest[:7]).decode().lower()[:_CHARACTERS]


def file_name(name: str) -> str:
    """The name of a page for a machine or a model: its own where that is safe in a path, else with a hash."""
    safe = re.sub(r"[^a-z0-9._-]+", "-", name.lower())[:80].strip(".-") or "page"
    if safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
