"""What visitors see while a service is under maintenance, and which release a rollback brings back, from outside."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.e2e.lab import Lab, reference
from tests.e2e.scenes import deploy
from tests.e2e.test_deploy import change

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

HELLO = reference("service", "hello")


def test_visitors_see_the_page_while_a_release_changes_behind_it(lab: Lab, context: Path) -> None:
    before = lab.ask()["release"]
    switched = lab.run("maintenance", service=HELLO, retry_after_seconds=120, message="We move house")
    assert switched.completed, switched.log
    assert_page(lab)
    change(context, "behind the page")
    deploy(lab)
    assert_page(lab)
    over = lab.run("maintenance", service=HELLO, on=False)
    assert over.completed, over.log
    assert lab.ask()["release"] > before


def test_a_rollback_goes_to_the_release_that_was_picked_and_not_to_the_one_before(lab: Lab, context: Path) -> None:
    wanted = lab.ask()["release"]
    for text in ("one after", "two after"):
        change(context, text)
        deploy(lab)
    back = lab.run("rollback", service=HELLO, to=reference("release", f"lab-prod-hello-{wanted}"))
    assert back.completed, back.log
    assert {lab.ask()["release"] for _ in range(20)} == {wanted}


def assert_page(lab: Lab) -> None:
    """The edge answers with the page, and says when to come again."""
    reply = httpx.get(lab.url, headers=lab.host, timeout=10)
    assert (reply.status_code, reply.headers["Retry-After"]) == (httpx.codes.SERVICE_UNAVAILABLE, "120")
    assert "We move house" in reply.text
