"""A disk that takes nothing more, of bytes or of files: what serves serves on, and what is on it can be taken off."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentProblem
from agent.server.ports import Instance
from agent.server.router import Router
from agent.server.secret_files import SecretFiles, write_private
from tests.contract.agent import routers
from tests.contract.agent.backends import backend
from tests.contract.agent.routers import route, table
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import HOST, NAME, OTHER, release

SIZES = {"bytes": "size=2m", "files": "size=256m,nr_inodes=64"}


@pytest.fixture(params=SIZES)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A small file system: the droplet's own."""
    place = tmp_path / "state"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", SIZES[request.param], "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def lab(disk: Path) -> Iterator[Droplet]:
    with droplet(disk.parent) as running:
        yield running


def fill(disk: Path) -> None:
    """Until it takes no new file with something in it."""
    with suppress(OSError):
        for number in count():
            (disk / f"file-{number}").write_bytes(b"x" * 4096)


def sealing(lab: Droplet) -> Callable[[str, wire.ContainerSpec], Instance]:
    """Makes containers as the fake does, once their secrets are on the disk, as Docker's engine has them."""
    secrets = SecretFiles(lab.settings.run, lab.settings.state, lab.settings.secret)
    create = lab.engine.create

    def create_sealed(name: str, spec: wire.ContainerSpec) -> Instance:
        secrets.write(name, spec.release, spec.secrets)
        return create(name, spec)

    return create_sealed


def test_a_service_on_a_full_disk_serves_on_and_can_be_taken_off(disk: Path, lab: Droplet) -> None:
    lab.deploy(1)
    lab.deploy(1, OTHER, hosts=("shop.example.com",))
    fill(disk)
    with lab.client() as client:
        node = client.node()
        assert node.vitals["disk"].verdict == "unhealthy"
        assert [one.verdict and one.verdict.verdict for one in node.containers] == ["healthy"] * 2
        assert client.remove(NAME).changed
        assert [one.name for one in client.containers().containers] == [OTHER]
    assert lab.router.get(HOST)[0] == 421
    assert lab.router.get("shop.example.com")[0] == 200


def test_a_release_whose_secrets_find_no_room_is_refused_and_the_one_before_serves_on(
    disk: Path, lab: Droplet, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.deploy(1)
    fill(disk)
    monkeypatch.setattr(lab.engine, "create", sealing(lab))
    with lab.client() as client, pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(2, secrets={"PASSWORD": "hunter2"}))
    assert caught.value.problem.code == "disk_full"
    assert lab.router.get(HOST)[1] == f"{NAME} {release(1)}"


def test_routes_are_taken_out_of_a_table_that_is_on_a_full_disk(disk: Path) -> None:
    with routers.nginx() as nginx, backend("blue") as blue:
        file = disk / "routes.json"
        router = Router(nginx.folder / "admin.sock", file, nginx.port)
        router.update(lambda _: table(route(blue), route(blue, host="shop.example.com")))
        fill(disk)
        assert router.update(lambda _: table(route(blue)))
        assert wire.Routes.model_validate_json(file.read_bytes()) == table(route(blue)) == router.read()
        assert (nginx.get(HOST)[0], nginx.get("shop.example.com")[0]) == (200, 421)


def test_what_does_not_fit_over_the_old_file_leaves_it_as_it_was(disk: Path) -> None:
    kept = disk / "kept"
    write_private(kept, b"old")
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        write_private(kept, b"x" * 100_000)
    assert kept.read_bytes() == b"old"
    write_private(kept, b"a longer one", mode=0o640)
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (b"a longer one", 0o640)
    write_private(kept, b"short")
    assert kept.read_bytes() == b"short"
