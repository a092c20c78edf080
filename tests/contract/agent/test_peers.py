"""Peers by name with two real nginx, each a droplet: what reaches what, and what never does."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent import keys, wire
from agent.client import AgentProblem
from agent.server import peers as tables
from agent.server import peers_nginx
from agent.server.app import create_app
from agent.server.errors import Failure
from agent.server.peers_conf import Site
from tests.contract.agent import engines, peering
from tests.contract.agent.journal import Journal
from tests.contract.agent.peering import QUEUE, REDIS, SECRET, Backend, Environment
from tests.contract.agent.serving import Droplet, serving
from tests.contract.sandbox.cloudflare.serving import until
from tests.fakes.engine import FakeEngine
from tests.fakes.proxy import FakeProxy
from tests.fakes.router import FakeRouter
from tests.unit.agent.builders import DROPLET, NAME, TOKEN, release, settings, spec

OURS = keys.peer_identity(SECRET)


@pytest.fixture
def pair() -> Iterator[Environment]:
    with peering.environment() as made:
        yield made


@pytest.fixture
def blue() -> Iterator[Backend]:
    with peering.backend("blue") as running:
        yield running


@pytest.fixture
def green() -> Iterator[Backend]:
    with peering.backend("green") as running:
        yield running


@pytest.fixture
def shared(pair: Environment, blue: Backend) -> Environment:
    """Redis runs on the far droplet."""
    pair.far.containers.at[REDIS] = blue
    pair.share((REDIS, pair.far))
    return pair


def test_a_service_answers_at_its_address_where_it_runs_and_on_every_other_droplet(shared: Environment) -> None:
    for droplet in (shared.far, shared.near):
        connection = droplet.connect()
        assert connection.greeting == "blue"
        assert [connection.say(word) for word in ("one", "two")] == ["one", "two"]
        connection.close()


def test_much_data_passes_both_hops_unharmed(shared: Environment) -> None:
    connection = shared.near.connect()
    words = [f"{number:08d}" * 100 for number in range(500)]
    assert [connection.say(word) for word in words] == words
    connection.close()


def test_the_end_of_one_direction_does_not_end_the_other(shared: Environment) -> None:
    for droplet in (shared.far, shared.near):
        connection = droplet.connect()
        assert connection.say("last") == "last"
        connection.socket.shutdown(socket.SHUT_WR)
        assert [connection.line(), connection.line()] == ["bye", ""]
        connection.close()


def test_who_has_the_environments_certificate_is_served(shared: Environment, tmp_path: Path) -> None:
    assert shared.far.ask("redis", OURS, tmp_path) == b"blue\n"


def test_a_client_without_a_certificate_gets_nothing(shared: Environment, blue: Backend, tmp_path: Path) -> None:
    assert shared.far.ask("redis", None, tmp_path) == b""
    assert blue.visits == 0


def test_a_client_with_the_certificate_of_another_environment_gets_nothing(
    shared: Environment, blue: Backend, tmp_path: Path
) -> None:
    other = keys.peer_identity(keys.peer_secret(TOKEN, "demo/staging"))
    assert shared.far.ask("redis", other, tmp_path) == b""
    assert blue.visits == 0


@pytest.mark.parametrize("service", ["queue", "redis2", "default", None])
def test_who_asks_for_a_service_that_is_not_here_or_for_none_gets_nothing(
    shared: Environment, blue: Backend, tmp_path: Path, service: str | None
) -> None:
    assert shared.far.ask(service, OURS, tmp_path) == b""
    assert blue.visits == 0


def test_where_no_service_runs_nothing_listens_for_other_droplets(shared: Environment) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(shared.near.address), wire.PEER_PORT), 5)


def test_a_droplet_that_shows_another_certificate_is_not_believed(shared: Environment, blue: Backend) -> None:
    impostor = shared.table(shared.near, (REDIS, shared.far), secret=keys.peer_secret(TOKEN, "demo/staging"))
    shared.near.peers.replace(impostor)
    assert shared.near.greeting() == ""
    assert blue.visits == 0


def test_only_the_droplet_and_its_containers_may_use_an_address(pair: Environment, blue: Backend) -> None:
    pair.far.peers._site = pair.far.site = replace(pair.far.site, clients=("172.30.0.0/16",))
    pair.far.containers.at[REDIS] = blue
    pair.share((REDIS, pair.far))
    assert pair.far.greeting() == ""
    assert blue.visits == 0


def test_an_open_connection_survives_a_change_of_the_table(shared: Environment, green: Backend) -> None:
    near, far = shared.near.connect(), shared.far.connect()
    shared.far.containers.at[QUEUE] = green
    shared.share((REDIS, shared.far), (QUEUE, shared.far))
    assert (near.say("still"), far.say("here")) == ("still", "here")
    assert [one.greeting(2) for one in (shared.near, shared.far)] == ["green", "green"]
    near.close()
    far.close()


def test_when_the_service_moves_new_connections_reach_the_new_place_at_the_same_address(
    shared: Environment, green: Backend
) -> None:
    old = shared.near.connect()
    shared.near.containers.at[REDIS] = green
    shared.share((REDIS, shared.near))
    assert [one.greeting() for one in (shared.near, shared.far) for _ in range(5)] == ["green"] * 10
    assert old.say("until it ends") == "until it ends"
    old.close()


def test_a_container_that_takes_the_place_of_another_is_followed_without_a_new_table(
    shared: Environment, green: Backend
) -> None:
    shared.far.containers.at[REDIS] = green
    assert shared.far.peers.follow(REDIS)
    assert [one.greeting() for one in (shared.far, shared.near) for _ in range(5)] == ["green"] * 10
    assert shared.near.reloads == 1


def test_a_service_whose_container_is_gone_refuses_connections_at_once(shared: Environment) -> None:
    del shared.far.containers.at[REDIS]
    assert shared.far.peers.follow(REDIS)
    with pytest.raises(ConnectionRefusedError):
        shared.far.connect()
    assert shared.near.greeting() == ""


def test_a_service_that_leaves_the_table_is_reached_no_more(shared: Environment) -> None:
    shared.share()
    for droplet in (shared.near, shared.far):
        with pytest.raises(ConnectionRefusedError):
            droplet.connect()


def test_the_same_table_again_asks_for_no_reload(shared: Environment) -> None:
    again = shared.share((REDIS, shared.far))
    assert [one.changed for one in again] == [False, False]
    assert (shared.near.reloads, shared.far.reloads) == (1, 1)
    assert not shared.far.peers.follow()
    assert not shared.far.peers.follow(QUEUE)


def test_an_empty_table_starts_nothing_where_there_never_was_one(pair: Environment) -> None:
    assert pair.near.peers.read().applied
    assert [one.changed for one in pair.share()] == [False, False]
    assert pair.near.reloads == 0
    assert list(pair.near.site.folder.iterdir()) == []


def test_what_is_read_is_what_was_written_and_never_the_secret(shared: Environment) -> None:
    table = shared.table(shared.near, (REDIS, shared.far))
    found = shared.near.peers.read()
    assert (found.peers, found.digest, found.applied) == (table.peers, table.digest, True)
    assert SECRET not in found.model_dump_json() + repr(table)


def test_the_environments_key_is_readable_by_root_alone_and_the_secret_is_not_kept(shared: Environment) -> None:
    files = list(shared.near.site.folder.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert sorted(path.suffix for path in files) == [".conf", ".json", ".pem", ".pem"]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)


def test_another_secret_takes_effect_and_the_old_key_is_forgotten(shared: Environment, tmp_path: Path) -> None:
    other = keys.peer_secret(TOKEN, "demo/other")
    for one in (shared.near, shared.far):
        assert one.peers.replace(shared.table(one, (REDIS, shared.far), secret=other)).changed
        assert len(list(one.site.folder.glob("*.pem"))) == 2
    assert shared.near.greeting() == "blue"
    assert shared.far.ask("redis", OURS, tmp_path) == b""


def test_a_table_that_nginx_refuses_changes_nothing(shared: Environment) -> None:
    before = shared.near.peers.read()
    table = shared.table(shared.near, (REDIS, shared.far))
    elsewhere = table.peers[0].model_copy(update={"virtual": tables.NETWORK[7]})  # no address of this machine
    shared.near.peers._network = tables.NETWORK
    with pytest.raises(Failure, match="did not take the table") as caught:
        shared.near.peers.replace(table.model_copy(update={"peers": (elsewhere,)}))
    assert (caught.value.status, caught.value.problem.code) == (502, "peers")
    assert shared.near.peers.read() == before
    assert shared.near.reloads == 1
    assert shared.near.greeting() == "blue"


def test_a_table_that_nginx_does_not_take_up_is_taken_back(
    shared: Environment, green: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_nginx, "TAKE_UP_SECONDS", 0.2)
    before, file = shared.near.peers.read(), (shared.near.site.folder / "nginx.conf").read_bytes()
    shared.near.deaf = True
    with pytest.raises(Failure, match="after the reload"):
        shared.near.peers.replace(shared.table(shared.near, (REDIS, shared.far), (QUEUE, shared.far)))
    assert shared.near.peers.read() == before
    assert (shared.near.site.folder / "nginx.conf").read_bytes() == file
    assert shared.near.greeting() == "blue"


def test_an_nginx_that_died_is_seen_and_the_same_table_brings_it_back(shared: Environment) -> None:
    shared.near.stop()
    assert not shared.near.peers.read().applied
    assert shared.near.peers.replace(shared.table(shared.near, (REDIS, shared.far))).changed
    assert shared.near.greeting() == "blue"


def test_a_caller_that_has_seen_another_table_overwrites_nothing(shared: Environment) -> None:
    seen = shared.near.peers.read().digest
    new = shared.table(shared.near, (REDIS, shared.far), (QUEUE, shared.far), replaces=seen)
    assert shared.near.peers.replace(new).changed
    with pytest.raises(Failure) as caught:
        shared.near.peers.replace(shared.table(shared.near, replaces=seen))
    assert (caught.value.status, caught.value.problem.code) == (409, "stale")
    assert not shared.near.peers.replace(new).changed, "its own table, after a lost reply, is no conflict"


def test_a_table_that_cannot_be_read_is_none_and_is_replaced(shared: Environment) -> None:
    (shared.near.site.folder / "table.json").write_text("{")
    assert shared.near.peers.read().peers == ()
    assert shared.share((REDIS, shared.far))[0].changed
    assert tables.names(shared.near.site.folder) == {"redis": str(shared.near.virtual())}


def test_connections_go_on_while_a_service_changes_its_place_again_and_again(
    shared: Environment, blue: Backend, green: Backend
) -> None:
    keeper = shared.near.connect()
    for number in range(4):
        shared.far.containers.at[REDIS] = (green, blue)[number % 2]
        shared.far.peers.follow(REDIS)
        assert shared.near.greeting() == ("green", "blue")[number % 2]
        assert keeper.say(f"word {number}") == f"word {number}"
    keeper.close()


@pytest.fixture
def droplet(tmp_path: Path) -> Iterator[Served]:
    """A droplet's agent over its own TLS, on fakes, where redis is current."""
    chosen = settings(tmp_path)
    proxy = FakeProxy()
    with FakeEngine() as engine:
        image = engine.add_image(b"one", tag="redis:1")
        table = tables.Peers(DROPLET, Site(tmp_path / "state" / "peers", tmp_path), engine, proxy)
        app = create_app(chosen, engine, FakeRouter(), table=table)
        with serving(app, chosen) as port:
            served = Served(Droplet(engine, FakeRouter(), chosen, port, image), proxy)
            served.deploy(1)
            yield served


