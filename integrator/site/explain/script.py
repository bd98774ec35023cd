"""Data as classic scripts, which a page may load from a folder where it may not fetch a file. Pure."""

from __future__ import annotations

import json

__all__ = ["literal", "shard"]


def literal(value: object) -> str:
    """A value as JSON that is also JavaScript, and that ends no script element it may come to stand in."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    # Beyond ASCII everything is escaped, U+2028 included; so a text holds neither of these any more.
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def shard(name: str, value: object) -> bytes:
    """A script that leaves a value in `fleetmark.shards` under a name, for the one who had it loaded."""
    head = "((window.fleetmark=window.fleetmark||{}).shards=fleetmark.shards||{})"
    return f"{head}[{literal(name)}]={literal(value)};\n".encode()
