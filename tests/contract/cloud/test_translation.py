"""What the adapters make of answers that a cloud gives on a bad day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.cloud.cloudflare import Cloudflare
from fleet.cloud.digitalocean.account import Account
from fleet.cloud.digitalocean.api import Api
from fleet.cloud.digitalocean.droplets import Droplets
from fleet.cloud.digitalocean.snapshots import Snapshots
from fleet.errors import DeployerError, InvalidInput, NotFound, PermanentError, RateLimited, Refused, TransientError
from fleet.state import DropletRequest
from tests.contract.cloud.recorder import Answer, Recorder
from tests.contract.cloud.serving import Served, served

TOKEN = "canary-token-7c1f"
REQUEST = DropletRequest("demo-prod-3f9a1c", "fra1", "s-1vcpu-1gb", "9001", frozenset({"deployer"}), "intent-1")
DROPLET = {
    "id": 7,
    "name": "demo-prod-3f9a1c",
    "status": "new",
    "memory": 1024,
    "size_slug": "s-1vcpu-1gb",
    "region": {"slug": "fra1"},
    "image": {"id": 9001},
    "tags": ["deployer", "op:intent-1"],
    "networks": {"v4": []},
    "created_at": "2026-11-24T02:15:00Z",
}
NONE = Answer(200, {"droplets": [], "links": {}, "meta": {"total": 0}})
MADE = Answer(200, {"droplets": [DROPLET], "links": {}, "meta": {"total": 1}})
DROPPED = Answer(drop=True)


def found(result: list[dict[str, object]]) -> Answer:
    """A page of Cloudflare's."""
    return Answer(200, {"success": True, "errors": [], "messages": [], "result": result})


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    """The server's memory."""
    return Recorder()


@pytest.fixture(scope="module")
def server(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The recorder over HTTPS."""
    with served(recorder, tmp_path_factory.mktemp("recorder")) as here:
        yield here


@pytest.fixture
def api(server: Served) -> Api:
    """DigitalOcean's SDK, pointed at the recorder."""
    return Api(TOKEN, server.url, server.ca_file)


@pytest.fixture
def droplets(api: Api) -> Droplets:
    """Droplets that do not wait between two looks."""
    return Droplets(api, sleep=lambda _: None)


@pytest.fixture
def dns(server: Served) -> Cloudflare:
    """Cloudflare's SDK, pointed at the recorder."""
    return Cloudflare(TOKEN, "example.test", f"{server.url}/client/v4", server.ca_file)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"id": "unauthorized", "message": "Unable to authenticate you"}, Refused),
        (403, {"id": "forbidden", "message": "You are not authorized"}, Refused),
        (422, {"id": "unprocessable_entity", "message": "Size is not available"}, InvalidInput),
        (422, {"id": "unprocessable_entity", "message": "Droplet already has a pending event."}, TransientError),
        (429, {"id": "too_many_requests", "message": "API Rate limit exceeded."}, RateLimited),
        (500, {"id": "server_error", "message": "Unexpected server-side error"}, TransientError),
        (503, None, TransientError),
        (404, {"id": "not_found", "message": "The resource you requested could not be found."}, NotFound),
        (405, {"id": "method_not_allowed", "message": "no"}, PermanentError),
        (200, {"something": "else"}, PermanentError),
    ],
)
def test_every_failure_of_digitalocean_gets_its_kind_and_is_asked_once(
    recorder: Recorder, droplets: Droplets, status: int, body: object, kind: type[DeployerError]
) -> None:
    recorder.will(Answer(status, body))
    with pytest.raises(kind) as caught:
        droplets.act(7, "power_off")
    assert recorder.asked == ["POST /v2/droplets/7/actions"]
    assert TOKEN not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 9005, InvalidInput),
        (400, 6003, Refused),
        (401, 10000, Refused),
        (403, 9109, Refused),
        (404, 7003, NotFound),
        (429, 971, RateLimited),
        (500, 10001, TransientError),
        (405, 7000, PermanentError),
    ],
)
def test_every_failure_of_cloudflare_gets_its_kind_and_is_asked_once(
    recorder: Recorder, dns: Cloudflare, status: int, code: int, kind: type[DeployerError]
) -> None:
    errors = [{"code": code, "message": "no"}]
    recorder.will(Answer(status, {"success": False, "errors": errors, "messages": [], "result": None}))
    with pytest.raises(kind) as caught:
        dns.read_edge_ranges()
    assert recorder.asked == ["GET /client/v4/ips"]
    assert TOKEN not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    ("ranges", "why"),
    [
        ([], "an empty list"),
        (["0.0.0.0/0"], "holds '0.0.0.0/0'"),
        (["173.245.48.0/20", "::/0"], "holds '::/0'"),
        (["128.0.0.0/1"], "holds '128.0.0.0/1'"),
        (["173.245.48.0/20", "<!DOCTYPE html>"], "holds '<!DOCTYPE html>'"),
        (["173.245.48.1/20"], "holds '173.245.48.1/20'"),
    ],
)
def test_a_list_of_the_edge_that_would_open_or_close_every_droplet_is_not_used(
    recorder: Recorder, dns: Cloudflare, ranges: list[str], why: str
) -> None:
    result = {"etag": "1", "ipv4_cidrs": ranges, "ipv6_cidrs": []}
    recorder.will(Answer(200, {"success": True, "errors": [], "messages": [], "result": result}))
    with pytest.raises(TransientError, match=re.escape(why)):
        dns.read_edge_ranges()


