"""Tokens, ranges, budgets and unknown routes, as the official SDK and a plain client meet them."""

from __future__ import annotations

import cloudflare as sdk
import httpx
import pytest
import trustme
from cloudflare import Cloudflare

from sandbox.cloudflare.envelope import RateLimit
from tests.contract.sandbox.cloudflare.serving import trusting


def test_the_right_token_is_active(cloudflare: Cloudflare) -> None:
    verified = cloudflare.user.tokens.verify()
    assert verified is not None
    assert verified.status == "active"
    assert len(verified.id) == 32


def test_a_wrong_token_is_refused_with_401(cloudflare: Cloudflare, zone_id: str) -> None:
    stranger = cloudflare.with_options(api_token="another-token")
    with pytest.raises(sdk.AuthenticationError) as at_zones:
        stranger.zones.list()
    with pytest.raises(sdk.AuthenticationError) as at_records:
        stranger.dns.records.list(zone_id=zone_id)
    assert at_zones.value.errors[0].code == 9109
    assert at_records.value.errors[0].code == 10000


@pytest.mark.parametrize(("headers", "code"), [({}, 9106), ({"authorization": "Basic eDp5"}, 6003)])
def test_a_missing_or_malformed_authorization_is_refused_with_400(
    url: str, authority: trustme.CA, headers: dict[str, str], code: int
) -> None:
    answer = httpx.get(f"{url}/zones", headers=headers, verify=trusting(authority))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


def test_the_ranges_are_told_to_anybody(url: str, authority: trustme.CA) -> None:
    answer = httpx.get(f"{url}/ips", verify=trusting(authority)).json()
    assert answer["result"]["ipv4_cidrs"] == ["127.76.0.0/24"]


def test_the_ranges_parse_in_the_sdk(cloudflare: Cloudflare) -> None:
    ranges = cloudflare.ips.list()
    assert ranges is not None
    assert ranges.ipv4_cidrs == ["127.76.0.0/24"]
    assert ranges.ipv6_cidrs == []


def test_the_ranges_of_another_network_come_when_it_is_named(http: httpx.Client) -> None:
    answers = [http.get("/ips", params=query).json()["result"] for query in ({}, {"networks": "jdcloud"})]
    assert ["jdcloud_cidrs" in answer for answer in answers] == [False, True]


def test_an_unknown_route_answers_501_and_names_itself(http: httpx.Client) -> None:
    answer = http.post("/zones/abc/purge_cache")
    assert answer.status_code == 501
    assert "POST /client/v4/zones/abc/purge_cache" in answer.json()["errors"][0]["message"]


def test_every_answer_has_a_ray_and_the_budget(http: httpx.Client) -> None:
    answer = http.get("/zones")
    assert answer.headers["cf-ray"]
    assert answer.headers["ratelimit"].startswith('"default";r=1199;t=')
    assert answer.headers["ratelimit-policy"] == '"default";q=1200;w=300'


def test_a_spent_budget_answers_429_with_retry_after(cloudflare: Cloudflare, limit: RateLimit) -> None:
    limit.quota = 1
    cloudflare.zones.list()
    with pytest.raises(sdk.RateLimitError) as refused:
        cloudflare.zones.list()
    assert refused.value.errors[0].code == 971
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 300
