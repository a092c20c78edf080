"""A droplet's key is turned: two are good while it lasts, and the one before is dead at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import keys, wire
from agent.client import AgentClient, AgentProblem, AgentRefused, AgentUnreachable, connect
from agent.client.transport import open_http
from agent.server.own_key import OwnKey
from agent.server.secret_files import SecretFiles
from agent.server.settings import load
from tests.contract.agent.serving import NewDroplet, droplet
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import DROPLET, NAME, TOKEN, release, settings

RING = keys.Ring(TOKEN)
FIRST, SECOND, THIRD = (keys.droplet_secret(TOKEN, DROPLET, number) for number in (1, 2, 3))


@pytest.fixture
def enrolled(tmp_path: Path) -> Iterator[NewDroplet]:
    made = NewDroplet(tmp_path)
    with connect(RING, DROPLET, "127.0.0.1", made.port):
        pass
    yield made
    made.close()


def opens(made: NewDroplet, secret: str, key: str = "") -> bool:
    """Whether the droplet shows the certificate of a secret and takes the API key of it, or of another one."""
    with open_http(secret, DROPLET, "127.0.0.1", made.port) as http:
        if key:
            http.headers[wire.KEY_HEADER] = keys.api_key(key)
        try:
            AgentClient(http).containers()
        except AgentRefused:
            return False
    return True


def is_back(made: NewDroplet, secret: str, *, turning: bool) -> bool:
    """Whether the agent is there again, under this secret."""
    try:
        return opens(made, secret) and state(made, secret).turning is turning
    except AgentUnreachable:
        return False


def turn(made: NewDroplet, old: str, new: str) -> None:
    """The first half: the agent is back under the new one."""
    with open_http(old, DROPLET, "127.0.0.1", made.port) as http:
        AgentClient(http).keys.turn(new)
    until(lambda: is_back(made, new, turning=True), "the droplet answers to the new key")


def confirm(made: NewDroplet, new: str, old: str) -> None:
    """The second half: the agent is back, and the old one is dead."""
    with open_http(new, DROPLET, "127.0.0.1", made.port) as http:
        AgentClient(http).keys.confirm()
    until(lambda: is_back(made, new, turning=False), "the agent is back")
    assert not opens(made, new, old)


def state(made: NewDroplet, secret: str) -> wire.KeyState:
    """What the droplet says of its key."""
    with open_http(secret, DROPLET, "127.0.0.1", made.port) as http:
        return AgentClient(http).keys.read()


def test_two_keys_are_good_while_they_turn_and_the_old_one_gets_401_at_the_end(enrolled: NewDroplet) -> None:
    turn(enrolled, FIRST, SECOND)
    assert opens(enrolled, SECOND)
    assert opens(enrolled, SECOND, FIRST)
    confirm(enrolled, SECOND, FIRST)
    with open_http(SECOND, DROPLET, "127.0.0.1", enrolled.port) as http:
        assert http.get("/key", headers={wire.KEY_HEADER: keys.api_key(FIRST)}).status_code == 401
    assert not opens(enrolled, FIRST)
    assert not (enrolled.state / "secret.former").exists()


def test_both_steps_may_be_repeated_and_change_nothing(enrolled: NewDroplet) -> None:
    turn(enrolled, FIRST, SECOND)
    with open_http(SECOND, DROPLET, "127.0.0.1", enrolled.port) as http:
        since = AgentClient(http).keys.read().since
        assert AgentClient(http).keys.turn(SECOND) == wire.KeyState(since=since, turning=True)
    confirm(enrolled, SECOND, FIRST)
    with open_http(SECOND, DROPLET, "127.0.0.1", enrolled.port) as http:
        assert AgentClient(http).keys.confirm() == wire.KeyState(since=since, turning=False)
        assert AgentClient(http).keys.turn(SECOND) == wire.KeyState(since=since, turning=False)
        assert AgentClient(http).keys.read().since == since


def test_the_old_key_cannot_confirm_the_new_one(enrolled: NewDroplet) -> None:
    turn(enrolled, FIRST, SECOND)
    with open_http(SECOND, DROPLET, "127.0.0.1", enrolled.port) as http:
        http.headers[wire.KEY_HEADER] = keys.api_key(FIRST)
        with pytest.raises(AgentProblem) as caught:
            AgentClient(http).keys.confirm()
    assert caught.value.problem.code == "turning"
    assert opens(enrolled, SECOND, FIRST)


def test_a_turn_does_not_begin_in_the_middle_of_another(enrolled: NewDroplet) -> None:
    turn(enrolled, FIRST, SECOND)
    with open_http(SECOND, DROPLET, "127.0.0.1", enrolled.port) as http, pytest.raises(AgentProblem) as caught:
        AgentClient(http).keys.turn(THIRD)
    assert caught.value.problem.code == "turning"
    assert (enrolled.state / "secret").read_text() == SECOND


def test_a_turn_does_not_begin_while_somebody_holds_a_lease(enrolled: NewDroplet) -> None:
    with open_http(FIRST, DROPLET, "127.0.0.1", enrolled.port) as http:
        AgentClient(http).take_lease(NAME, wire.LeaseRequest(holder="a deploy"))
        with pytest.raises(AgentProblem) as caught:
            AgentClient(http).keys.turn(SECOND)
    assert caught.value.problem.code == "leased"
    assert (enrolled.state / "secret").read_text() == FIRST


def test_a_controller_finds_the_key_whichever_of_its_ring_it_is(enrolled: NewDroplet) -> None:
    turn(enrolled, FIRST, SECOND)
    for ring in (RING, keys.Ring(TOKEN, numbers=(2, 1)), keys.Ring("another", former=TOKEN)):
        with connect(ring, DROPLET, "127.0.0.1", enrolled.port) as client:
            assert client.opening == keys.Opening(SECOND, 2, current=ring.token == TOKEN)
    confirm(enrolled, SECOND, FIRST)
    with pytest.raises(AgentRefused), connect(keys.Ring("another"), DROPLET, "127.0.0.1", enrolled.port):
        pass


def test_what_is_sealed_on_the_disk_outlives_every_turn(enrolled: NewDroplet, tmp_path: Path) -> None:
    files = SecretFiles(enrolled.run, enrolled.state, load(enrolled.etc, enrolled.state).sealed_under)
    files.write(NAME, release(1), {"password": "hunter2"})
    for old, new in ((FIRST, SECOND), (SECOND, THIRD)):
        turn(enrolled, old, new)
        confirm(enrolled, new, old)
    after = SecretFiles(tmp_path / "another-boot", enrolled.state, load(enrolled.etc, enrolled.state).sealed_under)
    assert after.restore() == 1
    assert (tmp_path / "another-boot/secrets" / NAME / release(1) / "password").read_text() == "hunter2"


def test_no_answer_and_no_log_holds_a_secret(enrolled: NewDroplet) -> None:
    with open_http(FIRST, DROPLET, "127.0.0.1", enrolled.port) as http:
        refused = http.put("/key", json={"secret": "not-a-secret-but-confidential"})
        state = http.get("/key").text
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert "confidential" not in refused.text
    assert FIRST not in state
    assert keys.api_key(FIRST) not in state


@pytest.mark.parametrize("written", range(4))
def test_whatever_a_death_leaves_of_the_first_step_a_working_key_is_among_what_is_known(
    tmp_path: Path, written: int
) -> None:
    """The three files are written one after the other; the droplet starts after any of them."""
    etc, state = tmp_path / "etc", tmp_path / "state"
    etc.mkdir()
    state.mkdir()
    (etc / "droplet").write_text(DROPLET)
    (state / "secret").write_text(FIRST)
    steps = [("sealing", FIRST), ("secret.former", FIRST), ("secret", SECOND)]
    for name, content in steps[:written]:
        (state / name).write_text(content)
    found = load(etc, state)
    assert found.secret in (FIRST, SECOND)
    assert found.former in ("", FIRST)
    assert found.sealed_under == FIRST
    own = OwnKey(found)
    own.turn(SECOND)
    assert (load(etc, state).secret, load(etc, state).former) == (SECOND, FIRST)
    own.confirm(keys.api_key(SECOND))
    assert (load(etc, state).secret, load(etc, state).former) == (SECOND, "")


def test_a_fresh_agent_says_that_nothing_turns(tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        assert client.keys.read().turning is False
    assert settings(tmp_path).sealed_under == FIRST
