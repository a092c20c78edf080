"""The flow `remediate` and the rounds that start it: each step of the ladder but the last."""

from __future__ import annotations

from flows.deploy import deploy
from tests.flows.fleet_of_fakes import DOMAIN
from tests.flows.ward import Ward
from tests.flows.warding import current, serve, twice


def test_a_fleet_that_is_well_is_left_alone_and_leaves_no_record(ward: Ward) -> None:
    serve(ward)
    before = ward.fleet.changes
    ward.look(5)
    assert ward.fleet.changes == before
    assert ward.records() == []


def test_a_container_that_fell_is_restarted(ward: Ward) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)
    decision = ward.until("restart")
    assert ward.carry_out(decision) == "helped"
    assert current(ward.machines[0]).running
    twice(ward, decision)
    assert set(ward.record(decision).outcomes[0].fencing) == {ward.machines[0].name}


def test_a_container_that_serves_again_by_itself_is_not_restarted(ward: Ward) -> None:
    name = serve(ward)
    ward.machines[0].engine.exit(name)
    decision = ward.until("restart")
    ward.machines[0].engine.start(name)
    began = current(ward.machines[0]).started_at
    assert ward.carry_out(decision) == "helped"
    assert current(ward.machines[0]).started_at == began


def test_a_container_that_restarts_do_not_mend_is_made_anew_of_its_release(ward: Ward) -> None:
    name = serve(ward)
    machine, release = ward.machines[0], current(ward.machines[0]).release
    machine.engine.crashing.add(release)
    machine.engine.exit(name)
    old = current(machine).id
    decision = ward.until("recreate", rounds=30)
    machine.engine.crashing.clear()
    assert ward.carry_out(decision) == "helped"
    assert (current(machine).release, current(machine).running) == (release, True)
    assert current(machine).id != old
    twice(ward, decision)


def test_what_is_not_what_its_block_says_is_not_made_anew(ward: Ward) -> None:
    name = serve(ward)
    machine = ward.machines[0]
    machine.engine.crashing.add(current(machine).release)
    machine.engine.exit(name)
    decision = ward.until("recreate", rounds=30)
    ward.services[0] = ward.services[0].model_copy(update={"memory_mib": 64})
    assert ward.carry_out(decision) == "unhelpful"
    assert "Deploy it" in ward.record(decision).outcomes[0].outcome.detail


def test_a_deploy_that_turned_bad_is_taken_back_everywhere(ward: Ward) -> None:
    name = serve(ward)
    good = current(ward.machines[0]).release
    ward.fleet.write("two")
    deploy(ward.services[0])
    bad = current(ward.machines[0]).release
    for machine in ward.machines:
        machine.engine.crashing.add(bad)
        machine.engine.exit(name)
    decision = ward.until("rollback")
    assert ward.carry_out(decision) == "helped"
    assert [current(one).release for one in ward.machines] == [good, good]
    assert ward.fleet.serving == {good}
    twice(ward, decision)


def test_a_dead_droplet_leaves_dns_with_the_round_that_confirms_it_and_comes_back_when_it_is_well(ward: Ward) -> None:
    serve(ward)
    dead, well = ward.machines
    ward.power(dead, "off")
    (decision,) = ward.look()
    assert ward.carry_out(decision) == "helped"
    assert ward.fleet.records == [(DOMAIN, well.address)]
    twice(ward, decision)
    ward.power(dead, "active")
    back = ward.until("return to DNS", rounds=4)
    assert ward.carry_out(back) == "helped"
    assert ward.fleet.records == ward.fleet.everywhere
    twice(ward, back)


def test_the_last_host_of_a_name_stays_in_dns(ward: Ward) -> None:
    serve(ward, replicas=1)
    ward.power(ward.machines[0], "off")
    ward.look()
    assert ward.actions() == []
    assert ward.alerts() == ["dead", "last host"]
    assert len(ward.fleet.records) == 1


def test_a_record_stays_when_the_other_host_left_after_the_decision(ward: Ward) -> None:
    serve(ward)
    dead, well = ward.machines
    ward.power(dead, "off")
    (decision,) = ward.look()
    gone = next(one for one in ward.fleet.dns.all.values() if one.content == well.address)
    del ward.fleet.dns.all[gone.id]
    assert ward.carry_out(decision) == "cancelled"
    assert ward.fleet.records == [(DOMAIN, dead.address)]


def test_a_droplet_that_hangs_is_power_cycled(ward: Ward) -> None:
    serve(ward, replicas=1)
    (machine,) = ward.machines
    machine.silence()
    ward.edge[DOMAIN] = "silent"
    decision = ward.until("power-cycle")
    ward.fleet.cloud.faults.watch = lambda call: machine.wake() if call == "droplets.act" else None
    assert ward.carry_out(decision) == "helped"
    ward.edge.clear()
    twice(ward, decision)


def test_a_droplet_that_answers_again_is_not_power_cycled(ward: Ward) -> None:
    serve(ward, replicas=1)
    (machine,) = ward.machines
    machine.silence()
    ward.edge[DOMAIN] = "silent"
    decision = ward.until("power-cycle")
    machine.wake()
    assert ward.carry_out(decision) == "cancelled"
    assert "droplets.act" not in ward.fleet.cloud.faults.calls
