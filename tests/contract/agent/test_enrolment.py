"""The first contact: a droplet that only has its boot secret is handed its own, once."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from agent import keys, wire
from agent.client import AgentClient, AgentProblem, AgentRefused, AgentUnreachable, connect
from agent.client.transport import open_http
from agent.server.app import create_app
from tests.contract.agent.serving import NewDroplet, serving
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import DROPLET, TOKEN, settings

SECRET = keys.droplet_secret(TOKEN, DROPLET)
BOOT = keys.boot_secret(TOKEN, DROPLET)
ENROL = wire.Enrol(secret=SECRET)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[NewDroplet]:
    made = NewDroplet(tmp_path)
    yield made
    made.close()


def test_the_first_contact_hands_over_the_secret_and_the_agent_comes_back_under_it(fresh: NewDroplet) -> None:
    with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", fresh.port) as client:
        assert client.node().droplet == DROPLET
    secret = fresh.state / "secret"
    assert secret.read_text() == SECRET
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert not (fresh.etc / "boot.key").exists()


def test_after_the_first_contact_the_boot_secret_opens_nothing(fresh: NewDroplet) -> None:
    with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", fresh.port) as client:
        client.ping()
    with open_http(BOOT, DROPLET, "127.0.0.1", fresh.port) as http, pytest.raises(AgentRefused):
        AgentClient(http).enrol(ENROL)
    with open_http(SECRET, DROPLET, "127.0.0.1", fresh.port) as http:
        http.headers[wire.KEY_HEADER] = keys.api_key(BOOT)
        with pytest.raises(AgentRefused, match="wrong key"):
            AgentClient(http).containers()


def test_a_second_contact_finds_the_droplet_as_the_first_left_it(fresh: NewDroplet) -> None:
    for _ in range(2):
        with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", fresh.port) as client:
            assert client.ping().ok
    with connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", fresh.port) as client, pytest.raises(AgentProblem) as caught:
        client.enrol(ENROL)
    assert caught.value.problem.code in {"not_found", "method_not_allowed"}


def test_two_controllers_at_the_same_first_contact_both_get_through(fresh: NewDroplet) -> None:
    met: list[str] = []

    def meet() -> bool:
        with suppress(AgentUnreachable), connect(keys.Ring(TOKEN), DROPLET, "127.0.0.1", fresh.port) as client:
            met.append(client.node().droplet)
            return True
        return False  # the agent is on its way back: whoever hears nothing calls again

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(until, meet, "a contact") for _ in range(4)]
        assert [call.exception() for call in calls] == [None] * 4
    assert met == [DROPLET] * 4


def test_a_controller_with_another_token_is_refused_and_leaves_the_droplet_as_it_was(fresh: NewDroplet) -> None:
    with pytest.raises(AgentRefused), connect(keys.Ring("another-token"), DROPLET, "127.0.0.1", fresh.port):
        pass
    assert (fresh.etc / "boot.key").exists()
    assert not (fresh.state / "secret").exists()


def test_before_the_first_contact_there_is_nothing_but_ping_and_enrol(fresh: NewDroplet) -> None:
    with open_http(BOOT, DROPLET, "127.0.0.1", fresh.port) as http:
        assert http.get("/ping").status_code == 200
        assert set(http.get("/openapi.json").json()["paths"]) == {"/ping", "/enrol"}
        assert http.get("/containers").status_code == 404
        del http.headers[wire.KEY_HEADER]
        assert http.post("/enrol", json={"secret": SECRET}).status_code == 401


def test_a_malformed_secret_is_refused_without_being_repeated(fresh: NewDroplet) -> None:
    with open_http(BOOT, DROPLET, "127.0.0.1", fresh.port) as http:
        reply = http.post("/enrol", json={"secret": "not-a-secret-but-confidential"})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid")
    assert "confidential" not in reply.text
    assert not (fresh.state / "secret").exists()


def test_an_enrolled_droplet_is_not_enrolled_again_even_under_the_boot_key(tmp_path: Path) -> None:
    chosen = settings(tmp_path, secret=BOOT, enrolled=False)
    made = NewDroplet(tmp_path)
    made.close()
    with serving(create_app(chosen, made.engine, made.router), chosen) as port:
        with open_http(BOOT, DROPLET, "127.0.0.1", port) as http:
            AgentClient(http).enrol(ENROL)
            with pytest.raises(AgentProblem) as caught:
                AgentClient(http).enrol(wire.Enrol(secret="0" * 64))
        assert caught.value.problem.code == "conflict"
        assert chosen.secret_file.read_text() == SECRET
