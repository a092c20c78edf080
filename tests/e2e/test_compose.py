"""A Compose file's four services on two droplets: they find each other by name, wherever they run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.e2e.lab import ROOT, ZONE, Lab, reference
from tests.e2e.scenes import deploy, eventually, ours

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

NAMES = ("redis", "web", "worker", "report")
HOST = f"counter.{ZONE}.localhost"


@pytest.fixture(scope="module")
def counter(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The example's services, imported and deployed; its report runs every minute instead of every five."""
    folder = tmp_path_factory.mktemp("compose")
    shutil.copytree(ROOT / "examples" / "compose", folder, dirs_exist_ok=True)
    file = folder / "compose.yaml"
    file.write_text(file.read_text().replace("*/5 * * * *", "* * * * *"))
    lab.command("deployments", "import-compose", str(file), "--environment", "lab-prod")
    first, *rest = NAMES
    deploy(lab, f"lab-prod-{first}")
    together(lab, "deploy", rest)
    yield lab
    together(lab, "undeploy", NAMES, remove_volumes=["redis-data"])


def together(lab: Lab, flow: str, names: Sequence[str], **options: Any) -> None:
    """Runs of several services at once, which all complete."""
    started = [lab.start(flow, service=reference("service", f"lab-prod-{name}"), **options) for name in names]
    for run in [lab.finish(one) for one in started]:
        assert run.completed, run.log


def visit(lab: Lab) -> int:
    """One visit; how many were counted before."""
    reply = httpx.get(lab.url, headers={"Host": HOST}, timeout=10)
    assert reply.status_code == httpx.codes.OK, reply.text
    return int(reply.json()["counted"])


def lines(lab: Lab, service: str) -> str:
    """What the service's containers printed, on all droplets."""
    pattern = f"docker ps --all --quiet --filter name=_{service} | xargs --no-run-if-empty -n 1 docker logs"
    return "".join(lab.inside(name, "sh", "-c", pattern) for name in ours(lab))


def test_visits_on_both_droplets_are_counted_by_the_worker_through_redis(counter: Lab) -> None:
    before = visit(counter)
    for _ in range(20):
        visit(counter)
    eventually(lambda: visit(counter) >= before + 20, "the worker counts", 30)
    names = {match[1] for match in re.finditer(r"visit \d+, on (\S+)", lines(counter, "worker"))}
    assert names == set(ours(counter))


def test_the_scheduled_service_finds_redis_too(counter: Lab) -> None:
    eventually(lambda: re.search(r"[1-9]\d* visits so far", lines(counter, "report")), "the report ran", 90)
