"""DNS: which hosts the edge sends a domain's requests to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from blocks.environment import Environment
from fleet import naming
from fleet.records import RecordPlan
from fleet.state import Droplet, Record
from tasks.plans import Order
from tasks.policy import gather, step

FORGET_SECONDS = 5.0
"""How long the edge may use a proxied record that is gone; Cloudflare spreads changes within seconds."""


@step("{droplet.name}: A record of {domain}")
def point(droplet: Droplet, domain: str, comment: str, environment: Environment) -> Record:
    """An A record from the domain to this droplet, which must serve it by now; what a person set on it stays."""
    address = droplet.public_address or ""
    return environment.cloudflare.client().ensure(domain, address, comment)


@step("A record {record.name} to {record.content}: bring it back")
def restore(record: Record, environment: Environment) -> Record:
    """A record as it was before it was removed; its droplet serves the name again by now."""
    client = environment.cloudflare.client()
    return client.ensure(record.name, record.content, record.comment, record.proxied, record.ttl)


@step("A record {record.name} to {record.content}: remove")
def unpoint(record: Record, environment: Environment) -> None:
    """Deletes one of our records by its id; absent is fine."""
    environment.cloudflare.client().remove(record.id)


@step("records of {order.service.name}")
def list_ours(order: Order, environment: Environment) -> list[Record]:
    """All records that were made for the service."""
    mark = naming.comment_mark(order.owner, order.environment, order.service.name)
    return [
        record
        for record in environment.cloudflare.client().read_records(comment=mark)
        if naming.is_ours(record.comment, order.owner, order.environment, order.service.name)
    ]


def point_all(order: Order, hosts: Sequence[Droplet], plan: RecordPlan, environment: Environment) -> list[Record]:
    """The records that are to come, each to a droplet that serves its name by now, and none of the stale ones.

    But for those that a new droplet took over: it may have the address of one that is gone.
    """
    named = {host.name: host for host in hosts}
    pairs = [(named[one.droplet], one.name) for one in plan.add]
    futures = [point.submit(host, domain, order.comment(host), environment) for host, domain in pairs]
    records = gather("Pointing DNS", [f"{domain} to {host.name}" for host, domain in pairs], futures)
    unpoint_all([record for record in plan.stale if record.id not in {one.id for one in records}], environment)
    return records


def unpoint_all(records: Sequence[Record], environment: Environment) -> None:
    """These records, gone."""
    labels = [f"{record.name} to {record.content}" for record in records]
    gather("Removing records", labels, [unpoint.submit(record, environment) for record in records])


@step("wait until the edge has forgotten what was removed", retries=0)
def let_forget(records: Sequence[Record]) -> None:
    """Waits until the edge has stopped sending new requests to what a removed record named."""
    if records:
        time.sleep(FORGET_SECONDS)
