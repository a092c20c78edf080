"""The sandbox's memory: JSON documents by kind and id, in one SQLite file that survives restarts."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from threading import RLock
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, id TEXT, body TEXT, UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS counters (kind TEXT PRIMARY KEY, last INTEGER);
"""


class Store:
    """Documents by kind and id, for every part of the sandbox; any thread may call.

    What is given out is a copy: a change counts when it is `put`. Lists are in the order of creation.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        path.chmod(0o600)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def put(self, kind: str, id: str | int, doc: Document) -> None:
        """Stores a document, new or changed."""
        with self._lock:
            self._database.execute(
                "INSERT INTO documents (kind, id, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, str(id), json.dumps(doc)),
            )

    def get(self, kind: str, id: str | int) -> Document | None:
        """One document, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, str(id))
            ).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str) -> list[Document]:
        """Every document of a kind, oldest first."""
        with self._lock:
            rows = self._database.execute("SELECT body FROM documents WHERE kind = ? ORDER BY position", (kind,))
            return [json.loads(body) for (body,) in rows.fetchall()]

    def delete(self, kind: str, id: str | int) -> bool:
        """Removes a document; whether there was one."""
        with self._lock:
            cursor = self._database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, str(id)))
            return cursor.rowcount > 0

    def next_id(self, kind: str) -> int:
        """The next number for a kind, from 1; never given twice, not after a delete either."""
        with self._lock:
            row = self._database.execute(
                "INSERT INTO counters (kind, last) VALUES (?, 1) "
                "ON CONFLICT (kind) DO UPDATE SET last = last + 1 RETURNING last",
                (kind,),
            ).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Lets go of the file; nothing may be called afterwards."""
        with self._lock:
            self._database.close()
