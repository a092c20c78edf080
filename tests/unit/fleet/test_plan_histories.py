"""What plans keep over a whole history of deploys, rollbacks, scaling and undeploys: the world as a state machine."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fleet import naming
from fleet.errors import InvalidInput
from fleet.plan import Plan
from fleet.rollback import RollbackPlan, kept_releases, plan_rollback
from fleet.spec import ServiceSpec
from fleet.state import World
from tests.unit.fleet.worlds import (
    DOMAIN,
    EDGE,
    HELLO,
    OWNER,
    SPEC,
    after_deploy,
    after_rollback,
    after_undeploy,
    deploy,
    foreign,
    service,
    worlds,
)

MOST = 5
"""How many older releases are kept at most here."""


def serving(world: World) -> set[str]:
    """Droplets where the service has a current container."""
    return {host.droplet.name for host in world.hosts if host.find(HELLO)}


def led_to(world: World) -> set[tuple[str, str]]:
    """Names and addresses of the records of the service."""
    mine = [one for one in world.records if naming.is_ours(one.comment, OWNER, SPEC, "hello")]
    return {(one.name, one.content) for one in mine}


class Histories(RuleBasedStateMachine):
    """One service of an environment, over its life."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World((), edge=EDGE)
        self.wanted = service(keep=MOST)
        self.count = 0
        self.others: list[object] = []

    @initialize(world=worlds())
    def begin(self, world: World) -> None:
        """A world that somebody left behind, with a record of somebody else."""
        strange = foreign("www.example.com", "our web server", number=1000)
        self.world = World(world.hosts, (*world.records, strange), world.firewalls, edge=EDGE)
        self.others = self._others()

    @rule(replicas=st.integers(1, 5), keep=st.integers(1, MOST))
    def scale_and_deploy(self, replicas: int, keep: int) -> None:
        """A new release, on so many droplets, which keep so many older ones."""
        self.wanted = service(replicas, keep=keep)
        self._deploy(self.wanted)

    @rule(domain=st.sampled_from([DOMAIN, "old.example.com"]))
    def rename(self, domain: str) -> None:
        """A new release under another name."""
        self._deploy(service(self.wanted.replicas, domain=domain, keep=self.wanted.keep_releases))

    @rule(letter=st.sampled_from("123456789"))
    def undeploy(self, letter: str) -> None:
        """The service off one droplet; the next deploy brings it back elsewhere or there."""
        self.world = after_undeploy(self.world, letter)

    @rule()
    def roll_back(self) -> None:
        """The release before, where every droplet has kept one; asked a second time, it goes no further."""
        try:
            plan = plan_rollback(self.world, OWNER, SPEC, self.wanted)
        except InvalidInput:
            return
        changed = {now for now in plan.before.releases.values() if now != plan.release}
        self._roll_back(plan)
        if changed and max(changed) > plan.release:
            with pytest.raises(InvalidInput, match="a newer one"):
                plan_rollback(self.world, OWNER, SPEC, self.wanted)

    @rule(data=st.data())
    def roll_back_to(self, data: st.DataObject) -> None:
        """Any release that is kept: it works where every droplet of the service has it."""
        kept = kept_releases({host.droplet.name: host.containers for host in self.world.hosts})
        mine = [one for one in kept if one.container == HELLO and serving(self.world)]
        wanted = data.draw(st.sampled_from(mine)) if mine else None
        if wanted and wanted.missing:
            with pytest.raises(InvalidInput, match="cannot serve everywhere"):
                plan_rollback(self.world, OWNER, SPEC, self.wanted, wanted.release)
        elif wanted:
            self._roll_back(plan_rollback(self.world, OWNER, SPEC, self.wanted, wanted.release))

    def _roll_back(self, plan: RollbackPlan) -> None:
        before = serving(self.world)
        self.world = after_rollback(self.world, plan)
        assert serving(self.world) == before
        again = plan_rollback(self.world, OWNER, SPEC, self.wanted, plan.release)
        assert {host.find(HELLO).release for host in self.world.hosts if host.find(HELLO)} == {plan.release}  # type: ignore[union-attr]  # it is there
        assert not again.records.changes
        assert all(len(host.older(HELLO)) <= MOST for host in self.world.hosts)

    @invariant()
    def nothing_of_others_is_touched(self) -> None:
        """Records, and containers of other services, are as they were."""
        assert self._others() == self.others

    def _deploy(self, wanted: ServiceSpec) -> None:
        self.count += 1
        release = f"202612{self.count % 28 + 1:02}t{self.count:06}-dddddd"
        plan = deploy(self.world, wanted, f"seed {self.count}")
        self._check_order(plan)
        self.world = after_deploy(self.world, plan, wanted, release)
        assert deploy(self.world, wanted, "again").is_done(release), "it converges in one step"
        assert len(serving(self.world)) >= wanted.replicas
        addresses = {host.droplet.public_address for host in self.world.hosts if host.find(HELLO)}
        assert led_to(self.world) == {(name, address) for address in addresses for name in wanted.domains}

    def _check_order(self, plan: Plan) -> None:
        """Never fewer serve than before until the new ones do: what is left, is left when the rest serves."""
        before, stay = serving(self.world), {one.name for one in plan.keep}
        left = {one.name for one in plan.drain}
        assert before <= stay | left
        assert not stay & left
        assert len(stay) + len(plan.create) >= min(len(before), self.wanted.replicas)
        addresses = {one.public_address for one in plan.keep if one.name in before}
        gone = (*plan.records.stale, *plan.records.left)
        assert not addresses & {one.content for one in gone}, "no record to a droplet that serves on is removed late"

    def _others(self) -> list[object]:
        mine = {one.id for one in self.world.records if naming.is_ours(one.comment, OWNER, SPEC, "hello")}
        containers = [
            (host.droplet.name, seen) for host in self.world.hosts for seen in host.containers if seen.name != HELLO
        ]
        return [*(one for one in self.world.records if one.id not in mine), *containers]


Histories.TestCase.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
TestHistories = pytest.mark.filterwarnings("ignore:Do not use the `random` module")(Histories.TestCase)
