"""The store keeps documents and numbers over a restart."""

from __future__ import annotations

from pathlib import Path

from sandbox.store import Store


def test_documents_are_kept_in_the_order_of_creation_and_survive(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    for name in ("b", "a"):
        store.put("kind", name, {"name": name})
    store.put("kind", "b", {"name": "b", "changed": True})
    store.close()
    again = Store(tmp_path / "store.db")
    assert again.all("kind") == [{"name": "b", "changed": True}, {"name": "a"}]
    assert again.get("other", "a") is None
    again.close()


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    first = store.next_id("kind")
    store.close()
    again = Store(tmp_path / "store.db")
    assert (first, again.next_id("kind"), again.next_id("other")) == (1, 2, 1)
    again.close()


def test_only_the_owner_reads_the_store(tmp_path: Path) -> None:
    Store(tmp_path / "store.db").close()
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600
