"""Names, tags and comments: what goes in comes out, everything fits, and other people's things are not ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent import wire
from fleet import checks, naming
from fleet.errors import InvalidInput, PermanentError
from fleet.spec import EnvironmentSpec

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Prefect's threads, when another test has started them, use it while Hypothesis draws."""
OWNER = "9fe5e6"
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TAG = re.compile(r"[A-Za-z0-9_:-]{1,255}")
"""What DigitalOcean allows in a tag."""
words = st.from_regex(checks.WORD, fullmatch=True)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2120, 1, 1), timezones=st.just(UTC))


def environment(project: str = "demo", name: str = "prod") -> EnvironmentSpec:
    """An environment of these names."""
    return EnvironmentSpec(project, name, "fra1", "s-1vcpu-1gb", "example.com")


@st.composite
def environments(draw: st.DrawFn) -> EnvironmentSpec:
    """Environments of all names that are allowed together."""
    project, name = draw(words), draw(words)
    assume(len(project) + len(name) + 1 + checks.SUFFIX <= checks.LABEL_LIMIT)
    return environment(project, name)


def test_the_names_of_an_environment_are_as_written_in_the_design() -> None:
    spec = environment()
    assert naming.environment(spec) == "demo-prod"
    assert naming.container(OWNER, spec, "redis") == "9fe5e6_demo_prod_redis"
    assert naming.environment_tag(spec) == "deployer:demo:prod"
    assert naming.droplet_tags(spec) == {"deployer", "deployer:demo:prod"}
    assert naming.intent_tag("3f9a1c-0") == "op:3f9a1c-0"
    assert naming.firewall(spec) == "deployer-demo.prod"
    assert (
        naming.comment(OWNER, spec, "hello", "demo-prod-3f9a1c") == "deployer 9fe5e6 demo/prod/hello demo-prod-3f9a1c"
    )
    assert naming.snapshot_tags("base") == {"deployer", "deployer-base"}


def test_an_owner_is_six_hex_digits_and_the_same_on_every_machine() -> None:
    assert naming.owner("11111111-2222-3333-4444-555555555555") == "666ff6"
    assert naming.owner("another team") != naming.owner("a team")


@given(environments(), words)
def test_a_container_name_says_what_it_was_made_of_and_the_agent_takes_it(spec: EnvironmentSpec, service: str) -> None:
    name = naming.container(OWNER, spec, service)
    assert naming.read_container(name) == naming.ContainerName(OWNER, spec.project, spec.name, service)
    assert naming.service_of(name) == service
    assert re.fullmatch(wire.NAME.strip("^$"), name)
    assert len(name) <= 128


