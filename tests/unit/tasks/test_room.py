"""Whether a disk takes an image: three times what its missing layers weigh."""

from __future__ import annotations

import pytest

from agent import wire
from fleet.errors import PermanentError
from fleet.state import Image
from tasks import room

MIB = 1 << 20
IMAGE = Image(f"sha256:{'40c0ffee' * 8}", ("lower", "upper"), 30 * MIB, (10 * MIB, 20 * MIB))


def missing(*layers: str, free: int | None, present: bool = False) -> wire.ImageMissing:
    """What an agent says."""
    return wire.ImageMissing(present=present, missing=layers, free=free)


@pytest.mark.parametrize(
    "answer",
    [
        missing("upper", free=30 * MIB),
        missing("lower", "upper", free=90 * MIB),
        missing(free=0, present=True),
        missing("lower", "upper", free=None),
    ],
    ids=["one layer", "both", "it is there", "an agent that cannot say"],
)
def test_an_image_may_travel_where_there_is_room(answer: wire.ImageMissing) -> None:
    room.check("demo-prod-000001", IMAGE, answer)


def test_a_disk_that_is_too_full_is_named_with_what_is_needed_and_what_is_free() -> None:
    with pytest.raises(PermanentError) as caught:
        room.check("demo-prod-000001", IMAGE, missing("upper", free=30 * MIB - 1))
    assert str(caught.value) == (
        "The disk is too full, so nothing was sent: demo-prod-000001 needs 30.0 MiB for image 40c0ffee40c0 and has "
        "30.0 MiB free beside its reserve. Keep fewer releases (in the Service block), undeploy what is not needed, or "
        "take a larger size."
    )


def test_where_nobody_knows_what_a_layer_weighs_the_whole_image_counts() -> None:
    unknown = Image(IMAGE.id, IMAGE.layers, IMAGE.size)
    with pytest.raises(PermanentError, match=r"needs 90\.0 MiB"):
        room.check("demo-prod-000001", unknown, missing("upper", free=60 * MIB))
