"""Recipes of packages and files: the same recipe is the same context, and nothing of it is read by a shell."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from agent import contexts as agent_contexts
from fleet.errors import InvalidInput
from fleet.sources import RecipeFile, RecipeSource
from tasks import contexts, sources
from tasks.sources import recipes

RECIPE = RecipeSource(
    packages=("python3", "curl=7.88.1-10+deb12u8", "curl=7.88.1-10+deb12u8"),
    files=(RecipeFile("/etc/motd", "Hello.\n"), RecipeFile("/usr/local/bin/run", "#!/bin/sh\n", "755")),
)


def packed(recipe: RecipeSource, folder: Path) -> bytes:
    """The context of a recipe."""
    folder.mkdir()
    recipes.write(recipe, folder)
    with contexts.pack(folder, "Dockerfile", moment=sources.MOMENT) as archive:
        return archive.read()


def test_a_recipe_becomes_a_dockerfile_whose_steps_no_shell_reads() -> None:
    assert recipes.dockerfile(RECIPE) == (
        "FROM debian:12\n"
        'RUN ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "update"]\n'
        'RUN ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends", '
        '"curl=7.88.1-10+deb12u8", "python3"]\n'
        'RUN ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "clean"]\n'
        "COPY files/ /\n"
    )


def test_the_same_recipe_is_the_same_context_to_the_byte(tmp_path: Path) -> None:
    assert packed(RECIPE, tmp_path / "one") == packed(RECIPE, tmp_path / "two")


def test_its_files_have_their_permissions_and_the_droplet_takes_it(tmp_path: Path) -> None:
    recipes.write(RECIPE, tmp_path)
    with contexts.pack(tmp_path, "Dockerfile") as archive:
        assert agent_contexts.check(archive, "Dockerfile") == recipes.dockerfile(RECIPE)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            modes = {member.name: member.mode & 0o777 for member in tar}
    assert modes["files/usr/local/bin/run"] == 0o755
    assert modes["files/etc/motd"] == 0o644
    assert modes["files/usr/local"] == 0o755


@pytest.mark.parametrize("name", ["python3; rm -rf /", "-o", "Python3", "python3 curl", "a", "python3=$(id)", "../x"])
def test_what_is_no_package_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not the name of a Debian package"):
        RecipeSource((name,))


@pytest.mark.parametrize("path", ["etc/motd", "/../etc", "/etc/../x", "/a b", "/a\nb", "/", "/etc/"])
def test_a_file_that_is_nowhere_inside_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="A recipe cannot put a file at"):
        RecipeFile(path, "")


@pytest.mark.parametrize("mode", ["4755", "rwx", "888", ""])
def test_strange_permissions_are_refused(mode: str) -> None:
    with pytest.raises(InvalidInput, match="are no permissions"):
        RecipeFile("/a", "", mode)


def test_an_empty_recipe_and_one_with_a_file_twice_are_refused() -> None:
    with pytest.raises(InvalidInput, match="The recipe is empty"):
        RecipeSource()
    with pytest.raises(InvalidInput, match="has /a twice, or a file below it"):
        RecipeSource(files=(RecipeFile("/a", ""), RecipeFile("/a/b", "")))
