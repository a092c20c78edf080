"""What `doctor` finds: each ill with its place and what to do, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet import checkup, naming
from fleet.checkup import Account, Agent, Ill, Login, Schedule, Token
from fleet.firewalls import plan_firewall
from fleet.pruning import use_of
from fleet.retirement import TAG as RETIRED
from fleet.state import Firewall, Rule, Snapshot, World
from tests.unit.fleet.leaving import SPEC, TAG, droplet, host, record

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WELL = Login("admin", 16, guessed=False)
WORLD = World((host(1),), edge=("173.245.48.0/20",))
PLAN = plan_firewall(WORLD, replace(SPEC, controller_addresses=("203.0.113.7/32",)))
WALL = Firewall("fw-1", PLAN.name, PLAN.inbound, PLAN.tags)


def said(found: Any) -> list[tuple[str, str]]:
    """How bad, and what."""
    return [(one.severity, one.what) for one in found]


def account(**changes: Any) -> Account:
    """An account in which all is well, but for these changes."""
    nothing: frozenset[str] = frozenset()
    well = Account((droplet(1),), (), (record(1),), {"s-1vcpu-1gb": 6.0}, frozenset({TAG}), nothing, use_of((), {}))
    return replace(well, **changes)


def test_where_all_is_well_nothing_is_found() -> None:
    spec = replace(SPEC, controller_addresses=("203.0.113.7/32",))
    assert list(checkup.check_login(WELL)) == []
    assert list(checkup.check_schedules([Schedule("health-check", due=NOW)], True, NOW)) == []
    assert list(checkup.check_tokens(Token(expires=NOW + timedelta(days=22)), "demo-prod", NOW)) == []
    assert list(checkup.check_firewalls(WORLD, [WALL], spec)) == []
    assert list(checkup.check_agents([Agent("d", "1", {"disk": ("healthy", "fine")})], "1", "demo-prod")) == []
    assert list(checkup.check_orphans(account(), NOW)) == []


@pytest.mark.parametrize("password", ["admin", "password", "ADMIN", "admin123", "changeme", ""])
def test_a_password_that_is_guessed_first_is_an_error(password: str) -> None:
    assert checkup.usual("admin", password)
    found = list(checkup.check_login(replace(WELL, guessed=True)))
    assert said(found) == [("error", "the password of admin is one that is guessed first")]
    assert not checkup.usual("admin", "q3YtX0h9-dk2L")


def test_a_short_password_an_open_door_and_a_readable_file_are_told() -> None:
    found = list(checkup.check_login(Login("admin", 11, guessed=False, open=True, readable="/srv/.env")))
    assert said(found) == [
        ("error", "the Prefect server answers without a login"),
        ("warning", "the password of admin has 11 characters"),
        ("error", "others on this machine can read the settings"),
    ]
    assert found[2].advice == "chmod 600 /srv/.env"


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (Schedule("a", paused=True, due=NOW), ("warning", "a is paused")),
        (Schedule("a", active=0), ("warning", "a is paused")),
        (Schedule("a"), ("error", "no run of a is planned")),
        (Schedule("a", due=NOW - timedelta(minutes=6)), ("error", "a should have run 6 minutes ago")),
    ],
)
def test_a_schedule_that_does_not_run_is_told(schedule: Schedule, told: tuple[str, str]) -> None:
    assert said(checkup.check_schedules([schedule], True, NOW)) == [told]


def test_without_a_worker_nothing_runs() -> None:
    assert said(checkup.check_schedules([], False, NOW)) == [("error", "no worker takes runs")]


def test_tokens_that_may_too_much_or_too_little_or_end_are_told() -> None:
    wide = Token(("tag:read",), ("databases", "domains"), ("other.com",), NOW + timedelta(days=20, hours=1))
    assert said(checkup.check_tokens(wide, "demo-prod", NOW)) == [
        ("error", "the DigitalOcean token lacks tag:read"),
        ("warning", "the DigitalOcean token may also read databases, domains"),
        ("warning", "the Cloudflare token sees other zones: other.com"),
        ("warning", "the Cloudflare token ends in 20 days"),
    ]


def test_a_port_that_is_open_to_more_than_planned_is_told_whichever_firewall_opens_it() -> None:
    spec = replace(SPEC, controller_addresses=("203.0.113.7/32",))
    loose = replace(WALL, inbound=(*WALL.inbound, Rule("9999", addresses=("0.0.0.0/0",))))
    other = Firewall("fw-2", "ssh-for-me", (Rule("22", addresses=("0.0.0.0/0",)),), (TAG,))
    theirs = Firewall("fw-3", "theirs", (Rule("0", addresses=("0.0.0.0/0",)),), ("theirs",))
    found = list(checkup.check_firewalls(WORLD, [loose, other, theirs], spec))
    assert said(found) == [
        ("error", f"the firewall {WALL.name} opens 9999 to 0.0.0.0/0"),
        ("error", "the firewall ssh-for-me opens 22 to 0.0.0.0/0"),
    ]
    assert [one.advice.split()[0] for one in found] == ["The", "Take"]


def test_a_firewall_that_is_stricter_is_fine_and_none_at_all_is_not() -> None:
    strict = replace(WALL, inbound=WALL.inbound[:1])
    assert list(checkup.check_firewalls(WORLD, [strict], replace(SPEC, controller_addresses=("203.0.113.7/32",)))) == []
    assert said(checkup.check_firewalls(WORLD, [], SPEC)) == [
        ("error", "its droplets have no firewall: every port is open")
    ]
    assert list(checkup.check_firewalls(World(()), [], SPEC)) == []


def test_a_silent_an_old_and_an_ailing_agent_are_told() -> None:
    vitals = {
        "certificate": ("degraded", "ends in 20 days"),
        "clock": ("unhealthy", "10 minutes ahead"),
        "disk": ("healthy", "fine"),
        "memory": ("unknown", "nobody looked"),
    }
    found = checkup.check_agents([Agent("a", error="timed out"), Agent("b", "0.9", vitals)], "1.0", "demo-prod")
    assert said(found) == [
        ("error", "its agent cannot be asked: timed out"),
        ("warning", "its agent is 0.9, this controller's is 1.0"),
        ("warning", "certificate: ends in 20 days"),
        ("error", "clock: 10 minutes ahead"),
        ("notice", "memory: nobody looked"),
    ]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"environments": frozenset()}, "it is of an environment that has no block here"),
        ({"droplets": (replace(droplet(1), status="off"),)}, "it is off, and is paid for all the same"),
        ({"empty": frozenset({"demo-prod-000001"})}, "nothing is on it"),
        (
            {"droplets": (droplet(1), replace(droplet(2, f"{naming.BAKE_TAG}:x", ours=False)))},
            "a bake has left it",
        ),
    ],
)
def test_a_droplet_that_serves_nobody_is_told_with_what_it_costs(changes: Any, what: str) -> None:
    (found,) = checkup.check_orphans(account(**changes), NOW)
    assert (found.severity, found.what, found.dollars) == ("warning", what, 6.0)


def test_what_others_made_what_is_being_baked_and_what_is_retired_is_left_alone() -> None:
    theirs = replace(droplet(2), tags=frozenset({"theirs"}))
    baking = replace(droplet(3, f"{naming.BAKE_TAG}:x"), created_at=NOW - timedelta(hours=1))
    retired = replace(droplet(4, RETIRED, f"{RETIRED}:20261124t000000"), status="off")
    found = list(checkup.check_orphans(account(droplets=(droplet(1), theirs, baking, retired)), NOW))
    assert found == []


def test_a_snapshot_that_nobody_may_use_is_told_with_what_it_costs() -> None:
    tags = naming.snapshot_tags("base")
    old = Snapshot("1", "half", ("fra1",), 25, 10.0, NOW - timedelta(days=1), tags)
    young, ready = replace(old, id="2", created_at=NOW), replace(old, id="3", tags=tags | {naming.READY_TAG})
    (found,) = checkup.check_orphans(account(snapshots=(old, young, ready)), NOW)
    assert (found.what, found.where, round(found.dollars, 2)) == ("a snapshot that is unproven", "half", 0.6)
    assert list(checkup.check_orphans(account(snapshots=(old,), use=use_of((), {"demo-prod": "1"})), NOW)) == []


def test_a_record_that_leads_nowhere_is_an_error() -> None:
    (found,) = checkup.check_orphans(account(records=(record(1), record(7))), NOW)
    assert found.severity == "error"
    assert found.what == "hello.example.com points at 192.0.2.7, which is no droplet of the account any more"


def test_the_worst_comes_first() -> None:
    ills = [
        Ill("notice", "a", "a", ""),
        Ill("error", "b", "z", ""),
        Ill("warning", "c", "a", ""),
        Ill("error", "a", "z", ""),
    ]
    assert [(one.severity, one.what) for one in checkup.in_order(ills)] == [
        ("error", "a"),
        ("error", "b"),
        ("warning", "c"),
        ("notice", "a"),
    ]
