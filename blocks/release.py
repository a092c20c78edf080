"""A release that droplets have kept, as the agents have it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.fields import logo
from fleet import naming
from fleet.rollback import Kept


class Release(Block):
    """A mirror of an older release, so that a run form can offer it; deploys and the health check keep it fresh.

    Example:
        ```python
        from blocks.release import Release

        release = Release.load("BLOCK_NAME")
        print(release.release)
        ```
    """

    _block_type_name: ClassVar[str | None] = "Release"
    _block_type_slug: ClassVar[str | None] = "release"
    _description: ClassVar[str | None] = "An older release of a service that its droplets have kept."
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")

    environment: str = Field(title="Environment", description="Where it is.", examples=["shop-prod"])
    service: str = Field(title="Service", description="What it is a release of.", examples=["hello"])
    release: str = Field(
        title="Release",
        description="Its id: the time at which it was named, in UTC, and six digits of what it consists of.",
        pattern=f"^{naming.RELEASE.pattern}$",
        examples=["20261124t021530-9fe5e6"],
    )
    deployed_at: datetime | None = Field(None, title="Deployed", description="When it was deployed first, in UTC.")
    image: str = Field("", title="Image", description="The digest of its image.", examples=["sha256:0123…"])
    droplets: list[str] = Field(
        default_factory=list, title="Droplets", description="Those that have it.", examples=[["shop-prod-3f9a1c"]]
    )
    missing: list[str] = Field(
        default_factory=list,
        title="Missing on",
        description="Droplets of the service that do not have it: while there are any, a rollback to it is refused.",
    )

    @classmethod
    def of(cls, kept: Kept) -> Release:
        """The mirror of a release that was kept.

        Raises:
            InvalidInput: the container, or the release, is not named by us.
        """
        name = naming.read_container(kept.container)
        return cls(
            environment=f"{name.project}-{name.environment}",
            service=name.service,
            release=kept.release,
            deployed_at=naming.released_at(kept.release),
            image=kept.image,
            droplets=list(kept.droplets),
            missing=list(kept.missing),
        )

    def title(self) -> str:
        """What its document is called, and what a form's list shows."""
        return f"{self.environment}-{self.service}-{self.release}"
