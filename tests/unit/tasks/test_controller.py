"""The controller's Docker: the fake and a real one, by the same rules."""

from __future__ import annotations

import io
from collections.abc import Iterator

import docker
import pytest
from docker.errors import ImageNotFound

from agent import archives
from fleet.errors import InvalidInput, PermanentError
from fleet.state import Image
from tasks.sources.controller import Store, open_docker
from tests.fakes.controller import FakeControllerDocker
from tests.fakes.engine import FakeEngine
from tests.fakes.stock import tar

TAG = "deployer-test-controller:latest"
DOCKERFILE = b'FROM scratch\nCOPY one /one\nCOPY two /two\nCMD ["/one"]\n'


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "fake":
        with FakeEngine() as engine:
            yield FakeControllerDocker(engine)
        return
    with open_docker() as opened:
        yield opened
    client = docker.from_env()
    try:
        client.images.remove(TAG, force=True)
    except ImageNotFound:
        pass
    finally:
        client.close()


def built(store: Store, dockerfile: bytes = DOCKERFILE) -> tuple[list[str], Image]:
    """The lines of a build, and what comes of it."""
    context = io.BytesIO(tar({"deploy/Dockerfile": dockerfile, "one": b"1", "two": b"2"}))
    *lines, image = store.build(context, "deploy/Dockerfile", TAG)
    assert isinstance(image, Image)
    return [str(line) for line in lines], image


def test_a_build_gives_its_lines_and_then_its_image(store: Store) -> None:
    lines, image = built(store)
    assert [line for line in lines if line.startswith("Step")][1] == "Step 2/4 : COPY one /one"
    assert image == store.find(TAG) == store.find(image.id)
    assert len(image.layers) == 2
    assert len(image.sizes) == 2
    assert 0 < image.weight(1) <= image.weight(2)


def test_a_build_that_fails_says_why_in_the_builders_words(store: Store) -> None:
    with pytest.raises(PermanentError, match="COPY failed"):
        built(store, b"FROM scratch\nCOPY nowhere /one\n")


def test_an_image_is_saved_so_that_layers_can_be_left_out(store: Store) -> None:
    _, image = built(store)
    whole = b"".join(store.save(image.id))
    contents = archives.read(io.BytesIO(whole))
    assert contents.image == image.id
    assert set(contents.layers) == set(image.layers)
    part = b"".join(archives.partial(io.BytesIO(whole), image.layers[:1]))
    assert archives.read(io.BytesIO(part)) == contents
    assert len(part) < len(whole)


def test_an_image_that_is_not_there_is_named_with_what_to_do(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"has no image deployer-test-none:1\. See `docker images` there"):
        store.find("deployer-test-none:1")


def test_a_machine_without_docker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")  # the SDK leaves sockets of the Unix kind open when refused
    with pytest.raises(InvalidInput, match=r"does not answer: .* Start it, or let a droplet build"), open_docker():
        pass


def test_a_saved_image_is_loaded_and_tagged_and_what_is_none_is_refused(store: Store) -> None:
    _, image = built(store)
    store.load(io.BytesIO(b"".join(store.save(image.id))))
    store.tag(image.id, TAG)
    assert store.find(TAG).id == image.id
    with pytest.raises(PermanentError):
        store.load(io.BytesIO(tar({"manifest.json": b'[{"Config": "gone.json", "RepoTags": null, "Layers": []}]'})))
