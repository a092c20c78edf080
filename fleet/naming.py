"""Names, tags and comments: what says on a thing itself that it is ours, and what for.

Selection is always by these, never by a pattern over names and never by a local file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from fleet import checks
from fleet.errors import InvalidInput, PermanentError
from fleet.spec import EnvironmentSpec

TAG = "deployer"
BAKE_TAG = "deployer-bake"
"""Droplets that are being made into a snapshot; never part of an environment."""
READY_TAG, REJECTED_TAG = f"{TAG}-ready", f"{TAG}-rejected"
"""What the first droplet made from a snapshot has shown of it; a snapshot that has neither is never offered."""
SnapshotState = Literal["ready", "rejected", "unproven", "foreign"]
RELEASE = re.compile(r"([0-9]{8}t[0-9]{6})-([0-9a-f]{6})")
CONTAINER = re.compile(r"([0-9a-f]{6})_([a-z][a-z0-9-]{0,38})_([a-z][a-z0-9-]{0,38})_([a-z][a-z0-9-]{0,38})")
TOMBSTONE = f"{TAG}-tombstone"
"""A droplet that did not answer when something was taken off it: what is still to go there, as a tag."""
ROLL = f"{TAG}-roll"
"""On a droplet: whose place it takes, as a tag."""
EVERYTHING = "_all"
"""In a tombstone: all services of the environment; no service can be called that."""
COMMENT_LIMIT = 100
"""Characters that Cloudflare's free plan allows in a comment."""
_INTENT = "op:"
_STAMP = "%Y%m%dt%H%M%S"


@dataclass(frozen=True)
class ContainerName:
    """What a container's name says."""

    owner: str
    project: str
    environment: str
    service: str


@dataclass(frozen=True)
class Tombstone:
    """What is still to go from a droplet that did not answer."""

    service: str | None
    """None: all services of the environment."""
    since: datetime
    """When it was to go; a release that is newer stays."""
    destroy: bool = False
    """Whether the droplet goes too, once it is empty."""


def owner(team: str) -> str:
    """Six hex digits that stand for a DigitalOcean team."""
    return hashlib.sha256(team.encode()).hexdigest()[:6]


def environment(spec: EnvironmentSpec) -> str:
    """The environment in one word: `demo-prod`."""
    return f"{spec.project}-{spec.name}"


def container(owner: str, spec: EnvironmentSpec, service: str) -> str:
    """The name of a service's container, the same on every droplet."""
    return f"{owner}_{spec.project}_{spec.name}_{service}"


def read_container(name: str) -> ContainerName:
    """What a container's name says; the inverse of `container`.

    Raises:
        InvalidInput: the name is not one that we give.
    """
    match = CONTAINER.fullmatch(name)
    if match is None:
        raise InvalidInput(f"{name!r} is not a container of ours.", hint="See the list in the health table.")
    return ContainerName(*match.groups())


def service_of(container: str) -> str:
    """The service that a container's name says.

    Raises:
        InvalidInput: the name is not one that we give.
    """
    return read_container(container).service


def droplet(spec: EnvironmentSpec, intent: str) -> str:
    """A droplet's name; the digits come from its intent, so that a repetition means the same droplet."""
    return f"{environment(spec)}-{hashlib.sha256(intent.encode()).hexdigest()[:6]}"


def intent_tag(intent: str) -> str:
    """The tag that carries a droplet's idempotency key."""
    return f"{_INTENT}{intent}"


def is_our_droplet(tags: frozenset[str]) -> bool:
    """Whether a droplet with these tags was made by us: each of ours carries its intent."""
    return TAG in tags and any(tag.startswith(_INTENT) for tag in tags)


def is_intent_tag(tag: str) -> bool:
    """Whether a tag is the intent of a droplet that a plan made."""
    return re.fullmatch(rf"{_INTENT}[0-9a-f]{{12}}-[0-9]+", tag) is not None


def is_our_firewall(tags: Iterable[str]) -> bool:
    """Whether a firewall that is attached to these tags was made by us: each of ours is attached to one of our tags."""
    return any(tag == TAG or tag.startswith((f"{TAG}:", f"{TAG}-")) for tag in tags)


def check_firewall(name: str, tags: Iterable[str]) -> None:
    """Whether a firewall of a name of ours was made by us.

    Raises:
        PermanentError: it was not.
    """
    if not is_our_firewall(tags):
        raise PermanentError(
            f"The firewall {name} is attached to none of our tags: it is not ours, and was left alone.",
            hint="Rename or delete it in the control panel, then run this again.",
        )


def roll_tag(droplet_id: int) -> str:
    """The tag of a droplet that takes the place of this one."""
    return f"{ROLL}:{droplet_id}"


def is_roll_tag(tag: str) -> bool:
    """Whether a tag says whose place a droplet has taken."""
    return re.fullmatch(rf"{ROLL}:[0-9]+", tag) is not None


def tombstone_tag(tombstone: Tombstone) -> str:
    """The tag that keeps a tombstone on its droplet."""
    parts = [TOMBSTONE, tombstone.service or EVERYTHING, f"{tombstone.since.astimezone(UTC):{_STAMP}}"]
    return ":".join([*parts, "destroy"] if tombstone.destroy else parts)


