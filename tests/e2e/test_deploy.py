"""A service on two droplets, through Prefect, on real machines."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.lab import DOMAIN, Lab, reference, service
from tests.e2e.load import visitors
from tests.e2e.scenes import eventually, steps

pytestmark = [pytest.mark.e2e, pytest.mark.docker]
GOING_AWAY = 1001
BACK_SECONDS = 30.0
STOP_SECONDS = 15.0
"""What an agent on a busy machine takes from the end of the drain to the container's goodbye."""


def change(context: Path, text: str) -> None:
    """Makes a new release of the example: another page."""
    page = context / "page.html"
    page.write_text(page.read_text().replace("</body>", f"<!-- {text} --></body>"))


def deploy(lab: Lab) -> str:
    """Deploys, and gives the run's log."""
    run = lab.run("deploy", service=reference("service", "hello"))
    assert run.completed, run.log
    return run.log


def test_the_service_answers_from_both_droplets(lab: Lab) -> None:
    assert len(lab.droplets()) == 2


def test_deploying_again_changes_nothing(lab: Lab) -> None:
    deploy(lab)
    before = lab.ask()["release"]
    deploy(lab)
    assert lab.ask()["release"] == before
    assert len(lab.droplets()) == 2


def test_a_new_release_under_load_loses_no_request(lab: Lab, context: Path) -> None:
    before = lab.ask()["release"]
    change(context, "another release")
    with visitors(lab) as visit:
        deploy(lab)
    assert visit.errors == []
    assert set(visit.statuses) == {200}
    assert visit.requests / visit.seconds >= 100
    assert before in visit.releases
    assert len(visit.releases) == 2


def test_an_open_websocket_outlives_the_switch_and_is_told_to_go_within_the_time_to_drain(
    lab: Lab, context: Path
) -> None:
    before, drain = lab.ask()["release"], service("hello").drain_seconds
    change(context, "while a page is open")
    with visitors(lab) as visit:
        run = lab.run("deploy", service=reference("service", "hello"))
        eventually(lambda: len(visit.sockets) > 1 and visit.sockets[-1].last, "the page is back", BACK_SECONDS)
    assert run.completed, run.log
    first, *others = visit.sockets
    assert (visit.broke, first.releases, first.code) == ("", {before}, GOING_AWAY)
    assert set().union(*(one.releases for one in others)) == {lab.ask()["release"]}
    begun = {one.name.partition(": ")[2]: one.start_time for one in steps(run.id)}
    retired, ended = begun["retire the previous release"], first.ended
    assert retired is not None
    assert ended is not None
    assert timedelta(0) <= ended - retired <= timedelta(seconds=drain + STOP_SECONDS)


def test_a_release_that_is_ill_on_one_droplet_switches_none_and_shows_its_last_lines(lab: Lab) -> None:
    before, ill = lab.ask()["release"], lab.droplets()[1]
    hello = service("hello")
    hello.variables = {"HELLO_BROKEN": "1", "HELLO_BROKEN_ON": ill}
    hello.save("hello", overwrite=True)
    run = lab.run("deploy", service=reference("service", "hello"))
    hello.variables = {}
    hello.save("hello", overwrite=True)
    assert not run.completed
    assert "Preparing" in run.log
    assert re.search(rf"failed on 1 of 2 droplets:\n  {ill}: ", run.log)
    assert {lab.ask()["release"] for _ in range(20)} == {before}


def test_only_the_changed_layer_travels(lab: Lab, context: Path) -> None:
    change(context, secrets.token_hex(1 << 20))
    run = lab.run("deploy", service=reference("service", "hello"))
    assert run.completed, run.log
    layers, megabytes = re.findall(r"(\d+) layers?, ([\d.]+) MB", lab.artifact(run.id))[0]
    assert layers == "1"
    assert 2.0 < float(megabytes) <= 1.5 * 2.1


def test_with_several_releases_kept_deploying_again_changes_nothing_either(lab: Lab) -> None:
    before = lab.ask()["release"]
    deploy(lab)
    assert lab.ask()["release"] == before


def test_a_run_leaves_what_it_did_on_which_droplet(lab: Lab) -> None:
    run = lab.run("deploy", service=reference("service", "hello"))
    report = lab.artifact(run.id)
    assert run.name == "deploy hello to lab-prod"
    assert all(name in report for name in lab.droplets())
    assert f"http://{DOMAIN}.localhost" in report


def test_nothing_secret_is_in_the_database_the_logs_or_the_process_list(lab: Lab) -> None:
    canaries = [*lab.tokens.values(), "canary-secret-91c2e7"]
    places = [path for path in lab.root.rglob("*") if path.is_file() and path.name not in SECRET_FILES]
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    for secret in canaries:
        assert [path for path in places if secret.encode() in path.read_bytes()] == []
        assert [line for line in commands if secret.encode() in line] == []


SECRET_FILES = {"tokens.json", "profiles.toml"}
"""The only files that may hold a secret; both are private to their owner."""
