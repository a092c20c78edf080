"""What each role may ask of Prefect's API; everything that is not named here is the admin's.

Prefect reads with POST as well as with GET, so it is the path that tells a question from a change. Three things are
in a body or a query instead, and are the admin's wherever they come: a block's secrets (`include_secrets`), what a run
is started with beside its parameters (`job_variables` holds the command line), and a state's `data` (it is unpickled).
"""

from __future__ import annotations

from enum import StrEnum

ID = "[0-9a-fA-F-]{32,36}"
NAME = "[A-Za-z0-9_.-]+"


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


READS = (
    "(?:artifacts|artifacts/latest|automations|block_documents|deployments|flow_runs|flows|task_runs|variables"
    "|work_pools)/(?:count|filter|history|lateness|paginate)",
    "(?:block_schemas|block_types|concurrency_limits|events|logs|saved_searches|task_workers|work_queues)/filter",
    "v2/concurrency_limits/filter",
    f"events/count-by/{NAME}",
    "deployments/get_scheduled_flow_runs",
    f"flow_runs/{ID}/input/filter",
    f"work_pools/{NAME}/concurrency_status",
    f"work_pools/{NAME}/queues/filter",
    f"work_pools/{NAME}/workers/filter",
    f"work_queues/{ID}/concurrency_status",
    "ui/flow_runs/(?:count-task-runs|history)",
    "ui/flows/(?:count-deployments|next-runs)",
    "ui/schemas/validate",
    "ui/task_runs/(?:count|dashboard/counts)",
)
"""Paths below `/api/` that read with POST (3.8.8); `get_scheduled_flow_runs` of a work pool is not one: it is how a
worker takes a run."""
ADMIN_READS = (f"flow_runs/{ID}/input(?:/.*)?",)
"""Paths below `/api/` that tell more with GET than a role should know: what a run was given by hand. The server's
settings are not one: Prefect's page does not load without them, and its secrets are masked there."""
OPERATIONS = {
    "POST": (
        f"deployments/{ID}/create_flow_run",
        f"deployments/{ID}/(?:pause|resume)_deployment",
        f"flow_runs/{ID}/(?:resume|set_state)",
    ),
    "PATCH": (f"deployments/{ID}/schedules/{ID}",),
}
"""What an operator does by method: start, cancel, retry, resume and approve runs, and switch schedules."""
ADMIN_WORDS = ("include_secrets", "job_variables", "infra_overrides", "infrastructure_document_id")
"""Keys that a body or a query may not have, unless empty, when it is not the admin's; and so is a state's `data`."""
TOLD = (f"deployments/{ID}/create_flow_run", f"flow_runs/{ID}/(?:resume|set_state)")
"""Changes whose body goes into the audit: no secret is in a run's parameters or in its state."""


def rules() -> dict[str, object]:
    """All of it, as the gateway reads it: patterns are whole paths, for PCRE."""
    return {
        "reads": _whole(READS),
        "admin_reads": _whole(ADMIN_READS),
        "operations": {method: _whole(paths) for method, paths in OPERATIONS.items()},
        "admin_words": list(ADMIN_WORDS),
        "told": _whole(TOLD),
    }


def _whole(paths: tuple[str, ...]) -> str:
    return f"^/api/(?:{'|'.join(paths)})/?$"
