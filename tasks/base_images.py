"""`local/base:latest` of a custom snapshot: looked at before a droplet is made for it, and brought to that droplet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from prefect import get_run_logger

from agent import archives, dockerfiles, wire
from agent.client import AgentClient
from blocks.base_image import BaseImage
from blocks.environment import Environment
from fleet.errors import InvalidInput, PermanentError
from fleet.sources import BaseSource, BuildSource, Built, RecipeSource, SavedSource
from fleet.state import Droplet, Image
from tasks import builds, contexts, sources, uploads
from tasks.agents import reach
from tasks.contexts import BASE_TAG
from tasks.policy import step
from tasks.sources import recipes


@dataclass(frozen=True)
class Base:
    """What the image is made from, checked."""

    source: BaseSource
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def check(image: BaseImage | None, context: str, dockerfile: str) -> Base:
    """What was filled in, as far as can be known without making anything.

    Raises:
        InvalidInput: too much or too little was, or no image can come of it.
    """
    if bool(image) == bool(context):
        raise InvalidInput(
            "A custom snapshot needs one thing that its image is made from.",
            hint="Choose a `Base image` block, or fill in `context`, the path of a folder.",
        )
    if image is None:
        base = Base(BuildSource(context, dockerfile))
    else:
        base = Base(image.image.source(), image.build_secrets())
    _check(base)
    return base


@step("{droplet.name}: make local/base", timeout=builds.DEADLINE, retries=2)
def make_base(droplet: Droplet, base: Base | None, environment: Environment) -> Image | None:
    """Brings `local/base:latest` to the droplet of a custom snapshot: built there, or loaded."""
    if base is None:
        return None
    with reach(environment, droplet) as agent:
        if isinstance(base.source, SavedSource):
            return _load(agent, base.source, droplet.name)
        with _packed(base.source) as archive:
            order = wire.Build(tag=BASE_TAG, dockerfile=_dockerfile(base.source), secrets=dict(base.secrets))
            return builds.build(agent, archive, order, droplet.name, f"the build of the {title(base.source)}")


def title(source: BaseSource) -> str:
    """What a person calls it, after an article."""
    match source:
        case SavedSource(path):
            return f"image archive {path}"
        case RecipeSource(packages, files):
            return f"recipe of {len(packages)} packages and {len(files)} files"
        case _:
            return sources.title(source)


def _check(base: Base) -> None:
    match base.source:
        case SavedSource(path):
            _check_saved(Path(path))
        case RecipeSource():
            pass  # its fields are checked, and its Dockerfile is ours
        case source:
            if source.build_on == "controller":
                raise InvalidInput(
                    "The image of a snapshot is built on the snapshot's droplet.", hint="Set `Build on` to droplet."
                )
            sources.check(source)
            if isinstance(source, BuildSource):
                _check_secrets(source, base.secrets)
    if base.secrets and isinstance(base.source, SavedSource | RecipeSource):
        raise InvalidInput(f"A {title(base.source)} mounts no build secret.", hint="Leave the secrets empty.")


def _check_secrets(source: BuildSource, secrets: Mapping[str, str]) -> None:
    folder = Path(source.context)
    text = contexts.read_dockerfile(folder, source.dockerfile)
    if lacking := sorted(dockerfiles.secrets(text) - secrets.keys()):
        raise InvalidInput(
            f"{source.dockerfile} mounts {', '.join(lacking)}, and no build secret of that name was given.",
            hint="Fill it in in a `Base image` block, and choose that.",
        )


def _check_saved(path: Path) -> None:
    try:
        with path.open("rb") as file:
            archives.read(file)
    except OSError as error:
        raise InvalidInput(
            f"The file {path} cannot be read on the machine that runs the worker: {error.strerror}.",
            hint="Write it there: docker save --output FILE IMAGE.",
        ) from error
    except archives.Malformed as error:
        raise InvalidInput(
            f"The file {path} is no archive of one image: {error}.",
            hint="Write it with docker save --output FILE IMAGE, one image, and leave it uncompressed.",
        ) from error


@contextmanager
def _packed(source: Built | RecipeSource) -> Iterator[IO[bytes]]:
    if not isinstance(source, RecipeSource):
        with sources.packed(source, get_run_logger().info) as archive:
            yield archive
        return
    with TemporaryDirectory(prefix="deployer-recipe-") as made:
        recipes.write(source, Path(made))
        with contexts.pack(Path(made), "Dockerfile", title(source), sources.MOMENT) as archive:
            yield archive


def _dockerfile(source: Built | RecipeSource) -> str:
    return "Dockerfile" if isinstance(source, RecipeSource) else source.dockerfile


def _load(agent: AgentClient, source: SavedSource, where: str) -> Image:
    with Path(source.path).open("rb") as file:
        digest = uploads.send(agent, uploads.of_file(file), where, get_run_logger().info)
    if digest is None:
        raise PermanentError(
            f"{where}: its agent is too old to load an image for a snapshot.", hint="Make the base snapshot again."
        )
    return builds.image(agent.load_upload(digest, BASE_TAG))
