"""The droplets' watch over the health rounds, by a clock that a test sets: one speaks, once, and once at the end."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import keys, wire
from agent.notices import Message, NotDelivered
from agent.server import vigil as module
from agent.server.leases import Moment
from agent.server.vigil import Vigil, is_there
from tests.unit.agent.builders import TOKEN

BEGIN = Moment("a boot", 1000.0, datetime(2026, 11, 24, 2, 15, tzinfo=UTC))
HOOK = "https://hooks.example.com/T0p-s3cret"
CHANNEL = wire.SlackChannel(kind="slack", url=HOOK)
OTHER = wire.WebhookChannel(kind="webhook", url="https://ops.example.com/")


@dataclass
class Site:
    """Some droplets of one environment, the time they share, and what people were told."""

    folder: Path
    now: Moment = BEGIN
    said: list[tuple[str, str]] = field(default_factory=list)
    """Who told, and what."""
    texts: list[str] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)
    """Kinds of channels that take nothing."""
    tries: int = 0
    gone: set[str] = field(default_factory=set)
    """Droplets that do not run."""
    vigils: dict[str, Vigil] = field(default_factory=dict)

    def starts(self, *names: str) -> None:
        """Agents start, or start again."""
        for name in names:
            secret = keys.droplet_secret(TOKEN, name)
            (self.folder / name).mkdir(exist_ok=True)
            self.vigils[name] = Vigil(name, self.folder / name, secret, lambda: self.now, self.sender(name), self.runs)

    def sender(self, name: str) -> module.Send:
        """The way out of a droplet."""

        def send(channel: wire.Channel, message: Message) -> None:
            self.tries += 1
            if channel.kind in self.deaf:
                raise NotDelivered(channel.kind, "it answered 503", passing=True)
            self.said.append((name, message.lines[0].is_))
            self.texts.append(message.lines[0].reason)

        return send

    def runs(self, neighbour: wire.Neighbour) -> bool:
        """Whether a droplet is there."""
        return neighbour.droplet not in self.gone

    def knows(self, *channels: wire.Channel) -> None:
        """Every droplet has been told whom to tell, and who is before it."""
        names = sorted(self.vigils)
        for number, name in enumerate(names):
            before = tuple(wire.Neighbour(droplet=one, address="10.0.0.9") for one in names[:number])
            self.vigils[name].replace(wire.Vigil(environment="shop-prod", channels=channels, before=before))

    def round(self) -> None:
        """A health round comes to every droplet that runs."""
        for name in self.vigils.keys() - self.gone:
            self.vigils[name].round()

    def pass_(self, minutes: float) -> None:
        """So much later, with a look each ten seconds."""
        for _ in range(round(minutes * 6)):
            self.now = replace(self.now, elapsed=self.now.elapsed + 10, utc=self.now.utc + timedelta(seconds=10))
            for name in sorted(self.vigils.keys() - self.gone):
                self.vigils[name].look()

    def boots(self, name: str, minutes: float) -> None:
        """A droplet is away for so long and boots."""
        self.now = Moment(f"{self.now.boot} and another", 5.0, self.now.utc + timedelta(minutes=minutes))
        self.starts(name)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Three droplets to which a health round has come."""
    made = Site(tmp_path)
    made.starts("shop-a", "shop-b", "shop-c")
    made.knows(CHANNEL)
    made.pass_(3)
    made.round()
    return made


def test_after_five_minutes_without_a_round_one_droplet_says_so_once(site: Site) -> None:
    site.pass_(4.9)
    assert site.said == []
    site.pass_(0.2)
    assert site.said == [("shop-a", "silent")]
    assert site.texts == ["No health round has come to this droplet since 02:18:00 UTC."]
    site.pass_(60)
    assert site.said == [("shop-a", "silent")]


def test_while_rounds_come_nobody_says_anything(site: Site) -> None:
    for _ in range(30):
        site.pass_(1)
        site.round()
    assert site.said == []


def test_whoever_spoke_says_so_when_rounds_come_again_and_the_next_absence_is_another_one(site: Site) -> None:
    site.pass_(20)
    site.round()
    site.pass_(1)
    site.round()
    assert site.said == [("shop-a", "silent"), ("shop-a", "back")]
    assert site.texts[1] == "Health rounds come again; there was none from 02:18:00 to 02:38:00 UTC."
    site.pass_(10)
    assert site.said[2:] == [("shop-a", "silent")]


def test_where_no_round_ever_came_none_is_missed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.starts("shop-a")
    site.knows(CHANNEL)
    site.pass_(60)
    assert site.said == []


def test_when_the_first_droplet_is_gone_the_second_speaks_a_minute_later_and_the_third_does_not(site: Site) -> None:
    site.gone = {"shop-a"}
    site.pass_(5.9)
    assert site.said == []
    site.pass_(60)
    assert site.said == [("shop-b", "silent")]


