"""A snapshot that droplets can be made from, as DigitalOcean has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.fields import logo
from fleet import lineage, naming, state
from fleet.errors import InvalidInput


class Snapshot(Block):
    """A mirror of a droplet snapshot, so that a run form can offer it; `refresh-snapshots` keeps the mirrors fresh.

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
    account: str = Field(
        "",
        title="Account",
        description="Six digits that stand for the DigitalOcean team whose it is.",
        examples=["9fe5e6"],
    )
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
    seen_at: datetime | None = Field(
        None, title="Seen", description="When DigitalOcean listed it last, in UTC: how old this page is."
    )
    parent: str = Field(
        "", title="Parent", description="Id of the snapshot that it was made from; empty for a base.", examples=["9001"]
    )
    agent_version: str = Field("", title="Agent", description="The node agent's version.", examples=["0.1.0"])
    base_image: str = Field(
        "",
        title="Base image",
        description="The digest of `local/base:latest` inside; empty for a base.",
        examples=["sha256:4f1c…"],
    )
    ready_seconds: float = Field(
        0,
        title="Time to ready (s)",
        description="From the order of its first droplet to a healthy answer, in seconds.",
        ge=0,
        examples=[21.5],
    )
    packages_digest: str = Field(
        "", title="Packages' digest", description="Equal where two snapshots hold the same packages."
    )
    packages: dict[str, str] = Field(
        default_factory=dict,
        title="Packages",
        description="Debian's packages and their versions; empty where this server has not seen it made.",
        examples=[{"nginx": "1.22.1-9+deb12u3"}],
    )

    @classmethod
    def of(cls, snapshot: state.Snapshot) -> Snapshot:
        """The mirror of a snapshot of ours.

        Raises:
            InvalidInput: the snapshot is not ours.
        """
        known = lineage.read(snapshot.description)
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
                "description": known.about,
                "regions": list(snapshot.regions),
                "min_disk_gb": snapshot.min_disk_gb,
                "size_gigabytes": snapshot.size_gigabytes,
                "created_at": snapshot.created_at,
                "parent": known.parent,
                "agent_version": known.agent,
                "base_image": known.image,
                "ready_seconds": known.ready_seconds,
                "packages_digest": known.packages,
            }
        )