def read_tombstone(tag: str) -> Tombstone | None:
    """What a tag says is still to go; None when it is no tombstone. The inverse of `tombstone_tag`."""
    word, _, rest = tag.partition(":")
    service, _, rest = rest.partition(":")
    stamp, _, wish = rest.partition(":")
    try:
        since = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    if word != TOMBSTONE or wish not in ("", "destroy"):
        return None
    return Tombstone(None if service == EVERYTHING else service, since, wish == "destroy")


def tombstones(tags: Iterable[str]) -> dict[str, Tombstone]:
    """All tombstones among these tags, by their tag."""
    found = {tag: read_tombstone(tag) for tag in sorted(tags)}
    return {tag: tombstone for tag, tombstone in found.items() if tombstone}


def environment_tag(spec: EnvironmentSpec) -> str:
    """The tag of all droplets of an environment; its firewall is attached to it."""
    return f"{TAG}:{spec.project}:{spec.name}"


def droplet_tags(spec: EnvironmentSpec) -> frozenset[str]:
    """All tags of a droplet of this environment, but for its intent."""
    return frozenset({TAG, environment_tag(spec)})


def firewall(spec: EnvironmentSpec) -> str:
    """The name of an environment's firewall; the dot keeps `a-b` `c` apart from `a` `b-c`."""
    return f"{TAG}-{spec.project}.{spec.name}"


def snapshot_tags(kind: str) -> frozenset[str]:
    """The tags of a snapshot of ours; `kind` is `base` or `custom`."""
    return frozenset({TAG, f"{TAG}-{kind}"})


def snapshot_state(tags: frozenset[str]) -> SnapshotState:
    """What a snapshot is fit for; `foreign` when it is not ours.

    `unproven` until a droplet made from it has been examined, which makes it `ready` or `rejected`.
    """
    if snapshot_kind(tags) is None:
        return "foreign"
    if REJECTED_TAG in tags:
        return "rejected"
    return "ready" if READY_TAG in tags else "unproven"


def snapshot_kind(tags: frozenset[str]) -> str | None:
    """`base`, `custom`, or None when a snapshot with these tags is not ours."""
    return next((kind for kind in ("base", "custom") if f"{TAG}-{kind}" in tags), None)


def comment(owner: str, spec: EnvironmentSpec, service: str, droplet: str) -> str:
    """The comment of a record of ours, which says for whom it stands and where it points (100 characters at most).

    Raises:
        InvalidInput: the names together are too long for Cloudflare.
    """
    text = f"{comment_mark(owner, spec, service)} {droplet}"
    if len(text) > COMMENT_LIMIT:
        raise InvalidInput(
            f"The names of project, environment and service are too long for a DNS comment: {text!r}.",
            hint=f"Shorten them by {len(text) - COMMENT_LIMIT} characters.",
        )
    return text


def comment_mark(owner: str, spec: EnvironmentSpec, service: str) -> str:
    """The beginning of the comments of all records of a service."""
    return f"{TAG} {owner} {spec.project}/{spec.name}/{service}"


def environment_mark(owner: str, spec: EnvironmentSpec) -> str:
    """The beginning of the comments of all records of an environment."""
    return f"{TAG} {owner} {spec.project}/{spec.name}/"


def service_of_comment(comment: str, owner: str, spec: EnvironmentSpec) -> str | None:
    """The service that a record with this comment stands for; None when it is not one of this environment's."""
    mark = environment_mark(owner, spec)
    service, _, droplet = comment.removeprefix(mark).partition(" ")
    whole = comment.startswith(mark) and droplet and " " not in droplet
    return service if whole and re.fullmatch(checks.WORD, service) else None


def is_ours(comment: str, owner: str, spec: EnvironmentSpec, service: str) -> bool:
    """Whether a record with this comment was made by us for this service."""
    return same_service(comment, f"{comment_mark(owner, spec, service)} ")


def same_service(comment: str, other: str) -> bool:
    """Whether two comments are ours and of the same service, for whatever droplets."""
    return comment.startswith(f"{TAG} ") and comment.rpartition(" ")[0] == other.rpartition(" ")[0]


def check_ours(comment: str, what: str) -> None:
    """Whether a record with this comment was made by us, for any service.

    Raises:
        PermanentError: it was not; `what` is named in the message.
    """
    if not comment.startswith(f"{TAG} "):
        raise PermanentError(f"{what} is not ours, and was left alone.", hint="Delete it by hand if it has to go.")


def droplet_of(comment: str) -> str:
    """The droplet that a record with this comment of ours points at."""
    return comment.rpartition(" ")[2]


def release(now: datetime, content: str) -> str:
    """A release id: the time, and six digits of `content`, the digest (hex) of what the release consists of."""
    return f"{now.astimezone(UTC).strftime(_STAMP)}-{content[:6]}"


def next_release(now: datetime, content: str, known: Iterable[str]) -> str:
    """A release id that sorts after the `known` ones: of now, or of the second after the newest of them."""
    after = [released_at(one) + timedelta(seconds=1) for one in known]
    return release(max([now, *after]), content)


def released_at(release: str) -> datetime:
    """When a release was named, in UTC; the inverse of `release`.

    Raises:
        InvalidInput: it is no release id.
    """
    match = RELEASE.fullmatch(release)
    try:
        return datetime.strptime(match[1] if match else "", _STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(
            f"{release!r} is no release.", hint="Take one from the health table, e.g. 20261124t021530-9fe5e6."
        ) from None


def same_content(release: str, content: str) -> bool:
    """Whether a release id was given to this content."""
    match = RELEASE.fullmatch(release)
    return match is not None and match[2] == content[:6]
