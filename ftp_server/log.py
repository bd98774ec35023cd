"""The server's log: a line for a reader, or a line of JSON for a program."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

__all__ = ["JsonLines", "log_as"]

_FACTS = ("event", "address", "user", "command", "path", "completed", "bytes", "seconds")


class JsonLines(logging.Formatter):
    """One JSON object for each record: time, level, message, and what else is known of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {fact: value for fact in _FACTS if (value := getattr(record, fact, None)) is not None}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as(*, json_lines: bool) -> None:
    """Send the server's log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonLines() if json_lines else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logger = logging.getLogger("fleetmark")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
