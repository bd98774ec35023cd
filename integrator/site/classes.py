"""Classes of machines: a coarse word for what a machine is made for, from what the lab and its tests say."""

from __future__ import annotations

from typing import Final

__all__ = ["EDGE_THREADS", "EDGE_WATTS", "SERVER_THREADS", "SERVER_WATTS", "limits"]

EDGE_WATTS: Final = 35
"""An edge machine draws at most so much, as lab.yaml says."""
SERVER_WATTS: Final = 150
"""A server draws at least so much; what is between the two is a desktop."""
EDGE_THREADS: Final = 8
"""Where the lab gives no watts: the most threads that a test of an edge machine used."""
SERVER_THREADS: Final = 32
"""Where the lab gives no watts: a test of a server used at least so many."""


def limits() -> dict[str, int]:
    """For the scripts of the site, which know the threads of each test."""
    return {
        "edge_watts": EDGE_WATTS,
        "server_watts": SERVER_WATTS,
        "edge_threads": EDGE_THREADS,
        "server_threads": SERVER_THREADS,
    }
