"""One commit of a git repository, without its history; `git` itself does it, and asks nobody anything."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet import checks
from fleet.errors import DeployerError, InvalidInput, TransientError
from fleet.spec import GitSource

SECONDS = 600
"""How long one call may take; a fetch of one commit takes seconds."""
KEPT = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
"""Variables that git gets from the worker, beside those of a proxy."""
PROXY = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy")
PASSING = re.compile(
    "Could not resolve|Connection (refused|reset|timed out)|Failed to connect|Operation timed out|early EOF"
    "|RPC failed|unexpected disconnect|hung up unexpectedly|The requested URL returned error: (429|5..)",
    re.IGNORECASE,
)
"""What git says of things that another moment may solve."""
ASKPASS = """#!/bin/sh
case "$1" in
Username*) printf '%s' "$DEPLOYER_GIT_USER" ;;
*) printf '%s' "$DEPLOYER_GIT_TOKEN" ;;
esac
"""
"""What git runs when a server asks who it is: the token is in no argument and in no address."""


def check(source: GitSource) -> str:
    """Whether the repository answers, and has the tag; gives the commit.

    Raises:
        InvalidInput: it does not, in git's words, or there is no such tag.
        TransientError: it cannot be reached now.
    """
    with TemporaryDirectory(prefix="deployer-git-") as made:
        return _Repository(source, Path(made)).resolve()


def fetch(source: GitSource, folder: Path) -> tuple[str, Path]:
    """The commit, and its files, below a folder that is empty. Submodules and large files (LFS) stay as they are.

    Raises:
        InvalidInput: there is no such repository, tag or commit, or it does not admit us.
        TransientError: it cannot be reached now.
    """
    repository = _Repository(source, folder)
    commit = repository.resolve()
    wanted = commit if commit == source.revision else f"refs/tags/{source.revision}"
    repository.run("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", source.url, wanted)
    found = repository.run("rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}").strip()
    if found != commit:
        raise TransientError(f"{source.url}: {source.revision} was moved just now from {commit} to {found}.")
    repository.run("checkout", "--quiet", "--detach", "--force", commit, "--")
    return commit, repository.tree


class _Repository:
    """A repository of our own, to fetch one commit into."""

    def __init__(self, source: GitSource, folder: Path) -> None:
        self._source, self._folder = source, folder
        self.tree = folder / "tree"
        self.tree.mkdir()
        self._environment = self._variables()
        self.run("init", "--quiet", "--template=")

    def resolve(self) -> str:
        """The commit that is meant; the server answers in any case."""
        url, revision = self._source.url, self._source.revision
        if re.fullmatch(checks.COMMIT, revision):
            self.run("ls-remote", "--quiet", "--", url, "HEAD")
            return revision
        tag = f"refs/tags/{revision}"
        lines = self.run("ls-remote", "--quiet", "--", url, tag, f"{tag}^{{}}").splitlines()
        found = {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
        commit = found.get(f"{tag}^{{}}") or found.get(tag)
        if commit is None:
            raise InvalidInput(f"{url} has no tag {revision}.", hint="Give one that it has, or a full commit hash.")
        return commit

    def run(self, *arguments: str) -> str:
        """What git prints.

        Raises:
            InvalidInput: it failed, in its words.
            TransientError: it failed, and may not another time.
        """
        settings = ["-c", "credential.helper=", "-c", "core.hooksPath=/dev/null", "-c", "http.followRedirects=false"]
        try:
            done = subprocess.run(
                ["git", *settings, *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise InvalidInput(
                "The machine that runs the worker has no git.", hint="Install it there: apt-get install git."
            ) from None
        except subprocess.TimeoutExpired:
            raise TransientError(f"{self._source.url}: git took over {SECONDS} s.") from None
        if done.returncode:
            raise self._failure(done.stderr)
        return done.stdout

    def _failure(self, words: str) -> DeployerError:
        shown = words.replace(self._source.token, "…") if self._source.token else words
        message = f"{self._source.url}: git says: {' '.join(shown.split())[-500:]}"
        if PASSING.search(words):
            return TransientError(message)
        return InvalidInput(message, hint="Check the address, the commit or tag, and the token.")

    def _variables(self) -> dict[str, str]:
        """An environment in which no person's settings count, and nothing waits for a person."""
        given = {name: os.environ[name] for name in (*KEPT, *PROXY) if name in os.environ}
        return {
            **given,
            **self._credential(),
            "LC_ALL": "C",
            "GIT_DIR": str(self._folder / "repository"),
            "GIT_WORK_TREE": str(self.tree),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https:ssh:file",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }

    def _credential(self) -> dict[str, str]:
        if not self._source.token:
            return {}
        helper = self._folder / "askpass"
        helper.write_text(ASKPASS)
        helper.chmod(0o700)
        return {
            "GIT_ASKPASS": str(helper),
            "DEPLOYER_GIT_USER": self._source.user,
            "DEPLOYER_GIT_TOKEN": self._source.token,
        }
