"""What `local/base:latest` of a custom snapshot is made from: a block, because it may hold secrets."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from blocks.fields import FilePath, Mode, Packages, Reference, SavedImage, choose, logo
from blocks.images import FORM, BuildFromArchive, BuildFromFolder, BuildFromGit
from fleet import sources
from fleet.checks import check_variable


class ImageFromFile(BaseModel):
    """An image that somebody saved to a file."""

    model_config = ConfigDict(title="Image from a file", **FORM)

    kind: Literal["saved"] = "saved"
    file: SavedImage = Field(
        title="File",
        description="Absolute path of what `docker save` wrote, on the machine that runs the worker.",
        examples=["/srv/base.tar"],
    )

    def source(self) -> sources.SavedSource:
        """As the tasks know it."""
        return sources.SavedSource(self.file)


class RecipeFile(BaseModel):
    """A file that a recipe puts into the image."""

    model_config = ConfigDict(title="File", extra="forbid")

    path: FilePath = Field(title="Path", description="Where it is inside the image.", examples=["/etc/motd"])
    content: str = Field(
        "", title="Content", description="What is in it; nothing secret.", max_length=65536, examples=["Welcome!"]
    )
    mode: Mode = Field("644", title="Permissions", description="Three octal digits.", examples=["644"])


class Recipe(BaseModel):
    """Debian packages and files, without a Dockerfile."""

    model_config = ConfigDict(title="Packages and files", **FORM)

    kind: Literal["recipe"] = "recipe"
    packages: Packages = Field(
        title="Packages",
        description="Names of Debian packages, each perhaps with =VERSION.",
        max_length=200,
        examples=[["python3", "curl"]],
    )
    files: list[RecipeFile] = Field(
        default_factory=list, title="Files", description="Files that are put into the image.", max_length=100
    )
    start: Reference = Field(
        "debian:12", title="Starts from", description="The Debian image that it begins with.", examples=["debian:12"]
    )

    def source(self) -> sources.RecipeSource:
        """As the tasks know it."""
        files = tuple(sources.RecipeFile(one.path, one.content, one.mode) for one in self.files)
        return sources.RecipeSource(tuple(self.packages), files, self.start)


BaseImageSource = Annotated[
    BuildFromFolder | BuildFromGit | BuildFromArchive | ImageFromFile | Recipe,
    choose(BuildFromFolder, BuildFromGit, BuildFromArchive, ImageFromFile, Recipe),
]
"""A tab for each."""


class BaseImage(Block):
    """What `local/base:latest` of a custom snapshot is made from.

    Example:
        ```python
        from blocks.base_image import BaseImage

        image = BaseImage.load("BLOCK_NAME")
        print(image.image.source())
        ```
    """

    _block_type_name: ClassVar[str | None] = "Base image"
    _block_type_slug: ClassVar[str | None] = "base-image"
    _description: ClassVar[str | None] = "What the image local/base:latest of a custom snapshot is made from."
    _logo_url: ClassVar[Any] = logo()
    _documentation_url: ClassVar[Any] = HttpUrl("https://docs.docker.com/build/concepts/dockerfile/")

    image: BaseImageSource = Field(title="Image", description="Where it comes from.")
    secrets: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        title="Build secrets",
        description='As JSON: {"TOKEN": "…"}. A step that says RUN --mount=type=secret,id=TOKEN reads '
        "/run/secrets/TOKEN; they are in no layer of the image.",
    )

    def build_secrets(self) -> dict[str, str]:
        """The secrets in the clear, by id.

        Raises:
            InvalidInput: one has a name that no secret can have.
        """
        found = {name: str(value) for name, value in self.secrets.get_secret_value().items()}
        for name in found:
            check_variable(name)
        return found
