"""Each role against the real server, through the real gateway."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from deployments.production import controller, people
from deployments.production.parts import folder, gateway
from deployments.production.rendering import render
from deployments.production.roles import Role
from tests.contract.production.stack import Stack, written

SECRET = "canary-block-secret-77"
SAFE = ("GET", "HEAD", "OPTIONS")
READERS = ("filter", "count", "history", "lateness", "paginate", "concurrency_status", "next-runs", "validate",
           "count-task-runs", "count-deployments", "counts", "{countable}", "get_scheduled_flow_runs")  # fmt: skip
"""What a path of Prefect's ends with when it reads with POST; told anew here, so that a slip in the rules shows."""
NOT_READS = ("/templates/validate", "/automations/templates/validate", "/work_pools/{name}/get_scheduled_flow_runs")

Browsers = dict[str, httpx.Client]


@pytest.fixture(scope="module")
def browsers(stack: Stack) -> Iterator[Browsers]:
    """A person of each role, and the settings' admin."""
    with ExitStack() as opened:
        made = {
            "viewer": opened.enter_context(stack.let_in("vera", Role.VIEWER)),
            "operator": opened.enter_context(stack.let_in("otto", Role.OPERATOR)),
            "admin": opened.enter_context(stack.browser("admin", "canary-admin-51d0")),
        }
        controller.refresh(stack.settings, stack.supervisor)
        until_read(made["viewer"])
        yield made


def until_read(browser: httpx.Client) -> None:
    """nginx reads its files again a moment after it is told to."""
    for _ in range(1000):
        with suppress(httpx.RemoteProtocolError):  # a connection of the old worker's
            if browser.get("/api/admin/version").status_code == httpx.codes.OK:
                return
    raise AssertionError("the gateway never read its files again")


@pytest.fixture(scope="module")
def deployment(stack: Stack) -> str:
    """The id of a deployment."""
    with get_client(sync_client=True) as client:
        return str(client.read_deployment_by_name("trial/trial").id)


def ask(browser: httpx.Client, method: str, path: str, **body: Any) -> int:
    """A request's status."""
    return browser.request(method, f"/api{path}", json=body).status_code


