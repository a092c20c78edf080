"""What every implementation of the droplets' port does, and with it snapshots, firewalls, keys and account."""

from __future__ import annotations

import pytest

from fleet import naming
from fleet.cloud.ports import Cloud
from fleet.errors import InvalidInput, NotFound, PermanentError
from fleet.spec import EnvironmentSpec
from fleet.state import DropletRequest, Rule
from tests.contract.cloud.waiting import until

SPEC = EnvironmentSpec("demo", "prod", "fra1", "s-1vcpu-1gb", "example.test")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrZq3Yt0Wc1vM3mYh1sGm2xk8O0bY5wq4sZ7m0y6l1D"


def request(
    intent: str, region: str = SPEC.region, size: str = SPEC.size, image: str = "debian-12-x64"
) -> DropletRequest:
    """A droplet of the environment, from a distribution image."""
    return DropletRequest(naming.droplet(SPEC, intent), region, size, image, naming.droplet_tags(SPEC), intent)


def test_the_same_intent_gives_the_same_droplet(cloud: Cloud, intent: str) -> None:
    first = cloud.droplets.ensure(request(intent))
    assert cloud.droplets.ensure(request(intent)).id == first.id
    assert [found.id for found in cloud.droplets.read_tagged(naming.intent_tag(intent))] == [first.id]


def test_a_droplet_becomes_active_with_its_addresses_and_tags(cloud: Cloud, intent: str) -> None:
    made = cloud.droplets.ensure(request(intent))
    found = until(lambda: cloud.droplets.read(made.id), lambda seen: bool(seen and seen.status == "active"))
    assert found
    assert (found.name, found.status, found.region, found.size) == (made.name, "active", "fra1", "s-1vcpu-1gb")
    assert found.tags == naming.droplet_tags(SPEC) | {naming.intent_tag(intent)}
    assert found.memory_mib == 1024
    assert found.created_at.tzinfo


def test_a_droplet_that_is_not_there_is_none_and_may_be_removed(cloud: Cloud) -> None:
    assert cloud.droplets.read(424242) is None
    cloud.droplets.remove(424242)


def test_all_droplets_are_listed_whatever_their_tags(cloud: Cloud, intent: str) -> None:
    made = cloud.droplets.ensure(request(intent))
    assert made.id in {one.id for one in cloud.droplets.read_all()}
    cloud.droplets.remove(made.id)


def test_a_removed_droplet_is_gone(cloud: Cloud, intent: str) -> None:
    made = cloud.droplets.ensure(request(intent))
    cloud.droplets.remove(made.id)
    until(lambda: cloud.droplets.read(made.id), lambda seen: seen is None)


def test_an_action_on_an_absent_droplet_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        cloud.droplets.act(424242, "shutdown")


