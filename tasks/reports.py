"""What a person reads after a run: artifacts, and the look from outside that proves a deploy."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol, TypeVar

from prefect.artifacts import create_markdown_artifact

from blocks.environment import Environment
from fleet.errors import PermanentError, TransientError
from fleet.spec import Maintenance, ServiceSpec
from tasks import visits
from tasks.policy import step
from tasks.visits import Answer

VERIFY_DEADLINE = timedelta(seconds=60)
REFUSED = range(400, 1000)
ABSENT = frozenset({421, *range(500, 1000)})
"""What a server answers that does not serve the name, or cannot."""


@step("{spec.name}: verify through the edge", timeout=VERIFY_DEADLINE * 2)
def verify(spec: ServiceSpec, page: Maintenance | None, environment: Environment) -> dict[str, int]:
    """Asks for every domain as a visitor does; gives the status of each.

    A service under maintenance has to answer with its page: what is behind it was proven on its droplets.

    Raises:
        TransientError: a domain did not answer, or not with a status below 400 (or not with the page); DNS and the
            edge may need a moment.
    """
    path = spec.health.path or "/"
    return {domain: _ask(environment.url(domain) + path, REFUSED, page) for domain in spec.domains}


@step("verify {domains} through the edge", timeout=VERIFY_DEADLINE * 2)
def verify_back(domains: Sequence[str], page: Maintenance | None, environment: Environment) -> dict[str, int]:
    """Asks for the domains of a release that served before: it need not know today's health path, so any page will do.

    But during maintenance only the maintenance page will.

    Raises:
        TransientError: a domain did not answer, or with a status of a server that does not serve it.
    """
    return {domain: _ask(environment.url(domain) + "/", ABSENT, page) for domain in domains}


def _ask(url: str, bad: Container[int], page: Maintenance | None) -> int:
    answer = visits.get(url)
    if page is not None:
        _check_page(url, answer, page)
    elif answer.status in bad:
        raise TransientError(f"{url} answers {answer.status}.", hint="Look at the service with the flow `logs`.")
    return answer.status


def _check_page(url: str, answer: Answer, page: Maintenance) -> None:
    if answer != Answer(HTTPStatus.SERVICE_UNAVAILABLE, str(page.retry_after_seconds)):
        said = f"{answer.status} with Retry-After {answer.retry_after or 'missing'}"
        raise TransientError(
            f"{url} answers {said}, not 503 with {page.retry_after_seconds}: it does not show the maintenance page.",
            hint="Does each record of the name lead to a droplet of the service?",
        )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table; what came from outside cannot break out of its cell."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def fenced(text: str) -> str:
    """Text from a container, shown as it is; fences in it are broken."""
    return "```text\n" + text.replace("```", "`\u200b``") + "\n```"


class Report(Protocol):
    """What a run tells at its end, whatever that was."""

    @property
    def key(self) -> str:
        """The artifact's key; see `publish`."""

    @property
    def caption(self) -> str:
        """The artifact's description."""

    def markdown(self, error: Exception | None) -> str:
        """The whole report; `error` is what the run ended by, if it did."""


R = TypeVar("R", bound=Report)


@contextmanager
def published(report: R) -> Iterator[R]:
    """The report, published when the block ends, with the error if it ends by one, a cancellation included."""
    failure: Exception | None = None
    try:
        yield report
    except Exception as error:
        failure = error
        raise
    except BaseException as error:
        failure = PermanentError(f"The run was cancelled, or its process was told to end ({type(error).__name__}).")
        raise
    finally:
        publish(report.key, report.markdown(failure), report.caption)


def publish(key: str, markdown: str, description: str) -> None:
    """An artifact of the current run; `key` is lower case with dashes, and keeps every version."""
    create_markdown_artifact(markdown, key=key, description=description)


def seconds_since(began: float) -> str:
    """How long ago `began` (of `time.monotonic`) was, for people."""
    return f"{time.monotonic() - began:.1f} s"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
