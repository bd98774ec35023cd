"""The lease on a machine: which agent works there, and for how long that may be believed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from protocol.documents import Document
from protocol.layout import MachineName

__all__ = ["HOLDER_NAME", "HolderName", "Lease"]

HOLDER_NAME = r"[a-z0-9](?:[a-z0-9_-]{0,78}[a-z0-9])?"
HolderName = Annotated[str, StringConstraints(pattern=rf"^{HOLDER_NAME}$")]


class Lease(Document):
    """One agent's hold of a machine. It lasts `lifetime_s` from when the server stored this document."""

    kind: ClassVar[str] = "lease"
    max_bytes: ClassVar[int] = 4096

    machine: MachineName
    term: int = Field(ge=1)
    """Counts up with each taking; the newest one holds."""
    holder: HolderName
    """The agent's host and a random id."""
    lifetime_s: float = Field(gt=0, le=8 * 86400)
    renewal: int = Field(default=0, ge=0)
    """How often it was renewed."""
    released: bool = False
    """The holder has left: nobody needs to wait."""
