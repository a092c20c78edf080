"""What a droplet made from a snapshot is asked before others are made from it."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field

from agent.wire.base import Reply, Request

Mark = Annotated[str, Field(min_length=16, max_length=4096)]


def fingerprint(text: bytes) -> str:
    """What stands for a machine id or a public key, whose comment does not count."""
    return hashlib.sha256(b" ".join(text.split()[:2])).hexdigest()[:16]


class Examine(Request):
    """What to look for on the disk, and which image Docker is to run."""

    marks: Annotated[tuple[Mark, ...], Field(max_length=32)] = ()
    """Texts that must be nowhere, e.g. keys of the bake; without any, the disk is not read."""
    image: Annotated[str, Field(max_length=256)] = ""
    """A tag; empty: one made on the droplet itself, which does nothing."""


class Found(Reply):
    """A mark that is on the disk; the number is its place among those asked for, so that nobody repeats the text."""

    mark: int
    path: str


class Examination(Reply):
    """A droplet's own view of what makes it fit to be copied."""

    machine: str
    """The fingerprint of its machine id."""
    host_keys: tuple[str, ...]
    """Fingerprints of its SSH host keys."""
    listening: tuple[int, ...]
    """TCP ports that are open to others than the droplet itself."""
    ssh: tuple[str, ...]
    """Units of sshd that could start."""
    leftovers: tuple[str, ...]
    """Files that no new droplet has: keys that may log in, histories."""
    nginx: str
    """Why nginx does not take its configuration; empty: it does."""
    docker: str
    """Why Docker does not run the image; empty: it does."""
    image: str
    """The id of the image that was asked for."""
    packages: dict[str, str]
    """Versions of Debian's packages."""
    found: tuple[Found, ...]
