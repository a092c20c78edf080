"""A deploy from every source of an image: each ends with the same image on every droplet, and little was sent."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from fleet.errors import InvalidInput, PermanentError
from flows.deploy import deploy
from tasks import contexts
from tests.fakes.controller import FakeControllerDocker
from tests.fakes.engine import FakeEngine
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine
from tests.unit.tasks.test_git import Repository

CANARY = "canary-registry-7d11"

MOUNTS = 'FROM scratch\nCOPY app /app\nRUN --mount=type=secret,id=KEY ["/app"]\nCMD ["/app"]\n'


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeControllerDocker]:
    """The controller's Docker."""
    with FakeEngine() as engine:
        fake = FakeControllerDocker(engine)
        monkeypatch.setattr("tasks.sources.controller.open_docker", fake.open)
        monkeypatch.setattr("tasks.images.open_docker", fake.open)
        yield fake


def images(fleet: Fleet) -> set[str]:
    """The images that current containers run, of all droplets."""
    return {one.image for machine in fleet.machines for one in machine.engine.instances() if one.role == "current"}


def archived(fleet: Fleet, tmp_path: Path) -> str:
    """The fleet's build context as an archive."""
    path = tmp_path / "context.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(fleet.context, "context")
    return str(path)


def committed(fleet: Fleet, tmp_path: Path) -> Repository:
    """The fleet's build context as a repository."""
    repository = Repository(tmp_path / "origin")
    for path in fleet.context.iterdir():
        (repository.folder / path.name).write_text(path.read_text())
    repository.commit((fleet.context / "app").read_text())
    repository.git("tag", "v1")
    return repository


@pytest.mark.parametrize("build_on", ["droplet", "controller"])
@pytest.mark.parametrize("kind", ["folder", "archive", "git"])
def test_a_context_is_built_once_and_the_image_is_on_every_droplet(
    fleet: Fleet, tmp_path: Path, docker: FakeControllerDocker, kind: str, build_on: str
) -> None:
    given: dict[str, Any] = {"context": str(fleet.context)}
    if kind == "archive":
        given = {"archive": archived(fleet, tmp_path), "folder": "context"}
    if kind == "git":
        given = {"url": committed(fleet, tmp_path).url, "revision": "v1"}
    deploy(fleet.service(image={**given, "build_on": build_on}))
    builds = [machine.engine.crashes.calls.count("engine.build") for machine in fleet.machines]
    here = docker.engine.crashes.calls.count("engine.build")
    assert (sum(builds), here) == ((1, 0) if build_on == "droplet" else (0, 1))
    assert len(images(fleet)) == 1
    assert fleet.records == fleet.everywhere


def test_an_image_of_the_controllers_docker_is_on_every_droplet_and_is_not_saved_twice(
    fleet: Fleet, docker: FakeControllerDocker
) -> None:
    image = docker.engine.add_image(b"base", b"app", tag="shop:latest")
    service = fleet.service(image={"image": "shop:latest"})
    deploy(service)
    ids = [machine.ids for machine in fleet.machines]
    assert images(fleet) == {image.id}
    deploy(service)
    assert docker.saves == 1
    assert [machine.ids for machine in fleet.machines] == ids, "the second deploy changed nothing"


