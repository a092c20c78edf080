"""Makes the image and keeps it until the recipe changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from docker import DockerClient
from docker.errors import ImageNotFound

from sandbox.errors import SandboxError
from sandbox.image import archive, host, recipe

IMAGE = "deployer-sandbox/debian-12"
FINGERPRINT = "deployer.sandbox.recipe"
Say = Callable[[str], None]

_SECONDS = 900


def ensure_image(docker: DockerClient, say: Say) -> str:
    """The image of a new droplet, made when it is missing or made by another recipe (about a minute); gives its name.

    Raises SandboxError when debootstrap is missing or fails.
    """
    wanted = _fingerprint()
    try:
        if docker.images.get(IMAGE).labels.get(FINGERPRINT) == wanted:
            return IMAGE
    except ImageNotFound:
        pass
    if shutil.which("debootstrap") is None:
        raise SandboxError("debootstrap is missing.", "On Debian or Ubuntu, as root: apt-get install debootstrap")
    if os.geteuid() != 0:
        raise SandboxError("A Debian disk can be made by root only.", "Run this as root.")
    with tempfile.TemporaryDirectory(prefix="deployer-sandbox-") as folder:
        _make(Path(folder) / "root", wanted, say)
    return IMAGE


def _make(root: Path, fingerprint: str, say: Say) -> None:
    say("Making a Debian 12 disk with debootstrap (about a minute)")
    include = f"--include={','.join(recipe.PACKAGES)}"
    _run(["debootstrap", "--variant=minbase", include, archive.SUITE, str(root)])
    recipe.settle(root)
    say("Importing the disk into Docker")
    tar = root.parent / "root.tar"
    _run(["tar", "--create", f"--file={tar}", "--directory", str(root), "--numeric-owner", "."])
    _run(["docker", "import", f"--change=LABEL {FINGERPRINT}={fingerprint}", str(tar), IMAGE])


def _fingerprint() -> str:
    digest = hashlib.sha256(Path(recipe.__file__).read_bytes())
    digest.update(host.apt_settings().encode())
    for path in host.authorities():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str]) -> None:
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, stdout=output, stderr=output, timeout=_SECONDS, check=False)
        if done.returncode:
            raise SandboxError(f"`{command[0]}` failed with {done.returncode}:\n{_tail(output)}", "Mend it and repeat.")


def _tail(output: IO[bytes]) -> str:
    output.seek(0)
    return "\n".join(output.read().decode(errors="replace").splitlines()[-15:])
