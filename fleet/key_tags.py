"""Which keys a droplet may answer to, as tags on the droplet itself: every controller reads them there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from fleet import naming

PREFIX: Final = f"{naming.TAG}-key"
"""On a droplet: the number of a key that it may answer to, as a tag; without one it is 1."""


def key_tag(number: int) -> str:
    """The tag of a droplet that may answer to its key of this number."""
    return f"{PREFIX}:{number}"


def is_key_tag(tag: str) -> bool:
    """Whether a tag is the number of a key."""
    return re.fullmatch(rf"{PREFIX}:[1-9][0-9]{{0,5}}", tag) is not None


def key_numbers(tags: Iterable[str]) -> tuple[int, ...]:
    """The numbers of the keys that a droplet with these tags may answer to, newest first; the inverse of `key_tag`."""
    found = {int(tag.rpartition(":")[2]) for tag in tags if is_key_tag(tag)}
    return tuple(sorted(found, reverse=True)) or (1,)
