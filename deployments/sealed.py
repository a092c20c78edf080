"""A file that only its passphrase opens: scrypt (RFC 7914) makes the key, AES-256-GCM the rest.

    DEPLOYER-BACKUP-1\\n | salt (16 bytes) | nonce (12 bytes) | ciphertext with its tag | SHA-256 of all before it

The digest at the end tells a file that was damaged on its way from a passphrase that is wrong; it is no secret and
proves nothing: that nobody has changed the content is for the cipher's tag to say.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fleet.errors import InvalidInput

MAGIC: Final = b"DEPLOYER-BACKUP-1\n"
SHORTEST: Final = 12
"""Characters of a passphrase."""
COST: Final = 1 << 17
"""scrypt's N: with r = 8 it takes 128 MiB and about half a second, here and for whoever guesses."""
_SALT, _NONCE, _DIGEST = 16, 12, 32


def seal(content: bytes, passphrase: str) -> bytes:
    """The content as it may lie anywhere.

    Raises:
        InvalidInput: the passphrase is too short to keep anybody out.
    """
    if len(passphrase) < SHORTEST:
        raise InvalidInput(
            f"The passphrase has {len(passphrase)} characters.", hint=f"Take {SHORTEST} or more: it guards all tokens."
        )
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    sealed = MAGIC + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, content, MAGIC + salt)
    return sealed + hashlib.sha256(sealed).digest()


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """The content.

    Raises:
        InvalidInput: it is no such file, it is damaged, or the passphrase is another.
    """
    if not is_sealed(sealed):
        raise InvalidInput("This is no backup of Deployer's.", hint="Give the file that `backup` wrote.")
    whole, digest = sealed[:-_DIGEST], sealed[-_DIGEST:]
    head = len(MAGIC) + _SALT
    if len(whole) < head + _NONCE or hashlib.sha256(whole).digest() != digest:
        raise InvalidInput("The backup is damaged, or a part of it is missing.", hint="Take another copy.")
    salt, nonce, secret = whole[len(MAGIC) : head], whole[head : head + _NONCE], whole[head + _NONCE :]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, secret, MAGIC + salt)
    except InvalidTag as error:
        raise InvalidInput(
            "The backup does not open with this passphrase.", hint="Nothing has been changed. Give the other one."
        ) from error


def is_sealed(start: bytes) -> bool:
    """Whether this is how such a file begins."""
    return start.startswith(MAGIC)


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=COST, r=8, p=1).derive(passphrase.encode())
