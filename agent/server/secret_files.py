"""Secrets of containers: plain files on a tmpfs while they run, sealed copies on the disk for the next boot.

A container sees its secrets as `/run/secrets/{name}`, from a directory of the droplet's tmpfs that is bound into it
read-only, and written before its process starts. A reboot empties the tmpfs, while Docker starts the containers by
itself: so a copy is kept under the agent's state directory, encrypted under a key derived from the droplet's first K,
and restored before Docker starts (`python -m agent.server restore`) or at the latest when the agent does. A disk
without K, such as a snapshot's, holds nothing that can be read.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a disk says that takes nothing more: of bytes, or of files."""
_NONCE_BYTES = 12
_BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the file system's own is."""
LENT = ".lent"
"""Below it is what builds were given; no container has such a name."""


class Sealed:
    """Bytes that only a droplet with this secret can read; each belongs to a label."""

    def __init__(self, secret: str) -> None:
        key = HKDF(hashes.SHA256(), 32, salt=None, info=b"deployer:sealed-secrets").derive(bytes.fromhex(secret))
        self._cipher = ChaCha20Poly1305(key)

    def seal(self, content: bytes, label: bytes) -> bytes:
        """What may lie on the disk."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, label)

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """The content.

        Raises:
            cryptography.exceptions.InvalidTag: it was sealed under another secret or label, or is damaged.
        """
        if len(sealed) < _NONCE_BYTES:
            raise InvalidTag  # cut off: no reason for an agent not to start
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label)


class SecretFiles:
    """The secrets of all containers of the droplet; each belongs to a name and a release."""

    def __init__(self, run: Path, state: Path, secret: str) -> None:
        self._plain = run / "secrets"
        self._sealed = state / "secrets"
        self._cipher = Sealed(secret)

    def write(self, name: str, release: str, values: Mapping[str, str]) -> Path | None:
        """Keep a container's secrets; the directory to bind into it, or None when it has none."""
        if not values:
            return None
        sealed = self._cipher.seal(json.dumps(dict(values)).encode(), _label(name, release))
        write_private(self._sealed / name / release, sealed)
        return self._unfold(name, release, values)

    def restore(self) -> int:
        """Put every container's files back on the tmpfs; the number of containers that have secrets."""
        shutil.rmtree(self._plain / LENT, ignore_errors=True)  # what a killed agent left of a build
        files = [path for path in self._sealed.glob("*/*") if path.is_file() and not path.name.startswith(".")]
        for path in files:
            name, release, content = path.parent.name, path.name, path.read_bytes()
            try:
                plain = self._cipher.open(content, _label(name, release))
            except InvalidTag:
                path.unlink()  # sealed under another droplet's secret: nobody can read it here
                continue
            self._unfold(name, release, json.loads(plain))
        return len(files)

    @contextmanager
    def lent(self, values: Mapping[str, str]) -> Iterator[Path]:
        """A folder on the tmpfs with these files, for root alone, until the block ends; nothing is kept."""
        folder = self._plain / LENT / secrets.token_hex(8)
        try:
            folder.mkdir(parents=True, mode=0o700)
            self._plain.chmod(0o700)
            for key, value in values.items():
                write_private(folder / key, value.encode())
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self, name: str, release: str) -> None:
        """Forget a container's secrets; none is fine."""
        (self._sealed / name / release).unlink(missing_ok=True)
        shutil.rmtree(self._plain / name / release, ignore_errors=True)
        for folder in (self._sealed / name, self._plain / name):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _unfold(self, name: str, release: str, values: Mapping[str, str]) -> Path:
        """Readable by every user inside the container, and by root alone outside: the directories above are closed."""
        folder = self._plain / name / release
        folder.mkdir(parents=True, exist_ok=True)
        self._plain.chmod(0o700)
        folder.parent.chmod(0o700)
        folder.chmod(0o755)
        for key, value in values.items():
            write_private(folder / key, value.encode(), mode=0o444)
        return folder


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file at once or not at all, with these permissions from its first byte on, and wait for the disk.

    Where the disk is full it is written over the one that is there, if it fits into that one's blocks: without that
    nobody could lock a service to take it off. A power cut in that moment may leave a half, which nobody takes for one.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        _write_anew(path, content, mode)
    except OSError as error:
        if error.errno not in FULL or not _write_over(path, content, mode):
            raise


def _write_anew(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _write_over(path: Path, content: bytes, mode: int) -> bool:
    """Whether it could be done without a new block."""
    if not path.is_file() or len(content) > path.stat().st_blocks * _BLOCK_BYTES:
        return False
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    return True


def _label(name: str, release: str) -> bytes:
    return f"{name}/{release}".encode()
