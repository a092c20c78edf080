"""The flow `rotate-keys`: kills before each of its changes, droplets that do not answer, and a token that is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from agent import keys, wire
from agent.client import AgentClient, AgentRefused, connect
from agent.client import session as way
from agent.client.keys import KeyClient
from blocks.environment import Environment
from fleet import key_tags
from fleet.errors import HostsFailed, InvalidInput, PermanentError
from flows.deploy import deploy
from flows.rotate_keys import rotate_keys
from flows.undeploy import undeploy
from tasks.agents import ring_of
from tests.fakes.deaths import Death
from tests.fakes.router import Killed
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine

OLD, NEW = "dop_v1_x", "dop_v1_y"
REPORT = "keys-demo-prod"


def secret(machine: Machine) -> str:
    """What the droplet presents itself under."""
    return (machine.folder / "state/secret").read_text()


def tags(fleet: Fleet, machine: Machine) -> tuple[int, ...]:
    """The numbers of keys that a droplet's tags name."""
    return key_tags.key_numbers(next(one.tags for one in fleet.droplets.all.values() if one.name == machine.name))


def has_key(fleet: Fleet, number: int, token: str = OLD) -> bool:
    """Whether every droplet has this key, and no trace of another one."""
    return all(
        secret(one) == keys.droplet_secret(token, one.name, number)
        and tags(fleet, one) == (number,)
        and not (one.folder / "state/secret.former").exists()
        for one in fleet.machines
    )


def opens(machine: Machine, secret: str, key: str) -> bool:
    """Whether an agent under this secret takes this API key."""
    # Where the lane leads calls to its machines.
    with way.open_http(secret, machine.name, machine.address, wire.PORT) as http:  # type: ignore[attr-defined]
        http.headers[wire.KEY_HEADER] = keys.api_key(key)
        try:
            AgentClient(http).containers()
        except AgentRefused:
            return False
    return True


def answers(fleet: Fleet, machine: Machine, environment: Environment) -> bool:
    """Whether the controller gets in by what the droplet's tags say."""
    droplet = next(one for one in fleet.droplets.all.values() if one.name == machine.name)
    with connect(ring_of(environment, droplet), machine.name, machine.address) as client:
        return client.node().droplet == machine.name


def turned_token(fleet: Fleet, former: str = OLD) -> Environment:
    """The environment after its token was replaced."""
    environment = fleet.environment()
    seed = SecretStr(environment.digitalocean.seed_value())
    update = {"token": SecretStr(NEW), "former_token": SecretStr(former), "seed": seed}
    digitalocean = environment.digitalocean.model_copy(update=update)
    return environment.model_copy(update={"digitalocean": digitalocean})


