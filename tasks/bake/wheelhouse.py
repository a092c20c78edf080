"""What a droplet gets from this repository, as one archive: wheels and system files.

    root/…                 files of the system, from agent/packaging/root and agent/nginx
    wheels/*.whl           the agent, and what it needs, by the hashes of agent/packaging/requirements.lock
    requirements.txt       the lock, and the agent's own wheel by its hash
    installer.txt          pip alone: it installs the rest on the droplet and does not stay
    agent.json             which version this is: the digests of the agent's wheel and of the lock

Made once for each state of the sources: the same sources give the same bytes. Everything is downloaded here, on the
controller; the droplet asks no package index.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import agent
from fleet.errors import PermanentError, TransientError
from tasks.bake.shell import Log

REPOSITORY: Final = Path(__file__).resolve().parents[2]
CACHE: Final = REPOSITORY / ".state" / "wheelhouse"
_AGENT: Final = Path(agent.__file__).resolve().parent
PACKAGING: Final = _AGENT / "packaging"
_LOCKS: Final = ("requirements.lock", "installer.lock")
_EPOCH: Final = 1_577_836_800  # 2020-01-01: every file of a wheel gets this time, so that it is reproducible
_PIP_SECONDS: Final = 300
_SKIPPED: Final = ("__pycache__", "*.pyc", "*.egg-info")
_PLATFORM: Final = (
    "--only-binary=:all:", "--python-version=3.11", "--implementation=cp",
    "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64",
)  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """The archive for a droplet: a tar file, the digest of its content, and the agent's version inside."""

    archive: bytes
    digest: str
    version: str


def make_bundle(log: Log, cache: Path = CACHE) -> Bundle:
    """Build the agent's wheel, fetch what it needs (both kept in `cache`), and pack them with the system files.

    Raises TransientError when pip cannot fetch or build, with the last lines of its output.
    """
    wheels = [*dependencies(log, cache), agent_wheel(log, cache)]
    archive = _pack(wheels)
    return Bundle(archive, hashlib.sha256(archive).hexdigest(), agent.__version__)


def requirements(wheel: Path) -> str:
    """The agent's locked requirements and the agent itself, every one with its hash, for `pip --require-hashes`."""
    return f"{read_lock()}{requirement(wheel)}"


def requirement(wheel: Path) -> str:
    """The line that demands exactly this wheel of the agent."""
    return f"deployer-agent=={version_of(wheel)} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def version_of(wheel: Path) -> str:
    """The version that a wheel's name says."""
    return wheel.name.split("-")[1]


def read_lock() -> str:
    """What the agent needs, with hashes."""
    return (PACKAGING / "requirements.lock").read_text()


def identity(wheel: Path) -> bytes:
    """What a droplet notes of the version that it has: digests of the agent's wheel and of the lock."""
    wheel_digest, lock_digest = (
        hashlib.sha256(part).hexdigest() for part in (wheel.read_bytes(), read_lock().encode())
    )
    return json.dumps({"wheel": f"sha256:{wheel_digest}", "dependencies": f"sha256:{lock_digest}"}).encode()


def system_files() -> dict[str, bytes]:
    """The files that a droplet gets, by their path without the leading slash."""
    nginx = {f"etc/deployer/nginx/{name}": content for name, content in _tree(_AGENT / "nginx").items()}
    guard = {"usr/local/lib/deployer/guard.py": (_AGENT / "guard.py").read_bytes()}
    return _tree(PACKAGING / "root") | guard | {name: text for name, text in nginx.items() if not name.endswith(".py")}


def dependencies(log: Log, cache: Path = CACHE) -> list[Path]:
    """The wheels of all that the agent needs, and of pip, fetched once for each state of the locks."""
    locks = [PACKAGING / name for name in _LOCKS]
    target = cache / f"wheels-{_digest(path.read_bytes() for path in locks)}"
    if not target.is_dir():
        log("fetching the agent's locked dependencies (once)")
        with _fresh(target) as folder:
            for lock in locks:
                _pip(
                    "download", "--no-deps", "--require-hashes", *_PLATFORM, f"--dest={folder}", f"--requirement={lock}"
                )
    return sorted(target.glob("*.whl"))


def agent_wheel(log: Log, cache: Path = CACHE, source: Path = _AGENT) -> Path:
    """The agent's wheel, built once for each state of its sources, which are the folder `source`."""
    sources = {name: text for name, text in _tree(source).items() if not name.startswith("packaging/root/")}
    target = cache / f"agent-{_digest(part for name in sorted(sources) for part in (name.encode(), sources[name]))}"
    if not target.is_dir():
        log("building the agent's wheel (once for each change of it)")
        with _fresh(target) as folder, tempfile.TemporaryDirectory(prefix="deployer-agent-") as scratch:
            copy = Path(scratch) / "source"
            shutil.copytree(source, copy / "agent", ignore=shutil.ignore_patterns(*_SKIPPED, "packaging"))
            shutil.copy(PACKAGING / "pyproject.toml", copy / "pyproject.toml")
            _pip("wheel", "--no-deps", f"--wheel-dir={folder}", str(copy))
    return next(target.glob("deployer_agent-*.whl"))


class _fresh:
    """A folder that appears at `target` only when it is complete; of two makers, one wins and both are served."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> Path:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="new-", dir=self._target.parent))
        return self._folder

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and not self._target.is_dir():
            self._folder.replace(self._target)
        else:
            shutil.rmtree(self._folder, ignore_errors=True)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(_EPOCH)}
    try:
        done = subprocess.run(
            command, env=environment, timeout=_PIP_SECONDS, check=False, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"pip {arguments[0]} did not end within {_PIP_SECONDS} s.", hint="Try again.") from error
    if done.returncode:
        lines = "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise TransientError(
            f"pip {arguments[0]} failed on this machine:\n    {lines}\n",
            hint="Check that pip reaches its package index (`pip download pip`), then run build-snapshot again.",
        )


def _pack(wheels: list[Path]) -> bytes:
    files = {f"root/{name}": content for name, content in system_files().items()}
    files |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    files |= {"requirements.txt": requirements(wheels[-1]).encode(), "agent.json": identity(wheels[-1])}
    files |= {"installer.txt": (PACKAGING / "installer.lock").read_bytes()}
    return pack(files)


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of these files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(files[name]), _EPOCH, 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


def _tree(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise PermanentError(f"{folder} is missing.", hint="Take a complete checkout of the repository.")
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    skipped = re.compile(r"__pycache__|\.pyc$|\.egg-info")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if not skipped.search(str(path))}


def _digest(parts: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]