def test_a_provider_that_asks_for_patience_says_how_long(
    recorder: Recorder, droplets: Droplets, dns: Cloudflare
) -> None:
    recorder.will(Answer(429, {"id": "too_many_requests", "message": "slow"}, {"retry-after": "17"}))
    with pytest.raises(RateLimited) as caught:
        droplets.read(7)
    assert caught.value.retry_after == 17
    recorder.will(Answer(429, {"success": False, "errors": []}, {"retry-after": "9"}))
    with pytest.raises(RateLimited) as caught:
        dns.read_edge_ranges()
    assert caught.value.retry_after == 9


def test_a_lost_reply_to_a_creation_makes_no_second_droplet(recorder: Recorder, droplets: Droplets) -> None:
    recorder.will(NONE, DROPPED, NONE, MADE)
    assert droplets.ensure(REQUEST).id == 7
    posts = [asked for asked in recorder.asked if asked.startswith("POST")]
    assert posts == ["POST /v2/droplets"]
    assert "op:intent-1" in recorder.bodies[1]["tags"]


def test_a_lost_reply_to_a_record_is_followed_by_a_look_and_no_second_record(
    recorder: Recorder, dns: Cloudflare
) -> None:
    comment = "deployer 9fe5e6 demo/prod/hello demo-prod-3f9a1c"
    record = {"id": "r1", "name": "a.example.test", "type": "A", "content": "192.0.2.1", "proxied": True, "ttl": 1}
    zones, nothing = found([{"id": "z1", "name": "example.test"}]), found([])
    recorder.will(zones, nothing, DROPPED)
    with pytest.raises(TransientError):
        dns.ensure("a.example.test", "192.0.2.1", comment)
    assert recorder.asked[-1].startswith("POST ")
    recorder.will(found([{**record, "comment": comment}]))
    assert dns.ensure("a.example.test", "192.0.2.1", comment).id == "r1"
    assert [asked.split("?")[0] for asked in recorder.asked] == ["GET /client/v4/zones/z1/dns_records"]


def test_a_droplet_that_was_never_made_is_left_to_the_next_try(recorder: Recorder, droplets: Droplets) -> None:
    recorder.will(NONE, DROPPED, *[NONE] * 5)
    with pytest.raises(TransientError, match="The next try looks for it first"):
        droplets.ensure(REQUEST)
    recorder.will(MADE)
    assert droplets.ensure(REQUEST).id == 7


def test_a_refused_creation_is_not_looked_for_again(recorder: Recorder, droplets: Droplets) -> None:
    recorder.will(NONE, Answer(429, {"id": "too_many_requests", "message": "slow"}))
    with pytest.raises(RateLimited):
        droplets.ensure(REQUEST)
    assert len(recorder.asked) == 2


def test_two_droplets_of_one_intent_stop_everything(recorder: Recorder, droplets: Droplets) -> None:
    recorder.will(Answer(200, {"droplets": [DROPLET, {**DROPLET, "id": 8}], "links": {}, "meta": {"total": 2}}))
    with pytest.raises(PermanentError, match="7, 8"):
        droplets.ensure(REQUEST)


def test_a_droplet_that_is_not_ours_is_never_destroyed(recorder: Recorder, droplets: Droplets) -> None:
    recorder.will(Answer(200, {"droplet": {**DROPLET, "tags": ["theirs"]}}))
    with pytest.raises(PermanentError, match="not ours"):
        droplets.remove(7)
    assert recorder.asked == ["GET /v2/droplets/7"]


