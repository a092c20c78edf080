"""A sealed file: it opens with its passphrase, and with nothing else; what is damaged is told from what is wrong."""

from __future__ import annotations

import hashlib

import pytest

from deployments import sealed
from fleet.errors import InvalidInput

PASSPHRASE, CONTENT = "correct horse battery", b"dop_v1_made_up"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody guesses here."""
    monkeypatch.setattr(sealed, "COST", 1 << 4)


def test_it_opens_with_its_passphrase_and_shows_nothing_without() -> None:
    first, second = sealed.seal(CONTENT, PASSPHRASE), sealed.seal(CONTENT, PASSPHRASE)
    assert sealed.unseal(first, PASSPHRASE) == sealed.unseal(second, PASSPHRASE) == CONTENT
    assert first != second, "each has a salt and a nonce of its own"
    assert CONTENT not in first


def test_another_passphrase_is_refused() -> None:
    with pytest.raises(InvalidInput, match="does not open with this passphrase"):
        sealed.unseal(sealed.seal(CONTENT, PASSPHRASE), "correct horse batterz")


@pytest.mark.parametrize("cut", [1, 40, 60])
def test_a_file_that_was_cut_off_or_changed_anywhere_is_damaged(cut: int) -> None:
    whole = sealed.seal(CONTENT, PASSPHRASE)
    changed = bytearray(whole)
    changed[-cut] ^= 1
    for broken in (whole[:-cut], whole[: len(sealed.MAGIC)], bytes(changed)):
        with pytest.raises(InvalidInput, match="damaged, or a part of it is missing"):
            sealed.unseal(broken, PASSPHRASE)


def test_what_somebody_has_changed_who_mended_the_digest_does_not_open() -> None:
    whole = bytearray(sealed.seal(CONTENT, PASSPHRASE)[:-32])
    whole[-1] ^= 1
    with pytest.raises(InvalidInput, match="does not open"):
        sealed.unseal(bytes(whole) + hashlib.sha256(whole).digest(), PASSPHRASE)


def test_what_is_no_backup_and_a_passphrase_that_is_too_short_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"no backup of Deployer's"):
        sealed.unseal(b"PK\x03\x04", PASSPHRASE)
    with pytest.raises(InvalidInput, match="has 5 characters"):
        sealed.seal(CONTENT, "short")
