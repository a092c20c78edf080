"""When a droplet needs a certificate, and when the edge may insist on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleet import origins
from fleet.origins import Pulls, Shown
from fleet.state import Record

NOW = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
ZONE = "example.com"
GOOD = Shown(
    names=(ZONE, f"*.{ZONE}"), expires_at=NOW + timedelta(days=90), signed=True, pulls="", required=False, asks=True
)


def record(name: str = f"hello.{ZONE}", content: str = "203.0.113.1", kind: str = "A", proxied: bool = True) -> Record:
    """A record of the zone."""
    return Record("id", name, kind, content, proxied, "")


def test_a_certificate_is_renewed_a_month_before_its_end_and_not_before() -> None:
    assert not origins.is_due(GOOD, ZONE, NOW + timedelta(days=59))
    assert origins.is_due(GOOD, ZONE, NOW + timedelta(days=61))


@pytest.mark.parametrize("change", [{"signed": False}, {"names": (ZONE,)}, {"names": ("example.org", "*.example.org")}])
def test_one_that_the_edge_would_not_take_is_exchanged(change: dict[str, object]) -> None:
    assert origins.is_due(replace(GOOD, **change), ZONE, NOW)  # type: ignore[arg-type]  # fields of it


@pytest.mark.parametrize(
    ("name", "covered"), [(ZONE, True), (f"a.{ZONE}", True), (f"a.b.{ZONE}", False), ("example.org", False)]
)
def test_a_wildcard_stands_for_one_label(name: str, covered: bool) -> None:
    assert origins.covers(ZONE, name) == covered


def test_the_edge_may_insist_once_every_proxied_record_leads_to_a_droplet_that_shows_a_certificate() -> None:
    records = [record(), record(content="203.0.113.9", proxied=False), record("mail.example.com", "mx", "CNAME", False)]
    assert origins.hindrance(records, {"203.0.113.1"}, ZONE) == ""


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (record("shop.example.com", "203.0.113.9"), "shop.example.com leads to 203.0.113.9"),
        (record("shop.example.com", "shop.example.net", "CNAME"), "shop.example.com leads to shop.example.net"),
        (record("a.b.example.com"), "a.b.example.com is more than one label below"),
    ],
)
def test_what_hinders_is_named(other: Record, reason: str) -> None:
    assert origins.hindrance([record(), other], {"203.0.113.1"}, ZONE).startswith(reason)


def test_what_the_edge_shows_is_exchanged_a_year_before_its_end_and_that_of_others_is_left_alone() -> None:
    made = origins.new_pulls(NOW)
    pulls = Pulls(True, ("-----BEGIN CERTIFICATE-----", made.certificate))
    assert pulls.ours(NOW) == (made.certificate,)
    assert not origins.wants_pulls(pulls, NOW)
    assert origins.wants_pulls(pulls, NOW + origins.PULLS_VALID - timedelta(days=364))
    assert pulls.ours(NOW + origins.PULLS_VALID + timedelta(days=1)) == ()
    assert origins.wants_pulls(Pulls(True, ()), NOW)


def test_a_key_is_in_no_text_of_its_pair() -> None:
    made = origins.new_pulls(NOW)
    assert "PRIVATE KEY" in made.key
    assert "PRIVATE" not in f"{made} {made!r}"
