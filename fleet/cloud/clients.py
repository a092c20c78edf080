"""The vendors' clients of a process: one for each account, so that its open connections serve every call."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple


class Account(NamedTuple):
    """What makes one client: the token is never shown by `repr`."""

    token: str
    url: str
    ca_file: str | None

    def __repr__(self) -> str:
        return f"Account({self.url})"


class Clients:
    """Clients by account, made when first asked for; any thread may call."""

    def __init__(self, make: Callable[[Account], Any]) -> None:
        self._make = make
        self._made: dict[Account, Any] = {}
        self._lock = Lock()

    def get(self, account: Account) -> Any:
        """The account's client."""
        with self._lock:
            if account not in self._made:
                self._made[account] = self._make(account)
            return self._made[account]

    def close(self) -> None:
        """Closes all clients; the next calls make new ones."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()
