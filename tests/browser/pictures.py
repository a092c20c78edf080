"""The documentation's pictures, taken from the demo while it runs: `make pictures`.

Whoever changes what a person sees takes them again. The demo's environment asks for approval while that is shown, and
its service is deployed again at the end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, expect
from prefect.settings import PREFECT_HOME, temporary_settings

from blocks.environment import Environment
from deployments import server
from deployments.settings import ROOT, Settings, load
from fleet.state import VerdictWord
from tasks.health import files
from tasks.health.history import History, Span
from tests.browser.ui import RUN_MS, SCREEN_MS, Started, Ui, window

FOLDER = ROOT / "docs" / "images"
PAGE = ROOT / "examples" / "hello" / "page.html"
ENVIRONMENT, SERVICE = "demo-prod", "hello"
WIDTH = 1440
TROUBLES: tuple[tuple[VerdictWord, ...], ...] = (
    ("healthy",),
    ("healthy",) * 20 + ("unhealthy",) + ("healthy",) * 9,
    ("healthy",) * 9 + ("degraded", "degraded") + ("healthy",) * 9,
    ("healthy",) * 12 + ("unknown",) + ("healthy",) * 5,
)
"""What some have been through in the last five hours, in equal parts."""
REASONS: dict[VerdictWord, str] = {
    "healthy": "it answers",
    "degraded": "3 error(s) in the log",
    "unhealthy": "nobody listens on its port: connection refused",
    "unknown": "the agent did not answer: too slow",
}


def main() -> None:
    """All of them."""
    settings = load()
    os.environ.update(server.environment(settings))
    login = settings.admin_login.get_secret_value()
    with another_page(), asking(), window() as page:
        approved(entered(page, settings.ui_url, login))
    with window() as page:
        ui = entered(page, settings.ui_url, login)
        with_the_page(ui)
        back(ui)
        table(ui)
        hours(ui, settings)
        drilled(ui)
        decided(ui)
        gone(ui)
        deployed(ui)


def entered(page: Page, base: str, login: str) -> Ui:
    """The UI, logged in."""
    ui = Ui(page, base=base)
    ui.log_in(login)
    return ui


@contextmanager
def another_page() -> Iterator[None]:
    """The example shows something else, so that there is something to deploy."""
    before = PAGE.read_text()
    PAGE.write_text(before.replace("</body>", "<p>The next release.</p></body>"))
    try:
        yield
    finally:
        PAGE.write_text(before)


@contextmanager
def asking() -> Iterator[None]:
    """The environment asks for approval while the block lasts."""
    ask(True)
    try:
        yield
    finally:
        ask(False)


def ask(approval: bool) -> None:
    """Whether the environment asks for approval."""
    block: Any = Environment.load(ENVIRONMENT)
    block.approval = approval
    block.save(ENVIRONMENT, overwrite=True)


def shot(ui: Ui, name: str, height: int = 900) -> None:
    """The screen, that many pixels high."""
    ui.page.set_viewport_size({"width": WIDTH, "height": height})
    ui.page.wait_for_load_state("networkidle")
    ui.page.screenshot(path=FOLDER / f"{name}.png")
    print(f"✓ {name}.png", flush=True)


def started(ui: Ui, deployment: str, text: str = "") -> Started:
    """A run from the form, for the service; `text` is what the only field for words says."""
    ui.open_form(deployment)
    ui.pick(SERVICE)
    if text:
        ui.page.locator("textarea").first.fill(text)
    return ui.submit()


def ended(ui: Ui, run: Started, flow: str) -> None:
    """The run is over, and its report is on the screen."""
    ui.follow(run)
    ui.open_artifact(f"{flow}-{ENVIRONMENT}-{SERVICE}")
    expect(ui.page.get_by_role("heading", name=SERVICE).first).to_be_visible(timeout=SCREEN_MS)


def approved(ui: Ui) -> None:
    """The form of a deploy, its plan, the question for approval, and the run once it is approved."""
    ui.open_form("deploy")
    ui.pick(SERVICE)
    shot(ui, "run-form", height=1300)
    run = ui.submit()
    expect(ui.page.get_by_text("Paused").first).to_be_visible(timeout=RUN_MS)
    ui.open_artifact(f"plan-{ENVIRONMENT}-{SERVICE}")
    digest = ui.page.get_by_role("code").first.inner_text()
    shot(ui, "plan", height=1250)
    ui.open_question(run)
    question = ui.page.get_by_role("dialog")
    question.get_by_role("switch").click()
    question.locator("textarea").first.fill(digest)
    shot(ui, "approval")
    with ui.page.expect_response(re.compile("/resume$"), timeout=SCREEN_MS):
        question.get_by_role("button", name="Submit").click()
    ui.open_run(run)
    ui.follow(run)
    shot(ui, "deploy-run", height=1100)
    ui.open_artifact(f"deploy-{ENVIRONMENT}-{SERVICE}")
    shot(ui, "deploy-artifact", height=1250)


def with_the_page(ui: Ui) -> None:
    """Maintenance, on and off."""
    run = started(ui, "maintenance", text="We move house")
    ended(ui, run, "maintenance")
    shot(ui, "maintenance")
    ui.open_form("maintenance")
    ui.pick(SERVICE)
    ui.page.get_by_role("switch").first.uncheck()
    ui.follow(ui.submit())


def back(ui: Ui) -> None:
    """The releases that a rollback offers."""
    ui.open_form("rollback")
    ui.pick(SERVICE)
    ui.page.get_by_role("tab", name="Release").first.click()
    ui.page.get_by_text("Select a block").first.click()
    expect(ui.page.get_by_role("option").first).to_be_visible(timeout=SCREEN_MS)
    shot(ui, "rollback-form")


def table(ui: Ui) -> None:
    """The fleet's health."""
    ui.check_health()
    shot(ui, "health-table", height=700)