@dataclass(frozen=True)
class Served:
    """A droplet and its proxy."""

    droplet: Droplet
    proxy: FakeProxy

    @property
    def address(self) -> str:
        """Where redis' current container is."""
        return next(one.address for one in self.droplet.engine.instances(REDIS) if one.role == "current")

    def table(self, **changes: Any) -> wire.Peers:
        """Redis, here."""
        facts = {"service": "redis", "container": REDIS, "virtual": "198.18.3.4", "port": 6379, "droplet": DROPLET}
        return wire.Peers.model_validate({"peers": [{**facts, "address": "10.110.0.2", **changes}], "secret": SECRET})

    def deploy(self, number: int) -> None:
        """Release `number` of redis is current."""
        self.droplet.deploy(number, REDIS, kind="tcp", hosts=(), port=6379)

    def call(self, method: str, body: object = None) -> httpx.Response:
        """A call of the table's route, whatever the body."""
        with self.droplet.keyed() as http:
            return http.request(method, "/peers", json=body)


def test_a_table_is_put_and_got_over_the_agents_tls(droplet: Served) -> None:
    with droplet.droplet.client(REDIS) as client:
        assert client.peers() == wire.PeerTable(digest=wire.PeerList().digest, applied=True)
        done = client.write_peers(droplet.table())
        assert (done.changed, done.applied, done.peers) == (True, True, droplet.table().peers)
        assert not client.write_peers(droplet.table()).changed
        assert client.peers().digest == done.digest
    assert f"proxy_pass {droplet.address}:6379;" in droplet.proxy.applied[-1].text


