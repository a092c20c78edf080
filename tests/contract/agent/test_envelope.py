"""Whatever goes wrong, the answer is the one envelope: code, message, hint, details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent import wire
from tests.contract.agent.journal import Journal
from tests.contract.agent.serving import Droplet, droplet
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import NAME

WRONG: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/nothing", {}, 404, "not_found"),
    ("PATCH", "/routes", {}, 405, "method_not_allowed"),
    ("PUT", "/routes", {"content": b"{"}, 422, "invalid"),
    ("PUT", "/routes", {"content": b"\xff\xfe"}, 422, "invalid"),
    ("PUT", "/routes", {"json": {}}, 422, "invalid"),
    ("PUT", "/routes", {"json": {"routes": [], "surprise": 1}}, 422, "invalid"),
    ("PUT", f"/containers/{NAME}/candidate", {"json": {"release": "latest"}}, 422, "invalid"),
    ("DELETE", "/containers/redis", {}, 422, "invalid"),
    ("DELETE", f"/containers/{NAME}%0A", {}, 422, "invalid"),
    ("DELETE", f"/containers/{NAME}%2F..%2Fother", {}, 404, "not_found"),
    ("GET", f"/containers/{NAME}/logs", {"params": {"tail": 0}}, 422, "invalid"),
    ("GET", f"/containers/{NAME}/logs", {"params": {"since": "yesterday"}}, 422, "invalid"),
    ("GET", f"/containers/{NAME}/logs", {}, 404, "not_found"),
    ("GET", f"/{NAME}/health", {}, 404, "not_found"),
    ("GET", f"/{NAME}/health", {"params": {"observer": "a b"}}, 422, "invalid"),
    ("GET", "/images/nobody-has:this", {}, 404, "not_found"),
    ("GET", "/images/..%2F..%2Fcontainers%2Fjson", {}, 404, "not_found"),
    ("POST", "/images/pull", {"json": {"reference": "-flag"}}, 422, "invalid"),
    ("POST", f"/containers/{NAME}/start", {}, 428, "lease_required"),
    ("POST", f"/containers/{NAME}/start", {"headers": {wire.FENCING_HEADER: "one"}}, 422, "invalid"),
    ("POST", f"/containers/{NAME}/start", {"headers": {wire.FENCING_HEADER: "1"}}, 409, "fenced"),
    ("PUT", f"/leases/{NAME}", {"json": {"holder": ""}}, 422, "invalid"),
    ("PUT", f"/leases/{NAME}", {"json": {"holder": "a\nb"}}, 422, "invalid"),
    ("PUT", f"/leases/{NAME}", {"json": {"holder": "a", "seconds": 9}}, 422, "invalid"),
    ("PUT", "/leases/redis", {"json": {"holder": "a"}}, 422, "invalid"),
    ("DELETE", f"/leases/{NAME}", {}, 428, "lease_required"),
    ("POST", f"/containers/{NAME}/stop", {"json": {"role": "boss"}}, 422, "invalid"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Droplet]:
    with droplet(tmp_path_factory.mktemp("agent")) as running:
        yield running


@pytest.mark.parametrize(("method", "path", "extra", "status", "code"), WRONG)
def test_a_call_that_is_wrong_is_told_what_and_what_to_do(
    lab: Droplet, method: str, path: str, extra: dict[str, Any], status: int, code: str
) -> None:
    with lab.keyed() as http:
        reply = http.request(method, path, **extra)
    assert set(reply.json()) == {"code", "message", "hint", "details"}
    problem = wire.Problem.model_validate_json(reply.content)
    assert (reply.status_code, problem.code) == (status, code)
    assert problem.message
    assert problem.hint
    assert reply.headers["content-type"] == "application/json"


def test_a_malformed_secret_is_named_but_never_repeated(lab: Droplet) -> None:
    body = {**lab.spec(1).model_dump(mode="json"), "secrets": {"KEY": ["hunter2"], "../x": "hunter3"}}
    with lab.keyed() as http:
        reply = http.put(f"/containers/{NAME}/candidate", json=body)
    assert reply.status_code == 422
    assert "secrets" in reply.text
    assert "hunter" not in reply.text


def test_what_nobody_foresaw_is_told_without_details_and_is_in_the_journal(lab: Droplet, journal: Journal) -> None:
    def fail() -> str:
        raise ZeroDivisionError("hunter2")

    with pytest.MonkeyPatch.context() as patch, lab.keyed() as http:
        patch.setattr(lab.engine, "instances", lambda name=None: fail())
        reply = http.get("/containers")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "hunter2" not in reply.text
    until(lambda: "ZeroDivisionError" in journal.text, "its stack is in the journal")


@pytest.mark.parametrize(("part", "status", "code"), [("engine", 503, "docker_down"), ("router", 502, "router")])
def test_a_part_that_is_down_is_named(lab: Droplet, part: str, status: int, code: str) -> None:
    broken = getattr(lab, part)
    broken.down = True
    try:
        with lab.keyed() as http:
            reply = http.put("/routes", json={"routes": []})
    finally:
        broken.down = False
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert ("retry-after" in reply.headers) == (status == 503)