def test_only_the_layers_that_a_droplet_lacks_leave_the_controller(
    fleet: Fleet, docker: FakeControllerDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    load = FakeEngine.load

    def weighed(engine: FakeEngine, archive: BinaryIO) -> None:
        loaded.append(len(archive.read()))
        archive.seek(0)
        load(engine, archive)

    monkeypatch.setattr(FakeEngine, "load", weighed)
    docker.engine.add_image(b"b" * 500_000, b"one", tag="shop:latest")
    deploy(fleet.service(replicas=1, image={"image": "shop:latest"}))
    docker.engine.add_image(b"b" * 500_000, b"two", tag="shop:latest")
    deploy(fleet.service(replicas=1, image={"image": "shop:latest"}))
    first, second = loaded
    assert first > 500_000
    assert second < 20_000


def test_the_plan_says_how_much_of_the_controllers_image_travels_to_each_droplet(
    fleet: Fleet, docker: FakeControllerDocker
) -> None:
    docker.engine.add_image(b"b" * 3_000_000, b"one", tag="shop:latest")
    deploy(fleet.service(replicas=1, image={"image": "shop:latest"}))
    docker.engine.add_image(b"b" * 3_000_000, b"two", tag="shop:latest")
    deploy(fleet.service(replicas=2, image={"image": "shop:latest"}), plan_only=True)
    rows = [row for row in latest("plan-demo-prod-hello").splitlines() if row.startswith("| image |")]
    old = fleet.machines[0].name
    assert rows[0] == f"| image | send shop:latest from the controller to {old} | 0.1 MiB to {old} |"
    assert rows[1].split(" | ")[2].startswith("2.9 MiB to demo-prod-")


def test_an_image_of_a_registry_is_pulled_by_the_first_droplet_only(fleet: Fleet) -> None:
    deploy(fleet.service())
    for machine in fleet.machines:
        machine.engine.stock.registry["shop:1"] = (b"base", b"shop")
    deploy(fleet.service(image={"reference": "shop:1"}))
    assert [machine.engine.crashes.calls.count("engine.pull") for machine in fleet.machines] == [1, 0]
    assert len(images(fleet)) == 1


def test_a_private_registry_gets_its_login_and_nobody_else_sees_it(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    deploy(fleet.service())
    for machine in fleet.machines:
        machine.engine.stock.registry["r.example/shop:1"] = (b"base", b"shop")
        machine.engine.stock.logins["r.example/shop:1"] = ("acme", CANARY)
    changes = fleet.changes
    with pytest.raises(PermanentError, match="unauthorized"):
        deploy(fleet.service(image={"reference": "r.example/shop:1", "user": "acme", "password": "another"}))
    assert [one for one in fleet.changes[len(changes) :] if "prepare" in one or "promote" in one] == []
    deploy(fleet.service(image={"reference": "r.example/shop:1", "user": "acme", "password": CANARY}))
    assert fleet.records == fleet.everywhere
    assert len(images(fleet)) == 1
    assert CANARY not in caplog.text
    assert CANARY not in latest("deploy-demo-prod-hello") + latest("plan-demo-prod-hello")


def test_a_build_on_the_controller_that_fails_says_why_and_changes_no_container(
    fleet: Fleet, docker: FakeControllerDocker
) -> None:
    deploy(fleet.service(replicas=1))
    before = fleet.machines[0].ids
    (fleet.context / "Dockerfile").write_text("FROM scratch\nCOPY nowhere /app\n")
    with pytest.raises(PermanentError, match=r"on the controller failed: COPY failed: file not found .* mend the"):
        deploy(fleet.service(replicas=1, image={"context": str(fleet.context), "build_on": "controller"}))
    assert fleet.machines[0].ids == before


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"image": "shop:latest"}, "has no image shop:latest"),
        ({"archive": "/nowhere/a.tar"}, "There is no file /nowhere/a.tar"),
        ({"url": "file:///nowhere/a.git", "revision": "v1"}, "does not appear to be a git repository"),
    ],
    ids=["controller", "archive", "git"],
)
def test_a_source_that_is_not_there_changes_nothing(
    fleet: Fleet, docker: FakeControllerDocker, image: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        deploy(fleet.service(image=image))
    assert message in str(caught.value)
    assert fleet.changes == []


BUILT_ON_BASE = "FROM local/base:latest\nCOPY app /app\n"


def layers(machine: Machine) -> tuple[str, ...]:
    """Those of the image that serves on a droplet."""
    current = next(one for one in machine.engine.instances() if one.role == "current")
    return machine.engine.image(current.image).layers


@pytest.mark.parametrize("own", [None, b"another base"], ids=["none", "another"])
def test_a_build_on_the_controller_begins_with_the_base_of_the_droplets(
    fleet: Fleet, docker: FakeControllerDocker, own: bytes | None
) -> None:
    deploy(fleet.service(replicas=1))
    (machine,) = fleet.machines
    base = machine.engine.add_image(b"the base of the snapshot", tag=contexts.BASE_TAG)
    if own:
        docker.engine.add_image(own, tag=contexts.BASE_TAG)
    (fleet.context / "Dockerfile").write_text(BUILT_ON_BASE)
    for _ in range(2):
        deploy(fleet.service(replicas=1, image={"context": str(fleet.context), "build_on": "controller"}))
        assert layers(machine)[: len(base.layers)] == base.layers
    assert docker.engine.image(contexts.BASE_TAG).id == base.id
    assert machine.engine.crashes.calls.count("engine.save") == 1, "the second time it is there"


def test_another_base_that_came_in_the_midst_of_a_build_is_noticed_and_it_is_built_again(
    fleet: Fleet, docker: FakeControllerDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    (machine,) = fleet.machines
    base = machine.engine.add_image(b"the base of the snapshot", tag=contexts.BASE_TAG)
    (fleet.context / "Dockerfile").write_text(BUILT_ON_BASE)
    built, others = FakeControllerDocker.build, [b"of another run"]

    def disturbed(self: FakeControllerDocker, *given: Any) -> Iterator[Any]:
        if others:
            self.engine.add_image(others.pop(), tag=contexts.BASE_TAG)
        return built(self, *given)

    monkeypatch.setattr(FakeControllerDocker, "build", disturbed)
    deploy(fleet.service(replicas=1, image={"context": str(fleet.context), "build_on": "controller"}))
    assert layers(machine)[: len(base.layers)] == base.layers


def test_a_base_that_neither_has_serves_nobody_and_says_what_to_do(fleet: Fleet, docker: FakeControllerDocker) -> None:
    deploy(fleet.service(replicas=1))
    before = fleet.machines[0].ids
    (fleet.context / "Dockerfile").write_text(BUILT_ON_BASE)
    with pytest.raises(InvalidInput, match=r"which neither demo-prod-\w+ nor .* Choose a custom snapshot"):
        deploy(fleet.service(replicas=1, image={"context": str(fleet.context), "build_on": "controller"}))
    assert fleet.machines[0].ids == before


def test_a_base_made_by_hand_on_the_controller_will_do_where_the_droplet_has_none(
    fleet: Fleet, docker: FakeControllerDocker
) -> None:
    base = docker.engine.add_image(b"made by hand", tag=contexts.BASE_TAG)
    (fleet.context / "Dockerfile").write_text(BUILT_ON_BASE)
    deploy(fleet.service(replicas=1, image={"context": str(fleet.context), "build_on": "controller"}))
    assert layers(fleet.machines[0])[: len(base.layers)] == base.layers


def test_a_context_that_reaches_out_is_refused_before_anything_is_made(fleet: Fleet) -> None:
    (fleet.context / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="holds the link 'link' to '/etc/passwd', which leads out of it"):
        deploy(fleet.service())
    assert fleet.changes == []


def test_a_build_is_given_those_of_the_services_secrets_that_it_mounts(fleet: Fleet) -> None:
    (fleet.context / "Dockerfile").write_text(MOUNTS)
    deploy(fleet.service(secrets={"KEY": "canary-of-a-build", "OTHER": "not mounted"}))
    lent = [given for machine in fleet.machines for given in machine.engine.lent]
    assert lent == [{"KEY": "canary-of-a-build"}]


def test_a_build_on_the_controller_mounts_nothing(fleet: Fleet, docker: FakeControllerDocker) -> None:
    (fleet.context / "Dockerfile").write_text(MOUNTS)
    with pytest.raises(InvalidInput, match="which only a droplet's build can"):
        deploy(fleet.service(image={"context": str(fleet.context), "build_on": "controller"}))
    assert fleet.changes == []
