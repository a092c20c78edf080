"""From what droplets say to the table that all of them should have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import naming
from fleet import peers as tables
from fleet.errors import InvalidInput, PermanentError
from fleet.peers import NETWORK, Peer, Serving, Sighting, plan_peers
from fleet.spec import EnvironmentSpec
from fleet.state import Droplet

OWNER = "9fe5e6"
SPEC = EnvironmentSpec("demo", "prod", "fra1", "s-1vcpu-1gb", "example.com")
OLD, NEW = "20261101t000000-aaaaaa", "20261102t000000-bbbbbb"
words = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


def droplet(number: str) -> Droplet:
    made = datetime(2026, 11, 1, tzinfo=UTC)
    name, tags = f"demo-prod-00000{number}", naming.droplet_tags(SPEC)
    public, private = f"192.0.2.{number}", f"10.110.0.{number}"
    return Droplet(int(number), name, "active", "fra1", "s-1vcpu-1gb", "9001", tags, public, private, made)


def serving(service: str = "redis", release: str = OLD, port: int = 6379) -> Serving:
    return Serving(naming.container(OWNER, SPEC, service), release, port)


def sighting(letter: str, *runs: Serving, table: Iterable[Peer] = (), silent: bool = False) -> Sighting:
    return Sighting(droplet(letter), runs, tuple(table), silent=silent)


def test_a_service_is_where_its_container_runs() -> None:
    (found,) = plan_peers([sighting("1"), sighting("2", serving())])
    assert (found.service, found.container, found.port) == ("redis", "9fe5e6_demo_prod_redis", 6379)
    assert (found.droplet, found.address) == ("demo-prod-000002", IPv4Address("10.110.0.2"))
    assert found.virtual in NETWORK


def test_the_same_world_gives_the_same_table_again_and_without_any_memory() -> None:
    world = [sighting("1", serving()), sighting("2", serving("queue"))]
    first = plan_peers(world)
    assert plan_peers(world) == first
    assert plan_peers([replace(one, table=first) for one in reversed(world)]) == first
    assert [one.service for one in first] == ["queue", "redis"]


def test_a_service_that_moves_keeps_its_address() -> None:
    before = plan_peers([sighting("1", serving()), sighting("2")])
    after = plan_peers([sighting("1", table=before), sighting("2", serving(release=NEW), table=before)])
    assert after[0].virtual == before[0].virtual
    assert (before[0].droplet, after[0].droplet) == ("demo-prod-000001", "demo-prod-000002")


def test_the_table_survives_the_controller_because_one_droplet_is_enough_to_remember_it() -> None:
    odd = replace(plan_peers([sighting("1", serving())])[0], virtual=IPv4Address("198.19.7.7"))
    assert plan_peers([sighting("1", serving()), sighting("2"), sighting("3", table=[odd])])[0].virtual == odd.virtual


def test_where_droplets_disagree_the_address_that_most_know_wins() -> None:
    one = plan_peers([sighting("1", serving())])[0]
    rare, common = (replace(one, virtual=IPv4Address(f"198.18.0.{number}")) for number in (1, 2))
    world = [sighting("1", serving(), table=[rare]), sighting("2", table=[common]), sighting("3", table=[common])]
    assert plan_peers(world)[0].virtual == common.virtual


def test_of_two_containers_the_one_of_the_newer_release_is_meant() -> None:
    world = [sighting("1", serving(release=OLD)), sighting("2", serving(release=NEW)), sighting("3", serving())]
    assert plan_peers(world)[0].droplet == "demo-prod-000002"


def test_a_service_that_runs_nowhere_leaves_the_table() -> None:
    before = plan_peers([sighting("1", serving()), sighting("2", serving("queue"))])
    after = plan_peers([sighting("1", table=before), sighting("2", serving("queue"), table=before)])
    assert [one.service for one in after] == ["queue"]


def test_what_a_silent_droplet_ran_stays_in_the_table() -> None:
    before = plan_peers([sighting("1", serving()), sighting("2")])
    after = plan_peers([sighting("1", silent=True), sighting("2", table=before)])
    assert after == before


def test_a_service_of_a_silent_droplet_that_runs_elsewhere_now_is_there() -> None:
    before = plan_peers([sighting("1", serving()), sighting("2")])
    after = plan_peers([sighting("1", silent=True), sighting("2", serving(), table=before)])
    assert after == (replace(before[0], droplet="demo-prod-000002", address=IPv4Address("10.110.0.2")),)


def test_a_droplet_that_is_gone_takes_its_services_out_of_the_table() -> None:
    before = plan_peers([sighting("1", serving()), sighting("2")])
    assert plan_peers([sighting("2", table=before)]) == ()


def test_two_services_whose_names_lead_to_the_same_address_get_different_ones() -> None:
    taken = tables.assign([], ["redis"])["redis"]
    blocker = Peer("queue", naming.container(OWNER, SPEC, "queue"), taken, 1, "d", IPv4Address("10.0.0.1"))
    found = tables.assign([blocker], ["queue", "redis"])
    assert found["queue"] == taken
    assert found["redis"] == taken + 1


def test_the_last_address_is_followed_by_the_first() -> None:
    edge = [
        Peer(f"s{number}", "", NETWORK[number], 1, "", NETWORK[0])
        for number in range(1, NETWORK.num_addresses - 1, 4096)
    ]
    found = tables.assign(edge, [one.service for one in edge] + ["redis"])
    assert len(set(found.values())) == len(edge) + 1


def test_an_address_from_elsewhere_is_not_kept() -> None:
    strange = replace(plan_peers([sighting("1", serving())])[0], virtual=IPv4Address("10.0.0.1"))
    assert plan_peers([sighting("1", serving(), table=[strange])])[0].virtual in NETWORK


@given(st.lists(words, max_size=12, unique=True), st.lists(words, max_size=12, unique=True))
def test_addresses_are_kept_distinct_and_inside_the_network_whatever_is_added(old: list[str], new: list[str]) -> None:
    before = plan_peers([sighting("1", *(serving(name) for name in old))])
    both = sorted({*old, *new})
    after = plan_peers([sighting("1", *(serving(name) for name in both), table=before)])
    kept = {one.service: one.virtual for one in before}
    found = {one.service: one.virtual for one in after}
    assert set(found) == set(both)
    assert found.items() >= kept.items()
    assert len(set(found.values())) == len(found)
    assert all(NETWORK[0] < address < NETWORK[-1] for address in found.values())


@given(st.permutations(["1", "2", "3"]), st.lists(words, max_size=6, unique=True))
def test_the_order_of_the_droplets_makes_no_difference(letters: list[str], services: list[str]) -> None:
    world = [sighting("1", *(serving(name) for name in services)), sighting("2", serving(release=NEW)), sighting("3")]
    by_letter = dict(zip("123", world, strict=True))
    assert plan_peers([by_letter[letter] for letter in letters]) == plan_peers(world)


def test_only_droplets_with_another_table_or_one_that_is_not_in_use_are_written_to() -> None:
    table = plan_peers([sighting("1", serving())])
    good, silent, new = sighting("1", table=table), sighting("2", silent=True), sighting("3")
    idle = replace(sighting("4", table=table), applied=False)
    assert tables.outdated([good, silent, new, idle], table) == [new, idle]
    assert tables.outdated([new, silent], ()) == []


def test_a_droplet_without_an_address_inside_a_vpc_cannot_offer_anything() -> None:
    bare = replace(droplet("1"), private_address=None)
    with pytest.raises(PermanentError, match="has no address inside a VPC"):
        plan_peers([Sighting(bare, (serving(),))])
    assert plan_peers([Sighting(bare)]) == ()


def test_there_is_a_limit() -> None:
    with pytest.raises(PermanentError, match="501 tcp services"):
        plan_peers([sighting("1", *(serving(f"s{number}") for number in range(501)))])


@pytest.mark.parametrize(("service", "port"), [("redis", 80), ("redis", 443), ("redis", 9998), ("redis", 9999)])
def test_a_port_that_droplets_use_themselves_is_refused_with_what_to_do(service: str, port: int) -> None:
    with pytest.raises(InvalidInput, match="Let it listen on another port"):
        tables.check_offered(service, port)


def test_a_name_that_means_something_else_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Choose another name"):
        tables.check_offered("localhost", 6379)
    tables.check_offered("redis", 6379)


def test_environments_whose_words_run_together_are_told_apart() -> None:
    one, two = replace(SPEC, project="a-b", name="c"), replace(SPEC, project="a", name="b-c")
    assert tables.environment_word(one) != tables.environment_word(two)