@pytest.mark.parametrize(
    "name", ["", "redis", "demo_prod_redis", "9fe5e6_demo_prod", "9fe5e6_demo_prod_redis.previous", "9FE5E6_a_b_c"]
)
def test_a_container_of_somebody_else_is_not_read(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a container of ours"):
        naming.read_container(name)


@given(environments(), st.text(max_size=40))
def test_a_droplets_name_is_one_label_and_the_same_for_the_same_intent(spec: EnvironmentSpec, intent: str) -> None:
    name = naming.droplet(spec, intent)
    assert name == naming.droplet(spec, intent)
    assert HOST_NAME.fullmatch(name)
    assert name.startswith(f"{spec.project}-{spec.name}-")


@given(environments())
def test_every_tag_is_one_that_digitalocean_takes(spec: EnvironmentSpec) -> None:
    tags = {*naming.droplet_tags(spec), naming.intent_tag("0123456789ab-12"), *naming.snapshot_tags("custom")}
    assert all(TAG.fullmatch(tag) for tag in tags)


@given(environments(), environments())
def test_two_environments_share_neither_tag_nor_firewall_nor_containers(
    one: EnvironmentSpec, other: EnvironmentSpec
) -> None:
    assume(one != other)
    assert naming.environment_tag(one) != naming.environment_tag(other)
    assert naming.firewall(one) != naming.firewall(other)
    assert naming.container(OWNER, one, "web") != naming.container(OWNER, other, "web")


@pytest.mark.parametrize(
    ("tags", "ours"),
    [
        ({"deployer", "deployer:demo:prod", "op:1-0"}, True),
        ({"deployer"}, False),
        ({"op:1-0"}, False),
        ({"deployer:demo:prod", "op:1-0"}, False),
        (set(), False),
    ],
)
def test_a_droplet_is_ours_by_its_tag_and_its_intent(tags: set[str], ours: bool) -> None:
    assert naming.is_our_droplet(frozenset(tags)) is ours


@pytest.mark.parametrize("kind", ["base", "custom"])
def test_a_snapshots_tags_say_its_kind(kind: str) -> None:
    assert naming.snapshot_kind(naming.snapshot_tags(kind)) == kind


def test_a_snapshot_of_somebody_else_has_no_kind() -> None:
    assert naming.snapshot_kind(frozenset({"base", "deployer"})) is None


@given(environments(), words, words)
def test_a_comment_says_for_whom_it_stands_and_where_it_points_in_a_hundred_characters(
    spec: EnvironmentSpec, service: str, other: str
) -> None:
    droplet = naming.droplet(spec, "1-0")
    try:
        comment = naming.comment(OWNER, spec, service, droplet)
    except InvalidInput as error:
        over = int(re.findall(r"by (\d+) characters", error.hint)[0])
        assert len(f"{naming.comment_mark(OWNER, spec, service)} {droplet}") - over == naming.COMMENT_LIMIT
        return
    assert len(comment) <= naming.COMMENT_LIMIT
    assert naming.droplet_of(comment) == droplet
    assert naming.is_ours(comment, OWNER, spec, service)
    assert naming.is_ours(comment, OWNER, spec, other) is (service == other)
    assert not naming.is_ours(comment, "000000", spec, service)
    naming.check_ours(comment, "The record")


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "deployer",
        "deployer ",
        "web server",
        "deployer 9fe5e6 demo/prod/hello",
        "deployer 9fe5e6 demo/prod/hello-2 demo-prod-3f9a1c",
        "deployer 9fe5e6 demo/prod-2/hello demo-prod-3f9a1c",
        "deployer 9fe5e6 demo/prod/hello demo-prod-3f9a1c and a word",
        "not deployer 9fe5e6 demo/prod/hello demo-prod-3f9a1c",
        "Deployer 9fe5e6 demo/prod/hello demo-prod-3f9a1c",
    ],
)
def test_a_record_with_another_comment_is_not_this_services(comment: str) -> None:
    assert not naming.is_ours(comment, OWNER, environment(), "hello")


@given(st.text(max_size=100))
def test_whatever_others_write_into_a_comment_only_our_word_makes_it_ours(comment: str) -> None:
    assume(not comment.startswith("deployer "))
    assert not naming.same_service(comment, comment)
    with pytest.raises(PermanentError, match="The record is not ours, and was left alone"):
        naming.check_ours(comment, "The record")


@given(moments, hexes)
def test_a_release_says_when_it_was_named_and_of_what(now: datetime, content: str) -> None:
    release = naming.release(now, content)
    assert re.fullmatch(wire.RELEASE.strip("^$"), release)
    assert naming.released_at(release) == now.replace(microsecond=0)
    assert naming.same_content(release, content)
    assert not naming.same_content(release, content[6:] + content[:6]) or content[:6] == content[6:12]


@given(moments, moments)
def test_releases_sort_by_time(one: datetime, other: datetime) -> None:
    assume(abs(one - other) >= timedelta(seconds=1))
    first, second = naming.release(min(one, other), "f" * 64), naming.release(max(one, other), "0" * 64)
    assert first < second


@given(st.lists(moments, max_size=4), moments)
def test_the_next_release_sorts_after_all_that_are_known(known: list[datetime], now: datetime) -> None:
    releases = [naming.release(one, "f" * 64) for one in known]
    following = naming.next_release(now, "0" * 64, releases)
    assert all(following > one for one in releases)
    assert naming.released_at(following) >= now.replace(microsecond=0)


def test_a_release_is_named_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert naming.release(datetime(2026, 11, 24, 3, 15, 30, tzinfo=berlin), "9fe5e6ab") == "20261124t021530-9fe5e6"


@pytest.mark.parametrize(
    "release", ["", "latest", "20261124t021530", "20261324t021530-9fe5e6", "20261124T021530-9fe5e6"]
)
def test_what_is_no_release_is_refused_with_an_example(release: str) -> None:
    with pytest.raises(InvalidInput, match=r"is no release\. Take one from the health table, e\.g\. 20261124t021530"):
        naming.released_at(release)


def test_what_is_no_release_was_given_to_no_content() -> None:
    assert not naming.same_content("latest", "latest")
    assert not naming.same_content("", "")
