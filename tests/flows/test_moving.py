"""Moving to another account: nothing there is mistaken for what is in the old one, and no name is taken over."""

from __future__ import annotations

import pytest

from fleet.errors import InvalidInput
from flows.deploy import deploy
from flows.undeploy import undeploy
from tests.flows.fleet_of_fakes import DOMAIN, Fleet

OLD, NEW = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"


def test_a_name_that_leads_to_the_old_account_is_refused_until_it_is_undeployed_there(fleet: Fleet) -> None:
    there = fleet.service(1)
    here = fleet.service(1, environment=fleet.environment(name="prod2"))
    deploy(there)
    old, records = fleet.machines[0], fleet.records
    fleet.cloud.account.team = NEW
    with pytest.raises(InvalidInput, match=f"The zone has a record {DOMAIN} .* that is not this service's"):
        deploy(here)
    assert (fleet.records, len(fleet.machines)) == (records, 1)
    trial = f"next.{fleet.dns.zone}"
    deploy(here.model_copy(update={"runs": here.runs.model_copy(update={"domains": [trial]})}))
    assert set(old.releases) == {"current"}
    fleet.cloud.account.team = OLD
    undeploy(there, destroy_empty=True)
    fleet.cloud.account.team = NEW
    deploy(here)
    (new,) = [one for one in fleet.machines if one.name != old.name]
    assert fleet.records == [(DOMAIN, new.address)]
    assert fleet.serving == {new.releases["current"]}


def test_in_another_zone_a_deploy_makes_the_records_and_touches_nothing_else(fleet: Fleet) -> None:
    deploy(fleet.service(2))
    ids, records = [machine.ids for machine in fleet.machines], fleet.records
    fleet.dns.all.clear()  # the zone of another account, without the imported records
    for _ in range(2):
        deploy(fleet.service(2))
        assert ([machine.ids for machine in fleet.machines], fleet.records) == (ids, records)
