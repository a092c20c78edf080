"""Images: asked for, sent, built."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.wire.base import Digest, Reply, Request


class ImageQuery(Request):
    """An image that the controller would like to be here."""

    image: Digest
    layers: Annotated[tuple[Digest, ...], Field(max_length=512)]
    """The image's diff ids, lowest first."""


class ImageMissing(Reply):
    """What of an image is not here yet."""

    present: bool
    """The whole image is here already."""
    missing: tuple[str, ...]
    """Diff ids that a partial archive must carry: all above the longest chain that the droplet has."""
    free: int | None = None
    """Bytes that may be filled on the disk that images are on; None: the agent is too old to say."""


class ImageSave(Request):
    """Which image to stream, and what the receiver has already."""

    image: Digest
    omit: Annotated[tuple[Digest, ...], Field(max_length=512)] = ()
    """Layers (diff ids) to leave out of the archive."""


class RegistryLogin(Request):
    """What a private registry asks for; it serves this one pull, and is kept nowhere."""

    user: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[str, Field(min_length=1, max_length=8192)] = Field(repr=False)


class ImagePull(Request):
    """An image that dockerd fetches by its own means."""

    reference: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._:/@-]{0,254}$")]
    login: RegistryLogin | None = None
    """None: the registry is public."""


class Pruned(Reply):
    """The ids of the images that were removed."""

    images: tuple[str, ...]


class Image(Reply):
    """An image on the droplet."""

    id: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]
    size: int
    sizes: tuple[int, ...] = ()
    """Bytes of those of its layers that hold anything, topmost first; only where one image was asked for."""


class BuildEvent(Reply):
    """A line of a build's stream (JSON lines): output as it happens, then one `image` or one `error`."""

    line: str | None = None
    image: Image | None = None
    error: str | None = None
