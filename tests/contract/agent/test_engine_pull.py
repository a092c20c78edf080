"""One suite for the port `Engine`, on the fake and on Docker with a real registry: pulls, also behind a login."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from agent import wire
from agent.docker_api import DockerApi
from agent.server.ports import Engine, EngineAbsent
from tests.contract.agent import engines, registries
from tests.contract.agent.engines import SOCKET, built

USER, PASSWORD = "acme", "canary-registry-41c7"
LOGIN = wire.RegistryLogin(user=USER, password=PASSWORD)
WRONG = wire.RegistryLogin(user=USER, password="another")
DOCKERFILE = "FROM scratch\nCOPY one /one\nCOPY two /two\n"


@dataclass
class Shelf:
    """An engine, and a registry that has an image which the engine has not."""

    engine: Engine
    public: str
    private: str
    layers: int
    forget: Callable[[str], None]
    """Takes an image off the engine, with this name."""


@contextlib.contextmanager
def fake() -> Iterator[Shelf]:
    """The fake, and what it finds in a registry."""
    with engines.fake() as lab:
        stock: Any = lab.engine
        stock = stock.stock
        for name in ("r.example/public:1", "r.example/private:1", "r.example/public:latest"):
            stock.registry[name] = (b"one", b"two")
        stock.logins["r.example/private:1"] = (USER, PASSWORD)
        yield Shelf(lab.engine, "r.example/public", "r.example/private", 2, lambda name: stock.tags.pop(name, None))


@contextlib.contextmanager
def docker(folder: Path) -> Iterator[Shelf]:
    """Docker, and two registries to which it has pushed the image."""
    api, mark = DockerApi(SOCKET), f"agent-test-{os.getpid()}"
    for name in ("public", "private"):
        (folder / name).mkdir()
    with (
        engines.docker(folder) as lab,
        contextlib.closing(DockerClient(base_url=f"unix://{SOCKET}")) as client,
        registries.serving(folder / "public") as public,
        registries.serving(folder / "private", (USER, PASSWORD)) as private,
    ):
        made = built(lab.engine, f"{mark}:pushed", DOCKERFILE, one=os.urandom(64), two=os.urandom(64))[-1].image
        assert made is not None
        names = [f"{public}/public:1", f"{public}/public:latest", f"{private}/private:1"]

        def forget(name: str) -> None:
            with contextlib.suppress(EngineAbsent):
                api.json("DELETE", f"/images/{name}")

        for name in names:
            lab.engine.tag(made.id, name)
            given = {"username": USER, "password": PASSWORD}
            pushed = list(client.api.push(name, stream=True, decode=True, auth_config=given))
            assert not [one for one in pushed if "error" in one], pushed
        for name in [*names, f"{mark}:pushed"]:
            forget(name)
        try:
            yield Shelf(lab.engine, f"{public}/public", f"{private}/private", 2, forget)
        finally:
            for name in names:
                forget(name)


@pytest.fixture(scope="module", params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with fake() if request.param == "fake" else docker(tmp_path_factory.mktemp("registries")) as made:
        yield made


def pull(shelf: Shelf, name: str, login: wire.RegistryLogin | None = None) -> wire.Image:
    """What a pull ends with."""
    with contextlib.closing(shelf.engine.pull(name, login)) as stream:
        last = list(stream)[-1]
    assert last.image is not None, last.error
    return last.image


def test_a_pull_ends_with_the_image_by_its_tag(shelf: Shelf) -> None:
    image = pull(shelf, f"{shelf.public}:1")
    assert len(image.layers) == shelf.layers
    assert f"{shelf.public}:1" in image.tags
    assert shelf.engine.image(f"{shelf.public}:1") == image
    assert pull(shelf, f"{shelf.public}:1").id == image.id, "a second time nothing changes"
    shelf.forget(f"{shelf.public}:1")


def test_without_a_tag_it_is_the_latest(shelf: Shelf) -> None:
    assert f"{shelf.public}:latest" in pull(shelf, shelf.public).tags
    shelf.forget(f"{shelf.public}:latest")


def test_an_image_that_the_registry_does_not_have_is_absent(shelf: Shelf) -> None:
    with pytest.raises(EngineAbsent, match="not found"):
        pull(shelf, f"{shelf.public}:2")


def test_a_private_registry_gives_its_image_for_the_login_and_for_nothing_else(shelf: Shelf) -> None:
    for login in (None, WRONG):
        with pytest.raises(EngineAbsent, match=r"unauthorized|no basic auth"):
            pull(shelf, f"{shelf.private}:1", login)
    assert len(pull(shelf, f"{shelf.private}:1", LOGIN).layers) == shelf.layers
    shelf.forget(f"{shelf.private}:1")
    with pytest.raises(EngineAbsent):
        pull(shelf, f"{shelf.private}:1")
    assert PASSWORD not in repr(wire.ImagePull(reference="shop", login=LOGIN)), "no log shows it"
