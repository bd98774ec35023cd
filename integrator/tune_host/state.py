"""What settings were before they were set: a file that lives until they are set back."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import ClassVar

from pydantic import AwareDatetime, Field, field_validator

from integrator.tune_host.knobs import is_of_a_knob
from protocol.atomic import write_atomically
from protocol.documents import Document
from protocol.errors import UserError

__all__ = ["STATE_FILE", "TunedHost"]

STATE_FILE = "var/lib/fleetmark/tune-host.json"
_OWNER_ONLY = 0o600
_MAX_VALUE_CHARS = 200


class TunedHost(Document):
    """The settings of a machine as they were before the first `tune-host --apply` since its start."""

    kind: ClassVar[str] = "tune-host state"

    applied_at: AwareDatetime
    boot_id: str | None
    """Of the kernel's start: after another one nothing of what was set is left."""
    before: dict[str, str] = Field(max_length=1 << 17)
    """File of the kernel, without the leading slash, to what it held; in the order in which they were set."""

    @field_validator("before")
    @classmethod
    def _only_settings(cls, before: dict[str, str]) -> dict[str, str]:
        for path, value in before.items():
            if not is_of_a_knob(path):
                raise ValueError(f"/{path} is no file that tune-host sets")
            if len(value) > _MAX_VALUE_CHARS or not value.isprintable():
                raise ValueError(f"what /{path} is said to have held is no setting")
        return before

    def write(self, path: Path) -> None:
        """Keep it, for its owner alone."""
        write_atomically(path, self.to_bytes(), mode=_OWNER_ONLY)

    @classmethod
    def read(cls, path: Path) -> TunedHost | None:
        """Read it; None where there is none.

        Raises:
            UserError: it is a link, of another user, or others may write it: root would write what it says.
            DocumentError: it is something else.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as stream:
            facts = os.fstat(stream.fileno())
            if facts.st_uid not in {0, os.geteuid()} or stat.S_IMODE(facts.st_mode) & 0o022:
                raise UserError(
                    f"{path}: not written by tune-host: its owner or its mode is another",
                    advice="Look at it, and delete it if it is none of yours.",
                )
            data = stream.read(cls.max_bytes + 1)
        return cls.from_bytes(data, source=str(path))