def test_when_the_first_droplet_goes_after_it_has_spoken_nobody_repeats_it(site: Site) -> None:
    site.pass_(8)
    site.gone = {"shop-a"}
    site.pass_(60)
    assert site.said == [("shop-a", "silent")]


@pytest.mark.parametrize("minutes", [3.0, 5.5, 30.0])
def test_an_agent_that_starts_again_during_the_absence_still_speaks_only_once(site: Site, minutes: float) -> None:
    site.pass_(minutes)
    site.starts("shop-a", "shop-b", "shop-c")
    site.pass_(30)
    assert site.said == [("shop-a", "silent")]
    site.starts("shop-a")
    site.round()
    site.pass_(1)
    assert site.said == [("shop-a", "silent"), ("shop-a", "back")]


def test_a_droplet_that_was_off_for_an_hour_waits_for_a_round_before_it_speaks(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.starts("shop-a")
    site.knows(CHANNEL)
    site.round()
    site.boots("shop-a", minutes=60)
    site.pass_(1.5)
    site.round()
    site.pass_(4)
    assert site.said == []
    site.boots("shop-a", minutes=60)
    site.pass_(3)
    assert site.said == [("shop-a", "silent")], "but not for ever"


def test_a_clock_that_is_set_changes_nothing(site: Site) -> None:
    site.now = replace(site.now, utc=site.now.utc + timedelta(days=400))
    site.pass_(4)
    assert site.said == []
    site.now = replace(site.now, utc=site.now.utc - timedelta(days=800))
    site.pass_(2)
    assert site.said == [("shop-a", "silent")]


def test_a_message_that_no_channel_takes_is_tried_again_each_minute_and_said_once(site: Site) -> None:
    site.deaf = {"slack"}
    site.pass_(10)
    assert (site.said, site.tries) == ([], 6)
    assert site.vigils["shop-a"].state().owed == 1
    site.starts("shop-a")
    site.deaf = set()
    site.pass_(5)
    assert site.said == [("shop-a", "silent")]
    assert site.vigils["shop-a"].state().owed == 0


def test_an_absence_of_which_nobody_could_be_told_is_not_told_once_it_is_over(site: Site) -> None:
    site.deaf = {"slack"}
    site.pass_(10)
    site.round()
    site.deaf = set()
    site.pass_(3)
    assert site.said == []


def test_a_message_that_is_a_day_old_is_given_up(site: Site) -> None:
    site.deaf = {"slack"}
    site.pass_(6)
    site.now = replace(site.now, elapsed=site.now.elapsed + 90_000, utc=site.now.utc + timedelta(seconds=90_000))
    site.deaf = set()
    site.pass_(1)
    assert site.said == []
    assert site.vigils["shop-a"].state().owed == 0


def test_one_channel_that_takes_it_is_enough(site: Site) -> None:
    site.knows(CHANNEL, OTHER)
    site.deaf = {"slack"}
    site.pass_(20)
    assert site.said == [("shop-a", "silent")]


def test_without_channels_nobody_is_told(site: Site) -> None:
    site.knows()
    site.pass_(60)
    assert site.said == []


def test_where_people_are_told_is_sealed_on_the_disk_and_known_after_a_restart(site: Site, tmp_path: Path) -> None:
    files = [path for path in (tmp_path / "shop-a").iterdir() if path.is_file()]
    assert {path.name for path in files} == {"vigil.json", "vigil.sealed"}
    assert all(b"s3cret" not in path.read_bytes() for path in files)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    site.starts("shop-a")
    assert site.vigils["shop-a"].state().channels == 1


def test_files_that_cannot_be_read_are_as_none(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("vigil.json", "vigil.sealed"):
        (tmp_path / "shop-a" / name).write_bytes(b"{torn")
    site.starts("shop-a")
    assert site.vigils["shop-a"].state() == wire.VigilState(
        channels=0, last_round=None, absent=False, told=False, owed=0
    )
    assert "cannot be read" in caplog.text


def test_a_disk_that_takes_nothing_does_not_keep_rounds_from_being_seen(site: Site, tmp_path: Path) -> None:
    (tmp_path / "shop-a" / "vigil.json").unlink()
    (tmp_path / "shop-a" / "vigil.json").mkdir()
    site.pass_(4)
    site.vigils["shop-a"].round()
    site.pass_(4)
    assert site.said == []


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port of loopback where nobody listens, in the place of the peers' one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    monkeypatch.setattr(wire, "PEER_PORT", number)
    return number


def test_a_droplet_that_refuses_a_connection_is_there(port: int) -> None:
    assert is_there(wire.Neighbour(droplet="shop-a", address="127.0.0.1"))


def test_a_droplet_that_takes_a_connection_is_there(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        assert is_there(wire.Neighbour(droplet="shop-a", address="127.0.0.1"))


def test_a_droplet_that_cannot_be_reached_is_not_there(port: int) -> None:
    assert not is_there(wire.Neighbour(droplet="shop-a", address="255.255.255.255"))
