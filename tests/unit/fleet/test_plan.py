"""From the world as it is to the world as it should be, in examples with their whole result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet import facts
from fleet.errors import InvalidInput, TransientError
from fleet.plan import Plan
from fleet.spec import ArchiveSource, BuildSource, ControllerSource, GitSource, ImageSource, Source, Volume, Web, Worker
from fleet.state import DropletRequest, Firewall, Host, Inventory, Weight, World
from tests.unit.fleet import worlds
from tests.unit.fleet.worlds import (
    DOMAIN,
    EDGE,
    FIREWALL,
    HELLO,
    NEW,
    OLD,
    OLDER,
    SNAPSHOT,
    SPEC,
    at_rest,
    container,
    droplet,
    foreign,
    host,
    record,
    service,
)

TWO = at_rest("1", "2")


def deploy(world: World, replicas: int = 1, memory_mib: int = 256, remove_empty: bool = False) -> Plan:
    """The plan for the service `hello`."""
    return worlds.deploy(world, service(replicas, memory_mib), remove_empty=remove_empty)


def lines(plan: Plan, part: str) -> list[str]:
    """The operations of one kind."""
    return [one.text for one in plan.operations if one.part == part]


def test_a_first_deploy_makes_everything() -> None:
    plan = deploy(World((), edge=EDGE), replicas=2)
    assert plan.lines() == [
        "create droplet demo-prod-fddaa8 (s-1vcpu-1gb in fra1, from 9001)",
        "create droplet demo-prod-13de6f (s-1vcpu-1gb in fra1, from 9001)",
        "create firewall deployer-demo.prod: 80 from 198.51.100.0/24; 443 from 198.51.100.0/24; "
        "9999 from 203.0.113.7/32; 9998 from deployer:demo:prod",
        "pull debian:12 on demo-prod-fddaa8",
        "send the missing layers to demo-prod-13de6f",
        "prepare the new release on demo-prod-fddaa8",
        "prepare the new release on demo-prod-13de6f",
        "promote the new release on demo-prod-fddaa8, once it is healthy on every droplet",
        "promote the new release on demo-prod-13de6f, once it is healthy on every droplet",
        "route hello.example.com on demo-prod-fddaa8 to the new release",
        "route hello.example.com on demo-prod-13de6f to the new release",
        "add A record hello.example.com to the address of demo-prod-fddaa8",
        "add A record hello.example.com to the address of demo-prod-13de6f",
    ]
    assert all(operation.changes for operation in plan.operations)
    assert plan.create[0] == DropletRequest(
        name="demo-prod-fddaa8",
        region="fra1",
        size="s-1vcpu-1gb",
        image=SNAPSHOT,
        tags=frozenset({"deployer", "deployer:demo:prod"}),
        intent="0123456789ab-0",
    )
    assert plan.container == HELLO


def test_a_next_deploy_says_what_serves_now_and_what_stays() -> None:
    plan = deploy(TWO, replicas=2)
    assert plan.lines() == [
        f"use droplet demo-prod-000001 (serves release {OLD})",
        f"use droplet demo-prod-000002 (serves release {OLD})",
        "firewall deployer-demo.prod is as it should be",
        "pull debian:12 on demo-prod-000001",
        "send the missing layers to demo-prod-000002",
        f"prepare the new release on demo-prod-000001, beside {OLD}",
        f"prepare the new release on demo-prod-000002, beside {OLD}",
        "promote the new release on demo-prod-000001, once it is healthy on every droplet",
        "promote the new release on demo-prod-000002, once it is healthy on every droplet",
        f"retire {OLD} on demo-prod-000001, and keep it for a rollback",
        f"retire {OLD} on demo-prod-000002, and keep it for a rollback",
        f"route hello.example.com on demo-prod-000001 to the new release, from {OLD}",
        f"route hello.example.com on demo-prod-000002 to the new release, from {OLD}",
        "keep A record hello.example.com to 192.0.2.1",
        "keep A record hello.example.com to 192.0.2.2",
    ]
    assert [one.text for one in plan.operations if not one.changes and one.part != "record"] == plan.lines()[:3]
    assert plan.current == {"demo-prod-000001": OLD, "demo-prod-000002": OLD}


def test_fewer_replicas_drain_the_service_away_and_destroy_what_is_empty_when_asked() -> None:
    plan = deploy(TWO, replicas=1, remove_empty=True)
    assert lines(plan, "droplet") == [
        f"use droplet demo-prod-000001 (serves release {OLD})",
        f"drain hello away from demo-prod-000002 (serves release {OLD}): 1 is asked for",
        "destroy droplet demo-prod-000002 once nothing is left on it",
    ]
    assert lines(plan, "container")[-1] == f"remove {HELLO} from demo-prod-000002, once its last request has ended"
    assert lines(plan, "route")[-1] == "remove all routes of the service from demo-prod-000002"
    assert lines(plan, "record") == [
        "keep A record hello.example.com to 192.0.2.1",
        "remove A record hello.example.com to 192.0.2.2: the service leaves that droplet",
    ]
    assert deploy(TWO, replicas=1).destroy == ()


def test_the_most_loaded_droplet_is_left_first_and_then_the_newest() -> None:
    loaded = host("1", container(), container("shop", memory_mib=512))
    world = replace(TWO, hosts=(loaded, host("2", container()), host("3", container())))
    assert [one.name[-1] for one in deploy(world, replicas=2).drain] == ["1"]
    assert [one.name[-1] for one in deploy(world, replicas=1).drain] == ["1", "3"]


def test_a_droplet_where_it_does_not_serve_is_left_before_all_others() -> None:
    idle = host("1", container(role="candidate", status="exited"))
    assert [one.name[-1] for one in deploy(replace(TWO, hosts=(idle, TWO.hosts[1]))).drain] == ["1"]


def test_a_droplet_with_a_volume_of_the_service_is_never_left() -> None:
    data = host("2", container(), container("shop", memory_mib=512), volumes=(f"{HELLO}_data",))
    world = replace(TWO, hosts=(TWO.hosts[0], data))
    assert [one.name[-1] for one in deploy(world, replicas=1).drain] == ["1"]
    both = replace(TWO, hosts=(host("1", container(), volumes=(f"{HELLO}_data",)), data))
    assert deploy(both, replicas=1).drain == ()


def test_a_service_with_a_volume_goes_back_to_where_its_data_is() -> None:
    wanted = replace(service(), volumes=(Volume("data", "/data"),))
    world = World((host("1"), host("2", volumes=(f"{HELLO}_data",))), edge=EDGE)
    assert [one.name[-1] for one in worlds.deploy(world, wanted).keep] == ["2"]


def test_what_nobody_can_say_to_be_without_data_is_not_left() -> None:
    unknown = replace(TWO, hosts=tuple(replace(one, inventory=None) for one in TWO.hosts))
    wanted = replace(service(), volumes=(Volume("data", "/data"),))
    assert worlds.deploy(unknown, wanted).drain == ()
    assert len(deploy(unknown).drain) == 1, "one without volumes has no data to lose"


@pytest.mark.parametrize(
    "there",
    [
        replace(host("2", container()), inventory=Inventory(strangers=("postgres",))),
        replace(host("2", container()), inventory=Inventory(volumes=("data",))),
        replace(host("2", container()), inventory=None),
        host("2", container(), container("shop", "previous")),
    ],
    ids=["strangers", "volumes", "not asked", "another service"],
)
def test_a_droplet_with_anything_else_on_it_is_not_destroyed(there: Host) -> None:
    plan = deploy(replace(TWO, hosts=(TWO.hosts[0], there)), remove_empty=True)
    assert ([one.name[-1] for one in plan.drain], plan.destroy) == (["2"], ())


def test_a_droplet_that_only_carries_the_tag_stops_the_plan() -> None:
    stranger = replace(droplet("2"), tags=frozenset({"deployer:demo:prod"}))
    with pytest.raises(InvalidInput, match="demo-prod-000002 carries the tag deployer:demo:prod, but was not made"):
        deploy(replace(TWO, hosts=(TWO.hosts[0], Host(stranger))))


def test_another_seed_makes_droplets_of_other_names() -> None:
    names = {one.name for seed in ("a", "b") for one in worlds.deploy(World(()), service(2), seed).create}
    assert len(names) == 4


def test_a_service_stays_on_a_droplet_that_would_not_be_chosen_today() -> None:
    crowded = replace(droplet("1", image="9002", memory_mib=512), status="off")
    plan = deploy(World((Host(crowded, (container(),)),)), memory_mib=4096)
    assert lines(plan, "droplet") == [f"use droplet demo-prod-000001 (serves release {OLD})"]


def test_a_droplet_that_has_only_a_candidate_is_where_the_service_is() -> None:
    plan = deploy(World((host("1", container(role="candidate")), host("2"))))
    assert lines(plan, "droplet") == ["use droplet demo-prod-000001 (does not serve it yet)"]
    assert plan.current == {}


def test_the_least_loaded_droplet_comes_next_and_then_the_first_by_name() -> None:
    world = World(
        (
            host("1", container("shop", memory_mib=512)),
            host("3", container("redis", memory_mib=64)),
            host("2", container("redis", memory_mib=64)),
        )
    )
    assert lines(deploy(world), "droplet") == ["use droplet demo-prod-000002 (does not serve it yet)"]
    assert [one.name[-1] for one in deploy(world, replicas=2).keep] == ["2", "3"]


@pytest.mark.parametrize(
    "unfit",
    [
        Host(droplet("1", image="9002")),
        Host(droplet("1", region="nyc3")),
        Host(droplet("1", memory_mib=511)),
        Host(replace(droplet("1"), status="off")),
        Host(replace(droplet("1"), status="new")),
        Host(droplet("1"), (container("shop", memory_mib=513),)),
    ],
)
def test_a_droplet_that_does_not_fit_is_passed_over(unfit: Host) -> None:
    plan = deploy(World((unfit,)))
    assert lines(plan, "droplet") == ["create droplet demo-prod-fddaa8 (s-1vcpu-1gb in fra1, from 9001)"]


def test_a_droplet_with_just_enough_room_is_used() -> None:
    assert deploy(World((Host(droplet("1", memory_mib=512)),))).create == ()


def test_memory_of_candidates_and_previous_releases_is_not_counted() -> None:
    kept = Host(droplet("1"), (container("shop", "previous", memory_mib=512), container("shop", memory_mib=512)))
    assert deploy(World((kept,))).create == ()


def test_records_out_of_use_are_removed_and_others_stay() -> None:
    leftovers = (record("9"), record("1", name="old.example.com"), record("1"), record("9", "shop", "shop.example.com"))
    world = World((host("1", container()),), (*leftovers, foreign("www.example.com")))
    assert lines(deploy(world), "record") == [
        "keep A record hello.example.com to 192.0.2.1",
        "remove A record old.example.com to 192.0.2.1: the service gives the name up",
        "remove A record hello.example.com to 192.0.2.9: it is out of use",
    ]


def test_a_record_that_is_not_as_it_should_be_is_mended_and_not_removed() -> None:
    other = replace(record("1"), comment=record("9").comment)
    plan = deploy(replace(TWO, hosts=TWO.hosts[:1], records=(other,)))
    assert lines(plan, "record") == ["add A record hello.example.com to 192.0.2.1 (demo-prod-000001)"]
    assert (plan.records.keep, plan.records.drop, plan.records.stale) == ((), (), ())


def test_a_record_that_somebody_does_not_want_proxied_stays_so_and_the_plan_says_what_that_means() -> None:
    grey = replace(record("1"), proxied=False, ttl=300)
    plan = deploy(replace(TWO, hosts=TWO.hosts[:1], records=(grey,)))
    assert lines(plan, "record") == [
        "keep A record hello.example.com to 192.0.2.1, which is not proxied: the firewall lets in the edge alone"
    ]
    assert (plan.records.keep, plan.records.changes) == ((grey,), False)


@pytest.mark.parametrize(
    ("source", "known", "notes"),
    [
        (
            ControllerSource("shop:1"),
            True,
            [
                "12.0 MiB to demo-prod-000001",
                "nothing to demo-prod-000002, not known to demo-prod-000003, 40.0 MiB to demo-prod-fddaa8",
            ],
        ),
        (ImageSource("shop:1"), False, ["", "how much is known after the pull"]),
        (BuildSource("/srv/shop"), False, ["", "how much is known after the build"]),
        (BuildSource("/srv/shop", build_on="controller"), False, ["", *["how much is known after the build"] * 2]),
    ],
)
def test_what_travels_is_told_by_droplet_and_is_no_part_of_what_is_approved(
    source: Source, known: bool, notes: list[str]
) -> None:
    three = replace(TWO, hosts=tuple(host(letter, container()) for letter in "123"), records=())
    lacking = {"demo-prod-000001": 12 << 20, "demo-prod-000002": 0}
    weighed = replace(three, weight=Weight(40 << 20, lacking)) if known else three
    plan = worlds.deploy(weighed, replace(service(4), source=source))
    assert [one.note for one in plan.operations if one.part == "image"] == notes
    assert plan.digest == worlds.deploy(three, replace(service(4), source=source)).digest


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (BuildSource("/srv/shop"), ["build /srv/shop on demo-prod-000001"]),
        (ArchiveSource("/srv/shop.tar", "web"), ["build /srv/shop.tar:web on demo-prod-000001"]),
        (GitSource("https://g.example/a.git", "v1"), ["build https://g.example/a.git at v1 on demo-prod-000001"]),
        (
            BuildSource("/srv/shop", build_on="controller"),
            ["build /srv/shop on the controller", "send the missing layers to demo-prod-000001"],
        ),
        (ControllerSource("shop:1"), ["send shop:1 from the controller to demo-prod-000001"]),
    ],
)
def test_the_image_is_told_by_its_source(source: Source, told: list[str]) -> None:
    plan = worlds.deploy(TWO, replace(service(2), source=source))
    assert lines(plan, "image") == [*told, "send the missing layers to demo-prod-000002"]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((), "create firewall deployer-demo.prod"),
        ((replace(FIREWALL, inbound=FIREWALL.inbound[1:]),), "change firewall deployer-demo.prod"),
        ((replace(FIREWALL, settled=False),), "change firewall deployer-demo.prod"),
        ((replace(FIREWALL, inbound=FIREWALL.inbound[::-1]),), "firewall deployer-demo.prod is as it should be"),
    ],
)
def test_the_firewall_is_made_changed_or_left(found: tuple[Firewall, ...], told: str) -> None:
    assert lines(deploy(replace(TWO, firewalls=found), replicas=2), "firewall")[0].startswith(told)


def test_where_one_release_serves_everywhere_only_the_build_can_find_something_to_do() -> None:
    plan = deploy(TWO, replicas=2)
    assert plan.at_rest
    assert plan.is_done(OLD)
    assert not plan.is_done(NEW)


@pytest.mark.parametrize(
    "world",
    [
        replace(TWO, records=TWO.records[:1]),
        replace(TWO, records=(*TWO.records, record("9"))),
        replace(TWO, firewalls=()),
        replace(TWO, hosts=(host("1", container(status="exited")), TWO.hosts[1])),
        replace(TWO, hosts=(host("1", container(), container(role="candidate")), TWO.hosts[1])),
        replace(TWO, hosts=(host("1", container(), container(role="previous", status="running")), TWO.hosts[1])),
        replace(TWO, hosts=(replace(TWO.hosts[0], routes=()), TWO.hosts[1])),
        replace(TWO, hosts=(replace(TWO.hosts[0], routes=None), TWO.hosts[1])),
        replace(TWO, hosts=(host("1"), TWO.hosts[1])),
    ],
    ids=["record", "stale", "firewall", "stopped", "candidate", "previous", "route", "nginx", "absent"],
)
def test_whatever_is_missing_or_left_over_is_something_to_do(world: World) -> None:
    assert not deploy(world, replicas=2).is_done(OLD)


def kept(*releases: str) -> Host:
    """A droplet that has kept these, the first of them as previous."""
    older = [container(role="kept", release=one) for one in releases[1:]]
    return host("1", container(), container(role="previous", release=releases[0]), *older)


def test_the_oldest_releases_go_when_a_new_one_makes_them_too_many() -> None:
    world = replace(TWO, hosts=(kept("20261031t000003-cccccc", OLDER, "20261031t000001-cccccc"), TWO.hosts[1]))
    told = lines(worlds.deploy(world, service(2, keep=2)), "container")
    assert [line for line in told if line.startswith("remove")] == [
        "remove 20261031t000001-cccccc, the oldest, from demo-prod-000001 if the new release is another",
        f"remove {OLDER}, the oldest, from demo-prod-000001 if the new release is another",
    ]
    assert not [line for line in lines(worlds.deploy(world, service(2, keep=4)), "container") if "oldest" in line]


def test_more_kept_releases_than_are_wanted_are_something_to_do() -> None:
    world = replace(TWO, hosts=(kept(OLDER, "20261031t000001-cccccc"), TWO.hosts[1]))
    assert worlds.deploy(world, service(2, keep=2)).is_done(OLD)
    assert not worlds.deploy(world, service(2, keep=1)).is_done(OLD)


def test_a_stopped_candidate_is_evidence_and_nothing_to_do() -> None:
    evidence = host("1", container(), container(role="candidate", release=NEW, status="exited"))
    assert deploy(replace(TWO, hosts=(evidence, TWO.hosts[1])), replicas=2).is_done(OLD)


def test_two_releases_are_something_to_do_whichever_comes() -> None:
    plan = deploy(replace(TWO, hosts=(TWO.hosts[0], host("2", container(release=NEW)))), replicas=2)
    assert not plan.is_done(OLD)
    assert not plan.is_done(NEW)


def test_a_service_without_a_domain_has_neither_routes_nor_records() -> None:
    plan = worlds.deploy(World(()), replace(service(), runs=Worker()))
    assert lines(plan, "route") + lines(plan, "record") == []


def test_a_droplet_that_cannot_be_seen_stops_the_plan() -> None:
    silent = Host(droplet("2"), error="the agent did not answer: timed out")
    with pytest.raises(TransientError) as caught:
        deploy(World((Host(droplet("1"), (container(),)), silent)))
    assert str(caught.value) == (
        "These droplets cannot be seen, so nothing has been changed: "
        "demo-prod-000002 (the agent did not answer: timed out). "
        "Bring them back (or destroy them in the control panel), then run this again."
    )


def test_without_a_snapshot_nothing_can_be_made() -> None:
    with pytest.raises(InvalidInput) as caught:
        worlds.deploy(TWO, service(3), spec=replace(SPEC, snapshot=None))
    assert str(caught.value) == (
        "hello needs 1 more droplets; demo-prod has no snapshot for them. "
        "Run build-snapshot, then choose the snapshot in the run form or in the Environment block."
    )


def test_without_a_snapshot_a_service_is_deployed_where_it_is() -> None:
    plan = worlds.deploy(TWO, service(2), spec=replace(SPEC, snapshot=None))
    assert (len(plan.keep), plan.create) == (2, ())


@pytest.mark.parametrize("type", ["A", "AAAA", "CNAME", "HTTPS", "SVCB"])
def test_a_domain_with_a_record_of_somebody_else_is_refused(type: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        deploy(replace(TWO, records=(foreign(DOMAIN, "our web server", type),)))
    assert str(caught.value) == (
        f"The zone has a record hello.example.com ({type} 198.51.100.9) that is not this service's. "
        "Delete it in Cloudflare if it is not needed, or give the service another domain."
    )


@pytest.mark.parametrize("type", ["TXT", "MX", "CAA"])
def test_records_that_route_nothing_may_stand_beside_ours(type: str) -> None:
    assert deploy(World((), (foreign(DOMAIN, "", type),))).records.stale == ()


def test_a_domain_that_another_service_serves_is_refused() -> None:
    taken = replace(container("shop"), hosts=(DOMAIN,))
    with pytest.raises(InvalidInput) as caught:
        deploy(World((Host(droplet("1"), (taken,)),)))
    assert str(caught.value) == (
        "hello.example.com is served by 9fe5e6_demo_prod_shop on demo-prod-000001 already. "
        "Give this service another domain, or undeploy that one first."
    )


def test_names_too_long_for_a_comment_are_refused_before_anything_is_made() -> None:
    long = replace(SPEC, project="a" * 27, name="b" * 27)
    wanted = replace(service(), name="c" * 30, runs=Web(80, (DOMAIN,)))
    with pytest.raises(InvalidInput, match="Shorten them by"):
        worlds.deploy(World(()), wanted, spec=long)


def test_a_release_or_a_snapshot_changes_the_digest() -> None:
    switched = replace(TWO, hosts=(host("1", container(release=NEW)), TWO.hosts[1]))
    assert len(deploy(TWO, 2).digest) == 12
    assert deploy(switched, 2).digest != deploy(TWO, 2).digest
    other = worlds.deploy(World(()), service(), spec=replace(SPEC, snapshot="9002"))
    assert other.digest != deploy(World(())).digest


def test_what_moved_is_told_as_it_was_and_as_it_is() -> None:
    there = (host("1", container(release=NEW), container(role="previous", release=OLDER)), TWO.hosts[1])
    now = replace(TWO, hosts=there, records=(replace(TWO.records[0], content="192.0.2.7"),))
    moved = facts.moved(deploy(TWO, 2).basis, facts.facts_of(now))
    assert [str(one) for one in moved] == [
        "A record hello.example.com (hello-1): was to 192.0.2.1, proxied, comment 'deployer 9fe5e6 demo/prod/hello "
        "demo-prod-000001'; is to 192.0.2.7, proxied, comment 'deployer 9fe5e6 demo/prod/hello demo-prod-000001'",
        "A record hello.example.com (hello-2): was to 192.0.2.2, proxied, comment 'deployer 9fe5e6 demo/prod/hello "
        "demo-prod-000002'; is not there",
        f"current container {HELLO} on demo-prod-000001: was release {OLD} of image sha256:0, runs, 256 MiB, for "
        f"{DOMAIN}; is release {NEW} of image sha256:0, runs, 256 MiB, for {DOMAIN}",
        f"previous container {HELLO} on demo-prod-000001: was not there; is release {OLDER} of image sha256:0, "
        f"stopped, 256 MiB, for {DOMAIN}",
        f"route {DOMAIN} on demo-prod-000001: was to {HELLO}, release {OLD}; is to {HELLO}, release {NEW}",
    ]


def test_each_release_that_is_kept_is_a_fact_of_its_own() -> None:
    more = replace(TWO, hosts=(kept(OLDER, "20261031t000002-cccccc", "20261031t000001-cccccc"), TWO.hosts[1]))
    fewer = replace(TWO, hosts=(kept(OLDER, "20261031t000001-cccccc"), TWO.hosts[1]))
    (gone,) = facts.moved(facts.facts_of(more), facts.facts_of(fewer))
    assert gone.what == f"kept 20261031t000002-cccccc container {HELLO} on demo-prod-000001"


def test_a_restart_or_another_order_is_no_move() -> None:
    later = replace(container(), restarts=3, verdict="degraded")
    now = replace(TWO, hosts=(TWO.hosts[1], host("1", later)), records=TWO.records[::-1])
    assert facts.moved(facts.facts_of(TWO), facts.facts_of(now)) == ()
    assert facts.digest(facts.facts_of(TWO)) == facts.digest(facts.facts_of(now))
