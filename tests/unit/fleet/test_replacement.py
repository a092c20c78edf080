"""What comes to a new droplet in the place of a dead one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fleet import naming
from fleet.errors import InvalidInput
from fleet.replacement import Dead, Replacement, plan_replacement
from fleet.spec import EnvironmentSpec, ImageSource, ServiceSpec, Tcp
from fleet.state import Droplet, Host, World
from tests.unit.fleet.worlds import HELLO, NEW, OLD, OWNER, SPEC, at_rest, container, droplet, host, service

CACHE = naming.container(OWNER, SPEC, "cache")
SERVICES = {HELLO: service(replicas=2), CACHE: ServiceSpec("cache", ImageSource("redis:7"), Tcp(6379))}


def dead(letter: str = "a", **releases: str) -> Dead:
    """A droplet that is dead, with what ran on it."""
    one = replace(droplet(letter), status="off", image="9000")
    return Dead(one.id, one.name, one, {HELLO: OLD, **releases})


def silent(letter: str) -> Host:
    """A droplet that does not answer."""
    return Host(droplet(letter), error="no answer")


def plan(
    world: World,
    gone: Dead,
    spec: EnvironmentSpec = SPEC,
    services: Mapping[str, ServiceSpec] = SERVICES,
) -> Replacement:
    """The plan."""
    return plan_replacement(world, gone, spec, services)


def test_a_service_comes_from_a_droplet_that_serves_it_with_the_release_that_serves_there() -> None:
    world = World((silent("a"), host("b", container(release=NEW))))
    (coming,) = plan(world, dead()).services
    assert (coming.release, coming.image) == (NEW, "sha256:0")
    assert coming.source == droplet("b")
    assert not coming.served


def test_a_service_that_ran_nowhere_else_is_made_anew_of_the_release_that_is_remembered() -> None:
    (coming,) = plan(World((silent("a"),)), dead()).services
    assert (coming.release, coming.image, coming.source) == (OLD, "", None)


def test_the_new_droplet_is_like_the_old_one_from_what_that_was_made_from_and_says_whose_place_it_takes() -> None:
    request = plan(World((silent("a"),)), dead()).request
    assert (request.region, request.size, request.image) == ("fra1", "s-1vcpu-1gb", "9000")
    assert naming.roll_tag(droplet("a").id) in request.tags
    assert naming.environment_tag(SPEC) in request.tags


def test_whoever_plans_it_makes_one_droplet_and_another_dead_one_gets_another() -> None:
    world = World((silent("a"), silent("b")))
    assert plan(world, dead()).request == plan(world, dead()).request
    assert plan(world, dead()).request.intent != plan(world, dead("b")).request.intent
    assert naming.is_intent_tag(naming.intent_tag(plan(world, dead()).request.intent))


def made_for(letter: str, *found: str) -> Host:
    """A droplet in the place of `a`."""
    new: Droplet = droplet(letter)
    new = replace(new, tags=new.tags | {naming.roll_tag(droplet("a").id)})
    return Host(new, tuple(container(one) for one in found))


def test_a_droplet_that_an_earlier_run_has_made_is_gone_on_with() -> None:
    found = plan(World((silent("a"), made_for("f"), host("b", container()))), dead())
    assert found.made is not None
    assert found.name == droplet("f").name
    assert [one.served for one in found.services] == [False]


def test_what_the_new_droplet_serves_already_is_served() -> None:
    found = plan(World((silent("a"), made_for("f", "hello"), host("b", container()))), dead())
    assert [one.served for one in found.services] == [True]


def test_a_service_that_runs_where_it_should_without_the_dead_one_does_not_come() -> None:
    assert plan(at_rest("b", "c"), dead()).services == ()


def test_nothing_is_asked_of_the_dead_droplet_though_it_answers_again() -> None:
    (coming,) = plan(World((host("a", container(release=NEW)),)), dead()).services
    assert coming.source is None


def test_what_runs_once_waits_for_the_dead_droplet_to_be_off() -> None:
    found = {one.container: one.runs_once for one in plan(World((silent("a"),)), dead(**{CACHE: OLD})).services}
    assert found == {HELLO: False, CACHE: True}


def test_a_service_without_a_block_cannot_be_made_again() -> None:
    with pytest.raises(InvalidInput, match="of which there is no Service block"):
        plan(World((silent("a"),)), dead(), services={})


def test_a_droplet_that_is_gone_gives_way_to_one_from_the_default_snapshot_if_there_is_one() -> None:
    gone = replace(dead(), droplet=None)
    assert plan(World(()), gone).request.image == SPEC.snapshot
    with pytest.raises(InvalidInput, match="no default snapshot"):
        plan(World(()), gone, spec=replace(SPEC, snapshot=None))
