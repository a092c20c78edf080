"""Whether an image is built on the base of its droplet."""

from __future__ import annotations

from fleet.bases import is_built_on, others
from fleet.state import Image

OLD, NEW = Image("sha256:01d", ("a", "b"), 2), Image("sha256:9e3", ("a", "c"), 2)
HELLO = Image("sha256:4e1", ("a", "b", "hello"), 3)


def test_an_image_is_built_on_a_base_when_it_begins_with_all_of_its_layers() -> None:
    assert is_built_on(HELLO, OLD)
    assert not is_built_on(HELLO, NEW)
    assert not is_built_on(Image("sha256:5", ("a",), 1), OLD)
    assert not is_built_on(HELLO, None)


def test_droplets_with_another_base_or_none_are_named() -> None:
    assert others(HELLO, OLD, {"d1": OLD, "d2": NEW, "d3": None}) == {
        "d2": "built on the base 01d, while d2 has 9e3",
        "d3": "built on the base 01d, while d3 has none",
    }


def test_an_image_that_does_not_build_on_the_base_of_its_origin_is_no_concern() -> None:
    assert others(Image("sha256:5", ("x",), 1), OLD, {"d2": NEW}) == {}
    assert others(HELLO, None, {"d2": NEW}) == {}
