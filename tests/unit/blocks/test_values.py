"""What a person fills in: good values give specs, bad ones are refused with what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent import wire
from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.notifications import Notifications
from blocks.service import Service
from blocks.snapshot import Snapshot
from fleet import lineage, naming, spec, state
from fleet.errors import InvalidInput
from tasks import sources
from tests.unit.blocks import examples
from tests.unit.blocks.examples import (
    cloudflare,
    digitalocean,
    environment,
    folder,
    git,
    registry,
    service,
    snapshot,
    web,
)

WORD = "Use 1 to 39 lower-case letters, digits and dashes, beginning with a letter."


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (digitalocean, {"token": ""}, "at least 1"),
        (digitalocean, {"api_url": "http://api.example.com"}, "Begin with https://, as a token is sent there."),
        (cloudflare, {"zone": "Example"}, "Write it in full and in lower case, e.g. hello.example.com."),
        (cloudflare, {"api_url": "api.example.com"}, "Begin with https://, as a token is sent there."),
        (cloudflare, {"service_url": "https://example.com"}, "String should match pattern"),
        (environment, {"project": "De mo"}, WORD),
        (environment, {"name": "Prod"}, WORD),
        (environment, {"region": "Frankfurt"}, "String should match pattern"),
        (environment, {"controller_addresses": []}, "at least 1 item"),
        (environment, {"controller_addresses": ["home"]}, "Give it in CIDR form, e.g. 203.0.113.7/32"),
        (snapshot, {"snapshot_id": "demo-base"}, "String should match pattern"),
        (snapshot, {"kind": "other"}, "Input should be 'base' or 'custom'"),
        (folder, {"context": "srv/shop"}, "Give the whole path of the folder on the machine that runs the worker"),
        (folder, {"dockerfile": "../Dockerfile"}, "Give its path inside the folder, e.g. Dockerfile."),
        (folder, {"dockerflie": "Dockerfile"}, "Extra inputs are not permitted"),
        (registry, {"reference": "Not An Image"}, "Give registry, name and tag, e.g. ghcr.io/acme/shop:1.4.2."),
        (folder, {"build_on": "moon"}, "Input should be 'droplet' or 'controller'"),
        (git, {"url": "https://me:pw@github.com/a/b"}, "'https://…@github.com/a/b' is not the address of a git"),
        (git, {"url": "git@github.com:a/b.git"}, "Begin with https://, ssh:// or file://, without a password"),
        (git, {"revision": "--upload-pack=x"}, "Give a full commit hash, or a tag, e.g. v1.4.2."),
        (git, {"token": "********"}, "the form has sent the stars that stand for it. Enter it anew."),
        (git, {"folder": "../etc"}, "Give it without a slash at either end, e.g. web/app."),
        (web, {"port": 0}, "greater than or equal to 1"),
        (web, {"port": 65536}, "less than or equal to 65535"),
        (web, {"domains": []}, "at least 1 item"),
        (web, {"domains": ["hello"]}, "Write it in full and in lower case"),
        (web, {"health_path": "health"}, "Begin with a slash and leave the host out, e.g. /health."),
        (web, {"start_seconds": 601}, "less than or equal to 600"),
        (service, {"runs": {"kind": "tcp", "port": 0}}, "greater than or equal to 1"),
        (service, {"runs": {"kind": "tcp", "port": 1, "health_path": "/"}}, "Extra inputs are not permitted"),
        (service, {"runs": {"kind": "cron"}}, "'cron' is not a kind. Give one of: web, tcp, worker, scheduled."),
        (service, {"runs": {"cron": "* * *"}}, "Write minute, hour, day of month, month and day of week"),
        (service, {"runs": {"cron": "0 4 * * *", "zone": "Mars"}}, "Give its name, e.g. UTC or Europe/Berlin."),
        (service, {"runs": {"steady_seconds": 301}}, "less than or equal to 300"),
        (service, {"image": {"archive": "/srv/a.rar"}}, "Give the whole path of a .tar, .tar.gz, .tgz or .zip file"),
        (service, {"volumes": [{"name": "Data", "path": "/data"}]}, WORD),
        (service, {"volumes": [{"name": "data", "path": "data"}]}, "Give an absolute path, e.g. /var/lib/data."),
        (service, {"volumes": [{"name": "data", "path": "/run/secrets/x"}]}, "is not where a volume can be"),
        (service, {"command": ["a"] * 101}, "Give at most 100 words of at most 4096 characters each."),
        (service, {"command": [""]}, "Begin with the program, e.g. python3."),
        (service, {"name": "Hello"}, WORD),
        (service, {"replicas": 0}, "greater than or equal to 1"),
        (service, {"memory_mib": 8}, "greater than or equal to 16"),
    ],
)
def test_a_bad_value_is_refused_in_the_form(make: Callable[..., Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variables": {"A-B": "x"}}, "'A-B' cannot be the name of a variable or a secret."),
        ({"secrets": {"A": "x"}, "variables": {"A": "y"}}, "hello: A is a variable and a secret."),
        ({"runs": web(domains=["hello.example.org"])}, "hello.example.org is not in the zone example.com."),
        ({"runs": web(domains=["a.example.com", "a.example.com"])}, "A domain is given twice."),
        ({"volumes": [{"name": "data", "path": "/data"}], "replicas": 2}, "hello cannot run on 2 droplets: it has a"),
        ({"runs": {"cron": "0 4 * * *"}, "replicas": 2}, "each of them would carry out every run. Set replicas to 1."),
        ({"runs": {"kind": "tcp", "port": 6379}, "replicas": 3}, "its name, which leads to one droplet. Set replicas"),
        ({"image": git(url="ssh://git@github.com/a/b.git")}, "A token is for https"),
    ],
)
def test_values_that_do_not_go_together_are_refused_when_the_service_is_used(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        service(**changes).spec()


def test_names_that_are_together_too_long_are_refused_when_the_environment_is_used() -> None:
    with pytest.raises(InvalidInput, match="Shorten them by 3 characters"):
        environment(project="a" * 39, name="b" * 19).spec()


def test_an_environment_gives_its_spec() -> None:
    assert environment().spec() == spec.EnvironmentSpec(
        project="demo",
        name="prod",
        region="fra1",
        size="s-1vcpu-1gb",
        zone="example.com",
        snapshot="9001",
        controller_addresses=("203.0.113.7/32",),
    )


def test_a_runs_snapshot_takes_the_place_of_the_environments() -> None:
    assert environment().spec(snapshot(snapshot_id="9002")).snapshot == "9002"
    assert environment(snapshot=None).spec().snapshot is None


def test_an_environment_knows_its_title_and_where_a_visitor_finds_a_domain() -> None:
    there = cloudflare(service_url="http://{domain}:8080")
    assert environment().title() == "demo-prod"
    assert environment().url("a.example.com") == "https://a.example.com"
    assert environment(cloudflare=there).url("a.example.com") == "http://a.example.com:8080"


def test_a_service_gives_its_spec() -> None:
    filled = service(
        runs=web(health_path="/health", start_seconds=90, timeout_seconds=1.5),
        variables={"LANG": "C"},
        replicas=2,
        memory_mib=128,
        cpus=0.5,
        drain_seconds=10,
    )
    assert filled.spec() == spec.ServiceSpec(
        name="hello",
        source=spec.BuildSource("/srv/shop", "Dockerfile"),
        runs=spec.Web(8080, ("hello.example.com",)),
        replicas=2,
        health=spec.Health("/health", 90, 1.5),
        variables={"LANG": "C"},
        secrets={"PASSWORD": examples.SECRET},
        memory_mib=128,
        cpus=0.5,
        drain_seconds=10,
    )


def test_an_image_from_a_registry_gives_its_source() -> None:
    assert service(image=registry()).spec().source == spec.ImageSource("ghcr.io/acme/shop:1.4.2")


def test_a_registrys_login_reaches_the_source_and_no_text() -> None:
    private = service(image=registry(user="acme", password=examples.SECRET))
    source = private.spec().source
    assert source == spec.ImageSource("ghcr.io/acme/shop:1.4.2", "acme", examples.SECRET)
    assert examples.SECRET not in f"{source!r} {private!r} {private.model_dump_json()}"


@pytest.mark.parametrize("given", [{"user": "acme"}, {"password": examples.SECRET}])
def test_half_a_login_is_refused_at_the_door(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="alone"):
        sources.check(service(image=registry(**given)).spec().source)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"context": "/srv/a", "build_on": "controller"}, spec.BuildSource("/srv/a", "Dockerfile", "controller")),
        ({"archive": "/srv/a.zip", "folder": "a-1"}, spec.ArchiveSource("/srv/a.zip", "a-1")),
        ({"image": "shop:latest"}, spec.ControllerSource("shop:latest")),
        (
            {"url": "https://github.com/acme/shop.git", "revision": "v1", "folder": "web", "token": "t", "user": "ci"},
            spec.GitSource("https://github.com/acme/shop.git", "v1", "web", user="ci", token="t"),
        ),
    ],
)
def test_every_other_image_gives_its_source(given: dict[str, Any], source: spec.Source) -> None:
    assert service(image=given).spec().source == source


@pytest.mark.parametrize(
    ("given", "runs", "health"),
    [
        ({"port": 6379, "start_seconds": 9}, spec.Tcp(6379), spec.Health(None, 9, 2.0)),
        ({}, spec.Worker(), spec.Health()),
        ({"exclusive": True, "steady_seconds": 9}, spec.Worker(exclusive=True, steady_seconds=9), spec.Health()),
        ({"cron": "30 4 * * 1-5"}, spec.Scheduled("30 4 * * 1-5"), spec.Health()),
        (
            {"cron": "30 4 * * 1-5", "ok_codes": [0, 3], "failure_tolerance": 2},
            spec.Scheduled("30 4 * * 1-5", ok_codes=(0, 3), failure_tolerance=2),
            spec.Health(),
        ),
        (
            {"cron": "0 0 * * *", "zone": "Europe/Berlin", "overlap": True, "run_seconds": 60},
            spec.Scheduled("0 0 * * *", "Europe/Berlin", overlap=True, timeout_seconds=60),
            spec.Health(),
        ),
    ],
)
def test_a_form_without_the_word_kind_finds_what_runs(
    given: dict[str, Any], runs: spec.Runs, health: spec.Health
) -> None:
    found = service(runs=given).spec()
    assert (found.runs, found.health) == (runs, health)


def test_volumes_and_the_command_are_in_the_spec() -> None:
    found = service(volumes=[{"name": "data", "path": "/data"}], command=["python3", "-c", "a b"]).spec()
    assert found.volumes == (spec.Volume("data", "/data"),)
    assert found.command == ("python3", "-c", "a b")


def test_errors_to_ignore_are_in_the_spec_and_are_checked_in_the_form() -> None:
    found = service(ignore_errors=[r"client \d+ timed out"], min_errors=3).spec()
    assert found.log == spec.LogRules((r"client \d+ timed out",), 3)
    assert service().spec().log == spec.LogRules()
    with pytest.raises(ValidationError, match=r"'\(a\+\)\{9\}' cannot be a pattern to ignore"):
        service(ignore_errors=["(a+){9}"])


def test_a_document_of_a_time_when_there_were_only_web_services_loads_as_it_was() -> None:
    old = {
        "name": "hello",
        "environment": environment(),
        "image": {"kind": "build", "context": "/srv/shop", "dockerfile": "Dockerfile"},
        "runs": {
            "kind": "web",
            "port": 8080,
            "domains": ["hello.example.com"],
            "health_path": "/health",
            "start_seconds": 60,
            "timeout_seconds": 2.0,
        },
        "replicas": 2,
        "variables": {},
        "secrets": {"PASSWORD": examples.SECRET},
        "memory_mib": 256,
        "cpus": 1.0,
        "drain_seconds": 30,
    }
    loaded = Service.model_validate(old).spec()
    assert loaded.runs == spec.Web(8080, ("hello.example.com",))
    assert (loaded.health, loaded.volumes, loaded.command) == (spec.Health("/health"), (), ())


def test_a_public_repository_needs_no_token() -> None:
    assert spec.GitSource("https://github.com/acme/shop.git", "v1.4.2") == git(token="").source()


def test_only_the_chosen_tab_complains() -> None:
    with pytest.raises(ValidationError) as caught:
        service(runs={"port": 8080, "domains": ["hello"]})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [
        (("runs", "domains", 0), "value_error")
    ]


def test_a_form_without_the_word_kind_finds_the_right_kind_of_image() -> None:
    assert service(image={"context": "/srv/shop"}).image == folder()
    assert service(image={"reference": "debian:12"}).image == registry(reference="debian:12")


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_what_a_form_leaves_empty_is_none(empty: str | None) -> None:
    assert web(health_path=empty).health_path is None
    assert digitalocean(ca_file=empty).ca_file is None


def test_a_certificate_authority_is_a_path() -> None:
    assert cloudflare(ca_file="/etc/deployer/ca.pem").ca_file == Path("/etc/deployer/ca.pem")


def test_a_snapshot_of_ours_is_mirrored() -> None:
    taken = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
    known = lineage.write(lineage.Lineage("9000", "0.1.0", "sha256:ab", "c0ffee", 12.5, about="For models."))
    seen = state.Snapshot("9001", "demo-base", ("fra1",), 25, 2.4, taken, naming.snapshot_tags("base"), known)
    assert Snapshot.of(seen).model_dump(exclude={"block_type_slug"}) == {
        "snapshot_id": "9001",
        "name": "demo-base",
        "account": "",
        "kind": "base",
        "description": "For models.",
        "regions": ["fra1"],
        "min_disk_gb": 25,
        "size_gigabytes": 2.4,
        "created_at": taken,
        "seen_at": None,
        "parent": "9000",
        "agent_version": "0.1.0",
        "base_image": "sha256:ab",
        "ready_seconds": 12.5,
        "packages_digest": "c0ffee",
        "packages": {},
    }


def test_a_snapshot_of_somebody_else_is_not_mirrored() -> None:
    seen = state.Snapshot("9001", "backup", ("fra1",), 25, 2.4, datetime(2026, 11, 24, tzinfo=UTC))
    with pytest.raises(InvalidInput, match="The snapshot backup was not made here"):
        Snapshot.of(seen)


def texts(thing: Any) -> list[str]:
    """Every way in which a block or a spec may end up as text."""
    dumped = [thing.model_dump_json(), str(thing.model_dump())] if hasattr(thing, "model_dump_json") else []
    return [repr(thing), str(thing), f"{thing}", *dumped]


@pytest.mark.parametrize(
    "thing",
    [
        digitalocean(),
        cloudflare(),
        environment(),
        service(image=git()),
        service(image=git()).spec(),
        environment().spec(),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_no_secret_is_in_the_text_of_a_block_or_a_spec(thing: Any) -> None:
    secrets = (examples.SECRET, examples.DIGITALOCEAN_TOKEN, examples.CLOUDFLARE_TOKEN, examples.GIT_TOKEN)
    assert [secret for secret in secrets for text in texts(thing) if secret in text] == []


def test_notifications_give_a_channel_for_each_thing_that_is_filled_in() -> None:
    assert Notifications().channels() == ()
    given = {
        "slack_url": "https://hooks.slack.com/services/T/B/x",
        "webhook_url": "https://ops.example.com/",
        "webhook_token": "tok-1",
        "mail_to": ["ops@example.com"],
        "mail_from": "deployer@example.com",
        "smtp_host": "smtp.example.com",
    }
    slack, webhook, mail = Notifications.model_validate(given).channels()
    assert isinstance(slack, wire.SlackChannel)
    assert isinstance(webhook, wire.WebhookChannel)
    assert isinstance(mail, wire.MailChannel)
    assert (webhook.token, mail.port, mail.security) == ("tok-1", 587, "starttls")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"slack_url": "hooks.slack.com/T0p-s3cret"}, "This is no address. Write one like https://host/path"),
        ({"webhook_url": "https://me:T0p-s3cret@host/"}, "This is no address. Write one like https://host/path"),
        ({"slack_url": "********"}, "Enter it anew"),
        ({"mail_to": ["ops"], "smtp_host": "h", "mail_from": "a@b"}, "These cannot be used: Mail recipients."),
        (
            {"mail_to": ["ops@example.com"], "smtp_password": "T0p-s3cret"},
            "These cannot be used: Mail host, Mail sender.",
        ),
    ],
)
def test_a_channel_that_cannot_be_used_is_refused_and_its_secret_is_not_told(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)) as caught:
        Notifications.model_validate(given)
    assert "T0p-s3cret" not in str(caught.value)


@pytest.mark.parametrize("client", [digitalocean().client(), cloudflare().client()], ids=lambda one: type(one).__name__)
def test_no_token_is_in_the_text_of_a_client(client: object) -> None:
    shown = f"{client!r} {client}"
    assert examples.DIGITALOCEAN_TOKEN not in shown
    assert examples.CLOUDFLARE_TOKEN not in shown


def test_the_message_about_a_bad_value_holds_no_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        service(name="Hello", replicas=0)
    assert examples.SECRET not in str(caught.value)


@pytest.mark.parametrize("block", [DigitalOceanCredentials, CloudflareCredentials])
def test_the_stars_that_a_form_shows_are_no_token(block: type[DigitalOceanCredentials]) -> None:
    with pytest.raises(ValidationError, match="Enter it anew"):
        block.model_validate({"token": "********", "zone": "example.com"})
