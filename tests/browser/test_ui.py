"""What a person does in Prefect's UI, in Chromium, against a whole installation."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.ui import BASE, SCREEN_MS, Started, Ui
from tests.e2e.lab import SANDBOX_PORT, Lab
from tests.installation import SECRET

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


def test_without_the_login_the_api_refuses_and_the_ui_asks_for_it(lab: Lab, stranger: Page) -> None:
    refused = httpx.post(f"{BASE}/api/flow_runs/filter", json={}, timeout=SCREEN_MS / 1000)
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    stranger.goto(f"{BASE}/v2/deployments")
    expect(stranger.get_by_role("button", name="Login")).to_be_visible(timeout=SCREEN_MS)
    expect(stranger.get_by_role("link", name="deploy", exact=True)).to_have_count(0, timeout=SCREEN_MS)


def test_a_deploy_from_the_form_completes_and_its_report_shows_both_droplets(lab: Lab, ui: Ui) -> None:
    ui.open_form("deploy")
    expect(ui.pickers()).to_have_count(1, timeout=SCREEN_MS)
    ui.page.get_by_role("tab", name="Snapshot").click()
    expect(ui.pickers()).to_have_count(2, timeout=SCREEN_MS)
    ui.pick("hello")
    ui.pick("lab-python")
    run = ui.submit()
    ui.follow(run)
    tell(ui, run)
    ui.open_artifact("deploy-lab-prod-hello")
    expect(ui.page.get_by_role("heading", name="Droplets")).to_be_visible(timeout=SCREEN_MS)
    for droplet in lab.droplets():
        expect(ui.page.get_by_role("cell", name=droplet, exact=True)).to_be_visible(timeout=SCREEN_MS)
    parameters = ui.parameters(run)
    assert only_references({name: parameters[name] for name in ("service", "snapshot")})


def test_a_custom_snapshot_from_the_form_completes_and_is_offered_at_once(lab: Lab, ui: Ui, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:12\nRUN echo hello > /etc/motd\n")
    ui.open_form("build-snapshot")
    ui.pick("lab-prod")
    ui.page.get_by_label("name", exact=True).fill("lab-browser")
    ui.page.get_by_role("tab", name="Snapshot").click()
    ui.pick("lab-base")
    fill_context(ui, str(tmp_path))
    run = ui.submit()
    ui.follow(run)
    tell(ui, run)
    ui.open_artifact("snapshot-lab-browser")
    expect(ui.page.get_by_role("heading", name="Snapshot lab-browser")).to_be_visible(timeout=SCREEN_MS)
    parameters = ui.parameters(run)
    assert only_references({name: parameters[name] for name in ("environment", "base")})
    ui.open_form("deploy")
    ui.page.get_by_role("tab", name="Snapshot").click()
    expect(ui.pickers()).to_have_count(2, timeout=SCREEN_MS)
    ui.page.get_by_text("Select a block").last.click()
    expect(ui.page.get_by_role("option", name="lab-browser", exact=True)).to_be_visible(timeout=SCREEN_MS)


def test_the_health_table_says_unknown_for_a_droplet_that_is_cut_off(lab: Lab, ui: Ui) -> None:
    lost, other = lab.droplets()
    ui.check_health()
    expect(row(ui, lost)).to_contain_text("healthy", timeout=SCREEN_MS)
    cut(lab, lost, True)
    try:
        ui.check_health()
    finally:
        cut(lab, lost, False)
    expect(row(ui, lost)).to_contain_text("unknown", timeout=SCREEN_MS)
    expect(row(ui, other)).to_contain_text("healthy", timeout=SCREEN_MS)


def test_a_service_that_is_edited_in_the_browser_keeps_all_that_was_not_touched(lab: Lab, ui: Ui) -> None:
    before = stored(ui, "hello")
    ui.edit_block("hello")
    kept = ui.page.locator(".p-label", has_text="Releases kept").locator("input[type=number]")
    expect(kept).to_have_value("5", timeout=SCREEN_MS)
    kept.fill("17")
    ui.save()
    after = stored(ui, "hello")
    assert after["keep_releases"] == 17
    for name in ("name", "environment", "replicas", "secrets"):
        assert after[name] == before[name]
    assert after["secrets"] == {"API_KEY": SECRET}
    for name in ("image", "runs"):
        assert after[name].items() <= before[name].items()


def tell(ui: Ui, run: Started) -> None:
    """Prints how quick the UI felt; no test depends on it."""
    print(f"{ui.first_task_seconds(run):.1f} s from the click to the first task")


def only_references(parameters: dict[str, Any]) -> bool:
    """Whether every parameter points at a block, and nothing else is in it."""
    values = [value for value in parameters.values() if value is not None]
    assert SECRET not in json.dumps(parameters)
    return all(set(value) == {"$ref"} and set(value["$ref"]) == {"block_document_id"} for value in values)


def fill_context(ui: Ui, folder: str) -> None:
    """Fills in the parameter `context`, which stands between `name` and `dockerfile`."""
    optional = ui.page.get_by_role("tab", name="str")
    if optional.count():
        optional.click()
    ui.page.locator("textarea").nth(1).fill(folder)


def row(ui: Ui, droplet: str) -> Locator:
    """The health table's line for a droplet as a whole."""
    return ui.page.get_by_role("row").filter(has_text=droplet).filter(has_text="(the droplet)")


def cut(lab: Lab, droplet: str, is_cut: bool) -> None:
    """Cuts a droplet off, or lets it be reached again."""
    tokens, ca = lab.tokens, str(lab.sandbox / "ca.pem")
    with httpx.Client(base_url=f"https://127.0.0.1:{SANDBOX_PORT}", verify=authority(ca), timeout=30) as client:
        known = client.get("/v2/droplets", headers=bearer(tokens["digitalocean"])).json()["droplets"]
        number = next(one["id"] for one in known if one["name"] == droplet)
        path = f"/sandbox/droplets/{number}/faults"
        client.post(path, json={"cut": is_cut}, headers=bearer(tokens["control"])).raise_for_status()


def stored(ui: Ui, service: str) -> dict[str, Any]:
    """A service's block as the server has it, secrets included."""
    found = ui.api("block_documents/filter", block_documents=named(service), include_secrets=True)
    data: dict[str, Any] = found[0]["data"]
    return data


def named(service: str) -> dict[str, Any]:
    """The filter for a block of this name."""
    return {"name": {"any_": [service]}, "is_anonymous": {"eq_": False}}


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def authority(path: str) -> ssl.SSLContext:
    """Trusts the sandbox's certificates only."""
    return ssl.create_default_context(cafile=path)
