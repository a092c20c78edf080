"""What the sandbox cannot do, in words for the person who started it."""

from __future__ import annotations


class SandboxError(Exception):
    """Something that stops the sandbox: what happened, and what to do about it."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what} {do}")
        self.what = what
        self.do = do
