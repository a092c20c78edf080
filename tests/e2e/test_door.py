"""What cannot work is refused before anything changes, with a sentence that says what to do."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import SecretStr

from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from tests.e2e.lab import DOMAIN, Lab, reference, service

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


def refused(lab: Lab, **fields: Any) -> str:
    """What a deploy of the example, with these fields of its block changed, says when it is refused."""
    good = service("hello")
    known = {name: getattr(good, name) for name in Service.model_fields}
    Service.model_construct(**{**known, "name": "bad", **fields}).save("bad", overwrite=True)
    before = lab.ask()["release"], lab.dns().read_records(), lab.cloud().droplets.read_tagged("deployer")
    run = lab.run("deploy", service=reference("service", "bad"))
    assert not run.completed
    assert (lab.ask()["release"], lab.dns().read_records(), lab.cloud().droplets.read_tagged("deployer")) == before
    return run.log


def environment(**fields: Any) -> Environment:
    """The environment with other fields, under a name of its own."""
    good = service("hello").environment
    known = {name: getattr(good, name) for name in Environment.model_fields}
    Environment(**{**known, **fields}).save("bad", overwrite=True)
    return cast(Environment, Environment.load("bad"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"domains": ["hello.example.org"]}, "is not in the zone example.test"),
        ({"domains": [f"bad_name.{DOMAIN}"]}, "is not a domain name"),
        ({"domains": [DOMAIN]}, "is served by"),
        ({"port": 70_000}, "less than or equal to 65535"),
    ],
)
def test_a_service_that_cannot_be_reached_is_refused(lab: Lab, fields: dict[str, Any], message: str) -> None:
    assert message in refused(lab, runs=service("hello").runs.model_copy(update=fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"context": "/nowhere"}, "is not a folder on the machine that runs the worker"),
        ({"dockerfile": "Missing"}, "There is no file Missing in the build context"),
    ],
)
def test_an_image_that_cannot_be_built_is_refused(lab: Lab, fields: dict[str, Any], message: str) -> None:
    runs = service("hello").runs.model_copy(update={"domains": [f"bad.{DOMAIN}"]})
    assert message in refused(lab, runs=runs, image=service("hello").image.model_copy(update=fields))


def test_a_token_that_is_not_accepted_is_named_as_the_cause(lab: Lab) -> None:
    good = service("hello").environment.digitalocean
    DigitalOceanCredentials(token=SecretStr("wrong"), api_url=good.api_url, ca_file=good.ca_file).save("bad")
    bad = DigitalOceanCredentials.load("bad")
    assert "DigitalOcean refuses the token" in refused(lab, environment=environment(digitalocean=bad))


def test_a_zone_that_is_not_there_is_refused(lab: Lab) -> None:
    good = service("hello").environment.cloudflare
    other = CloudflareCredentials(
        token=good.token, zone="example.org", api_url=good.api_url, ca_file=good.ca_file, service_url=good.service_url
    )
    other.save("bad")
    bad = CloudflareCredentials.load("bad")
    runs = service("hello").runs.model_copy(update={"domains": ["hello.example.org"]})
    assert "sees no zone example.org" in refused(lab, runs=runs, environment=environment(cloudflare=bad))


def test_a_region_without_the_size_is_refused(lab: Lab) -> None:
    assert "does not have the size" in refused(lab, environment=environment(size="s-99vcpu-1gb"))


def test_a_snapshot_that_is_gone_is_refused(lab: Lab) -> None:
    gone = Snapshot.model_validate({"snapshot_id": "1", "name": "gone", "kind": "custom", "regions": ["fra1"]})
    gone.save("gone")
    runs = service("hello").runs.model_copy(update={"domains": [f"bad.{DOMAIN}"]})
    assert "is not there in fra1" in refused(lab, runs=runs, environment=environment(snapshot=gone))


def test_a_service_that_nobody_made_is_named_with_what_to_do(lab: Lab) -> None:
    run = lab.run("deploy", service=reference("service", "nobody"))
    assert not run.completed
    assert "is not there (service service/nobody). Choose one in the run form" in run.log
