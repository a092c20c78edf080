"""What a deploy leaves of a service on its droplets, and the block that is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blocks import manifest
from blocks.service import Service
from fleet.errors import InvalidInput
from tests.unit.blocks import examples
from tests.unit.blocks.examples import environment, folder, git, registry, service

KINDS: dict[str, dict[str, Any]] = {
    "web": {"domains": ["shop.example.com"], "port": 8080, "health_path": "/health"},
    "tcp": {"port": 6379},
    "worker": {"exclusive": True},
    "scheduled": {"cron": "30 4 * * 1-5", "zone": "Europe/Berlin"},
}
MORE: dict[str, Any] = {
    "replicas": 1,
    "variables": {"LANG": "C"},
    "secrets": {"API_KEY": examples.SECRET},
    "command": ["python3", "-m", "shop"],
    "volumes_may_go": True,
    "keep_releases": 3,
    "soak_minutes": 10,
    "on_another_base": "rebuild",
    "ignore_errors": [r"client \d+ timed out"],
}


def again(given: Service, **changes: Any) -> Service:
    """The block that is made of what was left of another one."""
    return manifest.rebuild(manifest.read(manifest.write(given)), environment(**changes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image", [folder, registry, git], ids=lambda make: make.__name__)
def test_with_its_secrets_the_block_is_what_it_was(kind: str, image: Any) -> None:
    given = service(image=image(), runs=KINDS[kind], **MORE)
    made = again(given)
    assert made.missing() == sorted(given.secret_names())
    made.secrets, made.image = given.secrets, given.image
    assert (made.spec(), made.missing()) == (given.spec(), [])
    kept = {"missing_secrets"}
    assert made.model_dump(exclude=kept) == given.model_dump(exclude=kept)


def test_no_manifest_holds_a_credential() -> None:
    text = manifest.write(service(image=git(), secrets={"API_KEY": examples.SECRET}))
    for secret in (examples.SECRET, examples.GIT_TOKEN, examples.DIGITALOCEAN_TOKEN, examples.CLOUDFLARE_TOKEN):
        assert secret not in text
    assert json.loads(text)["secrets"] == ["API_KEY", "image.token"]


def test_a_registrys_password_is_asked_for_by_name_and_its_user_is_known() -> None:
    given = service(image=registry(user="acme", password=examples.SECRET))
    assert examples.SECRET not in manifest.write(given)
    made = again(given)
    assert made.missing() == ["PASSWORD", "image.password"]
    assert made.image.model_dump()["user"] == "acme"
    made.image = given.image
    assert made.missing() == ["PASSWORD"]


def test_a_deploy_is_refused_until_every_secret_is_filled_in_or_not_wanted_any_more() -> None:
    made = again(service(image=git(), secrets={"API_KEY": "x", "OTHER": "y"}))
    with pytest.raises(InvalidInput, match=r"missing, as they could not be read back: API_KEY, OTHER, image\.token\."):
        made.check_complete()
    made.secrets = service(secrets={"API_KEY": "", "NEW": "z"}).secrets
    assert made.missing() == ["OTHER", "image.token"]
    made.missing_secrets, made.image = ["API_KEY", "image.token"], git()
    made.check_complete()


def test_names_that_are_missing_still_are_in_the_next_manifest() -> None:
    assert again(again(service(secrets={"API_KEY": "x"}))).missing() == ["API_KEY"]


def test_what_a_later_version_adds_is_left_out_and_what_it_lacks_has_its_default() -> None:
    document = json.loads(manifest.write(service(keep_releases=3)))
    document["service"] |= {"of_tomorrow": 1}
    del document["service"]["keep_releases"]
    made = manifest.rebuild(manifest.read(json.dumps(document)), environment())
    assert (made.keep_releases, made.name) == (5, service().name)


@pytest.mark.parametrize("document", ["{", "[]", "{}", '{"service": 1}', '"text"'])
def test_a_manifest_that_cannot_be_understood_is_told(document: str) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be understood.*by hand"):
        manifest.read(document)


def test_a_manifest_that_does_not_fit_is_told_without_values() -> None:
    found = manifest.read('{"service": {"name": "hello", "runs": {"port": 0}}}')
    with pytest.raises(InvalidInput, match=r"The manifest of hello does not fit this version: .*by hand"):
        manifest.rebuild(found, environment())


def test_an_environment_gets_back_what_nobody_has_chosen_since() -> None:
    left = manifest.read(manifest.write(service(environment=environment(approval=True, lease_seconds=90, size="s-4"))))
    changes, notes = manifest.settle(environment(lease_seconds=45, size="s-2", region="ams3"), left)
    assert changes == {"approval": True}
    assert notes == [
        "lease_seconds was 90, and is 45 here: it stays",
        "region was 'fra1', and is 'ams3' here: it stays",
        "size was 's-4', and is 's-2' here: it stays",
    ]
    assert manifest.settle(environment(approval=True, lease_seconds=90, size="s-4"), left) == ({}, [])


def test_what_of_an_environment_is_secret_is_asked_for() -> None:
    heart = "https://hc-ping.com/made-up-and-secret"
    text = manifest.write(service(environment=environment(heartbeat_url=heart)))
    assert heart not in text
    _, notes = manifest.settle(environment(), manifest.read(text))
    assert notes == ["heartbeat_url was filled in, and cannot be read back: fill it in again"]
    assert manifest.settle(environment(heartbeat_url=heart), manifest.read(text)) == ({}, [])
