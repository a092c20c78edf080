"""`python -m deployments logs`: a service's lines from all droplets, with real agents on fake droplets."""

from __future__ import annotations

import argparse
import asyncio
import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from deployments.lines import Printer, moment
from fleet.errors import InvalidInput
from fleet.state import Droplet
from flows.deploy import deploy
from tasks import lines
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine

NOW = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
PATIENCE = 30.0


def say(machine: Machine, text: str) -> None:
    """The service writes a line on a droplet."""
    machine.engine.say(next(one.name for one in machine.engine.instances() if one.role == "current"), text)


def wanted(fleet: Fleet, since: datetime | None = None) -> tuple[lines.Wanted, list[Droplet]]:
    """What `logs hello` asks for, and of whom."""
    service = fleet.service()
    return lines.wanted(service, 50, since), lines.hosts(service)


@pytest.mark.engine
def test_the_lines_of_all_droplets_come_in_the_order_of_their_times(fleet: Fleet) -> None:
    deploy(fleet.service())
    first, second = fleet.machines
    for number, machine in enumerate((first, second, first)):
        say(machine, f"line {number}")
    found = asyncio.run(lines.read(*wanted(fleet)))
    said = [(one.droplet, one.text) for one in found if one.text.startswith("line")]
    assert said == [(first.name, "line 0"), (second.name, "line 1"), (first.name, "line 2")]


@pytest.mark.engine
def test_only_lines_since_a_time_are_shown(fleet: Fleet) -> None:
    deploy(fleet.service())
    what, droplets = wanted(fleet, datetime.now(UTC) + timedelta(hours=1))
    assert asyncio.run(lines.read(what, droplets)) == []


@pytest.mark.engine
def test_a_droplet_that_does_not_answer_says_so_and_the_others_are_read(fleet: Fleet) -> None:
    deploy(fleet.service())
    well, silent = fleet.machines
    say(well, "all is well")
    silent.silence()
    found = asyncio.run(lines.read(*wanted(fleet)))
    assert "all is well" in [one.text for one in found if one.droplet == well.name]
    (told,) = [one for one in found if one.droplet == silent.name]
    assert told.at is None
    assert told.text.startswith("cannot be read: ")


@pytest.mark.engine
def test_following_shows_each_line_as_it_comes_and_goes_on_with_the_next_release(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "AGAIN_SECONDS", 0.05)
    deploy(fleet.service())
    what, droplets = wanted(fleet)

    async def main() -> None:
        seen: asyncio.Queue[str] = asyncio.Queue()
        following = asyncio.create_task(lines.follow(what, droplets, lambda line: seen.put_nowait(line.text)))
        say(fleet.machines[1], "from the first release")
        await until(seen, "from the first release")
        fleet.write("another release")
        await asyncio.to_thread(deploy, fleet.service())
        say(fleet.machines[0], "from the next release")
        await until(seen, "from the next release")
        following.cancel()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


async def until(seen: asyncio.Queue[str], text: str) -> None:
    """Reads until that line has come."""
    while await seen.get() != text:
        pass


def test_an_environment_without_droplets_says_what_to_do(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match=r"has no droplet\. Deploy the service first\."):
        lines.hosts(fleet.service())


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("10m", NOW - timedelta(minutes=10)),
        ("2h", NOW - timedelta(hours=2)),
        ("1d", NOW - timedelta(days=1)),
        ("2026-11-24T02:15:00+01:00", NOW - timedelta(hours=1)),
    ],
)
def test_since_is_an_age_or_a_time(text: str, meant: datetime) -> None:
    assert moment(text, NOW) == meant


@pytest.mark.parametrize("text", ["", "soon", "10", "-1m", "1w"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"neither an age nor a time\. Write an age like 10m"):
        moment(text, NOW)


def test_a_line_can_neither_colour_nor_command_the_terminal() -> None:
    said = io.StringIO()
    console = Console(file=said, width=200)
    Printer(console).print(lines.Line(NOW, "demo-prod-1", "[red]not markup[/red] \x1b[31mnor colour"))
    assert said.getvalue() == "2026-11-24 02:15:00.000 demo-prod-1 [red]not markup[/red] �[31mnor colour\n"
