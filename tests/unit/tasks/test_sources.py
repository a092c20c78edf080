"""Sources: looked at before anything begins, and opened as one build context, whatever they are."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.spec import ArchiveSource, BuildSource, Built, ControllerSource, GitSource, ImageSource
from tasks import contexts, sources
from tests.fakes.controller import FakeControllerDocker
from tests.fakes.engine import FakeEngine
from tests.unit.tasks.test_git import Repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build context, and beside it what it must not reach."""
    made = tmp_path / "shop"
    (made / "web").mkdir(parents=True)
    (made / "web" / "Dockerfile").write_text("FROM local/base:latest\nCOPY app /app\n")
    (made / "web" / "app").write_text("1")
    (made / "web" / "secret.env").write_text("KEY=1")
    (made / "web" / ".dockerignore").write_text("*.env\n")
    return made


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The controller's Docker."""
    with FakeEngine() as engine:
        fake = FakeControllerDocker(engine)
        monkeypatch.setattr("tasks.sources.controller.open_docker", fake.open)
        yield fake


def of_kind(kind: str, folder: Path, **changes: Any) -> Built:
    """A source of this kind that has the folder's files."""
    if kind == "folder":
        return BuildSource(str(folder / "web"), **changes)
    if kind == "archive":
        path = folder.with_suffix(".tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, ".")
        return ArchiveSource(str(path), "web", **changes)
    repository = Repository(folder.with_name("origin"))
    for path in (folder / "web").iterdir():
        (repository.folder / "web").mkdir(exist_ok=True)
        (repository.folder / "web" / path.name).write_text(path.read_text())
    repository.commit("all")
    repository.git("tag", "v1")
    return GitSource(repository.url, "v1", "web", **changes)


KINDS = pytest.mark.parametrize("kind", ["folder", "archive", "git"])


@KINDS
def test_every_source_gives_the_same_context_without_what_is_ignored(kind: str, folder: Path) -> None:
    source, lines = of_kind(kind, folder), list[str]()
    sources.check(source)
    with sources.packed(source, lines.append) as archive, tarfile.open(fileobj=archive) as tar:
        assert sorted(tar.getnames()) == [".dockerignore", "Dockerfile", "app"]
    assert bool(lines) == (kind == "git"), "which commit a tag is, is in the log"


@KINDS
def test_the_same_content_has_one_fingerprint_and_other_content_another(kind: str, folder: Path) -> None:
    source = of_kind(kind, folder)
    before = sources.fingerprint(source)
    assert sources.fingerprint(source) == before
    (folder / "web" / "app").write_text("22")
    if isinstance(source, GitSource):
        assert sources.fingerprint(source) == before, "a tag says which commit"
    else:
        assert sources.fingerprint(of_kind(kind, folder)) != before


def test_an_image_of_the_controller_is_known_by_its_id_and_one_of_a_registry_by_its_name(
    docker: FakeControllerDocker,
) -> None:
    docker.engine.add_image(b"shop", tag="shop:1")
    before = sources.fingerprint(ControllerSource("shop:1"))
    docker.engine.add_image(b"another", tag="shop:1")
    assert sources.fingerprint(ControllerSource("shop:1")) != before
    assert sources.fingerprint(ImageSource("registry.example/shop:1")) == "registry.example/shop:1"


@KINDS
def test_a_dockerfile_that_is_not_there_is_named_with_its_source(kind: str, folder: Path) -> None:
    source = of_kind(kind, folder, dockerfile="other.Dockerfile")
    with pytest.raises(InvalidInput) as caught, sources.packed(source, print):
        pass
    assert caught.value.message == f"There is no file other.Dockerfile in the {sources.title(source)}."


def test_an_image_that_the_controller_lacks_is_refused_at_the_door(docker: FakeControllerDocker) -> None:
    docker.engine.add_image(b"shop", tag="shop:latest")
    sources.check(ControllerSource("shop:latest"))
    with pytest.raises(InvalidInput, match="has no image shop:other"):
        sources.check(ControllerSource("shop:other"))


def test_an_image_of_a_registry_is_for_the_droplet_to_find() -> None:
    sources.check(ImageSource("ghcr.io/acme/shop:1"))


@pytest.mark.parametrize("target", ["/etc", "../.."])
def test_a_folder_of_a_repository_that_leads_out_of_it_is_refused(folder: Path, target: str) -> None:
    repository = Repository(folder.with_name("origin"))
    (repository.folder / "web").symlink_to(target)
    commit = repository.commit("all")
    with pytest.raises(InvalidInput, match=r"There is no such folder in the repository .*, folder web"):  # noqa: SIM117
        with sources.packed(GitSource(repository.url, commit, "web"), print):
            pass


def test_a_dockerfile_that_leads_out_of_its_repository_is_refused(folder: Path) -> None:
    repository = Repository(folder.with_name("origin"))
    (repository.folder / "Dockerfile").symlink_to("/etc/hostname")
    commit = repository.commit("all")
    with pytest.raises(InvalidInput, match="is a link that leads out of it"):  # noqa: SIM117
        with sources.packed(GitSource(repository.url, commit), print):
            pass


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("FROM local/base:latest\n", True),
        ("# hi\n  from --platform=linux/amd64 local/base AS web\n", True),
        ("FROM debian:12 AS a\nFROM local/base\n", True),
        ("FROM local/base:1\n", False),
        ("FROM local/based\n", False),
        ("FROM debian:12\n# FROM local/base\n", False),
    ],
)
def test_a_dockerfile_says_whether_it_needs_the_base(text: str, needs: bool) -> None:
    assert contexts.names_base(text) is needs


def test_a_git_checkout_is_the_same_tar_each_time_it_is_fetched(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    (repository.folder / "Dockerfile").write_text("FROM scratch\n")
    source = GitSource(repository.url, repository.commit("one"))
    seen = []
    for _ in range(2):
        with sources.packed(source, lambda line: None) as archive, tarfile.open(fileobj=archive) as tar:
            seen.append([(member.name, member.mtime) for member in tar])
    assert seen == [[("Dockerfile", sources.MOMENT), ("app", sources.MOMENT)]] * 2
