"""The second vantage point: what a visitor's answer says of a name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from blocks.environment import Environment
from fleet.errors import TransientError
from fleet.remediation.observations import Said
from tasks.health import edge
from tasks.health.edge import Reply
from tests.fakes.clouds import FakeCloudflare
from tests.flows.fleet_of_fakes import ZONE, Fleet, open_fleet
from tests.histories.lane import Quiet
from tests.unit.tasks.health.scenes import HOST, container, droplet, node

COMMENT = "deployer 9fe5e6 demo/prod/hello demo-prod-1"


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two empty clouds, and no edge."""
    with open_fleet(tmp_path_factory.mktemp("fleet"), outside=lambda _: Quiet()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        (200, "healthy", "its front page answers 200"),
        (302, "healthy", "its front page answers 302"),
        (404, "healthy", "its front page answers 404"),
        (500, "degraded", "its front page answers 500"),
        (503, "degraded", "its front page answers 503"),
        (421, "unhealthy", "421: a host answers, and not the service"),
        (502, "unhealthy", "502: a host answers, and not the service"),
        (525, "unhealthy", "525: a host answers, and not the service"),
        (521, "silent", "521: its host refuses the connection"),
        (522, "silent", "522: its host does not answer in time"),
        (523, "silent", "523: its host cannot be reached"),
        (530, "unknown", "530: the name leads nowhere"),
    ],
)
def test_what_a_visitor_gets_is_judged_by_its_status(status: int, said: Said, reason: str) -> None:
    assert edge.judge(Reply(status, 0.1), maintenance=False) == (said, reason)


def test_under_maintenance_the_page_is_as_it_should_be_and_a_missing_host_is_not() -> None:
    assert edge.judge(Reply(503, 0.1), maintenance=True) == ("healthy", "visitors get the maintenance page")
    assert edge.judge(Reply(521, 0.1), maintenance=True)[0] == "silent"


def test_an_edge_that_does_not_answer_itself_says_nothing_of_a_host() -> None:
    told = ("unknown", "the edge did not answer: no route")
    assert edge.judge(Reply(error="no route"), maintenance=False) == told


def test_the_names_are_those_of_our_records_of_this_environment_with_the_droplets_they_lead_to(world: Fleet) -> None:
    dns: FakeCloudflare = world.dns
    dns.add("b.example.com", "127.0.0.1", COMMENT)
    dns.add("a.example.com", "127.0.0.1", COMMENT)
    dns.add("a.example.com", "127.0.0.2", COMMENT.replace("prod-1", "prod-2"))
    dns.add("gone.example.com", "198.51.100.9", COMMENT)
    dns.add("staging.example.com", "127.0.0.1", COMMENT.replace("demo/prod", "demo/staging"))
    dns.add("shop.example.com", "127.0.0.1", "see demo/prod/hello of ours")
    found = edge.read_names(world.environment(), [droplet("one", "127.0.0.1"), droplet("two", "127.0.0.2")])
    assert found == {"a.example.com": ("one", "two"), "b.example.com": ("one",), "gone.example.com": ()}


def read(environment: Environment, seen: tuple[edge.Names, dict[str, Reply], str]) -> list[tuple[str, Said, str]]:
    """The answers of a round whose one droplet serves `HOST`."""
    found = edge.read(environment, [node(containers=(container(), container(role="previous", hosts=("old.x",))))], seen)
    return [(one.name, one.said, one.reason) for one in found.values()]


def test_a_name_without_a_record_and_one_beyond_the_limit_are_unknown_and_say_why(world: Fleet) -> None:
    names: edge.Names = {"a.example.com": ("one",), "b.example.com": ("one",)}
    assert read(world.environment(), (names, {"a.example.com": Reply(200, 0.1)}, "")) == [
        ("a.example.com", "healthy", "its front page answers 200"),
        ("b.example.com", "unknown", "not asked: more than 500 names"),
        (HOST, "unknown", "no record of ours leads to it"),
    ]


def test_a_zone_that_cannot_be_read_leaves_every_name_unknown(world: Fleet) -> None:
    world.dns.faults.fail("dns.read_records", TransientError("Cloudflare answers 500."))
    seen = asyncio.run(edge.look(world.environment(), [droplet()]))
    why = "the zone's records could not be read: Cloudflare answers 500."
    assert read(world.environment(), seen) == [(HOST, "unknown", why)]


class _Slow(BaseHTTPRequestHandler):
    released = Event()

    def do_GET(self) -> None:
        """Answers at once, but for one name, which is never answered while the test lasts."""
        if self.headers["Host"].startswith("slow."):
            self.released.wait(20)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_name_that_hangs_costs_no_more_than_the_round_and_hides_no_other(
    world: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "ROUND_SECONDS", 0.5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    serving = Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        environment = world.environment()
        environment.cloudflare.service_url = f"http://{{domain}}:{server.server_port}"
        names = [f"slow.{ZONE}", f"quick.{ZONE}", "nowhere.invalid"]
        found = asyncio.run(edge.ask_all(environment, names))
    finally:
        _Slow.released.set()
        server.shutdown()
        serving.join()
        server.server_close()
    assert found[f"slow.{ZONE}"] == edge.LATE
    assert found[f"quick.{ZONE}"].status == 204
    assert found["nowhere.invalid"].status is None
    assert found["nowhere.invalid"].error
