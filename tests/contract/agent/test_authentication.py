"""Who may speak to the agent: every route, over real TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent import keys, wire
from agent.server.settings import Limits
from tests.contract.agent.journal import Journal
from tests.contract.agent.serving import Droplet, droplet
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import DROPLET, NAME, TOKEN, release

CANARY = "c0ffee" * 10 + "abcd"
FEW = Limits(wrong_keys=3, wrong_key_pause=0.0)
WRONG: dict[str, str | bytes | None] = {
    "none": None,
    "wrong": CANARY,
    "empty": "",
    "non-ascii": "ключ".encode(),
    "10 kB": "a" * 10_000,
    "the boot key": keys.api_key(keys.boot_secret(TOKEN, DROPLET)),
    "another droplet's": keys.api_key(keys.droplet_secret(TOKEN, "demo-prod-other")),
    "the secret itself": keys.droplet_secret(TOKEN, DROPLET),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Droplet]:
    with droplet(tmp_path_factory.mktemp("agent")) as running:
        yield running


PROMISED = {
    ("GET", "/ping"),
    ("GET", "/node"),
    ("GET", f"/{NAME}/health"),
    ("POST", "/seal"),
    ("POST", "/examine"),
    ("POST", "/restart"),
    ("PUT", "/pauses/{controller}"),
    ("GET", "/key"),
    ("PUT", "/key"),
    ("POST", "/key/confirm"),
    ("GET", "/drills"),
    ("POST", f"/drills/{NAME}"),
    ("DELETE", f"/drills/{NAME}"),
    ("PUT", f"/drills/{NAME}/permission"),
    ("GET", "/containers"),
    ("GET", f"/containers/{NAME}/logs"),
    ("PUT", f"/containers/{NAME}/candidate"),
    ("DELETE", f"/containers/{NAME}/candidate"),
    *(
        ("POST", f"/containers/{NAME}/{verb}")
        for verb in ("promote", "rollback", "retire", "stop", "start", "restart", "recreate")
    ),
    ("DELETE", f"/containers/{NAME}"),
    *((method, f"/containers/{NAME}/maintenance") for method in ("PUT", "DELETE")),
    ("GET", f"/containers/{NAME}/runs"),
    ("DELETE", f"/containers/{NAME}/volumes/{{volume}}"),
    ("GET", "/leases"),
    *((method, f"/leases/{NAME}") for method in ("PUT", "DELETE")),
    ("GET", "/images/hello:1"),
    *(("POST", f"/images/{verb}") for verb in ("missing", "pull", "prune", "save", "load", "build")),
    *(("POST", f"/images/{verb}/{{digest}}") for verb in ("load", "build")),
    *((method, "/uploads/{digest}") for method in ("GET", "PUT")),
    ("GET", "/routes"),
    ("PUT", "/routes"),
    ("GET", "/origin"),
    ("POST", "/origin/request"),
    ("PUT", "/origin"),
    ("GET", "/peers"),
    ("PUT", "/peers"),
    ("GET", "/vigil"),
    ("PUT", "/vigil"),
    ("GET", "/inventory"),
    ("GET", "/manifests"),
    *((method, f"/manifests/{NAME}") for method in ("PUT", "DELETE")),
    ("GET", "/upgrade"),
    ("POST", "/upgrade"),
    ("POST", "/upgrade/confirm"),
    ("GET", "/openapi.json"),
}


def routes(lab: Droplet) -> list[tuple[str, str]]:
    """Every method and path of the OpenAPI document, and the document itself."""
    with lab.keyed() as http:
        paths: dict[str, dict[str, object]] = http.get("/openapi.json").json()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    for word in ("name", "container_name"):
        found = [(method, path.replace(f"{{{word}}}", NAME)) for method, path in found]
    return [*((method, path.replace("{image}", "hello:1")) for method, path in found), ("GET", "/openapi.json")]


def test_the_document_lists_the_routes_that_the_design_promises(lab: Droplet) -> None:
    assert set(routes(lab)) == PROMISED


@pytest.mark.parametrize("key", WRONG)
def test_no_route_but_ping_answers_without_the_right_key(lab: Droplet, key: str) -> None:
    said = set()
    with lab.http(key=WRONG[key]) as http:
        for method, path in routes(lab):
            reply = http.request(method, path)
            if path == "/ping":
                assert reply.status_code == 200
            else:
                assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized"), (method, path)
                said.add(reply.text)
    assert len(said) == 1


def test_a_refused_call_does_nothing(lab: Droplet) -> None:
    before = list(lab.engine.crashes.calls)
    with lab.http() as http:
        http.put(f"/containers/{NAME}/candidate", content=lab.spec(1).model_dump_json())
        http.delete(f"/containers/{NAME}")
    assert lab.engine.crashes.calls == before


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect", "/nothing", "/ping/", "/PING", "//ping"])
def test_what_is_not_on_the_list_needs_the_key_too(lab: Droplet, path: str) -> None:
    with lab.http() as http:
        assert http.get(path).status_code == 401
    with lab.keyed() as http:
        assert http.get(path).status_code in {307, 404}


def test_two_keys_are_no_key_even_if_one_is_right(lab: Droplet) -> None:
    right = keys.api_key(lab.settings.secret)
    with lab.http() as http:
        headers = [(wire.KEY_HEADER, right), (wire.KEY_HEADER, CANARY)]
        assert http.get("/containers", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        f"do_token={CANARY}",
        f"key={CANARY}",
        f"X-Agent-Key={CANARY}",
        f"a=1&passWord={CANARY}",
        f"q={CANARY}",
        "q=dop_v1_0123456789abcdef",
        f"%74oken={CANARY}",
    ],
)
def test_a_credential_in_the_query_is_refused_even_with_the_key_and_its_value_is_in_no_log(
    lab: Droplet, journal: Journal, query: str
) -> None:
    with lab.keyed() as http:
        replies = [http.get(path, params=httpx.QueryParams(query)) for path in ("/ping", "/containers", "/nothing")]
    assert [(reply.status_code, reply.json()["code"]) for reply in replies] == [(400, "credential_in_query")] * 3
    value = query.rpartition("=")[2]
    until(lambda: "/nothing" in journal.text, "the last call is in the log")
    assert value not in journal.text
    assert value not in "".join(reply.text for reply in replies)


def test_the_key_is_in_no_log_of_the_server(lab: Droplet, journal: Journal) -> None:
    with lab.keyed() as http:
        http.get("/containers")
        http.post("/nothing")
        http.get("/containers", headers={wire.KEY_HEADER: CANARY})
    until(lambda: "/nothing" in journal.text, "the last call is in the log")
    assert keys.api_key(lab.settings.secret) not in journal.text
    assert CANARY not in journal.text


def test_an_address_with_too_many_wrong_keys_is_refused_while_others_work(tmp_path: Path) -> None:
    with droplet(tmp_path, limits=FEW) as lab:
        with lab.http("127.0.0.2", CANARY) as wrong:
            replies = [wrong.get("/containers") for _ in range(5)]
        assert [reply.status_code for reply in replies] == [401, 401, 401, 429, 429]
        assert {reply.json()["code"] for reply in replies[3:]} == {"too_many_requests"}
        assert 0 < int(replies[-1].headers["retry-after"]) <= FEW.wrong_key_seconds
        with lab.keyed("127.0.0.3") as http:
            assert http.get("/containers").status_code == 200


def test_wrong_keys_do_not_lock_out_who_has_the_right_one_at_the_same_address(tmp_path: Path) -> None:
    with droplet(tmp_path, limits=FEW) as lab, lab.http(key=CANARY) as wrong, lab.keyed() as right:
        assert [wrong.get("/containers").status_code for _ in range(4)][-1] == 429
        assert right.get("/containers").status_code == 200


@pytest.mark.parametrize(
    ("address", "always", "status"),
    [("127.10.3.4", True, 401), ("127.10.3.4", False, 200), ("127.0.0.1", False, 401), ("127.11.0.1", False, 401)],
)
def test_without_a_key_only_neighbours_read_and_only_if_that_is_allowed(
    tmp_path: Path, address: str, always: bool, status: int
) -> None:
    with droplet(tmp_path, require_auth_always=always) as lab, lab.http(address) as http:
        reads = [http.get(path).status_code for path in ("/containers", "/node", "/routes", "/openapi.json")]
        writes = [
            http.put("/routes", json={"routes": []}).status_code,
            http.post(f"/containers/{NAME}/promote", json={"release": release(1)}).status_code,
            http.post("/images/prune").status_code,
            http.post("/seal").status_code,
        ]
    assert (reads, writes) == ([status] * 4, [401] * 4)


def test_a_neighbour_who_shows_a_wrong_key_is_judged_by_it(tmp_path: Path) -> None:
    with droplet(tmp_path, require_auth_always=False) as lab, lab.http("127.10.3.4", CANARY) as http:
        assert http.get("/containers").status_code == 401
