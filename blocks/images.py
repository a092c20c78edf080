"""Where a service's image comes from: the tabs of the field `image`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from blocks.fields import (
    ArchiveFile,
    FileInFolder,
    Folder,
    GitUrl,
    GitUser,
    OptionalToken,
    Reference,
    RegistryUser,
    Revision,
    Subfolder,
    choose,
    without_kind,
)
from fleet import spec

FORM = ConfigDict(extra="forbid", json_schema_extra=without_kind)

Dockerfile = Annotated[
    FileInFolder,
    Field(
        title="Dockerfile",
        description="Its path inside the folder; it may say FROM local/base:latest.",
        examples=["Dockerfile"],
    ),
]
Inside = Annotated[
    Subfolder,
    Field(title="Folder inside", description="Where the build context begins; empty: all of it.", examples=["web"]),
]
BuildOn = Annotated[
    spec.BuildOn,
    Field(
        title="Build on",
        description="`droplet`: the first droplet's Docker, through its agent. `controller`: the worker's own Docker.",
        examples=["droplet"],
    ),
]


class BuildFromFolder(BaseModel):
    """An image built from a folder on the worker's machine."""

    model_config = ConfigDict(title="Build from a folder", **FORM)

    kind: Literal["build"] = "build"
    context: Folder = Field(
        title="Folder",
        description="Absolute path of the build context on the machine that runs the worker.",
        examples=["/srv/shop"],
    )
    dockerfile: Dockerfile = "Dockerfile"
    build_on: BuildOn = "droplet"

    def source(self) -> spec.BuildSource:
        """As plans know it."""
        return spec.BuildSource(self.context, self.dockerfile, self.build_on)


class BuildFromGit(BaseModel):
    """An image built from one commit of a git repository, which the worker fetches without its history."""

    model_config = ConfigDict(title="Build from git", **FORM)

    kind: Literal["git"] = "git"
    url: GitUrl = Field(
        title="Repository",
        description="Its https://, ssh:// or file:// address, without a password.",
        examples=["https://github.com/acme/shop.git"],
    )
    revision: Revision = Field(
        title="Commit or tag",
        description="A full commit hash, or a tag, which is looked up when the deploy begins.",
        examples=["v1.4.2"],
    )
    folder: Inside = ""
    dockerfile: Dockerfile = "Dockerfile"
    build_on: BuildOn = "droplet"
    user: GitUser = Field(
        "git", title="User", description="For an https server that wants a user with the token.", examples=["git"]
    )
    token: OptionalToken = Field(
        SecretStr(""),
        title="Token",
        description="For a private repository over https; over ssh the key of the worker's user counts.",
    )

    def source(self) -> spec.GitSource:
        """As plans know it."""
        token = self.token.get_secret_value()
        return spec.GitSource(
            self.url, self.revision, self.folder, self.dockerfile, self.build_on, user=self.user, token=token
        )


class BuildFromArchive(BaseModel):
    """An image built from a tar, tar.gz or zip file on the worker's machine."""

    model_config = ConfigDict(title="Build from an archive", **FORM)

    kind: Literal["archive"] = "archive"
    archive: ArchiveFile = Field(
        title="Archive",
        description="Absolute path of a .tar, .tar.gz, .tgz or .zip file on the machine that runs the worker.",
        examples=["/srv/shop.tar.gz"],
    )
    folder: Inside = ""
    dockerfile: Dockerfile = "Dockerfile"
    build_on: BuildOn = "droplet"

    def source(self) -> spec.ArchiveSource:
        """As plans know it."""
        return spec.ArchiveSource(self.archive, self.folder, self.dockerfile, self.build_on)


class ImageFromRegistry(BaseModel):
    """An image pulled by the first droplet."""

    model_config = ConfigDict(title="Image from a registry", **FORM)

    kind: Literal["image"] = "image"
    reference: Reference = Field(
        title="Image",
        description="Name and tag, or better a digest.",
        examples=["ghcr.io/acme/shop:1.4.2"],
    )
    user: RegistryUser = Field(
        "", title="User", description="For a private registry; empty: it is a public one.", examples=["acme-deploy"]
    )
    password: OptionalToken = Field(
        SecretStr(""),
        title="Password",
        description="What the private registry takes with the user: a password, or better a token that may only read.",
    )

    def source(self) -> spec.ImageSource:
        """As plans know it."""
        return spec.ImageSource(self.reference, self.user, self.password.get_secret_value())


class ImageFromController(BaseModel):
    """An image that the worker's own Docker has; only the layers that a droplet lacks are sent to it."""

    model_config = ConfigDict(title="Image from the controller", **FORM)

    kind: Literal["controller"] = "controller"
    image: Reference = Field(
        title="Image",
        description="Name and tag in the Docker of the machine that runs the worker.",
        examples=["shop:latest"],
    )

    def source(self) -> spec.ControllerSource:
        """As plans know it."""
        return spec.ControllerSource(self.image)


ServiceImage = Annotated[
    BuildFromFolder | BuildFromGit | BuildFromArchive | ImageFromRegistry | ImageFromController,
    choose(BuildFromFolder, BuildFromGit, BuildFromArchive, ImageFromRegistry, ImageFromController),
]
"""A tab for each."""