def hours(ui: Ui, settings: Settings) -> None:
    """The last hours; the demo is minutes old, so what came before is made up."""
    with temporary_settings({PREFECT_HOME: settings.home}), files.locked():
        files.write(with_a_past(files.read()))
    ui.check_health("fleet-timeline")
    shot(ui, "health-timeline", height=900)


def with_a_past(known: History) -> History:
    """The same subjects, well for hours, but for some trouble of some of them."""
    pasts = {}
    for number, (key, past) in enumerate(known.pasts.items()):
        begun = past.spans[0].begun
        words = TROUBLES[number % len(TROUBLES)]
        ends = [begun - timedelta(hours=5) / len(words) * left for left in range(len(words), -1, -1)]
        told = zip(words, ends, ends[1:], strict=False)
        spans = [Span(word, REASONS[word], one, other - timedelta(minutes=1)) for word, one, other in told]
        pasts[key] = replace(past, spans=(*spans, *past.spans), since=begun)
    return History(pasts)


def drilled(ui: Ui) -> None:
    """Two drills and their table: a container that is killed, and a droplet that is off until visitors miss nothing."""
    where = {"$ref": {"block_document_slug": f"environment/{ENVIRONMENT}"}}
    for fault, seconds in (("container", 60), ("droplet", 150)):
        asked = {"environment": where, "fault": fault, "seconds": seconds, "force": True}
        run = ui.begin("drill", asked)
        ui.open_run(run)
        ui.follow(run)
    ui.open_key("drills")
    expect(ui.page.get_by_role("table").first).to_be_visible(timeout=SCREEN_MS)
    shot(ui, "drills", height=500)


def decided(ui: Ui) -> None:
    """The record of the last decision that was carried out: the droplet that was off."""
    found = ui.api("artifacts/latest/filter", artifacts={"key": {"like_": "decision-"}}, sort="UPDATED_DESC", limit=50)
    carried_out = next(one for one in found if "What became of it" in str(one["data"]))
    ui.open_key(carried_out["key"])
    expect(ui.page.get_by_role("heading", name="The decision")).to_be_visible(timeout=SCREEN_MS)
    shot(ui, "decision", height=1500)


def gone(ui: Ui) -> None:
    """The proof of an undeploy."""
    ui.open_form("undeploy")
    ui.page.get_by_role("tab", name="Service").first.click()
    ui.pick(SERVICE)
    ended(ui, ui.submit(), "undeploy")
    shot(ui, "proof", height=1250)


def deployed(ui: Ui) -> None:
    """The service is back."""
    ui.follow(started(ui, "deploy"))


if __name__ == "__main__":
    main()