def test_all_pages_of_a_list_are_read(recorder: Recorder, api: Api) -> None:
    def one(number: int) -> dict[str, object]:
        return {
            "id": str(number),
            "name": f"s{number}",
            "regions": ["fra1"],
            "min_disk_size": 25,
            "size_gigabytes": 1.5,
            "created_at": "2026-11-24T02:15:00Z",
            "tags": [],
        }

    recorder.will(
        Answer(200, {"snapshots": [one(n) for n in range(200)]}),
        Answer(200, {"snapshots": [one(200), one(201)]}),
        Answer(200, {"images": [{"id": 201, "description": "the last one"}]}),
    )
    found = Snapshots(api).read_all()
    assert len(found) == 202
    assert [one.description for one in found[200:]] == ["", "the last one"]
    assert [re.findall(r"[?&]page=(\d+)", asked) for asked in recorder.asked] == [["1"], ["2"], ["1"]]


def test_a_cloud_that_cannot_be_reached_is_transient_and_the_error_names_it(tmp_path: Path, server: Served) -> None:
    nowhere = "https://localhost:9"
    with pytest.raises(TransientError, match="https://localhost:9"):
        Droplets(Api(TOKEN, nowhere, server.ca_file)).read(7)
    with pytest.raises(TransientError, match="https://localhost:9"):
        Cloudflare(TOKEN, "example.test", nowhere, server.ca_file).read_edge_ranges()


def test_a_certificate_of_another_authority_is_not_trusted(server: Served, recorder: Recorder) -> None:
    recorder.will()
    with pytest.raises(TransientError, match="trusts its certificate"):
        Droplets(Api(TOKEN, server.url, None)).read(7)
    with pytest.raises(TransientError, match="trusts its certificate"):
        Cloudflare(TOKEN, "example.test", server.url).read_edge_ranges()
    assert recorder.asked == []


def test_an_empty_list_of_edge_addresses_is_never_used(recorder: Recorder, dns: Cloudflare) -> None:
    recorder.will(Answer(200, {"success": True, "errors": [], "result": {"ipv4_cidrs": [], "ipv6_cidrs": []}}))
    with pytest.raises(TransientError, match="empty list"):
        dns.read_edge_ranges()


def test_an_absent_zone_is_invalid_input_that_names_it(recorder: Recorder, dns: Cloudflare) -> None:
    recorder.will(Answer(200, {"success": True, "errors": [], "result": [], "result_info": {"page": 1}}))
    with pytest.raises(InvalidInput, match=r"example\.test"):
        dns.read_zone()


def test_a_token_that_lacks_a_scope_is_told_by_the_scopes_that_it_lacks(recorder: Recorder, api: Api) -> None:
    kinds = ("droplets", "snapshots", "images", "tags", "ssh_keys", "sizes", "regions")
    empty: dict[str, list[object]] = {kind: [] for kind in kinds}
    forbidden = Answer(403, {"id": "forbidden", "message": "You are missing the required permission firewall:read"})
    recorder.will(*[Answer(200, empty)] * 3, forbidden, *[Answer(200, empty)] * 4)
    assert Account(api).read_missing() == ("firewall:read",)


def test_a_token_that_is_refused_lacks_no_scope_but_is_refused(recorder: Recorder, api: Api) -> None:
    recorder.will(Answer(401, {"id": "unauthorized", "message": "Unable to authenticate you"}))
    with pytest.raises(Refused, match="rotate-tokens digitalocean"):
        Account(api).read_missing()


@pytest.mark.parametrize("status", ["disabled", "expired"])
def test_a_token_of_cloudflares_that_is_not_active_is_refused(recorder: Recorder, dns: Cloudflare, status: str) -> None:
    zones = {"success": True, "errors": [], "messages": [], "result": [{"id": "1", "name": "example.test"}]}
    told = {"success": True, "errors": [], "messages": [], "result": {"id": "1", "status": status}}
    recorder.will(Answer(200, zones), Answer(200, told))
    with pytest.raises(Refused, match=f"the token is {status}"):
        dns.read_token()


def test_an_accounts_own_token_which_nobody_verifies_is_known_by_its_zones(recorder: Recorder, dns: Cloudflare) -> None:
    zones = {"success": True, "errors": [], "messages": [], "result": [{"id": "1", "name": "example.test"}]}
    refused = {"success": False, "errors": [{"code": 1000, "message": "Invalid API Token"}], "messages": []}
    recorder.will(Answer(200, zones), Answer(401, refused))
    assert dns.read_token().zones == ("example.test",)


def test_what_a_token_may_read_beyond_need_is_what_is_answered_and_no_refusal(recorder: Recorder, api: Api) -> None:
    refused, absent = Answer(403, {"id": "forbidden"}), Answer(404, {"id": "not_found", "message": "no"})
    recorder.will(Answer(200, {"databases": []}), refused, Answer(200, {"domains": []}), absent, Answer(503))
    assert Account(api).read_excess() == ("databases", "domains")
    assert {call.split()[0] for call in recorder.asked} == {"GET"}
    assert len(recorder.asked) == 5