@pytest.mark.parametrize("wrong", [{"size": "s-9000vcpu"}, {"region": "moon1"}, {"image": "999999999"}])
def test_a_droplet_that_cannot_be_made_is_invalid_input(cloud: Cloud, intent: str, wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        cloud.droplets.ensure(request(intent, **wrong))


def test_a_droplet_can_be_switched_off_and_snapshotted(cloud: Cloud, intent: str) -> None:
    made = cloud.droplets.ensure(request(intent))
    until(lambda: cloud.droplets.read(made.id), lambda seen: bool(seen and seen.status == "active"))
    off = cloud.droplets.act(made.id, "power_off")
    until(lambda: cloud.droplets.read_action(off.id), lambda seen: seen.status == "completed")
    taken = cloud.droplets.snapshot(made.id, f"snapshot-{intent}")
    until(lambda: cloud.droplets.read_action(taken.id), lambda seen: seen.status == "completed")
    found = next(one for one in cloud.snapshots.read_all() if one.name == f"snapshot-{intent}")
    assert found.regions == ("fra1",)
    cloud.snapshots.tag(found.id, naming.snapshot_tags("base"))
    cloud.snapshots.describe(found.id, "for a test")
    tagged = next(one for one in cloud.snapshots.read_all() if one.id == found.id)
    assert naming.snapshot_kind(tagged.tags) == "base"
    assert (tagged.description, tagged.droplet) == ("for a test", made.id)
    assert cloud.snapshots.exists(found.id)
    cloud.snapshots.remove(found.id)
    cloud.snapshots.remove(found.id)
    assert not cloud.snapshots.exists(found.id)
    assert found.id not in {one.id for one in cloud.snapshots.read_all()}


def test_a_firewall_is_made_once_changed_and_removed(cloud: Cloud, intent: str) -> None:
    name, tags = f"deployer-{intent}", (naming.environment_tag(SPEC),)
    web = (Rule("80", addresses=("127.76.0.0/24",)), Rule("443", addresses=("127.76.0.0/24",)))
    first = cloud.firewalls.ensure(name, web, tags)
    assert cloud.firewalls.ensure(name, web, tags).id == first.id
    seen = until(lambda: cloud.firewalls.read(name), lambda found: bool(found and found.settled))
    assert seen
    assert set(seen.inbound) == set(web)
    agent = (*web, Rule("9999", addresses=("127.0.0.1/32",)))
    assert cloud.firewalls.ensure(name, agent, tags).id == first.id
    changed = cloud.firewalls.read(name)
    assert changed
    assert set(changed.inbound) == set(agent)
    assert changed.tags == tags
    assert changed in cloud.firewalls.read_all()
    cloud.firewalls.remove(name)
    cloud.firewalls.remove(name)
    assert cloud.firewalls.read(name) is None


def test_a_firewall_of_our_name_that_is_attached_to_no_tag_of_ours_is_not_ours(cloud: Cloud, intent: str) -> None:
    name, tag = f"deployer-{intent}", naming.environment_tag(SPEC)
    rules = (Rule("80", addresses=("127.76.0.0/24",)),)
    theirs = cloud.firewalls.ensure(name, rules, (tag,))
    cloud.tags.discard(tag)
    for change in (lambda: cloud.firewalls.ensure(name, rules, (tag,)), lambda: cloud.firewalls.remove(name)):
        with pytest.raises(PermanentError, match="it is not ours, and was left alone"):
            change()
    found = cloud.firewalls.read(name)
    assert found
    assert (found.id, found.tags) == (theirs.id, ())


def test_a_tag_is_put_on_a_droplet_and_taken_off_again_and_again(cloud: Cloud, intent: str) -> None:
    made, tag = cloud.droplets.ensure(request(intent)), f"deployer-tombstone:hello:{intent}"
    for _ in range(2):
        cloud.tags.add(tag, made.id)
    assert [found.id for found in cloud.droplets.read_tagged(tag)] == [made.id]
    assert cloud.tags.read_all()[tag] == 1
    assert cloud.tags.discard(tag) is False
    for _ in range(2):
        cloud.tags.remove(tag, made.id)
    assert cloud.droplets.read_tagged(tag) == []
    assert cloud.tags.read_all()[tag] == 0
    for _ in range(2):
        assert cloud.tags.discard(tag) is True
    assert tag not in cloud.tags.read_all()
    cloud.tags.remove(tag, made.id)
    found = cloud.droplets.read(made.id)
    assert found
    assert found.tags == naming.droplet_tags(SPEC) | {naming.intent_tag(intent)}


def test_a_tag_outlives_the_droplet_that_carried_it(cloud: Cloud, intent: str) -> None:
    made, tag = cloud.droplets.ensure(request(intent)), naming.intent_tag(intent)
    cloud.droplets.remove(made.id)
    until(lambda: cloud.droplets.read(made.id), lambda seen: seen is None)
    assert cloud.tags.read_all()[tag] == 0
    assert cloud.tags.discard(tag) is True
    cloud.tags.remove(tag, made.id)


def test_a_key_is_known_by_its_body_and_removed_by_its_name(cloud: Cloud) -> None:
    first = cloud.keys.ensure("bake", f"{KEY} one@host")
    assert cloud.keys.ensure("other", f"{KEY} another@host") == first
    cloud.keys.remove_named("bake")
    cloud.keys.remove_named("bake")
    assert cloud.keys.ensure("bake", KEY) != first
    cloud.keys.remove_named("bake")


def test_the_account_knows_its_owner_its_regions_and_what_they_have(cloud: Cloud) -> None:
    assert cloud.account.read_owner() == cloud.account.read_owner()
    assert len(cloud.account.read_owner()) == 6
    assert cloud.account.read_regions()["fra1"] is True
    small = next(size for size in cloud.account.read_sizes() if size.slug == "s-1vcpu-1gb")
    assert (small.memory_mib, small.disk_gb, small.available) == (1024, 25, True)
    assert "fra1" in small.regions
    assert small.dollars == 6.0


def test_a_token_that_may_read_everything_lacks_nothing(cloud: Cloud) -> None:
    assert cloud.account.read_missing() == ()


def test_a_token_that_may_no_more_than_it_should_has_no_excess(cloud: Cloud) -> None:
    assert cloud.account.read_excess() == ()