def audit(stack: Stack) -> list[dict[str, Any]]:
    """What was written down."""
    lines = (folder(stack.settings) / "audit" / "changes.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_every_role_reads(browsers: Browsers, role: str) -> None:
    assert ask(browsers[role], "GET", "/admin/version") == 200
    for path in (
        "/flows/filter",
        "/flow_runs/filter",
        "/deployments/paginate",
        "/block_documents/filter",
        "/logs/filter",
    ):
        assert ask(browsers[role], "POST", path) == 200, path


def test_the_page_loads_for_a_viewer_and_tells_no_secret_of_the_server(browsers: Browsers) -> None:
    for path in ("/ui-settings", "/api/admin/version", "/api/admin/settings", "/api/ready"):
        reply = browsers["viewer"].get(path)
        assert reply.status_code == 200, path
        assert "canary" not in reply.text, path


def test_nobody_comes_in_without_a_login_and_the_page_itself_holds_nothing(stack: Stack, browsers: Browsers) -> None:
    stranger = stack.browser("vera", "wrong")
    with stranger:
        assert stranger.post("/api/flows/filter", json={}).status_code == 401
        assert "WWW-Authenticate" not in stranger.post("/api/flows/filter", json={}).headers
        assert stranger.get("/").status_code == 200
        assert stranger.post("/", json={}).status_code == 403


def test_the_machines_login_is_nobodys_at_the_gateway(stack: Stack) -> None:
    with stack.browser("machine", "canary-machine-aa07") as browser:
        assert ask(browser, "POST", "/flows/filter") == 401


def test_an_operator_starts_a_run_and_cancels_it_and_a_viewer_does_not(browsers: Browsers, deployment: str) -> None:
    start = f"/api/deployments/{deployment}/create_flow_run"
    body = {"parameters": {"folder": "/nowhere"}, "state": {"type": "SCHEDULED"}}
    assert browsers["viewer"].post(start, json=body).status_code == 403
    started = browsers["operator"].post(start, json=body)
    assert started.status_code == 201
    cancel = f"/api/flow_runs/{started.json()['id']}/set_state"
    cancelled = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
    assert browsers["viewer"].post(cancel, json=cancelled).status_code == 403
    assert browsers["operator"].post(cancel, json=cancelled).status_code == 201


def test_an_operator_switches_a_schedule_and_changes_nothing_else_of_a_deployment(
    browsers: Browsers, deployment: str
) -> None:
    assert ask(browsers["operator"], "POST", f"/deployments/{deployment}/pause_deployment") == 200
    assert ask(browsers["operator"], "POST", f"/deployments/{deployment}/resume_deployment") == 200
    assert ask(browsers["operator"], "PATCH", f"/deployments/{deployment}", description="x") == 403
    assert ask(browsers["operator"], "DELETE", f"/deployments/{deployment}") == 403
    assert ask(browsers["admin"], "PATCH", f"/deployments/{deployment}", description="x") == 204


@pytest.mark.parametrize(
    "extra",
    [
        {"job_variables": {"command": "id"}},
        {"infrastructure_document_id": str(uuid4())},
        {"state": {"type": "SCHEDULED", "data": {"type": "unversioned", "blob": "gASV"}}},
    ],
    ids=["a command", "infrastructure", "a pickle"],
)
def test_an_operator_brings_nothing_to_a_run_but_its_parameters(
    browsers: Browsers, deployment: str, extra: dict[str, Any]
) -> None:
    assert ask(browsers["operator"], "POST", f"/deployments/{deployment}/create_flow_run", **extra) == 403


def test_a_closed_pool_ignores_even_the_admins_command(stack: Stack) -> None:
    with get_client(sync_client=True) as client:
        template = client.read_work_pool("deployer").base_job_template
    assert template["variables"]["properties"] == {}
    assert "{{" not in json.dumps(template)


def test_the_secrets_of_a_block_are_the_admins_however_they_are_asked_for(stack: Stack, browsers: Browsers) -> None:
    Secret[str](value=SecretStr(SECRET)).save("canary", overwrite=True)
    found = browsers["admin"].post("/api/block_documents/filter", json={"include_secrets": True})
    assert SECRET in found.text
    block = next(one["id"] for one in found.json() if one["name"] == "canary")
    padding = "&".join(f"a{number}=1" for number in range(150))
    for role in ("viewer", "operator"):
        asked = browsers[role]
        tries = [
            asked.post("/api/block_documents/filter", json={"include_secrets": True}),
            asked.post("/api/block_documents/filter", content=b'{"include_secrets": false, "include_secrets": true}'),
            asked.post("/api/block_documents/filter", content=b'{"include\\u005fsecrets": true}'),
            asked.get(f"/api/block_documents/{block}?include_secrets=true"),
            asked.get(f"/api/block_documents/{block}?{padding}&include_secrets=true"),
            asked.get(f"/api/block_documents/{block}?include%5fsecrets=1"),
            asked.get(f"/api/block_documents//{block}?include_secrets=1"),
        ]
        assert all(one.status_code in (400, 403) and SECRET not in one.text for one in tries)
        plain = asked.post("/api/block_documents/filter", json={"include_secrets": False})
        assert plain.status_code == 200
        assert SECRET not in plain.text


@pytest.mark.parametrize(
    "path",
    ["/api/flows/%66ilter", "/api/deployments/../flows/filter", "/api//flows/filter", "/api/./flows/filter"],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused(stack: Stack, browsers: Browsers, path: str) -> None:
    # httpx would write it plainly.
    port = stack.settings.gateway_port
    with closing(http.client.HTTPSConnection("localhost", port, context=stack.trust(), timeout=10)) as plain:
        plain.request("POST", path, body="{}", headers={"Authorization": stack.authorizations["vera"]})
        assert plain.getresponse().status == 400


def test_every_path_of_this_prefect_is_either_a_read_or_not_a_viewers(browsers: Browsers) -> None:
    asked = [
        (method.upper(), path)
        for path, methods in browsers["admin"].get("/api/openapi.json").json()["paths"].items()
        for method in methods
        if method.upper() not in SAFE
    ]
    assert len(asked) > 100
    answers = {(method, path): ask(browsers["viewer"], method, concrete(path)) for method, path in asked}
    assert {one for one, status in answers.items() if status != 403} == {one for one in asked if reads(*one)}


def concrete(path: str) -> str:
    """The path with something in the place of what is variable."""
    filled = re.sub(r"\{(id|schedule_id|lease_id)\}", str(uuid4()), path.replace("{countable}", "day"))
    return filled.replace("{", "").replace("}", "")


def reads(method: str, path: str) -> bool:
    """Whether this path only reads."""
    return method == "POST" and path.rsplit("/", 1)[-1] in READERS and path not in NOT_READS


def test_every_change_and_every_try_is_written_down_with_who_what_when_and_from_where(
    stack: Stack, browsers: Browsers, deployment: str
) -> None:
    before = len(audit(stack))
    start = f"/deployments/{deployment}/create_flow_run"
    ask(browsers["viewer"], "POST", start)
    ask(browsers["operator"], "POST", start, parameters={"folder": "/there"}, state={"type": "SCHEDULED"})
    ask(browsers["operator"], "POST", "/flow_runs/filter")
    ask(browsers["admin"], "POST", "/variables/", name=f"v{uuid4().hex[:6]}", value="canary-not-told")
    told = audit(stack)[before:]
    assert [(one["who"], one["role"], one["did"], one["status"]) for one in told] == [
        ("vera", "viewer", "POST", 403),
        ("otto", "operator", "POST", 201),
        ("admin", "admin", "POST", 201),
    ]
    assert all(one["from"] == "127.0.0.1" and one["at"] for one in told)
    assert told[1]["what"] == f"/api{start}"
    assert json.loads(told[1]["told"])["parameters"] == {"folder": "/there"}
    assert "canary-not-told" not in json.dumps(told)


def test_a_line_of_the_audit_cannot_be_forged(stack: Stack, browsers: Browsers, deployment: str) -> None:
    before = len(audit(stack))
    ask(browsers["operator"], "POST", f"/deployments/{deployment}/create_flow_run", name='"}\n{"who":"admin"')
    assert [one["who"] for one in audit(stack)[before:]] == ["otto"]


def test_ten_wrong_passwords_close_the_door_for_a_minute(stack: Stack) -> None:
    # From another address than the other tests', which the door stays open for.
    transport = httpx.HTTPTransport(verify=stack.trust(), local_address="127.0.0.77")
    url = f"https://localhost:{stack.settings.gateway_port}"
    with httpx.Client(base_url=url, transport=transport, auth=("admin", "guess"), timeout=30) as guesser:
        seen = [ask(guesser, "POST", "/flows/filter") for _ in range(12)]
        guesser.auth = ("admin", "canary-admin-51d0")
        assert seen == [401] * 10 + [429] * 2
        assert ask(guesser, "POST", "/flows/filter") == 429


def test_whoever_is_put_out_stays_out(stack: Stack, browsers: Browsers) -> None:
    with stack.let_in("paul", Role.ADMIN) as paul:
        controller.refresh(stack.settings, stack.supervisor)
        until_read(paul)
        assert people.put_out(stack.settings, "paul")
        render(stack.settings)
        assert ask(paul, "POST", "/flows/filter") == 401
    assert not people.put_out(stack.settings, "paul")


def test_no_secret_is_in_a_log_the_audit_or_a_command_line(stack: Stack, browsers: Browsers) -> None:
    commands = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    for text in (written(stack), *commands):
        assert "canary-" not in text.replace("canary-not-told", "")


def test_a_gateway_that_reads_files_again_keeps_its_process(stack: Stack, browsers: Browsers) -> None:
    before = stack.process("gateway").find()
    controller.refresh(stack.settings, stack.supervisor)
    assert stack.process("gateway").find() == before
    assert gateway(stack.settings).name == "deployer-gateway"
