"""Cloud firewalls: who may reach a droplet, and on which ports."""

from __future__ import annotations

from datetime import timedelta

from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from fleet.firewalls import FirewallPlan
from fleet.state import Firewall, Rule
from tasks.policy import step
from tasks.waits import wait_for

SETTLE_DEADLINE = timedelta(minutes=2)
POLL = timedelta(seconds=1)


def apply(plan: FirewallPlan, environment: Environment) -> None:
    """The environment's firewall as planned; one that is as it should be is left alone."""
    if plan.verb != "keep":
        ensure_firewall(plan.name, plan.inbound, plan.tags, environment.digitalocean)


@step("firewall {name}")
def ensure_firewall(
    name: str, rules: tuple[Rule, ...], tags: tuple[str, ...], credentials: DigitalOceanCredentials
) -> Firewall:
    """A firewall of this name with these rules for these tags; waits until it holds."""
    return settled(name, rules, tags, credentials)


@step("firewall {name}: remove")
def remove_firewall(name: str, credentials: DigitalOceanCredentials) -> None:
    """Deletes the firewall of that exact name; absent is fine."""
    credentials.client().firewalls.remove(name)


def settled(
    name: str, rules: tuple[Rule, ...], tags: tuple[str, ...], credentials: DigitalOceanCredentials
) -> Firewall:
    """The firewall, once it holds."""
    firewalls = credentials.client().firewalls
    firewall = firewalls.ensure(name, rules, tags)

    def look() -> Firewall | None:
        seen = firewalls.read(name)
        return seen if seen and seen.settled else None

    return firewall if firewall.settled else wait_for(f"the firewall {name}", look, SETTLE_DEADLINE, POLL)
