"""A snapshot that droplets can be made from, as DigitalOcean has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.fields import logo
from fleet import naming, state
from fleet.errors import InvalidInput


class Snapshot(Block):
    """A mirror of a droplet snapshot, so that a run form can offer it; `build-snapshot` keeps the mirrors fresh.

    Example:
        ```python
        from blocks.snapshot import Snapshot

        snapshot = Snapshot.load("BLOCK_NAME")
        print(snapshot.snapshot_id)
        ```
    """

    _block_type_name: ClassVar[str | None] = "Snapshot"
    _block_type_slug: ClassVar[str | None] = "snapshot"
    _description: ClassVar[str | None] = "A droplet snapshot that new droplets are made from."
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl("https://docs.digitalocean.com/products/snapshots/")

    snapshot_id: str = Field(
        title="Id", description="DigitalOcean's number of the snapshot.", pattern=r"^[0-9]+$", examples=["119192817"]
    )
    name: str = Field("", title="Name", description="What DigitalOcean lists it as.", examples=["shop-base"])
    kind: Literal["base", "custom"] = Field(
        title="Kind",
        description="`base`: Docker, nginx and the agent. `custom`: with an image `local/base:latest` too.",
        examples=["custom"],
    )
    description: str = Field("", title="Description", description="What it is for.", examples=["Models on board."])
    regions: list[str] = Field(
        default_factory=list, title="Regions", description="Where droplets can be made from it.", examples=[["fra1"]]
    )
    min_disk_gb: int = Field(
        0, title="Smallest disk (GB)", description="What a droplet's disk needs at least.", ge=0, examples=[25]
    )
    size_gigabytes: float = Field(0, title="Size (GB)", description="What is billed.", ge=0, examples=[2.4])
    created_at: datetime | None = Field(None, title="Created", description="When it was taken, in UTC.")

    @classmethod
    def of(cls, snapshot: state.Snapshot) -> Snapshot:
        """The mirror of a snapshot of ours.

        Raises:
            InvalidInput: the snapshot is not ours.
        """
        kind = naming.snapshot_kind(snapshot.tags)
        if kind is None:
            raise InvalidInput(
                f"The snapshot {snapshot.name} was not made here.", hint="Choose one of build-snapshot's."
            )
        return cls.model_validate(
            {
                "snapshot_id": snapshot.id,
                "name": snapshot.name,
                "kind": kind,
                "description": naming.description(snapshot.tags),
                "regions": list(snapshot.regions),
                "min_disk_gb": snapshot.min_disk_gb,
                "size_gigabytes": snapshot.size_gigabytes,
                "created_at": snapshot.created_at,
            }
        )
