"""Keys of droplets that serve are turned: visitors notice nothing, and the old ones are dead in the end."""

from __future__ import annotations

import pytest

from agent import keys, wire
from agent.client.transport import open_http
from fleet import key_tags
from fleet.state import Droplet
from tests.e2e.kills import kill_at_step
from tests.e2e.lab import Lab, reference
from tests.e2e.load import visitors
from tests.e2e.scenes import containers, deploy, ours
from tests.e2e.test_agents import processes

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

WHERE = {"environment": reference("environment", "lab-prod"), "older_than_hours": 0}


def droplets(lab: Lab) -> list[Droplet]:
    """Those that serve, as the provider shows them now."""
    return [lab.droplet(name) for name in ours(lab)]


def has_one_key(lab: Lab, droplet: Droplet) -> bool:
    """Whether the droplet answers to the key that its tags name, and 401 to the one before."""
    token, numbers = lab.tokens["digitalocean"], key_tags.key_numbers(droplet.tags)
    now = keys.droplet_secret(token, droplet.name, numbers[0])
    before = keys.api_key(keys.droplet_secret(token, droplet.name, numbers[0] - 1))
    with open_http(now, droplet.name, str(droplet.public_address), wire.PORT) as http:
        answers = [http.get("/containers", headers=headers) for headers in ({}, {wire.KEY_HEADER: before})]
    return len(numbers) == 1 and [one.status_code for one in answers] == [200, 401]


def test_no_visitor_and_no_container_notices_a_turn_of_all_keys(lab: Lab) -> None:
    deploy(lab)
    before = processes(lab)
    with visitors(lab) as visit:
        run = lab.run("rotate-keys", **WHERE)
    assert run.completed, run.log
    assert visit.errors == []
    assert processes(lab) == before
    assert [has_one_key(lab, one) for one in droplets(lab)] == [True, True]
    assert lab.artifact(run.id).count("the old one is dead") == 2
    deploy(lab)


@pytest.mark.parametrize("number", [1, 2])
def test_a_run_that_is_killed_in_a_turn_is_finished_by_the_next(lab: Lab, number: int) -> None:
    started = lab.start("rotate-keys", **WHERE)
    name = ours(lab)[number - 1]
    assert kill_at_step(started, f"{name}: turn the key")
    assert containers(lab, name)["current"] == ("running", lab.ask()["release"])
    run = lab.run("rotate-keys", **WHERE)
    assert run.completed, run.log
    assert [has_one_key(lab, one) for one in droplets(lab)] == [True, True]
