"""What the tests of histories share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.histories.lane import Lane

for name in ("ending", "life", "operations", "rules"):
    pytest.register_assert_rewrite(f"tests.histories.{name}")


@pytest.fixture
def lane() -> Iterator[Lane]:
    """The fast lane, for one test."""
    from tests.histories.lane import open_lane

    with open_lane() as opened:
        yield opened
