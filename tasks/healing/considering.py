"""One round of remediation: from what a health sweep found to decisions that are on the disk and under way.

What is remembered, and the records, are written before anything is carried out: a controller that is killed in between
does less than it might have, never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from prefect import get_run_logger
from prefect.runtime import flow_run

from blocks.environment import Environment
from fleet import naming
from fleet.cloud.digitalocean.api import TALLY
from fleet.remediation import moments
from fleet.remediation.folders import Folder
from fleet.remediation.moments import Moment
from fleet.remediation.records import DecisionRecord, make_record
from fleet.remediation.rounds import Deliberation, Memory, Round, Sighting, deliberate
from fleet.remediation.state import Lease, Pause
from tasks.healing import absences, exhibits, handover, news, selftest, showing, sightings, starting, surroundings
from tasks.healing.exhibits import Exhibit
from tasks.healing.looks import Look, looks, unlisted
from tasks.healing.settings import HealingSettings
from tasks.healing.surroundings import Surroundings
from tasks.health.findings import Finding
from tasks.plans import YOUNG
from tasks.policy import step

OURS = ("remediate ",)
"""How the holders of remediation's own locks are called; see `tasks.locks.holder`."""


@step("consider what was found", timeout=timedelta(minutes=3), retries=0)
def consider(findings: Sequence[Finding], environments: Sequence[Environment]) -> list[str]:
    """Decides about everything that a round over all environments saw, and starts a `remediate` run for each action.

    A round that looked at less than everything must not be given: what it left out would seem to be gone.

    Returns:
        The names of the decisions that are to be carried out, those of earlier rounds that were cut off included.

    Raises:
        PermanentError: what is remembered cannot be read, or the day's records are full: nothing is done.
    """
    if not environments:
        return []
    settings = HealingSettings()
    folder, seen = Folder(settings.healing), looks(findings)
    around = {one.title(): surroundings.survey(one, _of(seen, one)) for one in environments}
    missing = absences.look(folder.read_memory(), seen, around, environments, unlisted(findings), moments.read_moment())
    tested = selftest.examine(environments, settings)
    with folder.locked():
        memory = folder.read_memory()
        now = moments.read_moment()
        found = [*_sightings(seen, around, memory, now), *absences.sight(missing, around, memory, now)]
        controller, own, pauses = _pauses(folder, seen)
        calls = folder.note_calls(TALLY.take())
        memory, made = deliberate(memory, Round(now, tested, tuple(found), calls, tuple(_leases(seen)), pauses))
        folder.write_memory(memory)
        records = _records(made, around, exhibits.read_all(made, seen, environments))
        folder.records.write(records)
        folder.records.prune(now.utc.date())
    handover.hand_over(seen, controller, own, {one.title(): one for one in environments})
    news.tell(records, environments)
    return _carry_on(records, memory, now)


def _pauses(folder: Folder, seen: Sequence[Look]) -> tuple[str, tuple[Pause, ...], tuple[Pause, ...]]:
    """This controller, its own pauses, and all that are in force here: those of other controllers as well."""
    controller, own = folder.identity(), folder.read_pauses()
    if any(one.node and one.node.pauses is not None for one in seen):
        folder.write_foreign(handover.foreign(seen, controller))
    return controller, own, (*own, *folder.read_foreign())


def _carry_on(records: Sequence[DecisionRecord], memory: Memory, now: Moment) -> list[str]:
    """Tells what is news, and starts what is to be done, with what an earlier round began and nobody has ended."""
    for one in records:
        showing.show(one)
        _log(one)
    pending = [one.decision for case in memory.cases.values() for one in case.steps if one.runs(now)]
    for decision in pending:
        starting.ensure(decision)
    return pending


def _records(
    made: Iterable[Deliberation], around: Mapping[str, Surroundings], read: Mapping[str, Exhibit]
) -> list[DecisionRecord]:
    run = str(flow_run.id or "")
    told = [(one, _title(one.state.target.name, around), read.get(one.id, Exhibit())) for one in made]
    return [make_record(one, title, run, exhibit.lines, exhibit.cause) for one, title, exhibit in told]


def _log(record: DecisionRecord) -> None:
    decision, log = record.decision, get_run_logger()
    for alert in decision.alerts:
        log.error("%s: %s (decision %s)", decision.target, alert.text, record.id)
    if decision.acts:
        log.warning("%s (decision %s)", decision, record.id)


def _of(seen: Iterable[Look], environment: Environment) -> list[Look]:
    return [one for one in seen if one.environment == environment.title()]


def _sightings(
    seen: Iterable[Look], around: Mapping[str, Surroundings], memory: Memory, now: Moment
) -> Iterable[Sighting]:
    for one in seen:
        if one.environment in around and _counts(one, memory, now):
            yield from sightings.sight(one, around[one.environment], memory)


def _counts(look: Look, memory: Memory, now: Moment) -> bool:
    """Whether a droplet is one of those that are looked after.

    Not one that was not made here, nor one that an undeploy is to destroy, nor one that has not answered yet and may
    still be starting.
    """
    known = str(look.droplet.id) in memory.cases
    young = look.node is None and not known and now.utc - look.droplet.created_at < YOUNG
    leaving = any(one.destroy for one in naming.tombstones(look.droplet.tags).values())
    return naming.is_our_droplet(look.droplet.tags) and not leaving and not young


def _leases(seen: Iterable[Look]) -> list[Lease]:
    """The locks that are held on any droplet; one of many droplets counts once."""
    found = {(one.service, one.holder) for look in seen if look.node for one in look.node.leases}
    return [Lease(service, holder, holder.startswith(OURS)) for service, holder in sorted(found)]


def _title(droplet: str, around: Mapping[str, Surroundings]) -> str:
    """The environment that a droplet belongs to; empty for the fleet as a whole."""
    title = droplet.rpartition("-")[0]
    return title if title in around else ""
