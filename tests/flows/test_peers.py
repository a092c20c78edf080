"""Peers by name through the flows: after a deploy every droplet of the environment has the same table, in use."""

from __future__ import annotations

from typing import Any

import pytest

from agent import keys, wire
from blocks.service import Service
from fleet.errors import HostsFailed, InvalidInput
from flows.deploy import deploy
from flows.undeploy import undeploy
from tasks import peers
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine

SECRET = keys.peer_secret(keys.seed("dop_v1_x"), "demo/prod")


def stranger(machine: Machine, virtual: str = "198.18.9.9") -> wire.Peer:
    """A service that runs nowhere."""
    facts = {"service": "queue", "container": "9fe5e6_demo_prod_queue", "virtual": virtual, "port": 4222}
    return wire.Peer.model_validate({**facts, "droplet": machine.name, "address": "10.110.0.9"})


def redis(fleet: Fleet, **changes: Any) -> Service:
    """A tcp service."""
    given = {"name": "redis", "runs": {"kind": "tcp", "port": 6379, "start_seconds": 5}, **changes}
    return fleet.service(replicas=1, **given)


def table(machine: Machine) -> list[tuple[str, str, int, str]]:
    """What a machine's agent has: service, address, port and droplet."""
    found = machine.table.read()
    assert found.applied
    return [(one.service, str(one.virtual), one.port, one.droplet) for one in found.peers]


def runs(machine: Machine, service: str) -> bool:
    """Whether the service is current there."""
    return any((one.name.endswith(f"_{service}"), one.role) == (True, "current") for one in machine.engine.instances())


def test_after_a_deploy_of_a_tcp_service_every_droplet_reaches_it_where_it_runs(fleet: Fleet) -> None:
    deploy(fleet.service())
    deploy(redis(fleet))
    first, second = map(table, fleet.machines)
    assert first == second
    ((service, _, port, where),) = first
    assert (service, port) == ("redis", 6379)
    assert [machine.name for machine in fleet.machines if runs(machine, "redis")] == [where]
    here, there = sorted(fleet.machines, key=lambda machine: machine.name != where)
    assert "map $ssl_server_name" in here.proxy.applied[-1].text
    assert "proxy_ssl_name redis.peers.deployer;" in there.proxy.applied[-1].text


def test_without_a_tcp_service_no_proxy_is_ever_touched(fleet: Fleet) -> None:
    deploy(fleet.service())
    undeploy(fleet.service())
    assert [machine.proxy.applied for machine in fleet.machines] == [[], []]


def test_the_same_deploy_again_changes_no_table(fleet: Fleet) -> None:
    deploy(redis(fleet))
    before = [(table(machine), len(machine.proxy.applied)) for machine in fleet.machines]
    deploy(redis(fleet))
    assert [(table(machine), len(machine.proxy.applied)) for machine in fleet.machines] == before


def test_a_new_release_is_followed_where_it_runs_and_keeps_its_address(fleet: Fleet) -> None:
    deploy(redis(fleet))
    (machine,) = fleet.machines
    before, first = table(machine), machine.proxy.applied[-1]
    fleet.write("two")
    deploy(redis(fleet))
    assert table(machine) == before
    current = next(one for one in machine.engine.instances() if one.role == "current")
    assert f"proxy_pass {current.address}:6379;" in machine.proxy.applied[-1].text
    assert machine.proxy.applied[-1] != first


def test_a_new_droplet_knows_the_table_before_its_first_container_is_made(fleet: Fleet) -> None:
    deploy(redis(fleet))
    deploy(fleet.service(replicas=2))
    old, new = sorted(fleet.machines, key=lambda machine: not runs(machine, "redis"))
    assert table(new) == table(old)
    assert len(new.proxy.applied) == 1


def test_an_undeployed_service_leaves_every_table(fleet: Fleet) -> None:
    deploy(fleet.service())
    deploy(redis(fleet))
    undeploy(redis(fleet))
    assert [table(machine) for machine in fleet.machines] == [[], []]
    assert not any("198." in machine.proxy.applied[-1].text.partition("deny")[2] for machine in fleet.machines)


def test_a_deploy_names_every_droplet_whose_proxy_refuses_and_the_next_one_repairs_it(fleet: Fleet) -> None:
    deploy(fleet.service())
    for machine in fleet.machines:
        machine.proxy.refusing = "no room"
    with pytest.raises(HostsFailed, match="no room") as caught:
        deploy(redis(fleet))
    assert set(caught.value.failures) == {machine.name for machine in fleet.machines}
    for machine in fleet.machines:
        machine.proxy.refusing = ""
    deploy(redis(fleet))
    assert table(fleet.machines[0]) == table(fleet.machines[1]) != []


def test_a_table_that_another_run_changed_meanwhile_is_made_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(fleet.service(replicas=1))
    (machine,) = fleet.machines
    look_around, rounds = peers.look_around, list[int]()

    def disturbed(*given: Any) -> Any:
        """The second look is the one after the promotion: before its table is written, another run writes one."""
        seen = look_around(*given)
        rounds.append(1)
        if len(rounds) == 2:
            machine.table.replace(wire.Peers(peers=(stranger(machine),), secret=SECRET))
        return seen

    monkeypatch.setattr(peers, "look_around", disturbed)
    deploy(redis(fleet))
    assert len(rounds) == 3
    assert [one[0] for one in table(machine)] == ["redis"]


def test_a_table_that_others_change_all_the_time_is_given_up_with_what_to_do(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(redis(fleet))
    (machine,) = fleet.machines
    look_around = peers.look_around

    def disturbed(*given: Any) -> Any:
        """After each look another run writes a table with another address."""
        seen = look_around(*given)
        now = machine.table.read().peers
        other = stranger(machine, virtual="198.18.9.9" if "198.18.9.8" in str(now) else "198.18.9.8")
        machine.table.replace(wire.Peers(peers=(other,), secret=SECRET))
        return seen

    machine.table.replace(wire.Peers(peers=(stranger(machine),), secret=SECRET))
    monkeypatch.setattr(peers, "look_around", disturbed)
    with pytest.raises(HostsFailed, match="Other runs change the table") as caught:
        deploy(redis(fleet))
    assert set(caught.value.failures) == {machine.name}


def test_droplets_reach_each_other_and_nobody_else_reaches_them_on_the_port_of_peers(fleet: Fleet) -> None:
    deploy(redis(fleet))
    (firewall,) = fleet.cloud.firewalls.all.values()
    rules = [rule for rule in firewall.inbound if rule.ports == str(wire.PEER_PORT)]
    assert [(rule.addresses, rule.tags) for rule in rules] == [((), firewall.tags)]


def test_a_port_that_droplets_use_themselves_is_refused_at_the_door(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match="Let it listen on another port"):
        deploy(redis(fleet, runs={"kind": "tcp", "port": 443}))
    assert fleet.machines == []
