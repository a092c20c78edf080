"""One commit of a git repository: fetched as it is, and nothing else of it; no token where anybody could read it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fleet.errors import InvalidInput, TransientError
from fleet.spec import GitSource
from tasks.sources import git

TOKEN = "ghp_0123456789abcdef"
WHO = {
    **{f"GIT_{role}_NAME": "somebody" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "somebody@example.com" for role in ("AUTHOR", "COMMITTER")},
}


class Repository:
    """A repository on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet")

    @property
    def url(self) -> str:
        """Its address."""
        return self.folder.as_uri()

    def git(self, *arguments: str) -> str:
        """A call of git there."""
        clean = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], **WHO}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=clean, check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout.strip()

    def commit(self, content: str) -> str:
        """Another commit with this content; gives its hash."""
        (self.folder / "app").write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", content)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


def fetched(tmp_path: Path, source: GitSource) -> tuple[str, dict[str, str]]:
    """The commit and the files that come of a source."""
    (tmp_path / "into").mkdir()
    commit, tree = git.fetch(source, tmp_path / "into")
    files = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
    return commit, files


def test_a_commit_is_fetched_without_those_after_it_and_without_history(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one")
    second = repository.commit("two")
    repository.commit("three")
    assert fetched(tmp_path, GitSource(repository.url, second)) == (second, {"app": "two"})
    shallow = (tmp_path / "into" / "repository" / "shallow").read_text().split()
    assert shallow == [second]


@pytest.mark.parametrize("annotated", [[], ["--annotate", "--message", "one"]], ids=["plain", "annotated"])
def test_a_tag_is_resolved_to_its_commit(repository: Repository, tmp_path: Path, annotated: list[str]) -> None:
    first = repository.commit("one")
    repository.git("tag", *annotated, "release/v1")
    repository.commit("two")
    assert fetched(tmp_path, GitSource(repository.url, "release/v1")) == (first, {"app": "one"})


def test_a_tag_that_is_not_there_is_named(repository: Repository) -> None:
    repository.commit("one")
    repository.git("tag", "v1")
    git.check(GitSource(repository.url, "v1"))
    with pytest.raises(InvalidInput, match=r"has no tag v2\. Give one that it has, or a full commit hash\."):
        git.check(GitSource(repository.url, "v2"))


def test_a_commit_that_is_not_there_is_refused_in_gits_words(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one")
    with pytest.raises(InvalidInput, match=r"git says: .*Check the address, the commit or tag, and the token"):
        fetched(tmp_path, GitSource(repository.url, "0" * 40))


def test_a_repository_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not appear to be a git repository"):
        git.check(GitSource((tmp_path / "nowhere").as_uri(), "v1"))


def test_a_persons_settings_and_hooks_do_not_count(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repository.commit("one")
    hook = tmp_path / "templates" / "hooks" / "post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[init]\n\ttemplateDir = {tmp_path}/templates\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "templates"))
    monkeypatch.setenv("GIT_DIR", str(repository.folder / ".git"))
    assert fetched(tmp_path, GitSource(repository.url, first))[1] == {"app": "one"}
    assert not (tmp_path / "hooked").exists()


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a `git` was told that fails as a server does which does not admit us."""
    log, program = tmp_path / "told", tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\n'
        'case "$*" in *init*) exit 0 ;; esac\n'
        'echo "fatal: $($GIT_ASKPASS "Username for https")@$($GIT_ASKPASS "Password for https"): $SAYS" >&2\nexit 128\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return log


def test_a_token_is_asked_for_and_is_in_no_argument_and_no_message(told: Path) -> None:
    source = GitSource("https://git.example.com/shop.git", "v1", user="ci", token=TOKEN)
    with pytest.raises(InvalidInput) as caught:
        git.check(source)
    assert "fatal: ci@…:" in str(caught.value), "git was given both, and the token is not shown"
    assert TOKEN not in str(caught.value) + told.read_text() + repr(source)
    assert "ls-remote --quiet -- https://git.example.com/shop.git refs/tags/v1" in told.read_text()


@pytest.mark.parametrize(
    "words",
    [
        "Could not resolve host: git.example.com",
        "Failed to connect to git.example.com port 443",
        "The requested URL returned error: 503",
        "ssh: connect to host git.example.com port 22: Connection timed out",
    ],
)
def test_what_may_pass_is_a_reason_to_try_again(told: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr(git, "KEPT", (*git.KEPT, "SAYS"))
    monkeypatch.setenv("SAYS", words)
    with pytest.raises(TransientError, match="git says: fatal: "):
        git.check(GitSource("https://git.example.com/shop.git", "v1", token=TOKEN))


def test_a_machine_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"has no git\. Install it there: apt-get install git\."):
        git.check(GitSource("https://git.example.com/shop.git", "v1"))
