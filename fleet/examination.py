"""Whether a snapshot may be offered: decided from what the first droplet that is made from it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BASE_IMAGE = "local/base:latest"
SSH_PORT = 22


@dataclass(frozen=True)
class Examination:
    """What a droplet says of itself; empty texts mean that nothing is wrong."""

    machine: str
    """A digest of its machine id."""
    host_keys: tuple[str, ...] = ()
    """Digests of its SSH host keys."""
    listening: tuple[int, ...] = ()
    """TCP ports that are open to others."""
    ssh: tuple[str, ...] = ()
    """Units of sshd that could start."""
    leftovers: tuple[str, ...] = ()
    """Files that let somebody log in, or tell what somebody did."""
    nginx: str = ""
    docker: str = ""
    image: str = ""
    """The id of `local/base:latest`."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of Debian's packages."""
    found: tuple[tuple[int, str], ...] = ()
    """Marks that are on the disk, by their place among those asked for, and in which files."""
    agent: str = ""
    """The agent's version."""


@dataclass(frozen=True)
class Origin:
    """The droplet that a snapshot was taken of: what nothing made from it may share."""

    kind: str
    machine: str
    host_keys: tuple[str, ...] = ()
    marks: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """What each is, and its text: keys that died with the droplet, and that must be nowhere."""
    parent: str = ""
    """Id of the snapshot that it was made from."""


@dataclass(frozen=True)
class Seen:
    """What the controller saw of the droplet from outside."""

    seconds: float | None
    """From the order of the droplet to its first healthy answer; None: there was none."""
    trouble: str = ""
    """Why there was none."""
    ssh_answers: bool = False
    boot_secret_lives: bool = False
    """Whether it still takes the secret that its user data carried."""


def judge(origin: Origin, seen: Seen, found: Examination | None) -> tuple[str, ...]:
    """Why the snapshot may not be offered; nothing: it may."""
    if seen.seconds is None:
        return (f"its agent gave no healthy answer: {seen.trouble}",)
    if found is None:
        return (f"it could not be examined: {seen.trouble}",)
    return tuple(reason for reason, wrong in _questions(origin, seen, found) if wrong)


def _questions(origin: Origin, seen: Seen, found: Examination) -> list[tuple[str, bool]]:
    shared = set(origin.host_keys) & set(found.host_keys)
    marks = sorted({f"{origin.marks[mark][0]} in {path}" for mark, path in found.found})
    return [
        ("an SSH server answers on port 22", seen.ssh_answers or SSH_PORT in found.listening),
        (f"sshd can be started ({', '.join(found.ssh)})", bool(found.ssh)),
        ("it still takes the secret of its user data after the first contact", seen.boot_secret_lives),
        ("it has the machine id of the droplet that it was taken of", found.machine == origin.machine),
        ("it has an SSH host key of the droplet that it was taken of", bool(shared)),
        (f"the bake left {', '.join(marks)}", bool(marks)),
        (f"the bake left {', '.join(found.leftovers)}", bool(found.leftovers)),
        (f"nginx does not take its configuration: {found.nginx}", bool(found.nginx)),
        (f"Docker runs no container: {found.docker}", bool(found.docker)),
        (f"{BASE_IMAGE} is not there", origin.kind == "custom" and not found.image),
    ]
