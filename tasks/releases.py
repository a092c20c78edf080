"""A release comes to all droplets of a service or to none: what undoes the steps of a deploy that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from prefect import get_run_logger
from prefect.futures import PrefectFuture

from blocks.environment import Environment
from fleet.state import Container, Droplet
from tasks import containers, dns
from tasks.plans import Order
from tasks.policy import settle

R = TypeVar("R")


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
    """The release off every droplet: back to the one before, or, where there was none, out of DNS and then removed."""
    changed = [host for host in hosts if before.get(host.name) != release]
    back = [host for host in changed if host.name in before]
    fresh = [host for host in changed if host.name not in before]
    name = order.container
    states = attempt(
        "go back", back, [containers.go_back.submit(host, name, before[host.name], environment) for host in back]
    )
    # A candidate that failed is stopped, and stays as evidence; one that runs would go on using its memory.
    idle = [host for host in back if any(waits(one) for one in states.get(host.name, ()))]
    attempt("let its candidate go", idle, [containers.abandon.submit(host, name, environment) for host in idle])
    hidden = out_of_dns(order, fresh, environment)
    attempt("let the release go", hidden, [containers.remove.submit(host, name, environment) for host in hidden])


def out_of_dns(order: Order, hosts: Sequence[Droplet], environment: Environment) -> list[Droplet]:
    """Those of the droplets to which no record of the service leads any more; the others go on serving."""
    if not hosts:
        return []
    try:
        marks = {order.comment(host) for host in hosts}
        records = [one for one in dns.list_ours(order, environment) if one.comment in marks]
        dns.unpoint_all(records, environment)
        dns.let_forget(records)
    except Exception as error:  # every droplet is still to be dealt with; the deploy fails by its own error
        get_run_logger().error("DNS could not be taken back, so %s serve on: %s", [one.name for one in hosts], error)
        return []
    return list(hosts)


def waits(container: Container) -> bool:
    """Whether this is a candidate that runs."""
    return container.role == "candidate" and container.status == "running"


def attempt(what: str, hosts: Sequence[Droplet], futures: Sequence[PrefectFuture[R]]) -> dict[str, R]:
    """Waits for all; gives the results by droplet. One that fails is named in the log, and the next run repairs it."""
    results, failures = settle([host.name for host in hosts], futures)
    for name, error in failures.items():
        get_run_logger().error("%s could not %s: %s Run the deploy again to repair it.", name, what, error)
    return results
