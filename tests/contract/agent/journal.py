"""What the agent's process would write to journald."""

from __future__ import annotations

import logging

from agent.journal import JsonLines

OURS = ("agent", "uvicorn", "asyncio", "fastapi", "starlette")


class Journal(logging.Handler):
    """The lines of the server's loggers, in the agent's own format; the client's libraries are not the server's."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, and what the record was made of."""
        if record.name.startswith(OURS):
            self.lines.append(f"{self.format(record)} {record.args}")
