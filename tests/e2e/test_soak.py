"""A release that turns bad after its deploy is back on the old one, with nobody but the scheduled health check."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.lab import Lab, schedule, service
from tests.e2e.scenes import change_service, deploy, eventually, ours, serving

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.long]

BAD_AFTER_SECONDS = 60
BACK_SECONDS = 420.0
"""Two rounds, the run of the rollback, and a machine that has other things to do."""
SERVER = f"""\
import http.server, os, time
BEGAN = time.monotonic()

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        bad = os.environ.get("TURNS_BAD") and time.monotonic() - BEGAN > {BAD_AFTER_SECONDS}
        self.send_response(500 if bad and self.path != "/health" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""


@pytest.fixture
def soaking(lab: Lab, context: Path) -> Iterator[str]:
    """A service that soaks, with a release that has served three hundred visitors; then its next one, which is bad
    a minute after it began. Gives the release that is to serve again."""
    before = service("hello")
    change_service(command=["python3", "-c", SERVER], soak_minutes=10)
    deploy(lab)
    (old,) = serving(lab, ours(lab))
    come(lab, 300)
    schedule("health-check", active=True)
    change_service(variables={"TURNS_BAD": "yes"})
    deploy(lab)
    yield old
    schedule("health-check", active=False)
    before.save("hello", overwrite=True)
    deploy(lab)


def come(lab: Lab, visitors: int) -> None:
    """Visitors come, and take what they get."""

    def visit(_: int) -> int:
        return httpx.get(f"{lab.url}/", headers=lab.host, timeout=10).status_code

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(visit, range(visitors)))


def test_a_release_that_turns_bad_a_minute_after_its_deploy_is_taken_back_unattended(lab: Lab, soaking: str) -> None:
    def is_back() -> bool:
        come(lab, 60)
        return serving(lab, ours(lab)) == {soaking}

    assert serving(lab, ours(lab)) != {soaking}
    eventually(is_back, "the old release serves again", BACK_SECONDS, every=5.0)
    answer = httpx.get(f"{lab.url}/", headers=lab.host, timeout=10)
    assert answer.status_code == httpx.codes.OK
