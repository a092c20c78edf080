"""Whether an image is built on the base image of the droplet where it runs: told by its layers alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.state import Image


def is_built_on(image: Image, base: Image | None) -> bool:
    """Whether an image begins with all layers of a base; never with those of a base that is not there."""
    return base is not None and bool(base.layers) and image.layers[: len(base.layers)] == base.layers


def others(image: Image, origin: Image | None, bases: Mapping[str, Image | None]) -> dict[str, str]:
    """The droplets whose base is another one than what the image is built on, and which, in words.

    Args:
        image: what runs there, or is about to.
        origin: the base of the droplet that the image comes from; where the image does not build on it, none is other.
        bases: the base of each droplet by its name; None: it has none.
    """
    if origin is None or not is_built_on(image, origin):
        return {}
    return {
        name: f"built on the base {origin.short}, while {name} has {base.short if base else 'none'}"
        for name, base in sorted(bases.items())
        if not is_built_on(image, base)
    }
