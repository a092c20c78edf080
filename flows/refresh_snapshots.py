"""The flow `refresh-snapshots`: the run form's list of snapshots, always fresh."""

from __future__ import annotations

from fleet.errors import TransientError
from tasks import mirrors
from tasks.runbooks import runbook


@runbook("refresh-snapshots", "snapshots of every account")
def refresh_snapshots() -> None:
    """Mirrors the accounts' snapshots into `Snapshot` blocks, so that run forms offer those that are ready.

    Raises:
        TransientError: an account did not answer; the last list stays, and the artifact tells its age.
    """
    listing = mirrors.refresh()
    if listing.silent:
        raise TransientError(
            f"No list of snapshots from {'; '.join(listing.silent)}.", hint="The next round asks again."
        )
