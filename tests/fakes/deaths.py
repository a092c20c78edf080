"""A controller that dies just before one of its changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.router import Killed


class Death:
    """The controller's death just before its `number`th change, which is just after the one before."""

    def __init__(self, number: int) -> None:
        self.changes: list[str] = []
        self._number, self.over = number, False

    def guarded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """A changing call that may come to nothing."""

        def guard(*args: Any, **kwargs: Any) -> Any:
            if not self.over:
                self.changes.append(name)
                self.over = len(self.changes) == self._number
            if self.over:
                raise Killed(name)
            return call(*args, **kwargs)

        return guard
