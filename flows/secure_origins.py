"""The flow `secure-origins`: droplets and the edge prove themselves to each other, and go on doing so."""

from __future__ import annotations

from prefect.runtime import flow_run

from blocks.environment import Environment
from tasks import health, origins, tombstones
from tasks.origin_report import origin_report
from tasks.runbooks import runbook


def run_name() -> str:
    """Says where."""
    environment = flow_run.parameters.get("environment")
    return f"secure origins of {environment.title()}" if environment else "secure origins everywhere"


@runbook("secure-origins", run_name)
def secure_origins(environment: Environment | None = None) -> None:
    """Gives droplets certificates that the edge trusts, renews them in time, and has both demand the other's.

    Only where an environment says so (*Edge and droplets*: strict). The edge insists on certificates once every record
    of the zone leads to a droplet that has one; droplets answer the edge alone from the next run on. Nobody who was
    served is cut off by a run that fails.

    Args:
        environment: the only one to see to; empty: all that there are.
    """
    environments = [environment] if environment else health.list_environments()
    with tombstones.each_by_itself() as attempt:
        for one in environments:
            if one.origin == origins.STRICT:
                attempt(secure, one)


def secure(environment: Environment) -> None:
    """One environment."""
    with origin_report(environment) as report:
        hosts = origins.list_droplets(environment)
        trust = origins.renew(hosts, origins.read(environment), environment)
        report.shown = origins.certify_all(hosts, trust, environment, demand=trust.steady)
        report.insistence = origins.insist(hosts, environment)
