"""The agent's leases, under a clock that tests set."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import ParamSpec

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent import wire
from agent.server import leases as module
from agent.server.errors import Failure
from agent.server.leases import Leases, Moment, moment
from tests.unit.agent.builders import NAME, OTHER

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = 60
P = ParamSpec("P")
ONE = wire.LeaseRequest(holder="deploy one on ada")
TWO = wire.LeaseRequest(holder="deploy two on bob")


@dataclass
class Clock:
    """A droplet's time."""

    now: Moment = field(default=Moment("boot-1", 100.0, NOON))

    def __call__(self) -> Moment:
        """Now."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now = Moment(self.now.boot, self.now.elapsed + seconds, self.now.utc + timedelta(seconds=seconds))

    def set(self, utc: datetime) -> None:
        """Somebody sets the clock on the wall."""
        self.now = Moment(self.now.boot, self.now.elapsed, utc)

    def reboot(self) -> None:
        """The droplet starts again; it has been up for longer than it was when the leases were given."""
        self.now = Moment(self.now.boot + "+", self.now.elapsed, self.now.utc)


@dataclass
class Droplet:
    """The file, and the agent that has it open."""

    path: Path
    clock: Clock
    leases: Leases

    def restart(self) -> None:
        """Another agent on the same file."""
        self.leases = Leases(self.path, self.clock)


@pytest.fixture
def droplet(tmp_path: Path) -> Droplet:
    clock, path = Clock(), tmp_path / "leases.json"
    return Droplet(path, clock, Leases(path, clock))


def refused(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> wire.Problem:
    with pytest.raises(Failure) as caught:
        call(*args, **kwargs)
    assert (caught.value.status, caught.value.problem.code) in {
        (409, "leased"),
        (409, "fenced"),
        (428, "lease_required"),
    }
    return caught.value.problem


def test_a_lease_tells_who_has_it_since_when_and_for_how_long(droplet: Droplet) -> None:
    taken = droplet.leases.take(NAME, ONE)
    droplet.clock.wait(10)
    (held,) = droplet.leases.held().leases
    assert (taken.service, taken.holder, taken.since, taken.seconds_left) == (NAME, ONE.holder, NOON, LEASE)
    assert held == taken.model_copy(update={"seconds_left": LEASE - 10})


def test_another_holder_is_told_who_has_it_since_when_and_for_how_long(droplet: Droplet) -> None:
    droplet.leases.take(NAME, ONE)
    droplet.clock.wait(10)
    problem = refused(droplet.leases.take, NAME, TWO)
    assert problem.message == (
        f"{NAME} is locked: deploy one on ada holds it since 2026-11-24 12:00:00 UTC, for 50 s more unless renewed."
    )
    assert problem.details == {"holder": ONE.holder, "since": NOON.isoformat(), "seconds_left": "50"}
    assert refused(droplet.leases.renew, NAME, TWO, None) == problem


def test_its_holder_renews_it_and_keeps_its_number(droplet: Droplet) -> None:
    taken = droplet.leases.take(NAME, ONE)
    for _ in range(5):
        droplet.clock.wait(LEASE - 1)
        assert droplet.leases.take(NAME, ONE).fencing == taken.fencing
    droplet.clock.wait(LEASE - 1)
    renewed = droplet.leases.renew(NAME, ONE, taken.fencing)
    assert renewed == taken
    droplet.leases.check(NAME, taken.fencing)


def test_one_that_was_not_renewed_is_over_and_its_number_too(droplet: Droplet) -> None:
    taken = droplet.leases.take(NAME, ONE)
    droplet.clock.wait(LEASE)
    assert droplet.leases.held().leases == ()
    problem = refused(droplet.leases.check, NAME, taken.fencing)
    assert problem.message == f"The lease {taken.fencing} of {NAME} is not in force. Nobody holds it now."
    assert problem.details == {}
    assert refused(droplet.leases.renew, NAME, ONE, taken.fencing) == problem
    assert droplet.leases.take(NAME, ONE).fencing > taken.fencing


def test_a_holder_that_wakes_up_late_is_told_who_has_it_now(droplet: Droplet) -> None:
    late = droplet.leases.take(NAME, ONE)
    droplet.clock.wait(LEASE)
    taken = droplet.leases.take(NAME, TWO)
    for call in (droplet.leases.check, droplet.leases.free):
        problem = refused(call, NAME, late.fencing)
        assert problem.code == "fenced"
        assert "deploy two on bob holds it since 2026-11-24 12:01:00 UTC" in problem.message
        assert problem.details["holder"] == TWO.holder
    droplet.leases.check(NAME, taken.fencing)


def test_without_a_number_nothing_is_changed_or_freed(droplet: Droplet) -> None:
    droplet.leases.take(NAME, ONE)
    for name in (NAME, OTHER):
        assert refused(droplet.leases.check, name, None).code == "lease_required"
        assert refused(droplet.leases.free, name, None).code == "lease_required"
    assert len(droplet.leases.held().leases) == 1


def test_a_number_is_good_for_its_own_service_only(droplet: Droplet) -> None:
    one, other = droplet.leases.take(NAME, ONE), droplet.leases.take(OTHER, ONE)
    assert one.fencing != other.fencing
    assert refused(droplet.leases.check, NAME, other.fencing).code == "fenced"
    assert refused(droplet.leases.check, OTHER, one.fencing).code == "fenced"


def test_freed_it_is_for_anybody_to_take_and_can_be_freed_again_until_then(droplet: Droplet) -> None:
    one = droplet.leases.take(NAME, ONE)
    droplet.leases.free(NAME, one.fencing)
    droplet.leases.free(NAME, one.fencing)
    assert refused(droplet.leases.check, NAME, one.fencing).code == "fenced"
    two = droplet.leases.take(NAME, TWO)
    assert two.fencing > one.fencing
    assert refused(droplet.leases.free, NAME, one.fencing).code == "fenced"


def test_a_restart_of_the_agent_forgets_nothing(droplet: Droplet) -> None:
    freed, held = droplet.leases.take(OTHER, TWO), droplet.leases.take(NAME, ONE)
    droplet.leases.free(OTHER, freed.fencing)
    before = droplet.leases.held()
    droplet.restart()
    assert droplet.leases.held() == before
    droplet.leases.check(NAME, held.fencing)
    assert refused(droplet.leases.take, NAME, TWO).code == "leased"
    assert droplet.leases.take(OTHER, ONE).fencing > held.fencing


def test_after_a_reboot_every_lease_is_over_and_numbers_go_on(droplet: Droplet) -> None:
    before = droplet.leases.take(NAME, ONE)
    droplet.clock.reboot()
    droplet.restart()
    assert droplet.leases.held().leases == ()
    assert refused(droplet.leases.check, NAME, before.fencing).code == "fenced"
    assert droplet.leases.take(NAME, TWO).fencing > before.fencing


@pytest.mark.parametrize("years", [-30, 30])
def test_setting_the_clock_changes_nothing(droplet: Droplet, years: int) -> None:
    taken = droplet.leases.take(NAME, ONE)
    droplet.clock.set(NOON + timedelta(days=365 * years))
    droplet.restart()
    (held,) = droplet.leases.held().leases
    assert held == taken
    droplet.clock.wait(LEASE)
    assert droplet.leases.take(NAME, TWO).fencing == taken.fencing + 1


@pytest.mark.parametrize("left", ["nothing", "", "half", "garbage"])
def test_without_a_file_that_can_be_read_leases_are_over_and_numbers_are_higher_all_the_same(
    droplet: Droplet, left: str
) -> None:
    before = [droplet.leases.take(NAME, ONE), droplet.leases.take(OTHER, TWO)]
    content = droplet.path.read_bytes()
    droplet.path.write_bytes({"": b"", "half": content[: len(content) // 2]}.get(left, b"\xff{"))
    if left == "nothing":
        droplet.path.unlink()
    droplet.clock.wait(10)
    droplet.restart()
    for lease in before:
        assert refused(droplet.leases.check, lease.service, lease.fencing)
    assert droplet.leases.take(NAME, ONE).fencing > before[-1].fencing


def test_the_file_is_private_and_a_write_that_fails_leaves_everything_as_it_was(
    droplet: Droplet, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = droplet.leases.take(NAME, ONE)
    content = droplet.path.read_bytes()
    assert stat.S_IMODE(droplet.path.stat().st_mode) == 0o600

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(module, "write_private", full)
    for call in (lambda: droplet.leases.take(OTHER, TWO), lambda: droplet.leases.free(NAME, taken.fencing)):
        with pytest.raises(Failure, match="could not be written: No space left on device"):
            call()
    assert droplet.path.read_bytes() == content
    assert [one.service for one in droplet.leases.held().leases] == [NAME]


def test_a_bounded_number_of_services_is_remembered_and_none_that_is_locked_is_forgotten(
    droplet: Droplet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NAMES", 3)
    names = [f"9fe5e6_demo_prod_s{number}" for number in range(5)]
    kept = [droplet.leases.take(name, ONE) for name in names[:3]]
    with pytest.raises(Failure, match="3 services of this droplet are locked"):
        droplet.leases.take(names[3], ONE)
    for lease in kept[:2]:
        droplet.leases.free(lease.service, lease.fencing)
    later = [droplet.leases.take(name, ONE) for name in names[3:]]
    assert [one.service for one in droplet.leases.held().leases] == names[2:]
    droplet.leases.free(names[3], later[0].fencing)
    assert droplet.leases.take(names[0], ONE).fencing > later[-1].fencing


def test_the_real_clock_counts_on(droplet: Droplet) -> None:
    first, second = moment(), moment()
    assert first.boot == second.boot != ""
    assert 0 < first.elapsed <= second.elapsed
    assert first.utc.tzinfo is UTC


HOLDERS = st.sampled_from([ONE, TWO])


class TwoHolders(RuleBasedStateMachine):
    """Two runs that take, change, sleep and wake up; the agent restarts, the droplet reboots, the clock is set."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.clock = Clock()
        self.leases = Leases(self.folder / "leases.json", self.clock)
        self.numbers: dict[str, int] = {}
        """What each holder believes to have."""
        self.given: list[int] = []
        self.changes: dict[int, set[str]] = {}
        """Who changed something under each number."""
        self.holder, self.ends = "", 0.0
        """Who has the lease by our own reckoning, and until when."""

    def teardown(self) -> None:
        """The folder goes."""
        shutil.rmtree(self.folder)

    @property
    def free(self) -> bool:
        """Whether the lease is over by our own reckoning."""
        return not self.holder or self.clock.now.elapsed >= self.ends

    @rule(asked=HOLDERS)
    def take(self, asked: wire.LeaseRequest) -> None:
        """Ask for the lease, or renew it."""
        renewing = not self.free and self.holder == asked.holder
        if not self.free and not renewing:
            assert refused(self.leases.take, NAME, asked).details["holder"] == self.holder
            return
        lease = self.leases.take(NAME, asked)
        assert lease.fencing == self.given[-1] if renewing else lease.fencing > max(self.given, default=0)
        self.given += [] if renewing else [lease.fencing]
        self.numbers[asked.holder] = lease.fencing
        self.holder, self.ends = asked.holder, self.clock.now.elapsed + asked.seconds

    @rule(asked=HOLDERS)
    def change(self, asked: wire.LeaseRequest) -> None:
        """Change something, believing to have the lease still."""
        number = self.numbers.get(asked.holder)
        if self.free or self.holder != asked.holder:
            refused(self.leases.check, NAME, number)
            return
        assert number is not None
        self.leases.check(NAME, number)
        self.changes.setdefault(number, set()).add(asked.holder)

    @rule(asked=HOLDERS)
    def let_go(self, asked: wire.LeaseRequest) -> None:
        """Free it, late perhaps."""
        number = self.numbers.get(asked.holder)
        if number is None or number != self.given[-1]:
            refused(self.leases.free, NAME, number)
            return
        self.leases.free(NAME, number)
        self.holder = ""

    @rule(seconds=st.sampled_from([1.0, 100.0, 59.0, 60.0, 10_000.0]))
    def sleep(self, seconds: float) -> None:
        """Everybody pauses."""
        self.clock.wait(seconds)

    @rule(days=st.integers(-9000, 9000))
    def set_the_clock(self, days: int) -> None:
        """Somebody sets the clock on the wall."""
        self.clock.set(NOON + timedelta(days=days))

    @rule()
    def restart(self) -> None:
        """The agent starts again."""
        self.leases = Leases(self.folder / "leases.json", self.clock)

    @rule()
    def reboot(self) -> None:
        """The droplet does, and with it the agent."""
        self.clock.reboot()
        self.restart()
        self.holder = ""

    @invariant()
    def each_lease_has_one_holder(self) -> None:
        """No two ever changed anything under one number, and numbers only grow."""
        assert all(len(who) == 1 for who in self.changes.values())
        assert self.given == sorted(set(self.given))


TestTwoHolders = TwoHolders.TestCase
TestTwoHolders.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
