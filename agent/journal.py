"""Log lines as JSON on standard output, for journald: time, level, message, and the fields that a call gives."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

LONGEST_VALUE: Final = 4096
"""Of a longer text both ends are kept, and how much is missing in between."""


class JsonLines(logging.Formatter):
    """One JSON document a record, in ASCII and on one line, whatever is in it; an exception adds its stack."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps({name: _bounded(value) for name, value in line.items()}, default=str)


def _bounded(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= LONGEST_VALUE:
        return value
    half = LONGEST_VALUE // 2
    return f"{value[:half]} … {len(value) - 2 * half} more … {value[-half:]}"


def configure(level: int = logging.INFO) -> None:
    """Send every logger's lines to standard output; uvicorn's own access log, which has queries, stays off."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
