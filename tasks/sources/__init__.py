"""Where images come from: what each source needs is looked at before a deploy begins, and opened when it builds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from agent import dockerfiles
from fleet.errors import InvalidInput
from fleet.spec import ArchiveSource, BuildSource, Built, ControllerSource, GitSource, ImageSource, Source
from tasks import contexts
from tasks.sources import archives, controller, git

Log = Callable[[str], None]
BLOCK = 1 << 20
MOMENT = 315_532_800
"""The first second of 1980, the oldest that every packer knows."""


def check(source: Source) -> None:
    """Whether an image can come from there, as far as can be known without making anything.

    Raises:
        InvalidInput: it cannot; the message says what lacks.
        TransientError: a git server did not answer.
    """
    match source:
        case BuildSource(context, dockerfile):
            contexts.survey(Path(context), dockerfile)
        case ArchiveSource(path, folder, dockerfile):
            archives.check(Path(path), folder, dockerfile)
        case GitSource():
            git.check(source)
        case ControllerSource(reference):
            with controller.open_docker() as docker:
                docker.find(reference)
        case ImageSource():
            source.check_login()  # only dockerd can say what a registry has
    if isinstance(source, Built) and source.build_on == "controller":
        with controller.open_docker():  # it is there
            if isinstance(source, BuildSource):
                _check_no_mounts(Path(source.context), source.dockerfile)


@contextmanager
def unfolded(source: Built, log: Log) -> Iterator[Path]:
    """The folder that a build begins with; one that is made for it is gone afterwards.

    Raises:
        InvalidInput: there is none, or no Dockerfile in it.
    """
    with TemporaryDirectory(prefix="deployer-context-") as made:
        root = Path(made)
        match source:
            case BuildSource(context):
                folder = Path(context)
            case ArchiveSource(path):
                archives.unpack(Path(path), root)
                folder = _inside(root, source.folder, source)
            case GitSource():
                commit, tree = git.fetch(source, root)
                log(f"{source.url}: {source.revision} is commit {commit}")
                folder = _inside(tree, source.folder, source)
        contexts.check(folder, source.dockerfile, title(source))
        yield folder


@contextmanager
def packed(source: Built, log: Log) -> Iterator[IO[bytes]]:
    """The build context as a tar.

    Raises:
        InvalidInput: there is nothing to build, it is too large, or needs what the Docker that builds has not.
    """
    with unfolded(source, log) as folder:
        if source.build_on == "controller":
            _check_no_mounts(folder, source.dockerfile)
        with contexts.pack(folder, source.dockerfile, title(source), _moment(source)) as archive:
            yield archive


def fingerprint(source: Source) -> str:
    """What stands for the content that an image is made of now; another one when that has changed.

    A registry's image is not looked up: only the droplet that pulls it knows what its name leads to, so whoever wants
    to approve content names it by its digest.

    Raises:
        InvalidInput, TransientError: as `check`.
    """
    match source:
        case BuildSource(context, dockerfile):
            with contexts.pack(Path(context), dockerfile) as archive:
                return _digest(archive)
        case ArchiveSource(path):
            with Path(path).open("rb") as archive:
                return _digest(archive)
        case GitSource():
            return git.check(source)
        case ControllerSource(reference):
            with controller.open_docker() as docker:
                return docker.find(reference).id
        case _:
            return source.reference


def _check_no_mounts(folder: Path, dockerfile: str) -> None:
    if dockerfiles.needs_buildkit(contexts.read_dockerfile(folder, dockerfile)):
        raise InvalidInput(
            f"{dockerfile} mounts something (RUN --mount), which only a droplet's build can.",
            hint="Set `Build on` to droplet.",
        )


def title(source: Built) -> str:
    """What a person calls it, after an article."""
    match source:
        case BuildSource(context):
            return f"build context {context}"
        case ArchiveSource(path, folder):
            return f"archive {path}{_at(folder)}"
        case GitSource(url, revision, folder):
            return f"repository {url} at {revision}{_at(folder)}"


def _moment(source: Built) -> int | None:
    """When all files were changed, where the folder was made just now and its own times say nothing."""
    made_now = isinstance(source, GitSource) or (isinstance(source, ArchiveSource) and source.path.endswith(".zip"))
    return MOMENT if made_now else None


def _digest(archive: IO[bytes]) -> str:
    found = hashlib.sha256()
    while block := archive.read(BLOCK):
        found.update(block)
    return found.hexdigest()


def _at(folder: str) -> str:
    return f", folder {folder}," if folder else ""


def _inside(root: Path, folder: str, source: Built) -> Path:
    found = root / folder
    if not found.is_dir() or not found.resolve().is_relative_to(root.resolve()):
        raise InvalidInput(
            f"There is no such folder in the {title(source)}.", hint="Give the path of one that is inside, or none."
        )
    return found
