"""What cannot work is refused before anything changes, with a sentence that says what to do.

All runs go at once, as they change nothing; each test looks at what one of them said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from prefect.blocks.core import Block
from pydantic import SecretStr

from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.service import Service
from blocks.snapshot import Snapshot
from tests.e2e.lab import DOMAIN, Lab, Run, reference, service

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

Fields = dict[str, Any]


def changed(block: Block, **fields: Any) -> Fields:
    """The fields of a block, some of them changed, checked by nobody."""
    return {name: getattr(block, name) for name in type(block).model_fields} | fields


def runs(**fields: Any) -> Fields:
    """The example, as something else runs."""
    return {"runs": service("hello").runs.model_copy(update={"domains": [f"bad.{DOMAIN}"], **fields})}


def image(**fields: Any) -> Fields:
    """The example, from another image."""
    return runs() | {"image": service("hello").image.model_copy(update=fields)}


def environment(name: str, **fields: Any) -> Environment:
    """The example's environment with other fields, under a name of its own."""
    made = Environment(**changed(service("hello").environment, **fields))
    made.save(name, overwrite=True)
    return made


def a_wrong_token() -> Fields:
    """DigitalOcean does not know the caller."""
    good = service("hello").environment.digitalocean
    bad = DigitalOceanCredentials(token=SecretStr("wrong"), api_url=good.api_url, ca_file=good.ca_file)
    bad.save("bad-token", overwrite=True)
    return {"environment": environment("bad-token", digitalocean=bad)}


def another_zone() -> Fields:
    """The token does not see the zone."""
    bad = CloudflareCredentials(**changed(service("hello").environment.cloudflare, zone="example.org"))
    bad.save("bad-zone", overwrite=True)
    return runs(domains=["hello.example.org"]) | {"environment": environment("bad-zone", cloudflare=bad)}


def a_snapshot_that_is_gone() -> Fields:
    """The account does not have it."""
    gone = Snapshot.model_validate({"snapshot_id": "1", "name": "gone", "kind": "custom", "regions": ["fra1"]})
    gone.save("bad-snapshot", overwrite=True)
    return runs() | {"environment": environment("bad-snapshot", snapshot=gone)}


@dataclass(frozen=True)
class Case:
    """A service that cannot be deployed."""

    fields: Callable[[], Fields]
    """What is wrong with it; may save blocks that are called as the case."""
    message: str


CASES = {
    "foreign-domain": Case(lambda: runs(domains=["hello.example.org"]), "is not in the zone example.test"),
    "bad-domain": Case(lambda: runs(domains=[f"bad_name.{DOMAIN}"]), "is not a domain name"),
    "taken-domain": Case(lambda: runs(domains=[DOMAIN]), "is served by"),
    "bad-port": Case(lambda: runs(port=70_000), "less than or equal to 65535"),
    "no-folder": Case(lambda: image(context="/nowhere"), "is not a folder on the machine that runs the worker"),
    "no-dockerfile": Case(lambda: image(dockerfile="Missing"), "There is no file Missing in the build context"),
    "bad-token": Case(a_wrong_token, "DigitalOcean refuses the token"),
    "bad-zone": Case(another_zone, "sees no zone example.org"),
    "bad-size": Case(lambda: {"environment": environment("bad-size", size="s-99vcpu-1gb")}, "does not have the size"),
    "bad-snapshot": Case(a_snapshot_that_is_gone, "is not there in fra1"),
}
NOBODY = "nobody"
KINDS = (Service, Environment, DigitalOceanCredentials, CloudflareCredentials, Snapshot)


@pytest.fixture(scope="module")
def refusals(lab: Lab) -> Iterator[dict[str, Run]]:
    """A run of each case; what serves, all records and all droplets are afterwards as they were."""
    for name, case in CASES.items():
        Service.model_construct(**changed(service("hello"), name="bad", **case.fields())).save(name, overwrite=True)
    before = lab.ask()["release"], lab.dns().read_records(), lab.cloud().droplets.read_tagged("deployer")
    started = {name: lab.start("deploy", service=reference("service", name)) for name in (*CASES, NOBODY)}
    ended = {name: lab.finish(run) for name, run in started.items()}
    assert (lab.ask()["release"], lab.dns().read_records(), lab.cloud().droplets.read_tagged("deployer")) == before
    yield ended
    forget()


def forget() -> None:
    """No later test meets a block of these."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for kind in KINDS:
            for one in client.read_block_documents_by_type(kind.get_block_type_slug()):
                if one.name in CASES:
                    client.delete_block_document(one.id)


@pytest.mark.parametrize("name", CASES)
def test_a_service_that_cannot_work_is_refused_and_told_why(refusals: dict[str, Run], name: str) -> None:
    assert not refusals[name].completed
    assert CASES[name].message in refusals[name].log


def test_a_service_that_nobody_made_is_named_with_what_to_do(refusals: dict[str, Run]) -> None:
    assert not refusals[NOBODY].completed
    assert "is not there (service service/nobody). Choose one in the run form" in refusals[NOBODY].log
