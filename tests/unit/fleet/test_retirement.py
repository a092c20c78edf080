"""Which droplets are destroyed because another one has taken their place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleet import naming, retirement
from fleet.state import Droplet
from tests.unit.fleet.worlds import droplet

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + retirement.KEPT + timedelta(seconds=1)


def retired() -> Droplet:
    """A droplet that was retired now, and is off."""
    one = droplet("a")
    return replace(one, status="off", tags=one.tags | {*retirement.tags(NOW)})


def test_a_retired_droplet_goes_after_a_day_and_not_before() -> None:
    assert retirement.retired_at(retired().tags) == NOW
    assert retirement.due([retired()], NOW + retirement.KEPT) == []
    assert retirement.due([retired()], LATER) == [retired()]


@pytest.mark.parametrize(
    "tags",
    [
        frozenset({naming.TAG, retirement.TAG}),
        frozenset({*retirement.tags(NOW)}),
        frozenset({naming.TAG, "op:0123456789ab-1", f"{retirement.TAG}:{NOW:%Y%m%dt%H%M%S}"}),
        frozenset({naming.TAG, "op:0123456789ab-1", retirement.TAG, f"{retirement.TAG}:soon"}),
    ],
    ids=["tells no time", "not made here", "not in the list", "tells no time that can be read"],
)
def test_what_is_not_ours_or_does_not_say_when_stays(tags: frozenset[str]) -> None:
    assert retirement.due([replace(retired(), tags=tags)], LATER) == []


def test_one_that_somebody_has_switched_on_stays() -> None:
    assert retirement.due([replace(retired(), status="active")], LATER) == []
