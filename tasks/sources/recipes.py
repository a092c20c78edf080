"""A recipe of packages and files as a build context: the same recipe is the same context, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

from fleet.sources import RecipeSource

FILES = "files"


def write(source: RecipeSource, folder: Path) -> None:
    """The context of a recipe, in a folder that is empty. Nothing of a recipe is ever read by a shell."""
    (folder / "Dockerfile").write_text(dockerfile(source))
    root = folder / FILES
    root.mkdir(mode=0o755)
    for file in source.files:
        path = root / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content.encode())
        path.chmod(int(file.mode, 8))
    for made in (root, *(path for path in root.rglob("*") if path.is_dir())):
        made.chmod(0o755)


def dockerfile(source: RecipeSource) -> str:
    """The Dockerfile of a recipe; packages in the order of their names."""
    lines = [f"FROM {source.start}"]
    if source.packages:
        lines += [
            _run("apt-get", "update"),
            _run("apt-get", "install", "--yes", "--no-install-recommends", *sorted(set(source.packages))),
            _run("apt-get", "clean"),
        ]
    if source.files:
        lines.append(f"COPY {FILES}/ /")
    return "\n".join(lines) + "\n"


def _run(*words: str) -> str:
    return f"RUN {json.dumps(['env', 'DEBIAN_FRONTEND=noninteractive', *words])}"
