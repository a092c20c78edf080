"""The flow `upgrade-agents`, with real agents and real guards on fake droplets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

import agent
from agent import keys, wire
from agent.client import AgentClient
from agent.client.transport import open_http
from agent.guard import Guard
from fleet.errors import HostsFailed, PermanentError
from flows.deploy import deploy
from flows.upgrade_agents import upgrade_agents
from tasks.bake import wheelhouse
from tests.fakes.guard import FakeDroplet, place
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine, TlsMachine

pytestmark = pytest.mark.engine
POLL_SECONDS = 0.01


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The controller's own."""
    return wheelhouse.agent_wheel(lambda line: None)


@pytest.fixture(scope="module")
def identity(wheel: Path) -> dict[str, str]:
    """What a droplet notes of that version."""
    return dict(json.loads(wheelhouse.identity(wheel)))


class Watched:
    """A droplet's disk with a guard that begins as soon as the agent has received something."""

    def __init__(self, machine: Machine) -> None:
        assert isinstance(machine, TlsMachine)
        self.name = machine.name
        self.paths = place(machine.folder)
        self.droplet = FakeDroplet(self.paths, machine.restart)
        self._over = Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()
        machine.restart()  # the agent notes at its start what it was installed from

    @property
    def upgraded(self) -> bool:
        """Whether another version is used than the snapshot's."""
        return self.droplet.used != "baked"

    def close(self) -> None:
        """Ends the guard."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            Guard(self.droplet, self.paths).upgrade()


@contextmanager
def guarded(fleet: Fleet) -> Iterator[list[Watched]]:
    """A guard on every droplet, in the order of their names."""
    with ExitStack() as stack:
        watched = []
        for machine in fleet.machines:
            watched.append(Watched(machine))
            stack.callback(watched[-1].close)
        yield watched


def ids(fleet: Fleet) -> list[dict[str, str]]:
    """Docker's ids of all containers."""
    return [machine.ids for machine in fleet.machines]


def ill(wheel: dict[str, str]) -> str:
    """What the folder of the controller's version is called."""
    return f"{agent.__version__}-{wheel['wheel'][7:19]}"


def test_every_agent_gets_the_version_and_a_second_run_touches_nothing(fleet: Fleet) -> None:
    deploy(fleet.service())
    before = ids(fleet)
    with guarded(fleet) as droplets:
        upgrade_agents(fleet.environment())
        assert all(one.upgraded for one in droplets)
        commands = [list(one.droplet.commands) for one in droplets]
        upgrade_agents(fleet.environment())
        assert [one.droplet.commands for one in droplets] == commands
    assert "nothing to do: every agent has this version already" in latest("agents-demo-prod")
    assert ids(fleet) == before
    deploy(fleet.service())


def test_a_plan_alone_changes_nothing(fleet: Fleet) -> None:
    deploy(fleet.service())
    with guarded(fleet) as droplets:
        upgrade_agents(fleet.environment(), plan_only=True)
        assert not any(one.upgraded or one.droplet.commands for one in droplets)
    assert "only the plan" in latest("agents-demo-prod")


def test_a_bad_version_is_taken_back_by_the_first_droplet_and_reaches_no_other(
    fleet: Fleet, identity: dict[str, str]
) -> None:
    deploy(fleet.service())
    before = ids(fleet)
    with guarded(fleet) as (first, second):
        first.droplet.ill.add(ill(identity))
        with pytest.raises(HostsFailed, match="is no good: it crashed 5 times"):
            upgrade_agents(fleet.environment())
        assert not first.upgraded
        assert second.droplet.commands == []
    assert "Traceback: it is broken" in latest("agents-demo-prod")
    assert "not begun" in latest("agents-demo-prod")
    assert ids(fleet) == before


def test_only_what_the_droplet_lacks_is_sent(fleet: Fleet, identity: dict[str, str]) -> None:
    deploy(fleet.service())
    with guarded(fleet) as (first, second):
        (first.paths.link / "agent.json").write_text(json.dumps({**identity, "wheel": f"sha256:{'0' * 64}"}))
        machine = fleet.machines[0]
        assert isinstance(machine, TlsMachine)
        machine.restart()
        upgrade_agents(fleet.environment())
        assert [line.split()[0] for line in (first.droplet.commands[0], second.droplet.commands[0])] == [
            "cp",
            "python3",
        ]


def test_a_service_that_another_run_changes_is_waited_for_or_named(fleet: Fleet) -> None:
    deploy(fleet.service())
    machine = fleet.machines[0]
    secret = keys.droplet_secret("dop_v1_x", machine.name)
    with guarded(fleet) as droplets:
        with open_http(secret, machine.name, machine.address, wire.PORT) as http:
            lease = AgentClient(http).take_lease("9fe5e6_demo_prod_hello", wire.LeaseRequest(holder="deploy (7)"))
            with pytest.raises(HostsFailed, match=r"deploy \(7\) holds it"):
                upgrade_agents(fleet.environment(), when_locked="fail")
            assert not any(one.upgraded for one in droplets)
            AgentClient(http, lease.fencing).free_lease("9fe5e6_demo_prod_hello")
        upgrade_agents(fleet.environment(), when_locked="fail")
        assert all(one.upgraded for one in droplets)


def test_a_droplet_that_does_not_answer_is_named_and_the_others_get_the_version(fleet: Fleet) -> None:
    deploy(fleet.service())
    with guarded(fleet) as (first, second):
        fleet.machines[1].silence()
        with pytest.raises(PermanentError, match=fleet.machines[1].name):
            upgrade_agents(fleet.environment())
        assert (first.upgraded, second.upgraded) == (True, False)


def test_a_file_that_is_no_wheel_of_the_agent_is_refused_at_the_door(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "deployer_agent-1-py3-none-any.whl").write_bytes(b"no zip")
    with pytest.raises(PermanentError, match="cannot be read as a wheel"):
        upgrade_agents(fleet.environment(), wheel=str(tmp_path / "deployer_agent-1-py3-none-any.whl"))
