"""The older releases that a droplet keeps, each as a stopped container that can serve again without a build.

A container holds all that its release was given: image, variables, secrets, command, limits, volumes, domains. So
nothing has to be written down beside it, and it goes with its secrets and, at the next prune, with its image.
"""

from __future__ import annotations

from agent import wire
from agent.server import rollout
from agent.server.ports import Instance
from agent.server.slots import Service, Slots


def retire(service: Service, wanted: wire.Retire) -> bool:
    """Stop the older releases, each once its last request has ended; the oldest beyond `keep` go.

    The previous one is never among those: it is what served last, even if its release is the oldest.
    """
    slots, changed = service.settle(), False
    for one in slots.older:
        if not one.stopped:
            service.end(one)
            changed = True
    for one in beyond(slots, wanted.keep):
        service.engine.remove(one.full_name)
        changed = True
    return changed


def beyond(slots: Slots, keep: int) -> tuple[Instance, ...]:
    """The kept containers that are too many where `keep` older releases may stay, the previous one among them."""
    return slots.kept[max(keep - (slots.previous is not None), 0) :]


def roll_back(service: Service, wanted: wire.Rollback) -> bool:
    """Go back to a release that is kept and, where a change is taken back with it, tidy up after the change.

    Raises:
        Failure: as `rollout.roll_back`.
    """
    changed = rollout.roll_back(service, wanted.release, wanted.maintenance)
    changed = _set_aside(service, wanted.failed) or changed
    return _make_previous(service, wanted.previous) or changed


def _set_aside(service: Service, release: str | None) -> bool:
    """A release that failed is kept stopped as the candidate that it was: as evidence, and for nobody to go back to."""
    slots = service.slots()
    failed = next((one for one in slots.older if one.release == release), None)
    if failed is None:
        return False
    if not failed.stopped:
        service.end(failed)
    if slots.candidate:
        service.engine.remove(slots.candidate.full_name)
    service.rename(failed, "candidate")
    return True


def _make_previous(service: Service, release: str | None) -> bool:
    """The kept release that was previous before a change is it again."""
    slots = service.slots()
    wanted = next((one for one in slots.kept if one.release == release), None)
    if wanted is None:
        return False
    if slots.previous:
        service.rename(slots.previous, "kept")
    service.rename(wanted, "previous")
    return True
