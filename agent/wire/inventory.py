"""What is on a droplet beside the managed containers: whoever's it is, it goes with the droplet."""

from __future__ import annotations

from agent.wire.base import Reply


class Inventory(Reply):
    """Everything that a droplet still holds when no managed container is left."""

    strangers: tuple[str, ...]
    """Names of containers without our labels."""
    volumes: tuple[str, ...]
    """Named volumes, ours and other people's; those that Docker named go with their containers."""
    unused: tuple[str, ...]
    """Ids of the images that `POST /images/prune` would remove."""
