"""`local/base:latest` of a custom snapshot, from each thing that it can be made from, on an agent's droplet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.client import AgentClient, AgentUnreachable
from blocks.base_image import BaseImage
from fleet.errors import InvalidInput, PermanentError
from fleet.state import Droplet
from flows.deploy import deploy
from tasks import base_images
from tests.fakes.engine import FakeEngine
from tests.fakes.stock import tar
from tests.flows.fleet_of_fakes import Fleet

SECRET = "canary-of-a-build"


def image(**given: Any) -> BaseImage:
    """A block that is filled in."""
    secrets = given.pop("secrets", {})
    return BaseImage.model_validate({"image": given, "secrets": secrets})


@pytest.fixture
def droplet(fleet: Fleet) -> Droplet:
    """One whose agent is there."""
    deploy(fleet.service(replicas=1))
    return next(iter(fleet.droplets.all.values()))


def engine(fleet: Fleet) -> FakeEngine:
    """Its Docker."""
    return fleet.machines[0].engine


def saved(path: Path, *, images: int = 1) -> Path:
    """An archive of an image, as `docker save` writes it."""
    with FakeEngine() as other:
        content = other.stock.archive(other.stock.add((b"base",), "any:1"))
    path.write_bytes(content if images == 1 else tar({"manifest.json": b"[{}, {}]"}))
    return path


def test_a_folder_is_built(fleet: Fleet, droplet: Droplet) -> None:
    base = base_images.check(None, str(fleet.context), "Dockerfile")
    made = base_images.make_base(droplet, base, fleet.environment())
    assert made
    assert engine(fleet).image("local/base:latest").id == made.id


def test_a_saved_image_is_loaded_and_called_the_base(fleet: Fleet, droplet: Droplet, tmp_path: Path) -> None:
    base = base_images.check(image(file=str(saved(tmp_path / "base.tar"))), "", "Dockerfile")
    for _ in range(2):
        made = base_images.make_base(droplet, base, fleet.environment())
        assert made
        assert engine(fleet).image("local/base:latest").id == made.id


def test_a_folder_is_built_with_the_secrets_that_it_mounts(fleet: Fleet, droplet: Droplet) -> None:
    dockerfile = 'FROM scratch\nCOPY app /app\nRUN --mount=type=secret,id=KEY ["/app"]\n'
    (fleet.context / "Dockerfile").write_text(dockerfile)
    base = base_images.check(image(context=str(fleet.context), secrets={"KEY": SECRET}), "", "Dockerfile")
    assert SECRET not in repr(base)
    assert base_images.make_base(droplet, base, fleet.environment())
    assert engine(fleet).lent[-1] == {"KEY": SECRET}


class Breaking:
    """The client's upload, whose first call breaks off at 60 %; `sent` has what each call sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[int] = []
        self._upload = AgentClient.upload
        monkeypatch.setattr(AgentClient, "upload", lambda *given: self._break(*given))

    def _break(self, agent: AgentClient, digest: str, content: Iterable[bytes], offset: int, total: int) -> wire.Upload:
        whole = b"".join(content)
        part = whole if self.sent else whole[: len(whole) * 6 // 10]
        self.sent.append(len(part))
        found = self._upload(agent, digest, [part], offset, total)
        if not found.complete:
            raise AgentUnreachable("the connection broke")
        return found


def test_a_step_that_is_tried_again_sends_only_the_rest(
    fleet: Fleet, droplet: Droplet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fleet.context / "large").write_bytes(os.urandom(1 << 20))
    breaking = Breaking(monkeypatch)
    assert base_images.make_base(
        droplet, base_images.check(None, str(fleet.context), "Dockerfile"), fleet.environment()
    )
    first, second = breaking.sent
    assert second < 0.41 * (first + second)


def test_a_disk_that_is_full_is_said_in_words_that_help(fleet: Fleet, droplet: Droplet) -> None:
    base = base_images.check(None, str(fleet.context), "Dockerfile")
    engine(fleet).full = True
    with pytest.raises(
        PermanentError, match=r"returned a non-zero code: 1 The disk filled up while it was built, and no"
    ):
        base_images.make_base(droplet, base, fleet.environment())


def test_two_things_to_make_it_from_or_none_are_refused(fleet: Fleet) -> None:
    both = (image(packages=["python3"]), str(fleet.context))
    for block, context in ((None, ""), both):
        with pytest.raises(InvalidInput, match=r"needs one thing that its image is made from\. Choose a `Base image`"):
            base_images.check(block, context, "Dockerfile")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda path: path, "cannot be read on the machine that runs the worker: No such file or directory"),
        (lambda path: saved(path, images=2), "is no archive of one image: it holds 2 images, not one"),
    ],
)
def test_a_file_that_is_no_saved_image_is_refused_at_the_door(tmp_path: Path, made: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        base_images.check(image(file=str(made(tmp_path / "base.tar"))), "", "Dockerfile")


def test_a_secret_that_is_mounted_and_not_given_is_named_at_the_door(fleet: Fleet) -> None:
    (fleet.context / "Dockerfile").write_text("FROM scratch\nRUN --mount=type=secret,id=KEY true\n")
    with pytest.raises(InvalidInput, match="mounts KEY, and no build secret of that name was given"):
        base_images.check(None, str(fleet.context), "Dockerfile")


def test_a_context_that_reaches_out_is_refused_at_the_door(fleet: Fleet) -> None:
    (fleet.context / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="leads out of it"):
        base_images.check(None, str(fleet.context), "Dockerfile")


def test_a_build_on_the_controller_and_secrets_that_nobody_mounts_are_refused(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is built on the snapshot's droplet"):
        base_images.check(image(context=str(fleet.context), build_on="controller"), "", "Dockerfile")
    with pytest.raises(InvalidInput, match="A recipe of 1 packages and 0 files mounts no build secret"):
        base_images.check(image(packages=["python3"], secrets={"KEY": SECRET}), "", "Dockerfile")
