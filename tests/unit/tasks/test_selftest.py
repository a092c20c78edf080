"""Whether the controller sees: what is asked, how often, and what an answer is worth."""

from __future__ import annotations

import http.server
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from fleet.errors import PermanentError, TransientError
from fleet.remediation.gates import self_test_failures
from tasks.healing import selftest
from tasks.healing.selftest import Address, Heard
from tasks.healing.settings import HealingSettings

WORLD = ("https://one.example", "https://two.example")


def environment(ask: Callable[[], str] = lambda: "9fe5e6") -> Any:
    """An environment whose provider answers like this."""
    account = SimpleNamespace(read_owner=ask)
    cloud = SimpleNamespace(api_url="https://do.example", ca_file=None, client=lambda: SimpleNamespace(account=account))
    return SimpleNamespace(
        digitalocean=cloud,
        cloudflare=SimpleNamespace(api_url="https://cf.example", ca_file=Path("/ca.pem")),
        title=lambda: "demo-prod",
    )


def settings(*addresses: str) -> HealingSettings:
    """Settings with these public addresses."""
    return HealingSettings(_env_file=None, public_addresses=addresses)  # type: ignore[call-arg]  # as read from a file


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What each address answers, one after the other; then that all is well."""
    answers: dict[str, list[Any]] = {}

    def ask(address: Address) -> Heard:
        waiting = answers.get(address.url) or [Heard(0.2)]
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]  # it is what the test has written

    monkeypatch.setattr(selftest, "ask_address", ask)
    monkeypatch.setattr(selftest, "ask_prefect", lambda: None)
    return answers


def failures(*environments: Any, addresses: tuple[str, ...] = WORLD) -> list[str]:
    """What keeps the controller from doing anything."""
    return self_test_failures(selftest.examine(environments, settings(*addresses)))


def test_a_controller_that_hears_everybody_sees(world: dict[str, list[Any]]) -> None:
    assert failures(environment()) == []


def test_a_probe_that_is_lost_once_is_tried_again(world: dict[str, list[Any]]) -> None:
    world[WORLD[0]] = [httpx.ConnectError("lost")]
    assert failures(environment()) == []


def test_an_address_that_does_not_answer_twice_is_named(world: dict[str, list[Any]]) -> None:
    world[WORLD[0]] = [httpx.ConnectError("no route to host")] * 2
    (told,) = failures(environment())
    assert told.startswith("https://one.example does not pass (ConnectError: no route to host")


def test_a_provider_that_does_not_answer_is_told_in_its_words(world: dict[str, list[Any]]) -> None:
    def ask() -> str:
        raise TransientError("DigitalOcean answers 503.")

    assert failures(environment(ask)) == ["the provider's API does not pass (DigitalOcean answers 503.)"]


def test_prefect_out_of_reach_is_told(world: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(selftest, "ask_prefect", ask)
    assert failures(environment()) == ["Prefect's API does not pass (ConnectError: refused)"]


@pytest.mark.parametrize(("skews", "told"), [((0.4, 90.0), []), ((60.0, 61.0), ["the clock is 60 s off"])])
def test_one_clock_that_agrees_is_enough(world: dict[str, list[Any]], skews: Any, told: list[str]) -> None:
    for url, skew in zip(WORLD, skews, strict=True):
        world[url] = [Heard(skew)]
    assert failures(environment()) == told


def test_nobody_who_tells_the_time_is_no_agreement(world: dict[str, list[Any]]) -> None:
    for url in WORLD:
        world[url] = [Heard(None)]
    assert failures(environment()) == ["the clock was compared with no other"]


def test_without_addresses_both_clouds_stand_for_the_world(world: dict[str, list[Any]]) -> None:
    found = selftest.addresses([environment(), environment()], settings())
    assert found == [Address("https://do.example"), Address("https://cf.example", Path("/ca.pem"))]
    assert failures(environment(), addresses=()) == []


def test_one_address_alone_is_too_few(world: dict[str, list[Any]]) -> None:
    assert failures(environment(), addresses=WORLD[:1]) == ["fewer than 2 public addresses were tried"]


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers, though it takes nobody."""

    def do_HEAD(self) -> None:
        """Refused, with the time."""
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_any_answer_is_one_and_brings_the_time(refusing: str) -> None:
    heard = selftest.ask_address(Address(refusing))
    assert heard.skew is not None
    assert heard.skew < 5


def test_nobody_at_an_address_is_no_answer() -> None:
    with pytest.raises(httpx.ConnectError):
        selftest.ask_address(Address("http://127.0.0.1:9"))


def test_a_token_that_is_refused_makes_the_controller_blind_for_no_other_environment(
    world: dict[str, list[Any]],
) -> None:
    def refuse() -> str:
        raise PermanentError("DigitalOcean refuses the token.", hint="Make a new one.")

    assert failures(environment(refuse), environment()) == []
    assert not world