def test_a_promotion_a_rollback_and_a_removal_are_followed_at_once(droplet: Served) -> None:
    with droplet.droplet.client(REDIS) as client:
        client.write_peers(droplet.table())
    first = droplet.address
    droplet.deploy(2)
    assert droplet.address != first
    assert f"proxy_pass {droplet.address}:6379;" in droplet.proxy.applied[-1].text
    with droplet.droplet.client(REDIS) as client:
        client.rollback(REDIS, wire.Rollback(release=release(1)))
        assert f"proxy_pass {first}:6379;" in droplet.proxy.applied[-1].text
        client.remove(REDIS)
        assert "198.18.3.4" not in droplet.proxy.applied[-1].text
        assert client.peers().applied


def test_another_services_change_does_not_touch_the_proxy_even_when_it_is_broken(droplet: Served) -> None:
    with droplet.droplet.client(REDIS) as client:
        client.write_peers(droplet.table())
    droplet.proxy.down, droplet.proxy.refusing = True, "broken"
    droplet.droplet.deploy(1)
    with droplet.droplet.client(REDIS) as client, pytest.raises(AgentProblem, match="broken"):
        client.stop(REDIS, wire.Stop())


@pytest.mark.parametrize(
    "changes",
    [{"service": "redis; }"}, {"virtual": "198.18.3.4; x"}, {"port": "6379;"}, {"address": "10.0.0.2 x"}, {"more": 1}],
)
def test_a_field_that_could_be_more_than_it_is_is_refused_with_its_place_and_without_its_value(
    droplet: Served, changes: dict[str, Any]
) -> None:
    body = droplet.table().model_dump(mode="json")
    body["peers"][0] |= changes
    answer = droplet.call("PUT", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "body.peers.0" in answer.text
    assert SECRET not in answer.text
    assert droplet.proxy.applied == []


def test_the_table_needs_the_key(droplet: Served) -> None:
    with droplet.droplet.http() as http:
        assert {http.get("/peers").status_code, http.put("/peers", json={}).status_code} == {401}


def test_the_secret_is_in_no_answer_and_in_no_line_of_the_journal(droplet: Served, journal: Journal) -> None:
    body = droplet.table().model_dump(mode="json")
    answers = [droplet.call("PUT", body), droplet.call("PUT", body | {"replaces": "x"}), droplet.call("GET")]
    assert [one.status_code for one in answers] == [200, 422, 200]
    assert not any(SECRET in one.text for one in answers)
    assert SECRET not in journal.text


@pytest.mark.docker
def test_a_container_finds_the_names_of_the_table_at_its_creation(tmp_path: Path) -> None:
    with engines.docker(tmp_path, peers={"redis": "198.18.3.4", "queue": "198.19.0.9"}) as lab:
        script = ["/busybox", "sh", "-c", "/busybox cat /etc/hosts; /busybox sleep 60"]
        made = lab.engine.create(NAME, spec(1, lab.image.id, command=tuple(script)))
        lab.engine.start(made.full_name)
        until(lambda: "198.19.0.9" in "".join(one.text for one in lab.engine.logs(made.full_name)), "it says its hosts")
        said = "\n".join(one.text for one in lab.engine.logs(made.full_name))
        assert "198.18.3.4\tredis" in said
        assert "198.19.0.9\tqueue" in said
