"""A release comes to all droplets of a service or to none: what undoes the steps of a deploy that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger
from prefect.futures import PrefectFuture

from blocks.environment import Environment
from fleet import naming
from fleet.state import Droplet
from tasks import containers, dns
from tasks.plans import Order
from tasks.policy import settle


@contextmanager
def all_or_none(
    order: Order, hosts: Sequence[Droplet], before: Mapping[str, str], release: str, environment: Environment
) -> Iterator[None]:
    """Takes every droplet back to the release that it served `before`, when what is inside fails.

    The error goes on afterwards; a droplet that could not be taken back is named in the log.
    """
    try:
        yield
    except Exception:
        get_run_logger().error("The deploy of %s failed: taking every droplet back.", release)
        take_back(order, hosts, before, release, environment)
        raise


def take_back(
    order: Order, hosts: Sequence[Droplet], before: Mapping[str, str], release: str, environment: Environment
) -> None:
    """The release off every droplet: back to the one before, or, where there was none, out of DNS and removed."""
    changed = [host for host in hosts if before.get(host.name) != release]
    fresh = [host for host in changed if host.name not in before]
    marks = {order.comment(host) for host in fresh}
    records = environment.cloudflare.client().read_records(
        comment=naming.comment_mark(order.owner, order.environment, order.service.name)
    )
    dns.unpoint_all([record for record in records if record.comment in marks], environment)
    back = [host for host in changed if host.name in before]
    futures: list[PrefectFuture[Any]] = [
        *(containers.go_back.submit(host, order.container, before[host.name], environment) for host in back),
        *(containers.remove.submit(host, order.container, environment) for host in fresh),
    ]
    _, failures = settle([host.name for host in (*back, *fresh)], futures)
    for name, error in failures.items():
        get_run_logger().error("%s could not be taken back: %s", name, error)
