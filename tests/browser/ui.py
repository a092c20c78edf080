"""Prefect's UI as a person uses it: by what is written on the screen.

The run forms are those of the V2 UI, which has real labels and roles; the blocks' forms are those of the V1 UI, because
V2 loses nested blocks when it saves (see `Ui.edit_block`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, Response, expect, sync_playwright

from tests.e2e.lab import UI_PORT

BASE = f"http://127.0.0.1:{UI_PORT}"
CHROMIUM = "/usr/bin/chromium"
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREEN_MS = 30_000
"""How long anything on the screen may take to appear."""
FIRST_MS = 120_000
"""How long the first page may: it fetches the whole of the UI, on a machine that may be busy."""
RUN_MS = 300_000
"""How long a run may take."""
CLICKS = 5
"""How often a person tries to start a run."""
PLOT = "who was how when"
"""The timeline's picture."""
ROUNDS = 4
"""How many health checks a person starts at most: one that meets a scheduled round leaves without a table."""


@contextmanager
def window() -> Iterator[Page]:
    """A page of a fresh Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, timeout=SCREEN_MS)
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(SCREEN_MS)
            yield page
        finally:
            browser.close()


@dataclass(frozen=True)
class Started:
    """A run that a click has started."""

    id: str
    clicked: datetime


@dataclass
class Ui:
    """The screen, and the API behind it for what the screen does not say."""

    page: Page
    login: str = ""
    base: str = BASE
    """Where Prefect's server listens."""

    def log_in(self, login: str) -> None:
        """Answers the UI's question."""
        self.login = login
        self.page.goto(f"{self.base}/v2/login")
        self.page.get_by_role("textbox").fill(login, timeout=FIRST_MS)
        self.page.get_by_role("button", name="Login").click()
        expect(self.page.get_by_role("link", name="Deployments")).to_be_visible(timeout=SCREEN_MS)

    def api(self, path: str, **body: Any) -> Any:
        """What the API answers."""
        name, _, word = self.login.partition(":")
        reply = httpx.post(f"{self.base}/api/{path}", json=body, auth=(name, word), timeout=SCREEN_MS / 1000)
        reply.raise_for_status()
        return reply.json()

    def open_run_menu(self, deployment: str, choice: str) -> None:
        """The deployment → Run → Custom run, or Quick run; the list has more of them than one page shows."""
        self.page.goto(f"{self.base}/v2/deployments/deployment/{self._id(deployment)}")
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name=choice).click()

    def begin(self, deployment: str, parameters: dict[str, Any]) -> Started:
        """Starts a run without the form, where nobody looks at that."""
        made = self.api(f"deployments/{self._id(deployment)}/create_flow_run", parameters=parameters)
        return Started(made["id"], datetime.now(UTC))

    def _id(self, deployment: str) -> str:
        return str(self.api("deployments/filter", deployments={"name": {"any_": [deployment]}})[0]["id"])

    def open_form(self, deployment: str) -> None:
        """The form of a custom run."""
        self.open_run_menu(deployment, "Custom run")
        expect(self.page.get_by_role("button", name="Submit")).to_be_visible(timeout=SCREEN_MS)

    def pickers(self) -> Locator:
        """The buttons beside the pickers of blocks."""
        return self.page.get_by_role("button", name="Add", exact=True)

    def pick(self, block: str) -> None:
        """Chooses a block in the first picker that is still empty."""
        self.page.get_by_text("Select a block").first.click()
        self.page.get_by_role("option", name=block, exact=True).click()
        expect(self.page.get_by_role("option")).to_have_count(0, timeout=SCREEN_MS)

    def submit(self) -> Started:
        """Starts the run of the form, and looks at it."""
        return self._start(self.page.get_by_role("button", name="Submit").click)

    def quick_run(self, deployment: str) -> Started:
        """Starts a run with the default parameters, and looks at it."""
        return self._start(lambda: self.open_run_menu(deployment, "Quick run"))

    def _start(self, click: Callable[[], None]) -> Started:
        """Clicks, and once more where Prefect's database was busy: then its API answers 503 and its UI does nothing."""
        for _ in range(CLICKS):
            clicked = datetime.now(UTC)
            with self.page.expect_response(re.compile("/create_flow_run$"), timeout=SCREEN_MS) as answer:
                click()
            if answer.value.status != httpx.codes.SERVICE_UNAVAILABLE:
                break
        assert answer.value.ok, answer.value.status
        return self._view(clicked)

    def _view(self, clicked: datetime) -> Started:
        self.page.get_by_role("button", name="View run").first.click()
        self.page.wait_for_url("**/flow-run/**", timeout=SCREEN_MS)
        found = re.search(r"/flow-run/([0-9a-f-]{36})", self.page.url)
        assert found, self.page.url
        return Started(found[1], clicked)

    def follow(self, run: Started) -> None:
        """Watches the run's page until it says how the run ended; it has to be well."""
        expect(self.page.get_by_role("tab", name="Task Runs")).to_be_visible(timeout=SCREEN_MS)
        ended = self.page.get_by_text(re.compile("^(Completed|Failed|Crashed|Cancelled)$")).first
        expect(ended).to_be_visible(timeout=RUN_MS)
        expect(ended).to_have_text("Completed", timeout=SCREEN_MS)

    def open_run(self, run: Started) -> None:
        """The page of a run."""
        self.page.goto(f"{self.base}/v2/runs/flow-run/{run.id}")

    def open_question(self, run: Started) -> None:
        """What a paused run asks, in the V1 UI: V2 (3.8.8) has no button for it."""
        self.use_v1()
        self.page.goto(f"{self.base}/runs/flow-run/{run.id}")
        self.page.get_by_role("button", name="Resume").click()
        expect(self.page.get_by_role("dialog")).to_be_visible(timeout=SCREEN_MS)

    def use_v1(self) -> None:
        """From now on, addresses without a version are those of the older UI."""
        self.page.context.add_cookies([{"name": "prefect_ui_version", "value": "v1", "url": self.base}])

    def open_artifact(self, key: str) -> None:
        """From the run's page to the newest artifact of this key."""
        self.page.get_by_role("tab", name="Artifacts").click()
        self.page.get_by_text(key, exact=True).first.click()
        self.page.wait_for_url(f"**/artifacts/key/{key}*", timeout=SCREEN_MS)
        self._open_newest()

    def open_key(self, key: str) -> None:
        """The newest artifact of this key, whichever run it is from."""
        self.page.goto(f"{self.base}/v2/artifacts/key/{key}")
        self._open_newest()

    def _open_newest(self) -> None:
        self.page.locator("a[href*='/artifacts/artifact/']").first.click()
        self.page.wait_for_url("**/artifacts/artifact/**", timeout=SCREEN_MS)

    def check_health(self, artifact: str = "fleet-health") -> None:
        """Starts health checks until one has looked, and opens its table, or its timeline."""
        for _ in range(ROUNDS):
            run = self.quick_run("health-check")
            self.follow(run)
            if self.has_artifact(run):
                break
        self.open_artifact(artifact)
        shown = (
            self.page.get_by_role("table") if artifact == "fleet-health" else self.page.get_by_role("img", name=PLOT)
        )
        expect(shown.first).to_be_visible(timeout=RUN_MS)

    def first_task_seconds(self, run: Started) -> float:
        """From the click to the first task of the run."""
        tasks = self.api("task_runs/filter", flow_runs={"id": {"any_": [run.id]}})
        first = min(datetime.fromisoformat(task["start_time"]) for task in tasks if task["start_time"])
        return (first - run.clicked).total_seconds()

    def parameters(self, run: Started) -> dict[str, Any]:
        """What the server has stored as the run's parameters."""
        found: dict[str, Any] = self.api("flow_runs/filter", flow_runs={"id": {"any_": [run.id]}})[0]["parameters"]
        return found

    def has_artifact(self, run: Started) -> bool:
        """Whether the run has published anything."""
        return bool(self.api("artifacts/filter", flow_runs={"id": {"any_": [run.id]}}))

    def edit_block(self, name: str) -> None:
        """Opens a block's form in the V1 UI.

        The V2 UI of 3.8.8 shows an empty picker for a nested block, and saves the nested one's masked fields in its
        place; V1 keeps the reference.
        """
        self.use_v1()
        self.page.goto(f"{self.base}/blocks")
        self.page.get_by_role("link", name=name, exact=True).click()
        self.page.wait_for_url("**/blocks/block/*", timeout=SCREEN_MS)
        self.page.goto(f"{self.page.url}/edit")
        expect(self.page.get_by_role("button", name="Save")).to_be_visible(timeout=SCREEN_MS)

    def save(self) -> None:
        """Saves the block's form."""
        for _ in range(CLICKS):
            with self.page.expect_response(_is_update, timeout=SCREEN_MS) as answer:
                self.page.get_by_role("button", name="Save").click()
            if answer.value.status != httpx.codes.SERVICE_UNAVAILABLE:
                break
        assert answer.value.ok, answer.value.status


def _is_update(response: Response) -> bool:
    return response.request.method == "PATCH" and "/block_documents/" in response.url
