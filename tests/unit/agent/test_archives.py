"""What is no archive of one image is found out before anything is remembered of it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from agent import archives
from tests.fakes.stock import tar

LAYER = "sha256:" + "1" * 64
CONFIG = json.dumps({"rootfs": {"diff_ids": [LAYER]}}).encode()
NAME = f"{hashlib.sha256(CONFIG).hexdigest()}.json"
FILES = {
    NAME: CONFIG,
    "manifest.json": json.dumps([{"Config": NAME, "Layers": ["one/layer.tar"]}]).encode(),
    "one/layer.tar": b"layer",
}
WHOLE = tar(FILES)
EMPTY = tarfile.TarInfo("empty").tobuf()


def extended(size: int) -> bytes:
    """An extended header that says it has so many bytes."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, size
    return header.tobuf()


def test_an_archive_says_which_image_it_holds_and_where_its_layers_are() -> None:
    found = archives.read(io.BytesIO(WHOLE))
    assert found == archives.Contents(f"sha256:{NAME.removesuffix('.json')}", {LAYER: "one/layer.tar"})


def test_an_archive_of_a_multitude_of_empty_members_is_refused() -> None:
    with pytest.raises(archives.Malformed, match="more than 4096 members"):
        archives.read(io.BytesIO(EMPTY * archives.ENTRIES_LIMIT + WHOLE))


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_header_that_would_fill_the_memory_is_refused_wherever_it_is(place: str) -> None:
    bomb = extended(1 << 30)
    end = len(WHOLE.rstrip(b"\0")) + 511 & ~511
    content = bomb + WHOLE if place == "before" else WHOLE[:end] + bomb
    with pytest.raises(archives.Malformed, match="a header that no packer writes"):
        archives.read(io.BytesIO(content))


def test_an_archive_whose_configuration_is_another_one_is_refused() -> None:
    with pytest.raises(archives.Malformed, match="does not have the digest"):
        archives.read(io.BytesIO(tar({**FILES, NAME: CONFIG + b" "})))
