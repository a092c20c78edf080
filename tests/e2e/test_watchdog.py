"""Droplets heal by themselves: nothing is asked of the controller here."""

from __future__ import annotations

import httpx
import pytest

from agent import keys
from agent.client import connect
from tests.e2e.lab import DOMAIN, Lab
from tests.e2e.scenes import containers, eventually, ours

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

BACK_SECONDS = 15.0
HUNG_SECONDS = 45.0
EDGE = "127.76.0.1"
"""The only address from which a droplet's web ports are open."""


def agent(lab: Lab, droplet: str) -> str:
    """The process of the agent; 0 while there is none."""
    return lab.inside(droplet, "systemctl", "show", "--property=MainPID", "--value", "deployer-agent").strip()


def hello(lab: Lab, droplet: str) -> str:
    """The id of the example's current container."""
    return lab.inside(droplet, "docker", "ps", "--all", "--quiet", "--filter=name=_hello$").strip()


def processes(lab: Lab, droplet: str) -> list[str]:
    """Every container's process."""
    ids = lab.inside(droplet, "docker", "ps", "--quiet", "--no-trunc").split()
    return lab.inside(droplet, "docker", "inspect", "--format={{.Id}} {{.State.Pid}}", *ids).splitlines()


def answers(lab: Lab, droplet: str) -> bool:
    """Whether the droplet itself serves the example, asked as the edge asks."""
    way = httpx.HTTPTransport(local_address=EDGE)
    url = f"http://{lab.droplet(droplet).public_address}/json"
    with httpx.Client(transport=way, timeout=2) as visitor:
        try:
            reply = visitor.get(url, headers={"Host": DOMAIN})
        except httpx.TransportError:
            return False
    return reply.status_code == httpx.codes.OK and reply.json()["droplet"] == droplet


def test_a_container_that_is_killed_serves_again_within_fifteen_seconds(lab: Lab) -> None:
    first = ours(lab)[0]
    assert answers(lab, first)
    process = processes(lab, first)
    lab.inside(first, "docker", "kill", hello(lab, first))
    eventually(lambda: answers(lab, first), "it serves again", BACK_SECONDS)
    assert processes(lab, first) != process, "another process"
    assert containers(lab, first)["current"][0] == "running"


def test_an_agent_that_hangs_is_back_within_45_seconds_and_containers_do_not_notice(lab: Lab) -> None:
    first = ours(lab)[0]
    before, hung = processes(lab, first), agent(lab, first)
    lab.inside(first, "kill", "-STOP", hung)
    ready = ("systemctl", "is-active", "deployer-agent")
    eventually(
        lambda: agent(lab, first) not in (hung, "0") and lab.inside(first, *ready).strip() == "active",
        "the agent is back",
        HUNG_SECONDS,
    )
    assert processes(lab, first) == before


def test_a_restart_of_docker_is_no_event_for_containers(lab: Lab) -> None:
    first = ours(lab)[0]
    before = processes(lab, first)
    lab.inside(first, "systemctl", "restart", "docker")
    eventually(lambda: processes(lab, first) == before, "Docker knows them again", BACK_SECONDS)
    assert containers(lab, first)["current"][0] == "running"


def test_a_droplet_says_how_it_is_itself(lab: Lab) -> None:
    droplet = lab.droplet(ours(lab)[0])
    with connect(keys.Ring(lab.tokens["digitalocean"]), droplet.name, str(droplet.public_address)) as agent:
        found = agent.node().vitals
    assert set(found) == {"disk", "memory", "certificate", "clock"}
    assert (found["certificate"].verdict, found["clock"].verdict) == ("healthy", "healthy"), found
