"""Files that go onto a machine's disk before it boots."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping

from docker.errors import NotFound
from docker.models.containers import Container


def write_files(container: Container, files: Mapping[str, str]) -> None:
    """Writes text files by absolute path, root's and 0644, with their folders.

    A JSON file that is there already keeps its own keys where the new one has none: a snapshot's settings stay.
    """
    merged = {path: _merge(container, path, text) for path, text in files.items()}
    container.put_archive("/", _archive(merged))


def _merge(container: Container, path: str, text: str) -> str:
    if not path.endswith(".json"):
        return text
    present = json.loads(_read(container, path) or "{}")
    return json.dumps(present | json.loads(text), indent=2, sort_keys=True) + "\n"


def _read(container: Container, path: str) -> str | None:
    try:
        chunks, _ = container.get_archive(path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read().decode() if member else None


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in sorted({parent for path in files for parent in _parents(path)}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]
