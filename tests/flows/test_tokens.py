"""A provider's token that was revoked or has expired: named as the cause, at once, by whatever is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleet.errors import DeployerError, Refused
from flows.build_snapshot import build_snapshot
from flows.deploy import deploy
from flows.finish_undeploys import finish_undeploys
from flows.maintenance import maintenance
from flows.prune_snapshots import prune_snapshots
from flows.roll import roll
from flows.rollback import rollback
from flows.rotate_keys import rotate_keys
from flows.undeploy import undeploy
from tasks.health import sweep_all
from tests.flows.fleet_of_fakes import Fleet

MOST_CALLS = 8
"""A flow may ask for several things at once; nothing that was refused is asked for again and again."""
RUNS: dict[str, Callable[[Fleet], Any]] = {
    "deploy": lambda fleet: deploy(fleet.service()),
    "undeploy": lambda fleet: undeploy(fleet.service()),
    "rollback": lambda fleet: rollback(fleet.service()),
    "maintenance": lambda fleet: maintenance(fleet.service()),
    "roll": lambda fleet: roll(fleet.environment()),
    "build-snapshot": lambda fleet: build_snapshot(fleet.environment(), "another", "base"),
    "prune-snapshots": lambda fleet: prune_snapshots(fleet.environment()),
    "finish-undeploys": lambda fleet: finish_undeploys(fleet.environment()),
    "rotate-keys": lambda fleet: rotate_keys(fleet.environment()),
}


def revoke(fleet: Fleet, provider: str) -> list[str]:
    """Every further call of a provider is refused; gives them as they come."""
    refused: list[str] = []
    faults = fleet.cloud.faults if provider == "DigitalOcean" else fleet.dns.faults

    def watch(call: str) -> None:
        refused.append(call)
        raise Refused(f"{provider} refuses the token: Unable to authenticate you.", hint="It was revoked.")

    faults.watch = watch
    return refused


@pytest.mark.parametrize("name", RUNS)
def test_a_token_that_is_refused_is_named_by_every_flow_at_once_and_nothing_is_changed(fleet: Fleet, name: str) -> None:
    deploy(fleet.service())
    changes, serving = fleet.changes, fleet.serving
    refused = revoke(fleet, "DigitalOcean")
    with pytest.raises(DeployerError, match="DigitalOcean refuses the token"):
        RUNS[name](fleet)
    assert 0 < len(refused) <= MOST_CALLS
    assert (fleet.changes, fleet.serving) == (changes, serving)


@pytest.mark.parametrize("name", ["deploy", "undeploy", "rollback"])
def test_a_token_of_the_zone_that_is_refused_is_named_at_once_and_nothing_is_changed(fleet: Fleet, name: str) -> None:
    deploy(fleet.service())
    fleet.write("two")
    changes, serving = fleet.changes, fleet.serving
    refused = revoke(fleet, "Cloudflare")
    with pytest.raises(DeployerError, match="Cloudflare refuses the token"):
        RUNS[name](fleet)
    assert 0 < len(refused) <= MOST_CALLS
    assert (fleet.changes, fleet.serving) == (changes, serving)


def test_a_health_round_names_the_token_and_finds_nothing_unhealthy_for_it(fleet: Fleet) -> None:
    deploy(fleet.service())
    refused = revoke(fleet, "DigitalOcean")
    (found,) = sweep_all([fleet.environment()])
    assert (found.verdict, len(refused)) == ("unknown", 1)
    assert "DigitalOcean refuses the token" in found.reason
