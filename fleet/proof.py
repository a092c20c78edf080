"""The proof of an undeploy: what there was, what is left of it now, and who said so. A pure function of two plans."""

from __future__ import annotations

from typing import Final, NamedTuple

from fleet.departures import Item, UndeployPlan, What

HOW: Final[dict[What, str]] = {
    "A record": "Cloudflare lists no such record",
    "route": "nginx on the droplet has no such route",
    "container": "Docker on the droplet has no such container",
    "volume": "Docker on the droplet has no such volume",
    "images": "Docker on the droplet has none",
    "droplet": "DigitalOcean answers 404",
    "firewall": "DigitalOcean lists no such firewall",
    "tag": "DigitalOcean lists no such tag",
}
STILL: Final = "asked again, and it is there"
FAILING: Final = {"A record", "route", "container", "volume", "droplet", "firewall", "tag"}
"""Images that Docker still needs for something else may stay."""


class Proof(NamedTuple):
    """One thing, before and after."""

    what: str
    name: str
    where: str
    before: str
    now: str
    how: str


def prove(done: UndeployPlan, left: UndeployPlan) -> list[Proof]:
    """Everything that was to go, and everything that would have to go now, each with how it is."""
    silent = {one.droplet.name: one.reason for one in left.pending}
    still = {item[:3]: item for item in left.items()}
    before = {item[:3]: item for item in done.items()}
    found = [_proof(item, item.now, still.get(key), silent) for key, item in before.items()]
    return found + [_proof(item, "was not there", item, silent) for key, item in still.items() if key not in before]


def left_behind(left: UndeployPlan) -> list[str]:
    """What is left although its droplet answers, each in a line; without any, the undeploy is proven."""
    return [item.line.removeprefix("remove ") for item in left.items() if item.what in FAILING]


def _proof(item: Item, before: str, now: Item | None, silent: dict[str, str]) -> Proof:
    if now is not None:
        word = "left" if item.what in FAILING else "in use"
        return Proof(item.what, item.name, item.where, before, word, STILL)
    if item.where in silent or item.name in silent:
        reason = silent.get(item.where) or silent[item.name]
        return Proof(item.what, item.name, item.where, before, "pending", f"the droplet does not answer: {reason}")
    return Proof(item.what, item.name, item.where, before, "gone", HOW[item.what])
