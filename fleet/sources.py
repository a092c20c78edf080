"""Where a service's image comes from, checked at the door."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fleet import checks
from fleet.errors import InvalidInput

BuildOn = Literal["droplet", "controller"]
"""Whose Docker builds: that of the first droplet, through its agent, or that of the machine that runs the worker."""


@dataclass(frozen=True)
class ImageSource:
    """An image that the first droplet pulls from a registry."""

    reference: str
    user: str = ""
    password: str = field(default="", repr=False)
    """What a private registry asks for; empty: it is a public one."""

    def __post_init__(self) -> None:
        checks.check_reference(self.reference)

    def check_login(self) -> None:
        """Whether the login is a whole one, or none.

        Raises:
            InvalidInput: a user or a password is given alone.
        """
        if bool(self.user) != bool(self.password):
            raise InvalidInput(
                f"The registry of {self.reference} is given {'a user' if self.user else 'a password'} alone.",
                hint="Give both, or none where the registry is a public one.",
            )


@dataclass(frozen=True)
class ControllerSource:
    """An image that the Docker of the machine that runs the worker has."""

    reference: str
    """Its name, or its id."""

    def __post_init__(self) -> None:
        checks.check_reference(self.reference)


@dataclass(frozen=True)
class BuildSource:
    """An image built from a folder on the machine that runs the worker."""

    context: str
    """Absolute path of the folder."""
    dockerfile: str = "Dockerfile"
    """Path inside the folder."""
    build_on: BuildOn = "droplet"

    def __post_init__(self) -> None:
        checks.check_context(self.context)
        checks.check_dockerfile(self.dockerfile)


@dataclass(frozen=True)
class ArchiveSource:
    """An image built from a tar, tar.gz or zip file on the machine that runs the worker."""

    path: str
    """Absolute path of the file."""
    folder: str = ""
    """Path inside the archive where the build context begins; empty: all of it."""
    dockerfile: str = "Dockerfile"
    """Path inside that folder."""
    build_on: BuildOn = "droplet"

    def __post_init__(self) -> None:
        checks.check_archive(self.path)
        checks.check_subfolder(self.folder)
        checks.check_dockerfile(self.dockerfile)


@dataclass(frozen=True)
class GitSource:
    """An image built from one commit of a git repository."""

    url: str
    revision: str
    """A full commit hash, or a tag."""
    folder: str = ""
    """Path inside the repository where the build context begins; empty: all of it."""
    dockerfile: str = "Dockerfile"
    """Path inside that folder."""
    build_on: BuildOn = "droplet"
    user: str = "git"
    token: str = field(default="", repr=False)
    """What an https server asks for; over ssh the key of the worker's user counts instead."""

    def __post_init__(self) -> None:
        checks.check_git_url(self.url)
        checks.check_revision(self.revision)
        checks.check_subfolder(self.folder)
        checks.check_dockerfile(self.dockerfile)
        checks.check_git_user(self.user)
        if self.token and not self.url.startswith("https://"):
            raise InvalidInput(
                f"A token is for https, and {self.url} is something else.",
                hint="Leave the token empty (over ssh the key of the worker's user counts), or give an https address.",
            )


Built = BuildSource | ArchiveSource | GitSource
"""What has a Dockerfile."""
Source = ImageSource | ControllerSource | Built
"""All of them."""


@dataclass(frozen=True)
class SavedSource:
    """An image in a file on the machine that runs the worker, as `docker save` writes it."""

    path: str
    """Absolute path of the file."""

    def __post_init__(self) -> None:
        checks.check_saved(self.path)


@dataclass(frozen=True)
class RecipeFile:
    """A file of a recipe."""

    path: str
    """Absolute path inside the image."""
    content: str
    mode: str = "644"

    def __post_init__(self) -> None:
        checks.check_file(self.path)
        checks.check_mode(self.mode)


@dataclass(frozen=True)
class RecipeSource:
    """An image of Debian packages and files, for whom a Dockerfile would be too much."""

    packages: tuple[str, ...] = ()
    files: tuple[RecipeFile, ...] = ()
    start: str = "debian:12"
    """The image that it begins with; it must be a Debian where there are packages."""

    def __post_init__(self) -> None:
        checks.check_reference(self.start)
        for package in self.packages:
            checks.check_package(package)
        if not self.packages and not self.files:
            raise InvalidInput("The recipe is empty.", hint="Name packages or files.")
        paths = [file.path for file in self.files]
        for path in paths:
            if paths.count(path) > 1 or any(other.startswith(f"{path}/") for other in paths):
                raise InvalidInput(f"The recipe has {path} twice, or a file below it.", hint="Leave one of them out.")


BaseSource = Built | RecipeSource | SavedSource
"""Where `local/base:latest` of a custom snapshot comes from."""