@contextmanager
def watched(fleet: Fleet, death: Death) -> Iterator[None]:
    """Every change of the controller goes through `death` while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("add", "remove"):
            patch.setattr(fleet.cloud.tags, name, death.guarded(f"tags.{name}", getattr(fleet.cloud.tags, name)))
        for name in ("turn", "confirm"):
            patch.setattr(KeyClient, name, death.guarded(f"key.{name}", getattr(KeyClient, name)))
        yield


def rotate_until_killed(fleet: Fleet, environment: Environment, number: int) -> bool:
    """A run that dies before its `number`th change; whether it lived on because it has no so many."""
    death = Death(number)
    with watched(fleet, death):
        try:
            rotate_keys(environment, older_than_hours=0)
        except (Killed, HostsFailed):
            assert death.over
        else:
            return True
    return False


def test_every_droplet_gets_another_key_and_the_old_one_is_dead(fleet: Fleet) -> None:
    deploy(fleet.service())
    before = {one.name: secret(one) for one in fleet.machines}
    ids = [one.ids for one in fleet.machines]
    rotate_keys(fleet.environment(), older_than_hours=0)
    assert has_key(fleet, 2)
    assert [opens(one, secret(one), before[one.name]) for one in fleet.machines] == [False, False]
    assert [one.ids for one in fleet.machines] == ids
    report = latest(REPORT)
    assert all(f"{one.name} | key 1 | key 1 → key 2; the old one is dead" in report for one in fleet.machines)
    assert [one for one in before.values() if one in report] == []


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service())
    rotate_keys(fleet.environment(), older_than_hours=0)
    changes, starts = fleet.changes, [one.starts for one in fleet.machines]
    rotate_keys(fleet.environment())
    assert has_key(fleet, 2)
    assert (fleet.changes, [one.starts for one in fleet.machines]) == (changes, starts)
    assert "nothing to do" in latest(REPORT)


def test_after_a_turn_every_flow_goes_on_as_before(fleet: Fleet) -> None:
    deploy(fleet.service())
    rotate_keys(fleet.environment(), older_than_hours=0)
    fleet.write("two")
    deploy(fleet.service())
    assert len(fleet.serving) == 1
    undeploy(fleet.service(), destroy_empty=True)
    assert fleet.droplets.all == {}
    assert [tag for tag in fleet.cloud.tags.all if key_tags.is_key_tag(tag)] == []


@pytest.mark.parametrize("turned", ["keys alone", "the token"])
def test_whenever_a_run_is_killed_a_key_works_and_the_next_run_ends_with_the_old_ones_dead(
    fleet: Fleet, turned: str
) -> None:
    deploy(fleet.service())
    environment = fleet.environment() if turned == "keys alone" else turned_token(fleet)
    number, alive = 0, False
    while not alive:
        number += 1
        before = {one.name: secret(one) for one in fleet.machines}
        alive = rotate_until_killed(fleet, environment, number)
        assert all(answers(fleet, one, environment) for one in fleet.machines)
        rotate_keys(environment, older_than_hours=0)
        numbers = [tags(fleet, one) for one in fleet.machines]
        assert [len(one) for one in numbers] == [1, 1]
        assert [opens(one, secret(one), before[one.name]) for one in fleet.machines] == [False, False]
    assert number == 9  # four changes a droplet, and the run that nothing kills
    token = environment.digitalocean.token.get_secret_value()
    expected = [keys.droplet_secret(token, one.name, tags(fleet, one)[0]) for one in fleet.machines]
    assert [secret(one) for one in fleet.machines] == expected


def test_a_turn_that_was_begun_is_finished_and_no_other_begins(fleet: Fleet) -> None:
    deploy(fleet.service())
    assert not rotate_until_killed(fleet, fleet.environment(), 4)  # two tags, a turn, and then the end
    first, second = fleet.machines
    assert tags(fleet, first) == (2, 1)
    rotate_keys(fleet.environment())
    assert (tags(fleet, first), tags(fleet, second)) == ((2,), (1,))
    assert secret(first) == keys.droplet_secret(OLD, first.name, 2)
    assert f"{first.name} | key 2 | key 2: its turn was finished" in latest(REPORT)


def test_a_droplet_that_does_not_answer_is_pending_and_finished_by_another_run(fleet: Fleet) -> None:
    deploy(fleet.service())
    first, second = fleet.machines
    second.silence()
    with pytest.raises(PermanentError, match=f"Pending on 1 droplets[^\n]*\n  {second.name}"):
        rotate_keys(fleet.environment(), older_than_hours=0)
    assert (tags(fleet, first), tags(fleet, second)) == ((2,), (1,))
    report = latest(REPORT)
    assert f"{first.name} | key 1 | key 1 → key 2" in report
    assert f"{second.name} | ? | pending" in report
    second.wake()
    rotate_keys(fleet.environment(), droplets=[second.name], older_than_hours=0)
    assert has_key(fleet, 2)


def test_a_plan_alone_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service())
    changes = fleet.changes
    rotate_keys(fleet.environment(), older_than_hours=0, plan_only=True)
    assert fleet.changes == changes
    assert has_key(fleet, 1)
    assert "only the plan" in latest(REPORT)


def test_a_name_that_is_no_droplet_is_refused_before_anything_is_changed(fleet: Fleet) -> None:
    deploy(fleet.service())
    with pytest.raises(InvalidInput, match="has no droplet elsewhere"):
        rotate_keys(fleet.environment(), droplets=["elsewhere"], older_than_hours=0)
    assert has_key(fleet, 1)


def test_a_new_token_cuts_nothing_off_while_the_old_one_is_known(fleet: Fleet) -> None:
    deploy(fleet.service())
    releases = fleet.serving
    environment = turned_token(fleet)
    deploy(fleet.service(environment=environment))
    assert fleet.serving == releases  # the same release: its name does not depend on the token
    rotate_keys(environment)
    assert has_key(fleet, 2, NEW)
    deploy(fleet.service(environment=turned_token(fleet, former="")))
    assert fleet.serving == releases


def test_a_new_token_without_the_old_one_is_refused_by_every_droplet_and_the_way_out_is_told(fleet: Fleet) -> None:
    deploy(fleet.service())
    with pytest.raises(PermanentError, match="former token"):
        rotate_keys(turned_token(fleet, former=""))
    assert has_key(fleet, 1)


def test_a_droplet_under_another_runs_lock_is_not_touched(fleet: Fleet) -> None:
    deploy(fleet.service())
    machine = fleet.machines[0]
    with connect(keys.Ring(OLD), machine.name, machine.address) as client:
        client.take_lease("9fe5e6_demo_prod_shop", wire.LeaseRequest(holder="another run"))
    with pytest.raises(HostsFailed, match="another run"):
        rotate_keys(fleet.environment(), older_than_hours=0, when_locked="fail")
    assert "pending: not begun" in latest(REPORT)
    assert secret(machine) == keys.droplet_secret(OLD, machine.name)
