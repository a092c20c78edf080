"""The artifact of an undeploy: what, where, before, now, and how that is proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blocks.environment import Environment
from fleet import naming
from fleet.departures import Pending, Scope, UndeployPlan
from fleet.errors import PermanentError
from fleet.proof import left_behind, prove
from tasks.reports import fenced, publish, table

HEAD = ("what", "name", "where", "before", "now", "proven how")


def report(
    scope: Scope, done: UndeployPlan, left: UndeployPlan, failed: Mapping[str, str], environment: Environment
) -> None:
    """Publishes the proof of an undeploy.

    Raises:
        PermanentError: something is left on what answers; the message names it.
    """
    key = "-".join(["undeploy", environment.title(), *([scope.service] if scope.service else [])])
    title = f"{scope.title} off {scope.droplet or environment.title()}"
    publish(key, text(title, done, left, failed), title)
    fail_if_left(title, left, failed)


def report_finish(done: UndeployPlan, left: UndeployPlan, failed: Mapping[str, str], environment: Environment) -> None:
    """Publishes the proof of what was finished later.

    Raises:
        PermanentError: something is left on what answers; the message names it.
    """
    title = f"Pending undeploys of {environment.title()}"
    publish(f"finish-undeploys-{environment.title()}", text(title, done, left, failed), title)
    fail_if_left(title, left, failed)


def text(title: str, done: UndeployPlan, left: UndeployPlan, failed: Mapping[str, str]) -> str:
    """The whole artifact."""
    proofs, rest = prove(done, left), problems(left, failed)
    parts = [f"# {title}", f"**{_outcome(left.pending, rest)}**"]
    parts += [table(HEAD, proofs) if proofs else "Nothing was there: nothing was changed."]
    if left.pending:
        lines = "\n".join(f"- `{one.droplet.name}` since {_since(one)}: {one.reason}" for one in left.pending)
        parts += [f"## Pending: {_droplets(left.pending)}", lines, "`finish-undeploys` goes on once they answer."]
    if done.spared:
        parts += ["## Left alone", "\n".join(f"- {line}" for line in done.spared)]
    if rest:
        parts += ["## Left behind", fenced("\n".join(rest))]
    elif not left.pending:
        parts += ["Looked again afterwards: nothing is left."]
    return "\n\n".join(parts)


def problems(left: UndeployPlan, failed: Mapping[str, str]) -> list[str]:
    """What is left on what answers, and what failed there, each in a line."""
    silent = {one.droplet.name for one in left.pending}
    return left_behind(left) + [f"{name}: {why}" for name, why in sorted(failed.items()) if name not in silent]


def fail_if_left(title: str, left: UndeployPlan, failed: Mapping[str, str]) -> None:
    """Fails the run when something is left that could have gone.

    Raises:
        PermanentError: it names each thing, and why it is there still.
    """
    lines = "".join(f"\n  {line}" for line in problems(left, failed))
    if lines:
        raise PermanentError(f"{title}: something is left behind:{lines}\n", hint="Run it again.")


def _outcome(pending: Sequence[Pending], rest: Sequence[str]) -> str:
    if rest:
        return "❌ something is left behind"
    return f"⏳ pending: {_droplets(pending)}; all else is gone" if pending else "✅ nothing is left"


def _droplets(pending: Sequence[Pending]) -> str:
    names = sorted({one.droplet.name for one in pending})
    return f"{len(names)} ({', '.join(names)})"


def _since(one: Pending) -> str:
    what = one.tombstone.service or "everything"
    return f"{one.tombstone.since:%Y-%m-%d %H:%M:%S} UTC ({what}, `{naming.tombstone_tag(one.tombstone)}`)"
